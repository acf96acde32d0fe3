//! What compiled code and its runtime trust.
//!
//! Addresses of code and contexts, the stack limit and the embedder's words are believed without a
//! check by whoever runs code in the isolate, so setting them is an unsafe act of a runtime, not
//! one of a collector or an embedder.

use super::Isolate;
use crate::activation::ActivationsAside;
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

    /// Sets the activations of the running stack aside, with its stack limit: to be called right before
    /// another stack goes on. None is open then; collections still show the frames.
    ///
    /// # Safety
    /// Before [`Self::put_activations_back`], no compiled code of this isolate goes on on this stack, and
    /// the stack stays mapped, with its frames as they are.
    pub unsafe fn set_activations_aside(&mut self) -> ActivationsAside {
        let limit = std::mem::take(&mut self.state.stack_limit);
        self.activations
            .set_aside(&mut self.state.activation, limit)
    }

    /// Puts back what [`Self::set_activations_aside`] set aside: to be called once that stack goes on.
    ///
    /// # Panics
    /// If another isolate set it aside, or an activation is open: the stack that ran before has not
    /// set its own aside.
    ///
    /// # Safety
    /// The calling stack is the one whose activations these are.
    pub unsafe fn put_activations_back(&mut self, aside: ActivationsAside) {
        let current = &mut self.state.activation;
        self.state.stack_limit = self.activations.put_back(current, &aside);
    }
}
