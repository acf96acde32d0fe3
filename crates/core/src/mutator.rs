//! The mutator state: the few words that compiled code and a collector share.
//!
//! Compiled code holds the *state pointer*, which points just **past** the block, so every field
//! lies at a small negative offset from it. Guarded memory puts the heap's base at that very
//! address: one register then serves both, `[p - 8]` is the bump cursor and `[p + ref + 8]` a
//! field, and neither needs a load of a base. Offsets are computed with `memoffset` and asserted.

use crate::AllocSpec;
use crate::activation::Activation;
use memoffset::offset_of;

/// The block of words shared by compiled code, the collector and the driver.
///
/// It lies outside the sandbox, and compiled code writes only the fields its
/// [`MutatorAbi`](crate::MutatorAbi) names. A collector may set what is public here; the driver
/// keeps cursor and limit inside the heap, so memory safety does not hang on it. The other words
/// are what compiled code and its runtime trust, and take `unsafe` to set.
#[derive(Debug)]
#[repr(C)]
pub struct MutatorState {
    pub(crate) slow_result: u64,
    /// For the collector's own use.
    pub collector_words: [u64; 4],
    pub(crate) embedder_words: [u64; 4],
    pub(crate) activation: Activation,
    pub(crate) stack_limit: usize,
    pub(crate) heap_len: u64,
    pub(crate) heap_base: usize,
    pub(crate) functions: usize,
    pub(crate) displays: usize,
    pub(crate) kinds: usize,
    pub(crate) log_table: usize,
    pub(crate) function_mask: u32,
    pub(crate) type_mask: u32,
    /// Where the next object goes (bump allocation), an offset.
    pub cursor: u32,
    /// The first offset the next object may not reach (bump allocation).
    pub limit: u32,
}

/// An offset of a [`MutatorState`] field from the state pointer, in bytes: always negative.
pub type StateOffset = i32;

macro_rules! state_offsets {
    ($($(#[$doc:meta])* $name:ident = $($field:ident).+ ;)*) => {
        impl MutatorState {
            $($(#[$doc])* pub const $name: StateOffset = Self::from_end(state_offsets!(@ $($field).+));)*
        }
    };
    (@ $field:ident) => { offset_of!(MutatorState, $field) };
    (@ $field:ident . $inner:ident) => {
        offset_of!(MutatorState, $field) + offset_of!(Activation, $inner)
    };
}

state_offsets! {
    /// Offset of [`MutatorState::cursor`].
    CURSOR = cursor;
    /// Offset of [`MutatorState::limit`].
    LIMIT = limit;
    /// Offset of the address of the heap's first byte, which moves when checked memory grows.
    HEAP_BASE = heap_base;
    /// Offset of the bytes of the heap that may be accessed, a `u64`.
    HEAP_LEN = heap_len;
    /// Offset of the address of the function table; see [`FunctionEntry`](crate::FunctionEntry).
    FUNCTIONS = functions;
    /// Offset of the mask for an untrusted function id.
    FUNCTION_MASK = function_mask;
    /// Offset of the address of the type displays; see [`TypeTables`](crate::TypeTables).
    DISPLAYS = displays;
    /// Offset of the address of the kinds of types, a byte each; see [`TypeTables`](crate::TypeTables).
    KINDS = kinds;
    /// Offset of the address of the table of log bits; see [`LogBits`](crate::LogBits).
    LOG_TABLE = log_table;
    /// Offset of the mask for an untrusted type id.
    TYPE_MASK = type_mask;
    /// Offset of the address below which compiled code must not let its stack pointer fall.
    STACK_LIMIT = stack_limit;
    /// Offset of the entry frame pointer of the innermost activation.
    ENTRY_FP = activation.entry_fp;
    /// Offset of the exit frame pointer of the innermost activation.
    EXIT_FP = activation.exit_fp;
    /// Offset of the exit return address of the innermost activation.
    EXIT_PC = activation.exit_pc;
    /// Offset of the four words for the embedder's own use.
    EMBEDDER_WORDS = embedder_words;
    /// Offset of [`MutatorState::collector_words`].
    COLLECTOR_WORDS = collector_words;
    /// Offset of the word in which a slow path that preserves registers leaves its result.
    SLOW_RESULT = slow_result;
}

impl MutatorState {
    /// Bytes of the block.
    pub const BYTES: usize = size_of::<Self>();

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the block is a few hundred bytes"
    )]
    const fn from_end(offset: usize) -> StateOffset {
        offset as StateOffset - size_of::<Self>() as StateOffset
    }

    /// Allocates `bytes` as compiled code does in line: the reference implementation of
    /// [`AllocSpec`]. `None` where compiled code would take the slow path. Nothing is written to
    /// the heap.
    #[inline]
    pub fn allocate_inline(&mut self, spec: AllocSpec, bytes: u32) -> Option<u32> {
        let AllocSpec::Bump {
            cursor,
            limit,
            max_bytes,
        } = spec
        else {
            return None;
        };
        let start = *self.word_mut(cursor)?;
        let end = start.checked_add(bytes)?;
        if bytes > max_bytes || end > *self.word_mut(limit)? {
            return None;
        }
        *self.word_mut(cursor)? = end;
        Some(start)
    }

    /// The word an allocation mechanism names by its offset.
    const fn word_mut(&mut self, offset: StateOffset) -> Option<&mut u32> {
        match offset {
            Self::CURSOR => Some(&mut self.cursor),
            Self::LIMIT => Some(&mut self.limit),
            _ => None,
        }
    }

    /// The words for the embedder's own use.
    #[must_use]
    pub const fn embedder_words(&self) -> [u64; 4] {
        self.embedder_words
    }

    /// The innermost activation: where compiled code was entered and last left.
    #[must_use]
    pub const fn activation(&self) -> Activation {
        self.activation
    }

    /// The address below which compiled code must not let its stack pointer fall.
    #[must_use]
    pub const fn stack_limit(&self) -> usize {
        self.stack_limit
    }

    pub(crate) const fn new() -> Self {
        Self {
            slow_result: 0,
            collector_words: [0; 4],
            embedder_words: [0; 4],
            activation: Activation::NONE,
            stack_limit: 0,
            heap_len: 0,
            heap_base: 0,
            functions: 0,
            displays: 0,
            kinds: 0,
            log_table: 0,
            function_mask: 0,
            type_mask: 0,
            cursor: 0,
            limit: 0,
        }
    }
}

// What every allocation and access touches is in reach of a one-byte displacement.
const _: () = {
    assert!(MutatorState::LIMIT == -4);
    assert!(MutatorState::CURSOR == -8);
    assert!(MutatorState::STACK_LIMIT >= -128);
    assert!(align_of::<MutatorState>() == 8 && MutatorState::BYTES.is_multiple_of(8));
};
