//! Reservations that are kept for the next store.
//!
//! A reservation that nobody uses any more goes back to its pool: its pages are given back to the
//! system, so that it reads as zeros, and its protections are made what they were. The next heap takes
//! it, last in, first out. What that saves is the mapping, and the page tables and locks that go with it;
//! what a pool holds while nobody uses it is address space.

use super::guarded::Mapping;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle reservations of guarded memory, shared by any number of isolates on any threads.
#[derive(Debug)]
pub struct MemoryPool {
    idle: Mutex<Vec<Mapping>>,
    max_idle: usize,
}

impl MemoryPool {
    /// An empty pool that keeps up to `max_idle` reservations, of a little more than 4 GiB of address
    /// space each.
    #[must_use]
    pub const fn new(max_idle: usize) -> Self {
        Self {
            idle: Mutex::new(Vec::new()),
            max_idle,
        }
    }

    /// How many reservations wait to be used.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.lock().len()
    }

    /// How many it keeps at most.
    #[must_use]
    pub const fn max_idle(&self) -> usize {
        self.max_idle
    }

    /// Gives every idle reservation back to the system.
    pub fn clear(&self) {
        // Unmapped when the lock is gone.
        let idle = std::mem::take(&mut *self.lock());
        drop(idle);
    }

    /// A reservation as good as new, if one is idle.
    pub(super) fn take(&self) -> Option<Mapping> {
        self.lock().pop()
    }

    /// Keeps a reservation for later, or unmaps it: where the pool is full, or the reservation cannot be
    /// made as good as new.
    pub(super) fn give_back(&self, mapping: Mapping) {
        if self.idle() >= self.max_idle || !mapping.reset() {
            return;
        }
        let mut idle = self.lock();
        if idle.len() < self.max_idle {
            idle.push(mapping);
        }
        // One too many, if other threads were quicker, is unmapped when the lock is gone.
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mapping>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
