//! The emitter: the ABI code is compiled against, and the state pointer it is reached through.
//!
//! The state pointer (see [`MutatorState`](windrow_core::MutatorState)) lives in Cranelift's
//! pinned register and is read again in each block and after each call: reading it is at most a
//! register move, keeping it in a value across calls would cost a spill.

use crate::Region;
use cranelift_codegen::ir::{
    Block, Function, InstBuilder, InstructionData, Opcode, Type, Value, types,
};
use cranelift_frontend::FunctionBuilder;
use smallvec::SmallVec;
use windrow_core::{Addressing, AllocSpec, CodeAbi, StateOffset, WriteBarrier};

/// Emits heap operations of one function.
///
/// Methods append to the builder's current block. Those that branch leave the builder in a new
/// block, all of whose predecessors are known (sealed), and say so. One emitter serves one
/// function.
#[derive(Debug)]
pub struct Emitter {
    abi: CodeAbi,
    pub(crate) heap: Heap,
    pub(crate) alloc: Alloc,
    pub(crate) barrier: Barrier,
    source: StateSource,
    cached: Option<(Block, Value)>,
    /// What the last allocation returned.
    pub(crate) fresh: SmallVec<[Fresh; 1]>,
}

/// The addressings this emitter knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heap {
    Sandbox,
    Bounded { base: StateOffset, len: StateOffset },
}

/// The ways to allocate this emitter knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alloc {
    Bump {
        cursor: StateOffset,
        limit: StateOffset,
        max_bytes: u32,
    },
    Call,
}

/// The barriers this emitter knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Barrier {
    None,
    Call,
    Log { table: StateOffset },
}

/// Objects larger than this are never allocated in line, so that sizes are computed in 32 bits without
/// wrapping.
pub(crate) const MAX_INLINE_BYTES: u32 = 64 << 10;

/// An object just allocated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) reference: Value,
    /// Its heap offset less `distance`, an `i64`.
    pub(crate) start: Value,
    pub(crate) distance: u32,
}

#[derive(Clone, Copy, Debug)]
enum StateSource {
    PinnedRegister,
    Value(Value),
}

impl Emitter {
    /// An emitter for a function whose state pointer is in the pinned register.
    ///
    /// # Panics
    /// If the ABI uses a mechanism that this version of the crate does not know.
    #[must_use]
    pub fn new(abi: CodeAbi) -> Self {
        Self::with_source(abi, StateSource::PinnedRegister)
    }

    /// An emitter for a function that holds its state pointer in `state`, an `i64` that dominates
    /// every use: for a compiler that keeps the pinned register for itself.
    ///
    /// # Panics
    /// If the ABI uses a mechanism that this version of the crate does not know.
    #[must_use]
    pub fn with_state(abi: CodeAbi, state: Value) -> Self {
        Self::with_source(abi, StateSource::Value(state))
    }

    fn with_source(abi: CodeAbi, source: StateSource) -> Self {
        let heap = match abi.addressing {
            Addressing::Sandbox32 => Heap::Sandbox,
            Addressing::Bounded { base, len } => Heap::Bounded { base, len },
            other => panic!("windrow-cranelift does not know the addressing {other:?}"),
        };
        let alloc = match abi.mutator.alloc {
            AllocSpec::Bump {
                cursor,
                limit,
                max_bytes,
            } => Alloc::Bump {
                cursor,
                limit,
                max_bytes: max_bytes.min(MAX_INLINE_BYTES),
            },
            AllocSpec::Call => Alloc::Call,
            other => panic!("windrow-cranelift does not know the allocation {other:?}"),
        };
        let barrier = match abi.mutator.write_barrier {
            WriteBarrier::None => Barrier::None,
            WriteBarrier::Call => Barrier::Call,
            WriteBarrier::Log { table } => Barrier::Log { table },
            other => panic!("windrow-cranelift does not know the write barrier {other:?}"),
        };
        Self {
            abi,
            heap,
            alloc,
            barrier,
            source,
            cached: None,
            fresh: SmallVec::new(),
        }
    }

    /// What code is compiled against.
    #[must_use]
    pub const fn abi(&self) -> &CodeAbi {
        &self.abi
    }

    /// The state pointer, an `i64`. Use it before the next call; it stays right after it, but
    /// would have to be spilled.
    ///
    /// # Panics
    /// If the builder is in no block.
    pub fn state(&mut self, b: &mut FunctionBuilder<'_>) -> Value {
        if let StateSource::Value(state) = self.source {
            return state;
        }
        let block = b.current_block().expect("the builder is in a block");
        if let Some((cached_in, state)) = self.cached
            && cached_in == block
        {
            return state;
        }
        let state = b.ins().get_pinned_reg(types::I64);
        self.cached = Some((block, state));
        state
    }

    /// To be told of every call the client emits itself, so that nothing is kept across it.
    pub fn after_call(&mut self) {
        self.cached = None;
        self.fresh.clear();
    }

    /// Loads a word of the mutator state.
    pub fn load_state(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        ty: Type,
        offset: StateOffset,
        region: Region,
    ) -> Value {
        let state = self.state(b);
        let flags = region.trusted(b.func);
        b.ins().load(ty, flags, state, offset)
    }

    /// Stores a word of the mutator state.
    pub fn store_state(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        value: Value,
        offset: StateOffset,
        region: Region,
    ) {
        let state = self.state(b);
        let flags = region.trusted(b.func);
        b.ins().store(flags, value, state, offset);
    }
}

/// The constant behind `value`, if it is one.
pub(crate) fn constant(b: &FunctionBuilder<'_>, value: Value) -> Option<u32> {
    constant_in(b.func, value)
}

/// The same in a finished function.
pub(crate) fn constant_in(func: &Function, value: Value) -> Option<u32> {
    u32::try_from(integer(func, value)? & i64::from(u32::MAX)).ok()
}

/// The same with the sign that it has in its type.
pub(crate) fn integer(func: &Function, value: Value) -> Option<i64> {
    let inst = func.dfg.value_def(value).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => {
            let unused = 64_u32.checked_sub(func.dfg.value_type(value).bits())?;
            Some(imm.bits() << unused >> unused)
        }
        _ => None,
    }
}
