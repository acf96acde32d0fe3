//! What compiled code and its runtime trust.
//!
//! Addresses of code and contexts, the stack limit and the embedder's words are believed without a
//! check by whoever runs code in the isolate, so setting them is an unsafe act of a runtime, not
//! one of a collector or an embedder.

use super::Isolate;
use crate::functions::{FunctionEntry, FunctionId};

impl Isolate {
    /// Adds a function and returns its id. Functions live as long as the isolate.
    ///
    /// # Panics
    /// If the entry has no type, and after 2^31 functions.
    ///
    /// # Safety
    /// Whoever runs code in this isolate may call the entry's code with its context: both fit the
    /// entry's type and the isolate's ABI, and stay valid until the isolate is dropped (see
    /// [`Self::keep_alive`]).
    pub unsafe fn add_function(&mut self, entry: FunctionEntry) -> FunctionId {
        assert!(entry.type_id != 0, "a function has a type");
        let id = self.functions.push(entry);
        self.functions.publish(&mut self.state);
        id
    }

    /// Sets the address below which compiled code must not let its stack pointer fall, and
    /// returns the one before.
    ///
    /// # Safety
    /// Code that runs before the next call may use the stack down to `limit`.
    pub unsafe fn set_stack_limit(&mut self, limit: usize) -> usize {
        std::mem::replace(&mut self.state.stack_limit, limit)
    }

    /// Sets one of the words for the embedder's own use, and returns what it held.
    ///
    /// # Panics
    /// If `index` is not below four.
    ///
    /// # Safety
    /// The runtime that runs code in this isolate gives the word a meaning; the value has it.
    pub unsafe fn set_embedder_word(&mut self, index: usize, value: u64) -> u64 {
        let word = self.state.embedder_words.get_mut(index);
        std::mem::replace(word.expect("there are four words"), value)
    }
}
