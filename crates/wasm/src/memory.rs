//! Linear memories: bytes in a reservation that compiled code accesses without checks.
//!
//! Every memory reserves 8 GiB and a guard, whatever its size, so that an address of 32 bits plus a
//! constant offset of 32 bits cannot leave it; what lies beyond the memory's length faults.

use crate::attach::StoreId;
use crate::error::Error;
use crate::mapping::Mapping;
use crate::trap::TrapKind;
use crate::vmctx::VmMemory;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use windrow::Store;

/// Bytes of a page of linear memory.
pub const WASM_PAGE_BYTES: u64 = 1 << 16;

/// The most pages a memory can have: 4 GiB.
const MAX_PAGES: u64 = 1 << 16;

/// An address and an offset of 32 bits each, and the widest access.
const RESERVED_BYTES: usize = (8 << 30) + (1 << 16);

/// Limits of a memory, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryType {
    /// How many pages there are at first.
    pub initial_pages: u64,
    /// How many there may be.
    pub max_pages: Option<u64>,
}

impl MemoryType {
    pub(crate) fn of_module(ty: &wasmparser::MemoryType) -> Self {
        Self {
            initial_pages: ty.initial,
            max_pages: ty.maximum,
        }
    }
}

/// What the store's instances share of a memory.
#[derive(Debug)]
pub(crate) struct MemoryData {
    /// What compiled code reads.
    pub(crate) vm: VmMemory,
    max_pages: Option<u64>,
    mapping: Mapping,
}

impl MemoryData {
    fn new(ty: MemoryType) -> Result<Self, Error> {
        let bytes = ty.initial_pages.saturating_mul(WASM_PAGE_BYTES);
        let too_large = || Error::Reservation {
            bytes,
            reason: "a memory holds 4 GiB at most".to_owned(),
        };
        if ty.initial_pages > MAX_PAGES {
            return Err(too_large());
        }
        let mapping = Mapping::reserve(RESERVED_BYTES)?;
        mapping.make_accessible(usize::try_from(bytes).map_err(|_| too_large())?)?;
        let vm = VmMemory::default();
        vm.base.store(mapping.address(), Ordering::Relaxed);
        vm.bytes.store(bytes, Ordering::Relaxed);
        Ok(Self {
            vm,
            max_pages: ty.max_pages,
            mapping,
        })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.vm.bytes.load(Ordering::Relaxed)
    }

    /// Its type now: the present size counts as the initial one.
    pub(crate) fn ty(&self) -> MemoryType {
        MemoryType {
            initial_pages: self.bytes() / WASM_PAGE_BYTES,
            max_pages: self.max_pages,
        }
    }

    /// Adds pages. The pages there were, or `None` where there is no room for more.
    pub(crate) fn grow(&self, pages: u64) -> Option<u64> {
        let before = self.bytes() / WASM_PAGE_BYTES;
        let after = before.checked_add(pages)?;
        if after > self.max_pages.unwrap_or(MAX_PAGES).min(MAX_PAGES) {
            return None;
        }
        let bytes = after * WASM_PAGE_BYTES;
        self.mapping
            .make_accessible(usize::try_from(bytes).ok()?)
            .ok()?;
        self.vm.bytes.store(bytes, Ordering::Relaxed);
        Some(before)
    }

    pub(crate) fn read(
        &self,
        _store: &Store,
        address: u64,
        target: &mut [u8],
    ) -> Result<(), TrapKind> {
        // SAFETY: the store is borrowed, so none of its code runs and none of its memories is
        // written: that takes a store borrowed exclusively.
        in_bounds(unsafe { self.mapping.read(offset(address)?, target) })
    }

    pub(crate) fn write(
        &self,
        _store: &mut Store,
        address: u64,
        source: &[u8],
    ) -> Result<(), TrapKind> {
        // SAFETY: the store is borrowed exclusively: nobody else accesses its memories.
        in_bounds(unsafe { self.mapping.write(offset(address)?, source) })
    }

    pub(crate) fn fill(
        &self,
        _store: &mut Store,
        address: u64,
        byte: u8,
        bytes: u64,
    ) -> Result<(), TrapKind> {
        // SAFETY: the store is borrowed exclusively: nobody else accesses its memories.
        in_bounds(unsafe { self.mapping.fill(offset(address)?, byte, offset(bytes)?) })
    }

    pub(crate) fn copy(
        &self,
        _store: &mut Store,
        address: u64,
        source: &Self,
        source_address: u64,
        bytes: u64,
    ) -> Result<(), TrapKind> {
        let (to, from, bytes) = (offset(address)?, offset(source_address)?, offset(bytes)?);
        // SAFETY: the store, which both belong to, is borrowed exclusively.
        in_bounds(unsafe { self.mapping.copy(to, &source.mapping, from, bytes) })
    }
}

fn offset(address: u64) -> Result<usize, TrapKind> {
    usize::try_from(address).map_err(|_| TrapKind::MemoryOutOfBounds)
}

fn in_bounds(done: bool) -> Result<(), TrapKind> {
    if done {
        Ok(())
    } else {
        Err(TrapKind::MemoryOutOfBounds)
    }
}

/// A linear memory of a store.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(crate) store: StoreId,
    pub(crate) data: Arc<MemoryData>,
}

impl Memory {
    /// Makes a memory of zeros.
    ///
    /// # Errors
    /// [`Error::Reservation`] where the system has no room.
    pub fn new(store: &mut Store, ty: MemoryType) -> Result<Self, Error> {
        Ok(Self {
            store: StoreId::assign(store),
            data: Arc::new(MemoryData::new(ty)?),
        })
    }

    /// Its limits, the present size as the initial one.
    #[must_use]
    pub fn ty(&self) -> MemoryType {
        self.data.ty()
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.data.bytes()
    }

    /// Adds pages of zeros. The size in pages there was, or `None` if the limit or the system
    /// allows no more.
    ///
    /// # Errors
    /// [`Error::WrongStore`].
    pub fn grow(&self, store: &mut Store, pages: u64) -> Result<Option<u64>, Error> {
        self.store.check(store, "the memory")?;
        Ok(self.data.grow(pages))
    }

    /// Copies bytes from `address` on to `target`.
    ///
    /// # Errors
    /// [`Error::Trap`] if they are not all in the memory, [`Error::WrongStore`].
    pub fn read(&self, store: &Store, address: u64, target: &mut [u8]) -> Result<(), Error> {
        self.store.check(store, "the memory")?;
        Ok(self.data.read(store, address, target)?)
    }

    /// Copies `source` to the bytes from `address` on.
    ///
    /// # Errors
    /// [`Error::Trap`], with nothing written, if they do not all fit; [`Error::WrongStore`].
    pub fn write(&self, store: &mut Store, address: u64, source: &[u8]) -> Result<(), Error> {
        self.store.check(store, "the memory")?;
        Ok(self.data.write(store, address, source)?)
    }
}
