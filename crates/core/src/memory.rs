//! The two memories a heap can live in, behind one safe interface.
//!
//! [`Guarded`] reserves the whole 4 GiB a `u32` can reach plus a guard, so that no access of the
//! form `base + u32 + small constant` needs a check. [`Checked`] is a byte vector whose every
//! access is compared with its length, for Miri, for platforms without `mmap`, and as an oracle.
//! In both, a read of memory never written sees zeros, and a header of zero is no type.

mod checked;
mod guarded;
mod meter;
mod pool;
mod state_block;

pub use checked::Checked;
pub use guarded::{GUARD_BYTES, Guarded};
pub use pool::MemoryPool;
pub use state_block::StateBlock;

use crate::{Addressing, HeapError};
use std::fmt;
use std::sync::Arc;

/// Bytes of a page, the unit of protection and of the page tables collectors keep.
pub const PAGE_BYTES: u32 = 4096;

/// The end of the part of a heap that objects may occupy: the last 256 KiB stay empty, so that an
/// allocation cursor plus any size allocated in line cannot wrap.
pub const HEAP_END: u32 = 0u32.wrapping_sub(256 << 10);

/// Untrusted bytes addressed by `u32` offsets.
///
/// No method panics, whatever its arguments, and none reaches memory outside the heap's own.
/// Offsets below [`FIRST_OBJECT_OFFSET`](crate::FIRST_OBJECT_OFFSET) are not for use: guarded
/// memory makes an access there a fault, which ends the process.
/// [`GcRef::as_object`](crate::GcRef::as_object) never yields one.
pub trait Memory {
    /// The byte at `at`.
    fn load_u8(&self, at: u32) -> u8;
    /// The little-endian integer at `at`, aligned or not.
    fn load_u16(&self, at: u32) -> u16;
    /// The little-endian integer at `at`, aligned or not.
    fn load_u32(&self, at: u32) -> u32;
    /// The little-endian integer at `at`, aligned or not.
    fn load_u64(&self, at: u32) -> u64;
    /// The little-endian integer at `at`, aligned or not.
    fn load_u128(&self, at: u32) -> u128;
    /// Stores a byte.
    fn store_u8(&mut self, at: u32, value: u8);
    /// Stores a little-endian integer.
    fn store_u16(&mut self, at: u32, value: u16);
    /// Stores a little-endian integer.
    fn store_u32(&mut self, at: u32, value: u32);
    /// Stores a little-endian integer.
    fn store_u64(&mut self, at: u32, value: u64);
    /// Stores a little-endian integer.
    fn store_u128(&mut self, at: u32, value: u128);
    /// Copies `len` bytes from `from` to `to`; the ranges may overlap. What would lie beyond what
    /// [`Self::grow_to`] made usable is not copied: a forged length costs no more than the heap.
    fn copy(&mut self, from: u32, to: u32, len: u32);
    /// Sets `len` bytes. What would lie beyond what is usable is not set.
    fn fill(&mut self, at: u32, len: u32, byte: u8);
    /// Copies bytes in from the host. What would lie beyond what is usable is not copied.
    fn write_bytes(&mut self, at: u32, bytes: &[u8]);
    /// Copies bytes out to the host. What would lie beyond what is usable reads as zero.
    fn read_bytes(&self, at: u32, bytes: &mut [u8]);
    /// The usable part of `at..at + len`, in place; empty from the first page.
    fn bytes_mut(&mut self, at: u32, len: u32) -> &mut [u8];
    /// Starts fetching the cache line at `at`: a hint.
    fn prefetch(&self, at: u32);
    /// Makes offsets below `end` usable. Never takes any back.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where the system has no memory for it.
    fn grow_to(&mut self, end: u64) -> Result<(), HeapError>;
    /// Gives whole pages back to the system; they read as zero afterwards.
    fn decommit(&mut self, at: u32, len: u32);
    /// Forbids (or allows again) every access to whole pages, where the memory can: a testing aid.
    fn set_accessible(&mut self, at: u32, len: u32, accessible: bool);
    /// Bytes below which offsets are usable.
    fn len(&self) -> u64;
    /// Whether nothing is usable.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which memory a heap is to live in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum MemoryKind {
    /// A 4 GiB reservation with guards; no access is checked.
    #[default]
    Guarded,
    /// A byte vector; every access is checked.
    Checked,
}

impl MemoryKind {
    /// How compiled code addresses this memory.
    #[must_use]
    pub const fn addressing(self) -> Addressing {
        match self {
            Self::Guarded => Addressing::Sandbox32,
            Self::Checked => Addressing::BOUNDED,
        }
    }
}

impl fmt::Display for MemoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guarded => "guarded",
            Self::Checked => "checked",
        })
    }
}

/// A name that is no memory's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown memory `{0}`; known: guarded, checked")]
pub struct UnknownMemory(pub String);

impl std::str::FromStr for MemoryKind {
    type Err = UnknownMemory;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "guarded" => Ok(Self::Guarded),
            "checked" => Ok(Self::Checked),
            _ => Err(UnknownMemory(name.to_owned())),
        }
    }
}

/// One heap's memory, of either kind.
///
/// A collector matches on it once a call and runs code generic over [`Memory`] inside.
#[derive(Debug)]
pub enum HeapMemory {
    /// See [`Guarded`].
    Guarded(Guarded),
    /// See [`Checked`].
    Checked(Checked),
}

/// Runs `$body` with `$memory` bound to the concrete memory inside a [`HeapMemory`].
#[macro_export]
macro_rules! with_memory {
    ($heap_memory:expr, $memory:ident => $body:expr) => {
        match $heap_memory {
            $crate::HeapMemory::Guarded($memory) => $body,
            $crate::HeapMemory::Checked($memory) => $body,
        }
    };
}

impl HeapMemory {
    /// Reserves memory and makes the state block that goes with it.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where the system has no room.
    pub fn new(kind: MemoryKind) -> Result<(Self, StateBlock), HeapError> {
        Self::new_in(kind, None)
    }

    /// As [`Self::new`], with a reservation of the pool's if it has one. Where both are gone, memory and
    /// state block, it goes back there.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_in(
        kind: MemoryKind,
        pool: Option<&Arc<MemoryPool>>,
    ) -> Result<(Self, StateBlock), HeapError> {
        match kind {
            MemoryKind::Guarded => {
                let (memory, state) = Guarded::new(pool)?;
                Ok((Self::Guarded(memory), state))
            }
            MemoryKind::Checked => Ok((Self::Checked(Checked::new()), StateBlock::boxed())),
        }
    }

    /// Which kind this is.
    #[must_use]
    pub const fn kind(&self) -> MemoryKind {
        match self {
            Self::Guarded(_) => MemoryKind::Guarded,
            Self::Checked(_) => MemoryKind::Checked,
        }
    }

    /// Allows so many accesses from here on; the next one panics. A testing aid, to see that no
    /// corruption makes a loop endless: only checked memory counts, and only where debug assertions
    /// are. Whether it does.
    pub fn allow_accesses(&mut self, accesses: u64) -> bool {
        match self {
            Self::Guarded(_) => false,
            Self::Checked(memory) => memory.allow_accesses(accesses),
        }
    }

    /// Address of offset zero, valid until the memory grows.
    #[must_use]
    pub fn base_address(&self) -> usize {
        match self {
            Self::Guarded(memory) => memory.base_address(),
            Self::Checked(memory) => memory.base_address(),
        }
    }
}

impl Memory for HeapMemory {
    #[inline]
    fn load_u8(&self, at: u32) -> u8 {
        with_memory!(self, m => m.load_u8(at))
    }
    #[inline]
    fn load_u16(&self, at: u32) -> u16 {
        with_memory!(self, m => m.load_u16(at))
    }
    #[inline]
    fn load_u32(&self, at: u32) -> u32 {
        with_memory!(self, m => m.load_u32(at))
    }
    #[inline]
    fn load_u64(&self, at: u32) -> u64 {
        with_memory!(self, m => m.load_u64(at))
    }
    #[inline]
    fn load_u128(&self, at: u32) -> u128 {
        with_memory!(self, m => m.load_u128(at))
    }
    #[inline]
    fn store_u8(&mut self, at: u32, value: u8) {
        with_memory!(self, m => m.store_u8(at, value));
    }
    #[inline]
    fn store_u16(&mut self, at: u32, value: u16) {
        with_memory!(self, m => m.store_u16(at, value));
    }
    #[inline]
    fn store_u32(&mut self, at: u32, value: u32) {
        with_memory!(self, m => m.store_u32(at, value));
    }
    #[inline]
    fn store_u64(&mut self, at: u32, value: u64) {
        with_memory!(self, m => m.store_u64(at, value));
    }
    #[inline]
    fn store_u128(&mut self, at: u32, value: u128) {
        with_memory!(self, m => m.store_u128(at, value));
    }
    #[inline]
    fn copy(&mut self, from: u32, to: u32, len: u32) {
        with_memory!(self, m => m.copy(from, to, len));
    }
    #[inline]
    fn fill(&mut self, at: u32, len: u32, byte: u8) {
        with_memory!(self, m => m.fill(at, len, byte));
    }
    #[inline]
    fn write_bytes(&mut self, at: u32, bytes: &[u8]) {
        with_memory!(self, m => m.write_bytes(at, bytes));
    }
    #[inline]
    fn read_bytes(&self, at: u32, bytes: &mut [u8]) {
        with_memory!(self, m => m.read_bytes(at, bytes));
    }
    #[inline]
    fn bytes_mut(&mut self, at: u32, len: u32) -> &mut [u8] {
        with_memory!(self, m => m.bytes_mut(at, len))
    }
    #[inline]
    fn prefetch(&self, at: u32) {
        with_memory!(self, m => m.prefetch(at));
    }
    fn grow_to(&mut self, end: u64) -> Result<(), HeapError> {
        with_memory!(self, m => m.grow_to(end))
    }
    fn decommit(&mut self, at: u32, len: u32) {
        with_memory!(self, m => m.decommit(at, len));
    }
    fn set_accessible(&mut self, at: u32, len: u32, accessible: bool) {
        with_memory!(self, m => m.set_accessible(at, len, accessible));
    }
    fn len(&self) -> u64 {
        with_memory!(self, m => m.len())
    }
}

#[cfg(test)]
mod tests;
