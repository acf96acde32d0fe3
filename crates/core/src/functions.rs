//! The function table: trusted storage for what an untrusted function id may reach.
//!
//! A function reference is a `u32` id everywhere, in the heap too. Compiled code masks an id,
//! loads the entry and compares its type with the one the call expects: one compare covers null,
//! forged ids and wrong signatures, since entry zero and every unused entry has no type.

use crate::{MutatorState, TypeId};
use memoffset::offset_of;
use std::any::Any;
use std::sync::Arc;

/// What compiled code needs to call a function.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FunctionEntry {
    /// Address of the code, in the compiler's own convention.
    pub code: usize,
    /// The context the code expects.
    pub context: usize,
    /// Canonical type of the function; zero where there is none.
    pub type_id: u32,
    /// Keeps the entry's size a power of two.
    pub padding: u32,
    /// Address of the entry used by host calls, with arguments in memory.
    pub array_entry: usize,
}

impl FunctionEntry {
    /// log2 of an entry's bytes.
    pub const BYTES_LOG2: u8 = 5;
    /// Offset of [`Self::code`].
    pub const CODE: i32 = 0;
    /// Offset of [`Self::context`].
    pub const CONTEXT: i32 = 8;
    /// Offset of [`Self::type_id`].
    pub const TYPE_ID: i32 = 16;
    /// Offset of [`Self::array_entry`].
    pub const ARRAY_ENTRY: i32 = 24;
}

const _: () = {
    assert!(size_of::<FunctionEntry>() == 1 << FunctionEntry::BYTES_LOG2);
    assert!(offset_of!(FunctionEntry, code) == FunctionEntry::CODE as usize);
    assert!(offset_of!(FunctionEntry, context) == FunctionEntry::CONTEXT as usize);
    assert!(offset_of!(FunctionEntry, type_id) == FunctionEntry::TYPE_ID as usize);
    assert!(offset_of!(FunctionEntry, array_entry) == FunctionEntry::ARRAY_ENTRY as usize);
};

/// A function of one isolate. Zero is the null function reference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct FunctionId(u32);

impl FunctionId {
    /// The null function reference.
    pub const NULL: Self = Self(0);

    /// The id with these bits. Untrusted: look it up.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits compiled code holds.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether this is the null function reference.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

/// The functions of one isolate, which live as long as it does.
#[derive(Debug)]
pub struct FunctionTable {
    entries: Vec<FunctionEntry>,
    len: u32,
    owners: Vec<Arc<dyn Any + Send + Sync>>,
}

impl FunctionTable {
    const FIRST_CAPACITY: usize = 64;

    pub(crate) fn new() -> Self {
        Self {
            entries: vec![FunctionEntry::default(); Self::FIRST_CAPACITY],
            len: 1,
            owners: Vec::new(),
        }
    }

    /// Adds a function and returns its id, which is never reused.
    ///
    /// # Panics
    /// After 2^31 functions.
    pub(crate) fn push(&mut self, entry: FunctionEntry) -> FunctionId {
        let index = self.len as usize;
        if index == self.entries.len() {
            assert!(index < 1 << 31, "fewer than 2^31 functions in one isolate");
            self.entries.resize(index * 2, FunctionEntry::default());
        }
        if let Some(slot) = self.entries.get_mut(index) {
            *slot = entry;
        }
        self.len += 1;
        FunctionId(self.len - 1)
    }

    /// Keeps `owner` (code, contexts) alive as long as the table.
    pub(crate) fn keep_alive(&mut self, owner: Arc<dyn Any + Send + Sync>) {
        self.owners.push(owner);
    }

    /// The function with this id, or `None` for null and ids never handed out.
    #[must_use]
    pub fn entry(&self, id: FunctionId) -> Option<&FunctionEntry> {
        self.entries
            .get(id.0 as usize)
            .filter(|entry| entry.type_id != TypeId::INVALID.bits())
    }

    /// Tells compiled code where the table is. To be called after every [`Self::push`].
    pub(crate) fn publish(&self, state: &mut MutatorState) {
        state.functions = self.entries.as_ptr().expose_provenance();
        state.function_mask = u32::try_from(self.entries.len() - 1).expect("at most 2^31 entries");
    }
}
