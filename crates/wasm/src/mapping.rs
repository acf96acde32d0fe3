//! Pages from the system: linear memories and compiled code.
//!
//! A [`Mapping`] reserves address space that faults when touched, makes parts of it accessible, or
//! executable, and gives it back when dropped. All reads and writes are checked against what was
//! made accessible. Compiled code accesses linear memories through their address while the store
//! is borrowed exclusively; the methods here demand the same of their callers.

use crate::error::Error;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Reserved pages.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    reserved: usize,
    /// How many bytes from the start can be read and written.
    accessible: AtomicUsize,
}

// SAFETY: the pages belong to this value alone, and may be accessed from any thread; who accesses
// them when is the business of the unsafe methods.
unsafe impl Send for Mapping {}
// SAFETY: the safe methods on `&self` touch only the atomic and the page tables.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Reserves at least `bytes` bytes, none of them accessible.
    ///
    /// # Errors
    /// [`Error::Reservation`] if the system refuses.
    pub(crate) fn reserve(bytes: usize) -> Result<Self, Error> {
        let refused = |reason: String| Error::Reservation {
            bytes: bytes as u64,
            reason,
        };
        let page = rustix::param::page_size();
        let reserved = bytes
            .max(1)
            .checked_next_multiple_of(page)
            .ok_or_else(|| refused("it exceeds the address space".to_owned()))?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: an anonymous mapping at an address of the system's choice touches no other memory.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), reserved, ProtFlags::empty(), flags) };
        let start = start.map_err(|errno| refused(errno.to_string()))?;
        let start =
            NonNull::new(start.cast()).ok_or_else(|| refused("it gave address zero".to_owned()))?;
        Ok(Self {
            start,
            reserved,
            accessible: AtomicUsize::new(0),
        })
    }

    /// Address of the first byte.
    pub(crate) fn address(&self) -> usize {
        self.start.as_ptr().expose_provenance()
    }

    /// How many bytes can be read and written.
    pub(crate) fn accessible_bytes(&self) -> usize {
        self.accessible.load(Ordering::Relaxed)
    }

    /// Makes the first `bytes` bytes readable and writable; those that were keep their contents,
    /// the others are zero. Never shrinks.
    ///
    /// # Errors
    /// [`Error::Reservation`] if the system refuses, or `bytes` exceeds the reservation.
    pub(crate) fn make_accessible(&self, bytes: usize) -> Result<(), Error> {
        if bytes <= self.accessible_bytes() {
            return Ok(());
        }
        let refused = |reason: String| Error::Reservation {
            bytes: bytes as u64,
            reason,
        };
        if bytes > self.reserved {
            return Err(refused("it exceeds the reservation".to_owned()));
        }
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range lies in this mapping, and only gains rights.
        unsafe { mprotect(self.start.as_ptr().cast(), bytes, flags) }
            .map_err(|errno| refused(errno.to_string()))?;
        self.accessible.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// The accessible bytes.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: these bytes are mapped readable and writable, zeroed by the system or written
        // since, and borrowed exclusively with the mapping.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.accessible_bytes()) }
    }

    /// Makes the accessible bytes executable instead of writable.
    ///
    /// # Errors
    /// [`Error::Reservation`] if the system refuses.
    pub(crate) fn make_executable(&mut self) -> Result<(), Error> {
        let bytes = self.accessible_bytes();
        self.accessible.store(0, Ordering::Relaxed);
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the range lies in this mapping; the exclusive borrow rules out that it is in use.
        unsafe { mprotect(self.start.as_ptr().cast(), bytes, flags) }.map_err(|errno| {
            Error::Reservation {
                bytes: bytes as u64,
                reason: errno.to_string(),
            }
        })?;
        synchronise_instructions(self.address(), bytes);
        Ok(())
    }

    /// Whether `bytes` bytes from `offset` are accessible.
    fn holds(&self, offset: usize, bytes: usize) -> bool {
        offset
            .checked_add(bytes)
            .is_some_and(|end| end <= self.accessible_bytes())
    }

    /// Copies bytes out. `false`, and nothing done, if they are not all accessible.
    ///
    /// # Safety
    /// Nothing writes to the mapping meanwhile.
    pub(crate) unsafe fn read(&self, offset: usize, target: &mut [u8]) -> bool {
        if !self.holds(offset, target.len()) {
            return false;
        }
        // SAFETY: the source is accessible, and no `&mut [u8]` can overlap a mapping that is
        // borrowed; the caller rules out writers.
        unsafe {
            self.start
                .as_ptr()
                .add(offset)
                .copy_to_nonoverlapping(target.as_mut_ptr(), target.len())
        };
        true
    }

    /// Copies bytes in. `false`, and nothing done, if they do not all fit.
    ///
    /// # Safety
    /// Nothing else accesses the mapping meanwhile.
    pub(crate) unsafe fn write(&self, offset: usize, source: &[u8]) -> bool {
        if !self.holds(offset, source.len()) {
            return false;
        }
        // SAFETY: the target is accessible and the caller has it alone; slices of it exist only
        // while the mapping is borrowed exclusively.
        unsafe {
            self.start
                .as_ptr()
                .add(offset)
                .copy_from_nonoverlapping(source.as_ptr(), source.len())
        };
        true
    }

    /// Sets `bytes` bytes. `false`, and nothing done, if they are not all accessible.
    ///
    /// # Safety
    /// Nothing else accesses the mapping meanwhile.
    pub(crate) unsafe fn fill(&self, offset: usize, byte: u8, bytes: usize) -> bool {
        if !self.holds(offset, bytes) {
            return false;
        }
        // SAFETY: the target is accessible and the caller has it alone.
        unsafe { self.start.as_ptr().add(offset).write_bytes(byte, bytes) };
        true
    }

    /// Copies `bytes` bytes from `source` at `source_offset`, which may be this very mapping.
    /// `false`, and nothing done, if they are not all accessible.
    ///
    /// # Safety
    /// Nothing else accesses either mapping meanwhile.
    pub(crate) unsafe fn copy(
        &self,
        offset: usize,
        source: &Self,
        source_offset: usize,
        bytes: usize,
    ) -> bool {
        if !self.holds(offset, bytes) || !source.holds(source_offset, bytes) {
            return false;
        }
        // SAFETY: both ranges are accessible and may overlap; the caller has them alone.
        unsafe {
            self.start
                .as_ptr()
                .add(offset)
                .copy_from(source.start.as_ptr().add(source_offset), bytes)
        };
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own. Whoever handed out its address keeps it alive.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.reserved) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Makes the processor see instructions just written.
#[cfg(not(target_arch = "aarch64"))]
fn synchronise_instructions(_address: usize, _bytes: usize) {}

/// Makes the processor see instructions just written: cleans the data cache and invalidates the
/// instruction cache, line by line.
#[cfg(target_arch = "aarch64")]
fn synchronise_instructions(address: usize, bytes: usize) {
    use std::arch::asm;
    let sizes: usize;
    // SAFETY: reads the register that tells the sizes of cache lines, which Linux lets programs do.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    let line = |log2_words: usize| 4 << (log2_words & 15);
    for at in (address & !(line(sizes >> 16) - 1)..address + bytes).step_by(line(sizes >> 16)) {
        // SAFETY: cleans a line of memory that is mapped.
        unsafe { asm!("dc cvau, {}", in(reg) at, options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack)) };
    for at in (address & !(line(sizes) - 1)..address + bytes).step_by(line(sizes)) {
        // SAFETY: invalidates a line of memory that is mapped.
        unsafe { asm!("ic ivau, {}", in(reg) at, options(nostack)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack)) };
}
