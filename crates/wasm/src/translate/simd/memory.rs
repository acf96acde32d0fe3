//! Loads and stores of vectors, whole, widened, spread and by lane.

use super::cast;
use crate::translate::Translator;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::{MemArg, Operator};

/// What becomes of the bytes a load reads.
#[derive(Clone, Copy)]
enum Load {
    /// They are the vector.
    Whole,
    /// Each lane of the type gets half as many bytes, widened.
    Widened { signed: bool },
    /// They are every lane.
    Splat,
    /// They are lane 0, and the others zero.
    Zero,
}

impl Translator<'_> {
    /// Translates accesses to memory. Whether `op` is one.
    pub(super) fn vector_memory_operator(&mut self, op: &Operator<'_>) -> bool {
        if let Some((memarg, ty, load)) = load_parts(op) {
            self.load_vector(memarg, ty, load)
        } else if let Some((memarg, ty, lane)) = load_lane_parts(op) {
            self.load_lane(memarg, ty, lane)
        } else if let Some((memarg, ty, lane)) = store_lane_parts(op) {
            self.store_lane(memarg, ty, lane)
        } else if let Operator::V128Store { memarg } = op {
            self.memory_store(memarg, I8X16)
        } else {
            false
        }
    }

    fn load_vector(&mut self, memarg: &MemArg, ty: Type, load: Load) -> bool {
        let Some((base, offset, flags)) = self.memory_operand(memarg) else {
            return false;
        };
        let ins = self.b.ins();
        let vector = match (load, ty) {
            (Load::Whole, _) => ins.load(ty, flags, base, offset),
            (Load::Widened { signed: true }, I16X8) => ins.sload8x8(flags, base, offset),
            (Load::Widened { signed: false }, I16X8) => ins.uload8x8(flags, base, offset),
            (Load::Widened { signed: true }, I32X4) => ins.sload16x4(flags, base, offset),
            (Load::Widened { signed: false }, I32X4) => ins.uload16x4(flags, base, offset),
            (Load::Widened { signed: true }, _) => ins.sload32x2(flags, base, offset),
            (Load::Widened { signed: false }, _) => ins.uload32x2(flags, base, offset),
            (Load::Splat, _) => {
                let scalar = ins.load(ty.lane_type(), flags, base, offset);
                self.b.ins().splat(ty, scalar)
            }
            (Load::Zero, _) => {
                let scalar = ins.load(ty.lane_type(), flags, base, offset);
                self.b.ins().scalar_to_vector(ty, scalar)
            }
        };
        self.push_vector(vector);
        true
    }

    fn load_lane(&mut self, memarg: &MemArg, ty: Type, lane: u8) -> bool {
        let vector = self.pop_lanes(ty);
        let Some((base, offset, flags)) = self.memory_operand(memarg) else {
            return false;
        };
        let scalar = self.b.ins().load(ty.lane_type(), flags, base, offset);
        let vector = self.b.ins().insertlane(vector, scalar, lane);
        self.push_vector(vector);
        true
    }

    fn store_lane(&mut self, memarg: &MemArg, ty: Type, lane: u8) -> bool {
        let vector = self.pop();
        let vector = cast(&mut self.b, ty, vector);
        let Some((base, offset, flags)) = self.memory_operand(memarg) else {
            return false;
        };
        let scalar = self.b.ins().extractlane(vector, lane);
        self.b.ins().store(flags, scalar, base, offset);
        true
    }
}

/// What a load yields, and how.
fn load_parts<'op>(op: &'op Operator<'_>) -> Option<(&'op MemArg, Type, Load)> {
    use Load::{Splat, Whole, Widened, Zero};
    Some(match op {
        Operator::V128Load { memarg } => (memarg, I8X16, Whole),
        Operator::V128Load8x8S { memarg } => (memarg, I16X8, Widened { signed: true }),
        Operator::V128Load8x8U { memarg } => (memarg, I16X8, Widened { signed: false }),
        Operator::V128Load16x4S { memarg } => (memarg, I32X4, Widened { signed: true }),
        Operator::V128Load16x4U { memarg } => (memarg, I32X4, Widened { signed: false }),
        Operator::V128Load32x2S { memarg } => (memarg, I64X2, Widened { signed: true }),
        Operator::V128Load32x2U { memarg } => (memarg, I64X2, Widened { signed: false }),
        Operator::V128Load8Splat { memarg } => (memarg, I8X16, Splat),
        Operator::V128Load16Splat { memarg } => (memarg, I16X8, Splat),
        Operator::V128Load32Splat { memarg } => (memarg, I32X4, Splat),
        Operator::V128Load64Splat { memarg } => (memarg, I64X2, Splat),
        Operator::V128Load32Zero { memarg } => (memarg, I32X4, Zero),
        Operator::V128Load64Zero { memarg } => (memarg, I64X2, Zero),
        _ => return None,
    })
}

/// Which lane a load replaces.
fn load_lane_parts<'op>(op: &'op Operator<'_>) -> Option<(&'op MemArg, Type, u8)> {
    Some(match op {
        Operator::V128Load8Lane { memarg, lane } => (memarg, I8X16, *lane),
        Operator::V128Load16Lane { memarg, lane } => (memarg, I16X8, *lane),
        Operator::V128Load32Lane { memarg, lane } => (memarg, I32X4, *lane),
        Operator::V128Load64Lane { memarg, lane } => (memarg, I64X2, *lane),
        _ => return None,
    })
}

/// Which lane a store writes.
fn store_lane_parts<'op>(op: &'op Operator<'_>) -> Option<(&'op MemArg, Type, u8)> {
    Some(match op {
        Operator::V128Store8Lane { memarg, lane } => (memarg, I8X16, *lane),
        Operator::V128Store16Lane { memarg, lane } => (memarg, I16X8, *lane),
        Operator::V128Store32Lane { memarg, lane } => (memarg, I32X4, *lane),
        Operator::V128Store64Lane { memarg, lane } => (memarg, I64X2, *lane),
        _ => return None,
    })
}
