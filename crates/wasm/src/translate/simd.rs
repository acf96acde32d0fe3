//! Vectors: fixed-width SIMD, and relaxed SIMD in its deterministic form.
//!
//! On the operand stack, in locals and in memory every vector is `i8x16`. An operator that works on
//! other lanes looks at its operands as such and at its result as `i8x16` again, which costs no
//! code: lane 0 is always the one at the lowest address.
//!
//! ```text
//! lanes       operators that treat all lanes alike, by table
//! convert     between lane types, and sums of neighbours
//! memory      loads and stores, whole and by lane
//! ```

mod convert;
mod lanes;
mod memory;

use super::{TranslateError, Translator};
use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilder;
use types::{F32X4, F64X2, I8, I8X16, I16, I16X8, I32, I32X4, I64X2};
use wasmparser::Operator;

type Builder<'a> = FunctionBuilder<'a>;
type Unary = fn(&mut Builder<'_>, Value) -> Value;
type Binary = fn(&mut Builder<'_>, Value, Value) -> Value;
type Ternary = fn(&mut Builder<'_>, Value, Value, Value) -> Value;

/// What the machine's processor must have for vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VectorUnit {
    /// Everything but fused multiplication.
    simd: bool,
    /// Fused multiplication, which the deterministic form of `relaxed_madd` asks for.
    fma: bool,
}

impl VectorUnit {
    /// What an instruction set has. All but x86-64 always have both.
    pub(crate) fn of(isa: &dyn TargetIsa) -> Self {
        if isa.name() != "x64" {
            return Self {
                simd: true,
                fma: true,
            };
        }
        let flags = isa.isa_flags();
        let has = |name: &str| {
            let flag = flags.iter().find(|flag| flag.name == name);
            flag.and_then(|flag| flag.as_bool()).unwrap_or(false)
        };
        // Each generation of processors has what the ones before had, but the flags are apart.
        let simd = ["has_sse3", "has_ssse3", "has_sse41"].into_iter().all(has);
        Self {
            simd,
            fma: has("has_fma"),
        }
    }

    /// The first extension among those an operator needs that is missing.
    fn missing(self, op: &Operator<'_>) -> Option<&'static str> {
        let is_fused = matches!(
            op,
            Operator::F32x4RelaxedMadd
                | Operator::F32x4RelaxedNmadd
                | Operator::F64x2RelaxedMadd
                | Operator::F64x2RelaxedNmadd
        );
        if !self.simd {
            Some("SSE4.1")
        } else if is_fused && !self.fma {
            Some("FMA")
        } else {
            None
        }
    }
}

/// Looks at a vector as lanes of another type.
fn cast(b: &mut Builder<'_>, ty: Type, vector: Value) -> Value {
    if b.func.dfg.value_type(vector) == ty {
        return vector;
    }
    let flags = MemFlagsData::new().with_endianness(Endianness::Little);
    b.ins().bitcast(ty, flags, vector)
}

/// A constant vector, given its bytes from lane 0 up.
pub(super) fn constant(b: &mut Builder<'_>, ty: Type, bytes: [u8; 16]) -> Value {
    let data = ConstantData::from(&bytes[..]);
    let handle = b.func.dfg.constants.insert(data);
    b.ins().vconst(ty, handle)
}

impl Translator<'_> {
    /// Translates operators on vectors. Whether `op` is one.
    ///
    /// # Errors
    /// [`TranslateError::Processor`] where the machine lacks the instructions for it.
    pub(super) fn simd_operator(
        &mut self,
        op: &Operator<'_>,
        offset: u64,
    ) -> Result<bool, TranslateError> {
        let known = self.vector_operator(op)
            || self.lane_operator(op)
            || self.scalar_lane_operator(op)
            || self.vector_memory_operator(op);
        match self.vector_unit.missing(op) {
            Some(extension) if known => Err(TranslateError::Processor { extension, offset }),
            _ => Ok(known),
        }
    }

    fn push_vector(&mut self, vector: Value) {
        let vector = cast(&mut self.b, I8X16, vector);
        self.push(vector);
    }

    fn pop_lanes(&mut self, ty: Type) -> Value {
        let vector = self.pop();
        cast(&mut self.b, ty, vector)
    }

    /// Constants and rearrangements of bytes.
    fn vector_operator(&mut self, op: &Operator<'_>) -> bool {
        let vector = match op {
            Operator::V128Const { value } => constant(&mut self.b, I8X16, *value.bytes()),
            Operator::I8x16Shuffle { lanes } => {
                let (right, left) = (self.pop(), self.pop());
                let mask = ConstantData::from(&lanes[..]);
                let mask = self.b.func.dfg.immediates.push(mask);
                self.b.ins().shuffle(left, right, mask)
            }
            Operator::I8x16Swizzle | Operator::I8x16RelaxedSwizzle => {
                let (indices, vector) = (self.pop(), self.pop());
                self.b.ins().swizzle(vector, indices)
            }
            _ => return false,
        };
        self.push(vector);
        true
    }

    /// Operators whose operands all have the same lanes.
    fn lane_operator(&mut self, op: &Operator<'_>) -> bool {
        if let Some((ty, emit)) = lanes::unary(op).or_else(|| convert::unary(op)) {
            let vector = self.pop_lanes(ty);
            let result = emit(&mut self.b, vector);
            self.push_vector(result);
        } else if let Some((ty, emit)) = lanes::binary(op).or_else(|| convert::binary(op)) {
            let (right, left) = (self.pop_lanes(ty), self.pop_lanes(ty));
            let result = emit(&mut self.b, left, right);
            self.push_vector(result);
        } else if let Some((ty, emit)) = lanes::shift(op) {
            let (amount, vector) = (self.pop(), self.pop_lanes(ty));
            let result = emit(&mut self.b, vector, amount);
            self.push_vector(result);
        } else if let Some((ty, emit)) = lanes::ternary(op) {
            let third = self.pop_lanes(ty);
            let (second, first) = (self.pop_lanes(ty), self.pop_lanes(ty));
            let result = emit(&mut self.b, first, second, third);
            self.push_vector(result);
        } else if let Some((ty, emit)) = lanes::test(op) {
            let vector = self.pop_lanes(ty);
            let result = emit(&mut self.b, vector);
            self.push(result);
        } else if let Operator::I32x4RelaxedDotI8x16I7x16AddS = op {
            let sum = self.pop_lanes(I32X4);
            let (right, left) = (self.pop(), self.pop());
            let result = convert::dot_add(&mut self.b, left, right, sum);
            self.push_vector(result);
        } else {
            return false;
        }
        true
    }

    /// Between vectors and single lanes.
    fn scalar_lane_operator(&mut self, op: &Operator<'_>) -> bool {
        if let Some(ty) = splat_type(op) {
            let scalar = self.pop();
            let scalar = self.narrow(scalar, ty.lane_type());
            let vector = self.b.ins().splat(ty, scalar);
            self.push_vector(vector);
        } else if let Some((ty, lane, signed)) = extract_parts(op) {
            let vector = self.pop_lanes(ty);
            let scalar = self.b.ins().extractlane(vector, lane);
            let scalar = match (ty.lane_type(), signed) {
                (I8 | I16, true) => self.b.ins().sextend(I32, scalar),
                (I8 | I16, false) => self.b.ins().uextend(I32, scalar),
                _ => scalar,
            };
            self.push(scalar);
        } else if let Some((ty, lane)) = replace_parts(op) {
            let (scalar, vector) = (self.pop(), self.pop_lanes(ty));
            let scalar = self.narrow(scalar, ty.lane_type());
            let vector = self.b.ins().insertlane(vector, scalar, lane);
            self.push_vector(vector);
        } else {
            return false;
        }
        true
    }

    /// A scalar as a lane holds it.
    fn narrow(&mut self, scalar: Value, lane: Type) -> Value {
        match lane {
            I8 | I16 => self.b.ins().ireduce(lane, scalar),
            _ => scalar,
        }
    }
}

fn splat_type(op: &Operator<'_>) -> Option<Type> {
    Some(match op {
        Operator::I8x16Splat => I8X16,
        Operator::I16x8Splat => I16X8,
        Operator::I32x4Splat => I32X4,
        Operator::I64x2Splat => I64X2,
        Operator::F32x4Splat => F32X4,
        Operator::F64x2Splat => F64X2,
        _ => return None,
    })
}

/// The lanes, which of them, and whether a narrow one is widened as signed.
fn extract_parts(op: &Operator<'_>) -> Option<(Type, u8, bool)> {
    Some(match *op {
        Operator::I8x16ExtractLaneS { lane } => (I8X16, lane, true),
        Operator::I8x16ExtractLaneU { lane } => (I8X16, lane, false),
        Operator::I16x8ExtractLaneS { lane } => (I16X8, lane, true),
        Operator::I16x8ExtractLaneU { lane } => (I16X8, lane, false),
        Operator::I32x4ExtractLane { lane } => (I32X4, lane, false),
        Operator::I64x2ExtractLane { lane } => (I64X2, lane, false),
        Operator::F32x4ExtractLane { lane } => (F32X4, lane, false),
        Operator::F64x2ExtractLane { lane } => (F64X2, lane, false),
        _ => return None,
    })
}

fn replace_parts(op: &Operator<'_>) -> Option<(Type, u8)> {
    Some(match *op {
        Operator::I8x16ReplaceLane { lane } => (I8X16, lane),
        Operator::I16x8ReplaceLane { lane } => (I16X8, lane),
        Operator::I32x4ReplaceLane { lane } => (I32X4, lane),
        Operator::I64x2ReplaceLane { lane } => (I64X2, lane),
        Operator::F32x4ReplaceLane { lane } => (F32X4, lane),
        Operator::F64x2ReplaceLane { lane } => (F64X2, lane),
        _ => return None,
    })
}
