//! The live stack: the one place that reads and writes frames that other code will go back to.

use crate::walk::{LINK_BYTES, StackMemory, WORD_BYTES};
use windrow_core::GcRef;

/// The stack of a suspended activation. Every access is checked against its bounds.
#[derive(Debug)]
pub(crate) struct LiveStack {
    low: usize,
    high: usize,
}

impl LiveStack {
    /// The stack from `low` up to the link words of the entry frame.
    ///
    /// # Safety
    /// `low` and `entry_fp` must lie in one stack whose memory from `low` to the end of
    /// the entry frame's two link words stays mapped, and is used by nothing but suspended frames
    /// of compiled code and this value, while this value lives.
    pub(crate) unsafe fn new(low: usize, entry_fp: usize) -> Self {
        Self {
            low,
            high: entry_fp.saturating_add(LINK_BYTES),
        }
    }

    fn holds(&self, address: usize, bytes: usize) -> bool {
        address.is_multiple_of(bytes)
            && address >= self.low
            && address
                .checked_add(bytes)
                .is_some_and(|end| end <= self.high)
    }

    /// The reference at `address`, or `None` outside the activation.
    #[inline]
    pub(crate) fn reference(&self, address: usize) -> Option<GcRef> {
        if !self.holds(address, size_of::<u32>()) {
            return None;
        }
        // SAFETY: the four bytes are aligned and within the bounds that `new` was promised to be
        // mapped and unused by anyone else. Any bits are a `u32`.
        Some(GcRef::from_bits(unsafe {
            std::ptr::with_exposed_provenance::<u32>(address).read()
        }))
    }

    /// Replaces the reference at `address`, which [`Self::reference`] just returned.
    #[inline]
    pub(crate) fn replace_reference(&self, address: usize, reference: GcRef) {
        if self.holds(address, size_of::<u32>()) {
            let slot = std::ptr::with_exposed_provenance_mut::<u32>(address);
            // SAFETY: as in `reference`; compiled code reads the slot again only when the frame
            // goes on, and expects a reference there, which any `u32` is.
            unsafe { slot.write(reference.bits()) };
        }
    }
}

impl StackMemory for LiveStack {
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
