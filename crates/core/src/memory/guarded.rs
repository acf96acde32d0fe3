//! Memory that needs no checks: the whole range a `u32` can reach, reserved.
//!
//! ```text
//!  | fence | state page | 4 GiB: first page inaccessible, the rest read-write | guard | fence |
//!                       ^ base = state pointer, just past the mutator state
//! ```
//! Every access is `base + zext(u32) + c` with `c` below [`GUARD_BYTES`], so it stays inside the
//! mapping whatever the offset. The mapping reserves no swap; pages come into being when written,
//! and a read of one never written sees zeros. No fault handler is involved. Nothing is accessible
//! in the fences: no correct access comes near them, and a wrong one ends there rather than in
//! another heap, which may well lie next in the address space.

use super::{Memory, MemoryPool, PAGE_BYTES, StateBlock};
use crate::prefetch::prefetch;
use crate::{FIRST_OBJECT_OFFSET, HeapError};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

/// Bytes accessible past the 4 GiB: larger than any struct (10,000 fields of 16 bytes), so that a
/// field's constant offset cannot leave the reservation.
pub const GUARD_BYTES: u32 = 256 << 10;

const SPACE_BYTES: usize = 1 << 32;
const STATE_PAGE_BYTES: usize = PAGE_BYTES as usize;
/// Bytes at either end where nothing is accessible.
const FENCE_BYTES: usize = 64 << 10;
/// Distance of the heap's base from the start of the mapping.
const BASE_BYTES: usize = FENCE_BYTES + STATE_PAGE_BYTES;
const MAPPING_BYTES: usize = BASE_BYTES + SPACE_BYTES + GUARD_BYTES as usize + FENCE_BYTES;

/// One mapping. When the memory and the state block are both gone it goes back to its pool, or else is
/// unmapped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    /// Where it goes when nobody uses it; `None` for one that is idle.
    pool: Option<Arc<MemoryPool>>,
}

// SAFETY: the mapping is plain memory with no tie to a thread; every access goes through the one
// `Guarded` (loads by shared reference, stores by exclusive reference) or the one `StateBlock`,
// which cover disjoint bytes.
unsafe impl Send for Mapping {}
// SAFETY: as above; `Mapping` itself has no methods that touch the bytes.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(Self {
                start: self.start,
                pool: None,
            });
            return;
        }
        // SAFETY: `start` is the address `mmap` returned for exactly this length, and both owners
        // of pointers into it are gone: each holds an `Arc` of this value, or of the one that handed
        // the address on to this one, which then did not unmap it.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), MAPPING_BYTES) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping");
    }
}

/// The part of a mapping that is accessible besides the state page, from the mapping's start: its place
/// and its bytes.
const SPACE: (usize, usize) = (
    BASE_BYTES + PAGE_BYTES as usize,
    SPACE_BYTES - PAGE_BYTES as usize + GUARD_BYTES as usize,
);

/// From this offset on memory that becomes usable is brought into being at once, by so many bytes at most:
/// a chunk is soon full, a large object may stay empty.
const POPULATED_FROM: u64 = 8 << 20;
const POPULATED_AT_ONCE: usize = 256 << 10;

impl Mapping {
    /// A new mapping, its protections set.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where the system refuses.
    fn reserve() -> Result<Self, HeapError> {
        let refused = |error: rustix::io::Errno| HeapError::Reservation {
            bytes: MAPPING_BYTES as u64,
            reason: error.to_string(),
        };
        // SAFETY: a fresh anonymous mapping at an address of the system's choosing touches no
        // memory of anyone's.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                MAPPING_BYTES,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }
        .map_err(refused)?;
        let start = NonNull::new(start.cast::<u8>()).expect("mmap never returns null on success");
        let mapping = Self { start, pool: None };
        for (offset, bytes) in [(FENCE_BYTES, STATE_PAGE_BYTES), SPACE] {
            mapping.open(offset, bytes).map_err(refused)?;
        }
        Ok(mapping)
    }

    /// Makes a part that nobody uses accessible.
    fn open(&self, offset: usize, bytes: usize) -> rustix::io::Result<()> {
        let accessible = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the callers name whole pages inside the mapping, which nobody uses.
        unsafe { rustix::mm::mprotect(self.start.add(offset).as_ptr().cast(), bytes, accessible) }
    }

    /// Makes a mapping that nobody uses any more as good as new: zeros everywhere, and the protections
    /// of a new one. Whether the system did so.
    pub(super) fn reset(&self) -> bool {
        let used = MAPPING_BYTES - 2 * FENCE_BYTES;
        // SAFETY: whole pages inside the mapping, which nobody uses: there is no memory and no state
        // block, for those hold an `Arc` of the mapping that handed its address on to this one.
        let is_empty = unsafe {
            rustix::mm::madvise(
                self.start.add(FENCE_BYTES).as_ptr().cast(),
                used,
                Advice::LinuxDontNeed,
            )
        };
        // Pages that were made inaccessible, as under zeal, are opened again; the state page and the
        // first page never change.
        let (offset, bytes) = SPACE;
        is_empty.is_ok() && self.open(offset, bytes).is_ok()
    }
}

/// A reservation of 4 GiB plus a guard, read-write and unchecked.
#[derive(Debug)]
pub struct Guarded {
    base: NonNull<u8>,
    /// Bytes that are usable: bulk accesses end there.
    end: u64,
    _mapping: Arc<Mapping>,
}

// SAFETY: see `Mapping`: the bytes behind `base` are reached only through this value.
unsafe impl Send for Guarded {}

impl Guarded {
    /// Takes a reservation from the pool, or makes one, and makes the state block that ends at the heap's base.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where the system refuses the mapping.
    pub(super) fn new(pool: Option<&Arc<MemoryPool>>) -> Result<(Self, StateBlock), HeapError> {
        let mut mapping = match pool.and_then(|pool| pool.take()) {
            Some(mapping) => mapping,
            None => Mapping::reserve()?,
        };
        mapping.pool = pool.cloned();
        let start = mapping.start;
        let mapping = Arc::new(mapping);
        // SAFETY: fence and state page lie inside the mapping, which is longer.
        let base = unsafe { start.add(BASE_BYTES) };
        let state = StateBlock::before(base, Arc::clone(&mapping));
        Ok((
            Self {
                base,
                end: 0,
                _mapping: mapping,
            },
            state,
        ))
    }

    /// Address of offset zero. Constant.
    #[must_use]
    pub fn base_address(&self) -> usize {
        self.base.as_ptr().addr()
    }

    /// The address of an offset: inside the mapping, with room for 16 bytes and more behind it.
    #[inline(always)]
    fn at(&self, offset: u32) -> *mut u8 {
        // SAFETY: `base + offset` is at most 4 GiB past `base`, and the mapping goes on for
        // `GUARD_BYTES` beyond that.
        unsafe { self.base.as_ptr().add(offset as usize) }
    }

    /// How many of `len` bytes from `at` are usable: at most what lies below 4 GiB.
    #[inline(always)]
    fn clamp(&self, at: u32, len: usize) -> usize {
        let room = self.end.saturating_sub(at.into());
        usize::try_from(room).map_or(len, |room| len.min(room))
    }

    /// Whole pages inside the 4 GiB that `at..at + len` covers.
    fn pages(at: u32, len: u32) -> Option<(u32, usize)> {
        let first = at.checked_next_multiple_of(PAGE_BYTES)?;
        let end = (u64::from(at) + u64::from(len)).min(SPACE_BYTES as u64) / u64::from(PAGE_BYTES)
            * u64::from(PAGE_BYTES);
        let bytes = usize::try_from(end.checked_sub(u64::from(first))?).ok()?;
        (bytes > 0 && first >= PAGE_BYTES).then_some((first, bytes))
    }
}

macro_rules! guarded_access {
    ($($load:ident $store:ident $int:ty),*) => {$(
        #[inline(always)]
        fn $load(&self, at: u32) -> $int {
            // SAFETY: `at` yields an address inside the mapping with at least 16 bytes behind it;
            // every byte of the mapping is initialised (anonymous pages start as zeros), and a
            // reference to these bytes exists only while the memory is borrowed exclusively.
            unsafe { self.at(at).cast::<$int>().read_unaligned() }
        }
        #[inline(always)]
        fn $store(&mut self, at: u32, value: $int) {
            // SAFETY: as for the load; the exclusive borrow rules out a concurrent access.
            unsafe { self.at(at).cast::<$int>().write_unaligned(value) }
        }
    )*};
}

impl Memory for Guarded {
    guarded_access!(
        load_u8 store_u8 u8, load_u16 store_u16 u16, load_u32 store_u32 u32, load_u64 store_u64 u64,
        load_u128 store_u128 u128
    );

    #[inline(always)]
    fn copy(&mut self, from: u32, to: u32, len: u32) {
        let len = self.clamp(from.max(to), len as usize);
        // SAFETY: both ranges end below 4 GiB after clamping; `copy` allows overlap.
        unsafe { ptr::copy(self.at(from), self.at(to), len) }
    }

    #[inline(always)]
    fn fill(&mut self, at: u32, len: u32, byte: u8) {
        let len = self.clamp(at, len as usize);
        // SAFETY: the range ends below 4 GiB after clamping.
        unsafe { ptr::write_bytes(self.at(at), byte, len) }
    }

    fn write_bytes(&mut self, at: u32, bytes: &[u8]) {
        let len = self.clamp(at, bytes.len());
        // SAFETY: the target ends below 4 GiB after clamping; `len` is at most `bytes.len()`; a
        // host slice cannot overlap the reservation.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(at), len) }
    }

    fn read_bytes(&self, at: u32, bytes: &mut [u8]) {
        let len = self.clamp(at, bytes.len());
        let (inside, beyond) = bytes.split_at_mut(len);
        // SAFETY: the source ends below 4 GiB after clamping; a host slice cannot overlap it.
        unsafe { ptr::copy_nonoverlapping(self.at(at), inside.as_mut_ptr(), len) }
        beyond.fill(0);
    }

    fn bytes_mut(&mut self, at: u32, len: u32) -> &mut [u8] {
        if at < FIRST_OBJECT_OFFSET {
            return &mut [];
        }
        let len = self.clamp(at, len as usize);
        // SAFETY: the range ends below 4 GiB after clamping and lies past the first page, so it is
        // mapped and initialised; the exclusive borrow of the memory lasts as long as the slice, and
        // code that was compiled for this heap runs only while the host has no borrow of it.
        unsafe { slice::from_raw_parts_mut(self.at(at), len) }
    }

    #[inline(always)]
    fn prefetch(&self, at: u32) {
        prefetch(self.at(at).cast());
    }

    /// The pages are there, and come into being when they are written: one by one while the heap is small,
    /// and from then on here, where they are not too many, which spares the system's entry for each.
    fn grow_to(&mut self, end: u64) -> Result<(), HeapError> {
        let new = self.end.max(POPULATED_FROM)..end.min(SPACE_BYTES as u64);
        let bytes = usize::try_from(new.end.saturating_sub(new.start)).unwrap_or(0);
        if let Ok(start) = u32::try_from(new.start)
            && (1..=POPULATED_AT_ONCE).contains(&bytes)
        {
            // SAFETY: pages inside the mapping past the first; their contents stay. A refusal, as by
            // systems that know nothing of it, changes nothing.
            let _ = unsafe {
                let pages = self.at(start).cast::<c_void>();
                rustix::mm::madvise(pages, bytes, Advice::LinuxPopulateWrite)
            };
        }
        self.end = self.end.max(end.min(SPACE_BYTES as u64));
        Ok(())
    }

    fn decommit(&mut self, at: u32, len: u32) {
        if let Some((first, bytes)) = Self::pages(at, len) {
            // SAFETY: whole pages inside the mapping; their contents are the caller's to discard,
            // and they read as zeros afterwards. A refusal leaves them as they are.
            let _ = unsafe {
                rustix::mm::madvise(
                    self.at(first).cast::<c_void>(),
                    bytes,
                    Advice::LinuxDontNeed,
                )
            };
        }
    }

    fn set_accessible(&mut self, at: u32, len: u32, accessible: bool) {
        if let Some((first, bytes)) = Self::pages(at, len) {
            let protection = if accessible {
                MprotectFlags::READ | MprotectFlags::WRITE
            } else {
                MprotectFlags::empty()
            };
            // SAFETY: whole pages inside the mapping past its first page. Accesses to pages made
            // inaccessible fault, which is what the caller asks for.
            let changed =
                unsafe { rustix::mm::mprotect(self.at(first).cast::<c_void>(), bytes, protection) };
            debug_assert!(
                changed.is_ok() || !accessible,
                "pages stay accessible where protection fails"
            );
        }
    }

    fn len(&self) -> u64 {
        SPACE_BYTES as u64
    }
}
