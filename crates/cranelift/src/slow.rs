//! What the runtime supplies: calls out of compiled code, emitted by the client.
//!
//! How a callee is reached (an address, a table, a relocation) and which context it receives is the
//! client's business; an [exit trampoline](crate::exit_trampoline) in between records where compiled
//! code was left, which the two allocations need.

use cranelift_codegen::ir::{AbiParam, Inst, InstBuilder, Signature, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use windrow_core::TypeId;

/// The slow paths there are; [`SlowPaths`] has a method for each that says what it does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SlowPath {
    /// `(type_id: i32, bytes: i32) -> i32`. A safepoint.
    AllocateStruct,
    /// `(type_id: i32, length: i32) -> i32`. A safepoint.
    AllocateArray,
    /// `(owner: i32, slot: i32, value: i32)`.
    WriteBarrier,
    /// `(owner: i32, first_slot: i32, count: i32)`.
    RangeBarrier,
    /// `(actual: i32, target: i32) -> i32`.
    IsSubtype,
    /// `(destination: i64, source: i64, bytes: i64)`.
    MoveBytes,
    /// `(destination: i64, byte: i32, bytes: i64)`.
    SetBytes,
}

impl SlowPath {
    /// How many there are.
    pub const COUNT: usize = 7;

    /// Every slow path, in declaration order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::AllocateStruct,
        Self::AllocateArray,
        Self::WriteBarrier,
        Self::RangeBarrier,
        Self::IsSubtype,
        Self::MoveBytes,
        Self::SetBytes,
    ];

    /// Whether a collection may happen in it, so that an
    /// [exit trampoline](crate::exit_trampoline) has to be on the way.
    #[must_use]
    pub const fn is_safepoint(self) -> bool {
        matches!(self, Self::AllocateStruct | Self::AllocateArray)
    }

    /// The signature of the host function, in the system's convention: a context, an `i64`, and
    /// what the variant says.
    #[must_use]
    pub fn signature(self) -> Signature {
        const I32: Type = types::I32;
        const I64: Type = types::I64;
        let (params, results): (&[Type], &[Type]) = match self {
            Self::AllocateStruct | Self::AllocateArray | Self::IsSubtype => (&[I32, I32], &[I32]),
            Self::WriteBarrier | Self::RangeBarrier => (&[I32, I32, I32], &[]),
            Self::MoveBytes => (&[I64, I64, I64], &[]),
            Self::SetBytes => (&[I64, I32, I64], &[]),
        };
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.push(AbiParam::new(I64));
        signature
            .params
            .extend(params.iter().copied().map(AbiParam::new));
        signature
            .returns
            .extend(results.iter().copied().map(AbiParam::new));
        signature
    }

    /// The signature that compiled code calls with. That of a safepoint preserves all registers, so that
    /// what a function holds in them stays there on its fast path; its result is left in the
    /// [state](windrow_core::MutatorState::SLOW_RESULT), by an [exit trampoline](crate::exit_trampoline)
    /// of this signature. Others are called as the host function is.
    #[must_use]
    pub fn call_signature(self) -> Signature {
        let mut signature = self.signature();
        if self.is_safepoint() {
            signature.call_conv = CallConv::PreserveAll;
            signature.returns.clear();
        }
        signature
    }
}

/// The calls emitted code may need: a client says how to make one, and the other methods say what
/// each is passed.
///
/// Only the two allocations are safepoints; the others never collect. References and offsets they
/// are passed come from the heap: data, not to be trusted. Addresses and byte counts have been
/// checked.
pub trait SlowPaths {
    /// Appends one call of `path` to the builder's current block and returns it. Arguments and result
    /// are those of the signature that it is [called with](SlowPath::call_signature), without the context.
    fn call(&mut self, b: &mut FunctionBuilder<'_>, path: SlowPath, arguments: &[Value]) -> Inst;

    /// Allocates `bytes` bytes for a struct of `type_id` and for those that are made behind it. The
    /// result, an `i32`: the struct with its header set and its fields unset, or 0 when the host failed
    /// and recorded why.
    fn allocate_struct(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        type_id: TypeId,
        bytes: u32,
    ) -> Inst {
        let type_id = type_id_value(b, type_id);
        let bytes = b.ins().iconst(types::I32, i64::from(bytes));
        self.call(b, SlowPath::AllocateStruct, &[type_id, bytes])
    }

    /// Allocates an array of `type_id` with `length` (an `i32`, unsigned) elements. The
    /// result, an `i32`: the new array with header and length set and its elements unset, or 0.
    fn allocate_array(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        type_id: TypeId,
        length: Value,
    ) -> Inst {
        let type_id = type_id_value(b, type_id);
        self.call(b, SlowPath::AllocateArray, &[type_id, length])
    }

    /// The [`WriteBarrier::Call`](windrow_core::WriteBarrier::Call) form: `value` is about to be
    /// stored at heap offset `slot` of object `owner`. All `i32`; `owner` and `slot` are 0 for a
    /// global or a table. No result.
    fn write_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        slot: Value,
        value: Value,
    ) -> Inst {
        self.call(b, SlowPath::WriteBarrier, &[owner, slot, value])
    }

    /// The same for `count` consecutive slots of `owner` from heap offset `first_slot`. All `i32`.
    fn range_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        first_slot: Value,
        count: Value,
    ) -> Inst {
        self.call(b, SlowPath::RangeBarrier, &[owner, first_slot, count])
    }

    /// Whether the type whose id is `actual` (an `i32`) is `target` or derives from it, for types
    /// deeper than a display. One `i32` result, 0 or 1.
    fn is_subtype(&mut self, b: &mut FunctionBuilder<'_>, actual: Value, target: TypeId) -> Inst {
        let target = type_id_value(b, target);
        self.call(b, SlowPath::IsSubtype, &[actual, target])
    }

    /// `memmove`: `bytes` bytes from address `source` to address `destination`. All `i64`.
    fn move_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        source: Value,
        bytes: Value,
    ) -> Inst {
        self.call(b, SlowPath::MoveBytes, &[destination, source, bytes])
    }

    /// `memset`: `bytes` bytes from address `destination` become the low byte of `byte`, an
    /// `i32`. The others are `i64`.
    fn set_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        byte: Value,
        bytes: Value,
    ) -> Inst {
        self.call(b, SlowPath::SetBytes, &[destination, byte, bytes])
    }
}

fn type_id_value(b: &mut FunctionBuilder<'_>, type_id: TypeId) -> Value {
    b.ins().iconst(types::I32, i64::from(type_id.bits()))
}
