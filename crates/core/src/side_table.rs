//! A trusted table beside the heap: one small value for each block of `2^k` bytes.
//!
//! Indexed by `offset >> k` for any `u32` offset. Memory is zeroed by the system when it is first
//! touched, so a table costs address space for what it covers, and memory only where it is written.

use crate::HeapError;
use crate::prefetch::prefetch;
use rustix::mm::{MapFlags, ProtFlags};
use std::alloc::{Layout, alloc_zeroed};
use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::{self, NonNull};
use std::slice;

/// What an entry of a table can be: a value whose bytes may all be zero.
///
/// # Safety
/// A value of zero bytes is valid.
pub unsafe trait TableEntry: Copy + Default {}

// SAFETY: an integer.
unsafe impl TableEntry for u8 {}
// SAFETY: an integer.
unsafe impl TableEntry for u32 {}

/// From so many bytes on a table is a mapping of its own. An allocator may well have that much memory at
/// hand, used before, and would write zeros to all of it.
const MAPPED_BYTES: usize = 64 << 10;

/// Zeros that take memory where they are written.
struct Zeros<T> {
    start: NonNull<T>,
    len: usize,
    /// Whether it is a mapping of its own, or else a boxed slice.
    is_mapped: bool,
}

// SAFETY: the values are owned, and reached through this alone.
unsafe impl<T: Send> Send for Zeros<T> {}
// SAFETY: as above; a shared reference only reads them.
unsafe impl<T: Sync> Sync for Zeros<T> {}

impl<T> Default for Zeros<T> {
    fn default() -> Self {
        Self {
            start: NonNull::dangling(),
            len: 0,
            is_mapped: false,
        }
    }
}

impl<T: TableEntry> Zeros<T> {
    /// `len` zeros, or `None` where there is no room for them.
    fn new(len: usize) -> Option<Self> {
        let layout = Layout::array::<T>(len).ok()?;
        if layout.size() == 0 {
            return Some(Self::default());
        }
        // Miri has no mappings.
        let is_mapped = layout.size() >= MAPPED_BYTES && !cfg!(miri);
        let start = if is_mapped {
            // SAFETY: a fresh anonymous mapping at an address of the system's choosing touches no
            // memory of anyone's.
            let mapped = unsafe {
                rustix::mm::mmap_anonymous(
                    ptr::null_mut(),
                    layout.size(),
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::NORESERVE,
                )
            };
            mapped.ok()?.cast::<T>()
        } else {
            // SAFETY: the layout is not empty.
            unsafe { alloc_zeroed(layout) }.cast::<T>()
        };
        // A page is aligned for any integer.
        NonNull::new(start).map(|start| Self {
            start,
            len,
            is_mapped,
        })
    }
}

impl<T> Deref for Zeros<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: so many `T`, all zero at first, which `T` may be; none where `start` dangles.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Zeros<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for Zeros<T> {
    fn drop(&mut self) {
        let values = ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
        if self.is_mapped {
            let bytes = self.len * size_of::<T>();
            // SAFETY: a mapping of exactly these bytes, which nobody else knows.
            let unmapped = unsafe { rustix::mm::munmap(values.cast(), bytes) };
            debug_assert!(unmapped.is_ok(), "munmap of our own mapping");
        } else {
            // SAFETY: the memory is that of a boxed slice of so many `T`, or of an empty one.
            drop(unsafe { Box::from_raw(values) });
        }
    }
}

/// One `T` for each `2^SHIFT` bytes of the heap.
pub struct SideTable<T, const SHIFT: u32> {
    values: Zeros<T>,
}

impl<T, const SHIFT: u32> fmt::Debug for SideTable<T, SHIFT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SideTable")
            .field("shift", &SHIFT)
            .field("len", &self.values.len())
            .finish()
    }
}

impl<T: TableEntry, const SHIFT: u32> Default for SideTable<T, SHIFT> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: TableEntry, const SHIFT: u32> SideTable<T, SHIFT> {
    /// A table that covers nothing: every entry reads as zero, and setting one does nothing.
    #[must_use]
    pub fn new() -> Self {
        const { assert!(SHIFT < 32, "a block is smaller than the heap") };
        Self {
            values: Zeros::default(),
        }
    }

    /// A table of zeros that covers the 4 GiB.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where there is no room for it.
    pub fn zeroed() -> Result<Self, HeapError> {
        let mut table = Self::new();
        table.cover(1 << 32)?;
        Ok(table)
    }

    /// Covers the heap up to `end`, and twice what was covered: amortised, what is written is copied
    /// once.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where there is no room for that. The table is as it was.
    pub fn cover(&mut self, end: u64) -> Result<(), HeapError> {
        let most = 1_usize << (32 - SHIFT);
        let wanted = usize::try_from(end.div_ceil(1 << SHIFT)).unwrap_or(most);
        let wanted = wanted.min(most);
        if wanted <= self.values.len() {
            return Ok(());
        }
        let len = wanted.max(2 * self.values.len()).min(most);
        let mut values = Zeros::new(len).ok_or_else(|| HeapError::Reservation {
            bytes: (len * size_of::<T>()) as u64,
            reason: "no memory for a side table".to_owned(),
        })?;
        if let Some(before) = values.get_mut(..self.values.len()) {
            before.copy_from_slice(&self.values);
        }
        self.values = values;
        Ok(())
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
            .get((offset >> SHIFT) as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Sets the entry of the block that holds `offset`.
    #[inline(always)]
    pub fn set(&mut self, offset: u32, value: T) {
        if let Some(slot) = self.values.get_mut((offset >> SHIFT) as usize) {
            *slot = value;
        }
    }

    /// Starts to load the entry of the block that holds `offset` into the cache.
    #[inline(always)]
    pub fn prefetch(&self, offset: u32) {
        if let Some(entry) = self.values.get((offset >> SHIFT) as usize) {
            prefetch(std::ptr::from_ref(entry).cast());
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
        let first = offset >> SHIFT;
        if bytes == 0 {
            return first as usize..first as usize;
        }
        let last = offset.saturating_add(bytes - 1) >> SHIFT;
        first as usize..last as usize + 1
    }
}
