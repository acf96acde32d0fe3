//! A made-up stack, for tests.

use crate::walk::{StackMemory, WORD_BYTES};
use std::cell::Cell;

/// Words from an address on, which count how often they are read.
pub(crate) struct Words {
    base: usize,
    pub(crate) words: Vec<usize>,
    pub(crate) reads: Cell<usize>,
}

impl Words {
    pub(crate) fn new(base: usize, words: Vec<usize>) -> Self {
        Self {
            base,
            words,
            reads: Cell::new(0),
        }
    }
}

impl StackMemory for Words {
    fn word(&self, address: usize) -> Option<usize> {
        self.reads.set(self.reads.get() + 1);
        let offset = address.checked_sub(self.base)?;
        if !offset.is_multiple_of(WORD_BYTES) {
            return None;
        }
        self.words.get(offset / WORD_BYTES).copied()
    }
}
