//! Tables: references or function ids, shared by compiled code, the host and the collector.

use crate::attach::StoreId;
use crate::error::Error;
use crate::global::low_ref;
use crate::roots::{Roots, add_roots};
use crate::trap::TrapKind;
use crate::value::{check_type, from_bits, is_gc, to_bits};
use crate::vmctx::VmTable;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use windrow::jit::{GcRef, RootKind, RootVisitor};
use windrow::{RefType, Store, Val, ValType};

/// The most elements a table can have: what other engines allow.
pub const MAX_TABLE_ELEMENTS: u32 = 10_000_000;

/// The type of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableType {
    /// What its elements are.
    pub element: RefType,
    /// How many there are at first.
    pub initial: u32,
    /// How many there may be.
    pub max: Option<u32>,
}

/// What the store's instances share of a table.
#[derive(Debug)]
pub(crate) struct TableData {
    /// What compiled code reads.
    pub(crate) vm: VmTable,
    pub(crate) element: RefType,
    max: Option<u32>,
    is_gc: bool,
    /// The elements `vm` points to. Locked only for moments in which nothing can collect.
    elements: Mutex<Vec<AtomicU32>>,
}

impl TableData {
    /// A table of nulls.
    ///
    /// # Errors
    /// [`Error::Reservation`] for one too large.
    pub(crate) fn new(store: &Store, ty: TableType) -> Result<Self, Error> {
        let table = Self {
            vm: VmTable::default(),
            element: ty.element,
            max: ty.max,
            is_gc: is_gc(store.types(), ValType::Ref(ty.element)),
            elements: Mutex::default(),
        };
        if table.resize(ty.initial, 0) {
            return Ok(table);
        }
        let reason = format!("a table holds {MAX_TABLE_ELEMENTS} elements at most");
        Err(Error::Reservation {
            bytes: u64::from(ty.initial) * 4,
            reason,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AtomicU32>> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Extends the table to `len` elements of these bits, unless that is too many.
    fn resize(&self, len: u32, bits: u32) -> bool {
        let mut elements = self.lock();
        let more = (len as usize).saturating_sub(elements.len());
        if len > MAX_TABLE_ELEMENTS || elements.try_reserve(more).is_err() {
            return false;
        }
        elements.resize_with(len as usize, || AtomicU32::new(bits));
        self.vm
            .elements
            .store(elements.as_ptr().expose_provenance(), Ordering::Relaxed);
        self.vm.len.store(len, Ordering::Relaxed);
        true
    }

    pub(crate) fn len(&self) -> u32 {
        self.vm.len.load(Ordering::Relaxed)
    }

    /// Its type now: the present length counts as the initial one.
    pub(crate) fn ty(&self) -> TableType {
        TableType {
            element: self.element,
            initial: self.len(),
            max: self.max,
        }
    }

    /// Adds elements. The length there was, or `None` where there is no room for more.
    pub(crate) fn grow(&self, store: &mut Store, bits: u32, more: u32) -> Option<u32> {
        let before = self.len();
        let after = before
            .checked_add(more)
            .filter(|after| *after <= self.max.unwrap_or(u32::MAX))?;
        self.barrier(store, bits);
        self.resize(after, bits).then_some(before)
    }

    /// The bits of an element.
    pub(crate) fn get(&self, index: u32) -> Option<u32> {
        self.lock()
            .get(index as usize)
            .map(|element| element.load(Ordering::Relaxed))
    }

    fn barrier(&self, store: &mut Store, bits: u32) {
        if self.is_gc {
            store
                .isolate_mut()
                .write_barrier(None, 0, GcRef::from_bits(bits));
        }
    }

    /// Sets elements from `index` on to the bits of `values`, if they are all in the table.
    pub(crate) fn set(
        &self,
        store: &mut Store,
        index: u32,
        values: &[u32],
    ) -> Result<(), TrapKind> {
        let elements = self.lock();
        let start = index as usize;
        let range = start
            .checked_add(values.len())
            .and_then(|end| elements.get(start..end));
        for (element, bits) in range.ok_or(TrapKind::TableOutOfBounds)?.iter().zip(values) {
            self.barrier(store, *bits);
            element.store(*bits, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Sets `count` elements from `index` on to the same bits, if they are all in the table.
    pub(crate) fn fill(
        &self,
        store: &mut Store,
        index: u32,
        bits: u32,
        count: u32,
    ) -> Result<(), TrapKind> {
        let elements = self.lock();
        let (start, count) = (index as usize, count as usize);
        let range = start
            .checked_add(count)
            .and_then(|end| elements.get(start..end));
        for element in range.ok_or(TrapKind::TableOutOfBounds)? {
            self.barrier(store, bits);
            element.store(bits, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The bits of `count` elements from `index` on, if they are all in the table. Valid until the
    /// next safepoint.
    pub(crate) fn slice(&self, index: u32, count: u32) -> Result<Vec<u32>, TrapKind> {
        let elements = self.lock();
        let (start, count) = (index as usize, count as usize);
        let range = start
            .checked_add(count)
            .and_then(|end| elements.get(start..end));
        let range = range.ok_or(TrapKind::TableOutOfBounds)?;
        Ok(range
            .iter()
            .map(|element| element.load(Ordering::Relaxed))
            .collect())
    }
}

impl Roots for TableData {
    fn visit(&self, visitor: &mut dyn RootVisitor) {
        if !self.is_gc {
            return;
        }
        for element in self.lock().iter_mut() {
            let bits = element.get_mut();
            let mut slot = GcRef::from_bits(*bits);
            visitor.visit(RootKind::Table, &mut slot);
            *bits = slot.bits();
        }
    }
}

/// A table of a store.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) store: StoreId,
    pub(crate) data: Arc<TableData>,
}

impl Table {
    /// Makes a table that lasts as long as the store, every element `value`.
    ///
    /// # Errors
    /// [`Error::ValueType`] for a value that is no such element, [`Error::Reservation`] for a table
    /// too large.
    pub fn new(store: &mut Store, ty: TableType, value: &Val) -> Result<Self, Error> {
        let data = Arc::new(TableData::new(store, ty)?);
        let table = Self {
            store: StoreId::assign(store),
            data,
        };
        let bits = table.element_bits(store, value)?;
        table.data.fill(store, 0, bits, ty.initial)?;
        if table.data.is_gc {
            add_roots(store, &table.data);
        }
        Ok(table)
    }

    fn element_bits(&self, store: &mut Store, value: &Val) -> Result<u32, Error> {
        check_type(store, value, ValType::Ref(self.data.element), || {
            "the element".to_owned()
        })?;
        Ok(low_ref(to_bits(store, value)?).bits())
    }

    /// Its type, the present length as the initial one.
    #[must_use]
    pub fn ty(&self) -> TableType {
        self.data.ty()
    }

    /// Its length in elements.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.data.len()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An element.
    ///
    /// # Errors
    /// [`Error::Trap`] if there is none, [`Error::WrongStore`].
    pub fn element(&self, store: &mut Store, index: u32) -> Result<Val, Error> {
        self.store.check(store, "the table")?;
        let bits = self.data.get(index).ok_or(TrapKind::TableOutOfBounds)?;
        Ok(from_bits(
            store,
            ValType::Ref(self.data.element),
            bits.into(),
        ))
    }

    /// Sets an element.
    ///
    /// # Errors
    /// [`Error::Trap`] if there is none, [`Error::ValueType`], [`Error::WrongStore`].
    pub fn set(&self, store: &mut Store, index: u32, value: &Val) -> Result<(), Error> {
        self.store.check(store, "the table")?;
        let bits = self.element_bits(store, value)?;
        Ok(self.data.set(store, index, &[bits])?)
    }

    /// Adds elements of this value. The length there was, or `None` if the limit allows no more.
    ///
    /// # Errors
    /// [`Error::ValueType`], [`Error::WrongStore`].
    pub fn grow(&self, store: &mut Store, more: u32, value: &Val) -> Result<Option<u32>, Error> {
        self.store.check(store, "the table")?;
        let bits = self.element_bits(store, value)?;
        Ok(self.data.grow(store, bits, more))
    }
}
