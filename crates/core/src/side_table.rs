//! A trusted table beside the heap: one small value for each block of `2^k` bytes.
//!
//! Indexed by `offset >> k` for any `u32` offset, so in range by construction. A zero-filled
//! table of the whole 4 GiB costs address space, and memory only where it is written.

use std::fmt;
use std::ops::Range;

/// One `T` for each `2^k` bytes of the heap.
pub struct SideTable<T> {
    values: Box<[T]>,
    shift: u32,
}

impl<T> fmt::Debug for SideTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideTable")
            .field("shift", &self.shift)
            .field("len", &self.values.len())
            .finish()
    }
}

impl<T: Copy + Default> SideTable<T> {
    /// A table of default values with one entry for each `2^shift` bytes.
    ///
    /// # Panics
    /// If `shift` is 32 or more.
    #[must_use]
    pub fn zeroed(shift: u32) -> Self {
        assert!(shift < 32, "a block is smaller than the heap");
        Self {
            values: vec![T::default(); 1 << (32 - shift)].into(),
            shift,
        }
    }

    /// The address of the first entry.
    pub(crate) fn address(&self) -> usize {
        self.values.as_ptr().addr()
    }

    /// The entry of the block that holds `offset`.
    #[must_use]
    #[inline(always)]
    pub fn at(&self, offset: u32) -> T {
        self.values
            .get((offset >> self.shift) as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Sets the entry of the block that holds `offset`.
    #[inline(always)]
    pub fn set(&mut self, offset: u32, value: T) {
        if let Some(slot) = self.values.get_mut((offset >> self.shift) as usize) {
            *slot = value;
        }
    }

    /// Sets the entries of every block that `bytes` from `offset` touch.
    pub fn set_range(&mut self, offset: u32, bytes: u32, value: T) {
        self.range_mut(offset, bytes).fill(value);
    }

    /// The entries of every block that `bytes` from `offset` touch.
    #[must_use]
    #[inline(always)]
    pub fn range(&self, offset: u32, bytes: u32) -> &[T] {
        self.values.get(self.indices(offset, bytes)).unwrap_or(&[])
    }

    /// The entries of every block that `bytes` from `offset` touch.
    #[inline(always)]
    pub fn range_mut(&mut self, offset: u32, bytes: u32) -> &mut [T] {
        let indices = self.indices(offset, bytes);
        self.values.get_mut(indices).unwrap_or(&mut [])
    }

    #[inline(always)]
    const fn indices(&self, offset: u32, bytes: u32) -> Range<usize> {
        let first = offset >> self.shift;
        if bytes == 0 {
            return first as usize..first as usize;
        }
        let last = offset.saturating_add(bytes - 1) >> self.shift;
        first as usize..last as usize + 1
    }
}
