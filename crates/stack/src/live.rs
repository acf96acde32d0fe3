//! The live stack: the one place that reads and writes frames that other code will go back to.

use crate::thread_stack::thread_stack;
use crate::walk::{LINK_BYTES, StackMemory, WORD_BYTES};
use std::ops::Range;
use windrow_core::GcRef;

/// Part of a stack whose frames are suspended: this thread's, or another's. Every access is checked
/// against its bounds.
#[derive(Debug)]
pub struct SuspendedStack {
    /// Address of the first word.
    low: usize,
    words: usize,
}

impl SuspendedStack {
    /// The part between two addresses.
    ///
    /// # Safety
    /// The memory in between stays mapped, and is used by nothing but suspended frames and this value,
    /// while this value lives. References in frames of compiled code may be replaced.
    #[must_use]
    pub unsafe fn new(bounds: Range<usize>) -> Self {
        let low = bounds.start.checked_next_multiple_of(WORD_BYTES);
        let low = low.unwrap_or(bounds.end);
        Self {
            low,
            words: bounds.end.saturating_sub(low) / WORD_BYTES,
        }
    }

    /// The stack that the system gave this thread, from `low` out: for [`Registers::capture`], from the
    /// [stack pointer](crate::Registers::sp) it found. `None` if `low` does not lie in it, and where the
    /// system does not tell where it lies (elsewhere than on Linux with glibc).
    ///
    /// # Safety
    /// As for [`Self::new`], but that it stays mapped: as long as the value lives, the thread does not
    /// return from the function whose stack pointer `low` was, and uses the frames outside of it for
    /// nothing else.
    ///
    /// [`Registers::capture`]: crate::Registers::capture
    #[must_use]
    pub unsafe fn of_thread(low: usize) -> Option<Self> {
        let stack = thread_stack().filter(|stack| stack.contains(&low))?;
        // SAFETY: the stack stays mapped while the thread runs; the caller promises the rest.
        Some(unsafe { Self::new(low..stack.end) })
    }

    /// From `low` up to the link words of an entry's frame.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(crate) unsafe fn of_activation(low: usize, entry_fp: usize) -> Self {
        // SAFETY: the caller promises it.
        unsafe { Self::new(low..entry_fp.saturating_add(LINK_BYTES)) }
    }

    /// Whether a word lies at `address`, which is a multiple of its size. One comparison: an address that
    /// is no multiple has low bits, which the rotation makes the highest.
    #[inline(always)]
    fn holds_word(&self, address: usize) -> bool {
        address
            .wrapping_sub(self.low)
            .rotate_right(WORD_BYTES.ilog2())
            < self.words
    }

    /// As [`Self::holds_word`], for a reference of four bytes.
    #[inline(always)]
    fn holds_reference(&self, address: usize) -> bool {
        let in_words = WORD_BYTES / size_of::<u32>();
        let position = address
            .wrapping_sub(self.low)
            .rotate_right(size_of::<u32>().ilog2());
        position < self.words * in_words
    }

    /// The reference at `address`, or `None` outside of the stack.
    #[inline(always)]
    pub(crate) fn reference(&self, address: usize) -> Option<GcRef> {
        self.holds_reference(address).then(|| {
            // SAFETY: the four bytes are aligned and within the bounds that `new` was promised to be
            // mapped and unused by anyone else. Any bits are a `u32`.
            GcRef::from_bits(unsafe { std::ptr::with_exposed_provenance::<u32>(address).read() })
        })
    }

    /// Replaces the reference at `address`, if it lies in the stack.
    #[inline(always)]
    pub(crate) fn replace_reference(&self, address: usize, reference: GcRef) {
        if self.holds_reference(address) {
            let slot = std::ptr::with_exposed_provenance_mut::<u32>(address);
            // SAFETY: as in `reference`; compiled code reads the slot again only when the frame
            // goes on, and expects a reference there, which any `u32` is.
            unsafe { slot.write(reference.bits()) };
        }
    }

    /// Replaces the word at `address`, if it lies in the stack.
    #[inline(always)]
    pub(crate) fn replace_word(&self, address: usize, word: usize) {
        if self.holds_word(address) {
            let slot = std::ptr::with_exposed_provenance_mut::<usize>(address);
            // SAFETY: as in `word`; compiled code reads the slot again only when the frame goes on.
            unsafe { slot.write(word) };
        }
    }
}

impl StackMemory for SuspendedStack {
    #[inline(always)]
    fn word(&self, address: usize) -> Option<usize> {
        if !self.holds_word(address) {
            return None;
        }
        // SAFETY: the word is aligned and within the bounds that `new` was promised to be mapped
        // and unused by anyone else. Any bits are a `usize`.
        Some(unsafe { std::ptr::with_exposed_provenance::<usize>(address).read() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn whole_words_within_the_bounds_are_reached_and_nothing_else() {
        let memory = [const { Cell::new(0_usize) }; 4];
        let start = memory.as_ptr().expose_provenance();
        let end = start + size_of_val(&memory);
        // SAFETY: the memory is this function's, which looks at it between accesses only.
        let stack = unsafe { SuspendedStack::new(start + 1..end - 1) };
        let beyond = [
            0,
            8,
            start - 16,
            start - 8,
            end + 8,
            usize::MAX - 7,
            usize::MAX,
        ];
        for address in (start - 8..end + 8).chain(beyond) {
            let inside = start + 8 <= address && address < end - 8;
            let holds = |bytes: usize| inside && address.is_multiple_of(bytes);
            let within = |bytes: usize| memory.iter().any(|cell| cell.get() != 0) == holds(bytes);
            assert_eq!(stack.word(address).is_some(), holds(8), "{address:x}");
            assert_eq!(stack.reference(address).is_some(), holds(4), "{address:x}");
            stack.replace_word(address, usize::MAX);
            assert!(within(8), "{address:x}");
            memory.iter().for_each(|cell| cell.set(0));
            stack.replace_reference(address, GcRef::from_bits(u32::MAX));
            assert!(within(4), "{address:x}");
            memory.iter().for_each(|cell| cell.set(0));
        }
    }

    #[test]
    fn bounds_without_a_word_between_are_empty() {
        let last = usize::MAX;
        for (start, end) in [
            (16, 16),
            (16, 23),
            (17, 24),
            (24, 8),
            (0, 0),
            (last - 3, last),
        ] {
            // SAFETY: there is no memory between them.
            let stack = unsafe { SuspendedStack::new(start..end) };
            for address in [0, 8, 16, 24, last - 7, last] {
                assert_eq!(stack.word(address), None, "{start}..{end}");
                assert_eq!(stack.reference(address), None, "{start}..{end}");
            }
        }
    }
}
