//! The ledger: which host values were dropped, and how often.

use std::sync::{Arc, Mutex, PoisonError};
use windrow_core::HostValue;

/// Drops of host values by tag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    drops: Arc<Mutex<Vec<u32>>>,
}

/// A host value that writes its drop into the ledger.
#[derive(Debug)]
pub(crate) struct Probe {
    tag: usize,
    ledger: Ledger,
}

impl Ledger {
    /// A host value with this tag.
    pub(crate) fn probe(&self, tag: usize) -> Probe {
        self.with(|drops| drops.resize(drops.len().max(tag + 1), 0));
        Probe {
            tag,
            ledger: self.clone(),
        }
    }

    /// Drops a value the heap refused: that is no drop of the heap's.
    pub(crate) fn take_back(&self, tag: usize, value: HostValue) {
        drop(value);
        self.with(|drops| drops[tag] -= 1);
    }

    /// How often the value with this tag was dropped.
    pub(crate) fn drops(&self, tag: usize) -> u32 {
        self.with(|drops| drops.get(tag).copied().unwrap_or(0))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<u32>) -> T) -> T {
        look(&mut self.drops.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Probe {
    pub(crate) const fn tag(&self) -> usize {
        self.tag
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.ledger.with(|drops| drops[self.tag] += 1);
    }
}
