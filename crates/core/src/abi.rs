//! The mutator's ABI: how compiled code allocates and what barriers it owes, as plain data.
//!
//! A collector hands out a [`MutatorAbi`] before any heap exists. A compiler emits code from it
//! and knows no collector; the host runs the same data through [`Isolate`](crate::Isolate). The
//! `Call` forms let any collector work before a faster form exists for it; none of them is a
//! safepoint but the allocation slow path.

use crate::{MutatorState, StateOffset};
use std::hash::{Hash, Hasher};

/// How the mutator allocates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum AllocSpec {
    /// Objects go one after another: `new = cursor; cursor += size`, while `cursor + size` is at
    /// most `limit`; otherwise the slow path. Both are `u32` offsets in the mutator state.
    ///
    /// Objects larger than `max_bytes` always take the slow path.
    Bump {
        /// Where the cursor is.
        cursor: StateOffset,
        /// Where the limit is.
        limit: StateOffset,
        /// The largest object allocated in line, in bytes.
        max_bytes: u32,
    },
    /// Every allocation is a slow-path call.
    Call,
}

impl AllocSpec {
    /// The largest object allocated in line by the state's own cursor and limit, in bytes; zero where
    /// allocation goes another way.
    #[must_use]
    pub const fn bump_bytes(self) -> u32 {
        match self {
            Self::Bump {
                cursor: MutatorState::CURSOR,
                limit: MutatorState::LIMIT,
                max_bytes,
            } => max_bytes,
            Self::Bump { .. } | Self::Call => 0,
        }
    }

    /// Bump allocation through the state's own cursor and limit.
    #[must_use]
    pub const fn bump(max_bytes: u32) -> Self {
        Self::Bump {
            cursor: MutatorState::CURSOR,
            limit: MutatorState::LIMIT,
            max_bytes,
        }
    }
}

/// What a store of a reference owes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WriteBarrier {
    /// Nothing: a bulk copy is a `memmove`, a fill a loop of stores.
    None,
    /// A call before the store ([`GcHeap::write_barrier`](crate::GcHeap::write_barrier)), or one
    /// for a whole range ([`GcHeap::range_barrier`](crate::GcHeap::range_barrier)). Never a
    /// safepoint.
    Call,
    /// A call only where the slot's bit is set in a table ([`LogBits`](crate::LogBits)): before the
    /// store, [`GcHeap::write_barrier`](crate::GcHeap::write_barrier); for a range always
    /// [`GcHeap::range_barrier`](crate::GcHeap::range_barrier). Never a safepoint.
    ///
    /// Slots outside the heap owe nothing: a collector that asks for this looks at globals and
    /// tables in each collection. Levanoni and Petrank, OOPSLA 2001; field by field as Zhao,
    /// Blackburn and McKinley, PLDI 2022.
    Log {
        /// Where the address of the table is: the byte of a slot is `slot >> 5` bytes on, its bit
        /// the one numbered `slot >> 2 & 7`.
        table: StateOffset,
    },
}

impl WriteBarrier {
    /// The log form, through the state's own table.
    pub const LOG: Self = Self::Log {
        table: MutatorState::LOG_TABLE,
    };
}

/// A collector as compilers see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MutatorAbi {
    /// How objects are allocated.
    pub alloc: AllocSpec,
    /// A new object's header is this, or-ed with its type id.
    pub header_template: u64,
    /// What storing a reference into an object, a global or a table owes. Stores that initialise
    /// an object just allocated owe nothing.
    pub write_barrier: WriteBarrier,
    /// Whether a collection may change references: if not, a compiler need not reload them.
    pub moves_objects: bool,
}

/// How compiled code reaches the heap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Addressing {
    /// The heap's base is the state pointer itself. `base + zext(u32) + c` stays within the
    /// reservation for every `c` below [`GUARD_BYTES`](crate::GUARD_BYTES), so no access is
    /// checked; one at an offset below [`FIRST_OBJECT_OFFSET`](crate::FIRST_OBJECT_OFFSET) faults.
    Sandbox32,
    /// The base is loaded from the state after every safepoint, and each access is compared with
    /// the length; one beyond it is a trap.
    Bounded {
        /// Where the base address is.
        base: StateOffset,
        /// Where the length in bytes is, a `u64`.
        len: StateOffset,
    },
}

impl Addressing {
    /// Bounded addressing through the state's own base and length.
    pub const BOUNDED: Self = Self::Bounded {
        base: MutatorState::HEAP_BASE,
        len: MutatorState::HEAP_LEN,
    };
}

/// All that code is compiled against: a collector's ABI and the memory's addressing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CodeAbi {
    /// The collector's part.
    pub mutator: MutatorAbi,
    /// The memory's part.
    pub addressing: Addressing,
}

impl CodeAbi {
    /// A number that differs where the ABI differs: code carries it, and an isolate with another
    /// refuses the code.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// FNV-1a: the fingerprint must not depend on a hasher's random keys.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
