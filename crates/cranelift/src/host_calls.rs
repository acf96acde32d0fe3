//! Slow paths at known addresses: what most clients need of [`SlowPaths`].

use crate::SlowPaths;
use cranelift_codegen::ir::{AbiParam, Inst, InstBuilder, Signature, Type, Value, types};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use windrow_core::TypeId;

/// The slow paths there are; see [`SlowPaths`] for what each does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SlowPath {
    /// `(type_id: i32) -> i32`. A safepoint.
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
            Self::AllocateStruct => (&[I32], &[I32]),
            Self::AllocateArray | Self::IsSubtype => (&[I32, I32], &[I32]),
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
}

/// Calls slow paths at constant addresses, with a context of the client's.
///
/// # Panics
/// Emitting a call to a slow path whose address was not given panics. Which ones are called
/// follows from the ABI and the operations emitted.
#[derive(Clone, Copy, Debug)]
pub struct HostCalls {
    context: Value,
    addresses: [Option<usize>; SlowPath::COUNT],
}

impl HostCalls {
    /// Calls with `context`, an `i64` that dominates every use. `address` says where a slow path
    /// is: for safepoints the trampoline's address, for others the host function's own will do.
    #[must_use]
    pub fn new(context: Value, address: impl FnMut(SlowPath) -> Option<usize>) -> Self {
        Self {
            context,
            addresses: SlowPath::ALL.map(address),
        }
    }

    fn call(&self, b: &mut FunctionBuilder<'_>, path: SlowPath, arguments: &[Value]) -> Inst {
        let address = self.addresses[path as usize];
        let address = address
            .unwrap_or_else(|| panic!("code needs the slow path {path:?}: give its address"));
        let callee = b.ins().iconst(types::I64, address as i64);
        let signature = b.import_signature(path.signature());
        let arguments: smallvec::SmallVec<[Value; 4]> = std::iter::once(self.context)
            .chain(arguments.iter().copied())
            .collect();
        b.ins().call_indirect(signature, callee, &arguments)
    }
}

impl SlowPaths for HostCalls {
    fn allocate_struct(&mut self, b: &mut FunctionBuilder<'_>, type_id: TypeId) -> Inst {
        let type_id = b.ins().iconst(types::I32, i64::from(type_id.bits()));
        self.call(b, SlowPath::AllocateStruct, &[type_id])
    }

    fn allocate_array(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        type_id: TypeId,
        length: Value,
    ) -> Inst {
        let type_id = b.ins().iconst(types::I32, i64::from(type_id.bits()));
        self.call(b, SlowPath::AllocateArray, &[type_id, length])
    }

    fn write_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        slot: Value,
        value: Value,
    ) -> Inst {
        self.call(b, SlowPath::WriteBarrier, &[owner, slot, value])
    }

    fn range_barrier(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        owner: Value,
        first_slot: Value,
        count: Value,
    ) -> Inst {
        self.call(b, SlowPath::RangeBarrier, &[owner, first_slot, count])
    }

    fn is_subtype(&mut self, b: &mut FunctionBuilder<'_>, actual: Value, target: TypeId) -> Inst {
        let target = b.ins().iconst(types::I32, i64::from(target.bits()));
        self.call(b, SlowPath::IsSubtype, &[actual, target])
    }

    fn move_bytes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        destination: Value,
        source: Value,
        bytes: Value,
    ) -> Inst {
        self.call(b, SlowPath::MoveBytes, &[destination, source, bytes])
    }

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
