//! The live stack: the one place that reads and writes frames that other code will go back to.

use crate::walk::{LINK_BYTES, StackMemory, WORD_BYTES};
use std::ops::Range;
use windrow_core::GcRef;

/// Part of a stack whose frames are suspended: this thread's, or another's. Every access is checked
/// against its bounds.
#[derive(Debug)]
pub struct SuspendedStack {
    low: usize,
    high: usize,
}

impl SuspendedStack {
    /// The part between two addresses.
    ///
    /// # Safety
    /// The memory in between stays mapped, and is used by nothing but suspended frames and this value,
    /// while this value lives. References in frames of compiled code may be replaced.
    #[must_use]
    pub unsafe fn new(bounds: Range<usize>) -> Self {
        Self {
            low: bounds.start,
            high: bounds.end,
        }
    }

    /// From `low` up to the link words of an entry's frame.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(crate) unsafe fn of_activation(low: usize, entry_fp: usize) -> Self {
        // SAFETY: the caller promises it.
        unsafe { Self::new(low..entry_fp.saturating_add(LINK_BYTES)) }
    }

    fn holds(&self, address: usize, bytes: usize) -> bool {
        address.is_multiple_of(bytes)
            && address >= self.low
            && address
                .checked_add(bytes)
                .is_some_and(|end| end <= self.high)
    }

    /// The reference at `address`, or `None` outside of the stack.
    #[inline]
    pub(crate) fn reference(&self, address: usize) -> Option<GcRef> {
        self.holds(address, size_of::<u32>()).then(|| {
            // SAFETY: the four bytes are aligned and within the bounds that `new` was promised to be
            // mapped and unused by anyone else. Any bits are a `u32`.
            GcRef::from_bits(unsafe { std::ptr::with_exposed_provenance::<u32>(address).read() })
        })
    }

    /// Replaces the reference at `address`, if it lies in the stack.
    #[inline]
    pub(crate) fn replace_reference(&self, address: usize, reference: GcRef) {
        if self.holds(address, size_of::<u32>()) {
            let slot = std::ptr::with_exposed_provenance_mut::<u32>(address);
            // SAFETY: as in `reference`; compiled code reads the slot again only when the frame
            // goes on, and expects a reference there, which any `u32` is.
            unsafe { slot.write(reference.bits()) };
        }
    }

    /// Replaces the word at `address`, if it lies in the stack.
    #[inline]
    pub(crate) fn replace_word(&self, address: usize, word: usize) {
        if self.holds(address, WORD_BYTES) {
            let slot = std::ptr::with_exposed_provenance_mut::<usize>(address);
            // SAFETY: as in `word`; compiled code reads the slot again only when the frame goes on.
            unsafe { slot.write(word) };
        }
    }
}

impl StackMemory for SuspendedStack {
    #[inline]
    fn word(&self, address: usize) -> Option<usize> {
        if !self.holds(address, WORD_BYTES) {
            return None;
        }
        // SAFETY: the word is aligned and within the bounds that `new` was promised to be mapped
        // and unused by anyone else. Any bits are a `usize`.
        Some(unsafe { std::ptr::with_exposed_provenance::<usize>(address).read() })
    }
}
