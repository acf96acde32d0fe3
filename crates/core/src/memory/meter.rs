//! A bound on the accesses to one memory, so that a test sees an endless loop end.
//!
//! A testing aid, there only where debug assertions are: without them nothing is counted.

#[cfg(debug_assertions)]
use std::cell::Cell;

/// Bytes that a bulk access moves for the price of one.
#[cfg(debug_assertions)]
const BULK_BYTES: u64 = 64;

/// Counts accesses down.
#[derive(Debug)]
pub(super) struct Meter {
    #[cfg(debug_assertions)]
    left: Cell<u64>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            #[cfg(debug_assertions)]
            left: Cell::new(u64::MAX),
        }
    }
}

#[cfg(debug_assertions)]
impl Meter {
    /// Allows so many accesses from here on. Whether anything is counted.
    pub(super) fn allow(&self, accesses: u64) -> bool {
        self.left.set(accesses);
        true
    }

    /// Counts one access.
    ///
    /// # Panics
    /// If it is one too many.
    #[inline(always)]
    pub(super) fn one(&self) {
        let left = self.left.get();
        assert!(
            left > 0,
            "more accesses to the heap than its size can explain"
        );
        self.left.set(left - 1);
    }

    /// Counts a bulk access.
    pub(super) fn bulk(&self, bytes: usize) {
        let more = bytes as u64 / BULK_BYTES;
        self.left.set(self.left.get().saturating_sub(more));
        self.one();
    }
}

#[cfg(not(debug_assertions))]
impl Meter {
    /// Counts nothing.
    pub(super) const fn allow(&self, _accesses: u64) -> bool {
        false
    }

    /// Counts nothing.
    #[inline(always)]
    pub(super) const fn one(&self) {}

    /// Counts nothing.
    #[inline(always)]
    pub(super) const fn bulk(&self, _bytes: usize) {}
}
