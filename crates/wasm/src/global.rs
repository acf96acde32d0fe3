//! Globals: one cell each, shared by compiled code, the host and the collector.

use crate::attach::StoreId;
use crate::error::Error;
use crate::roots::{Roots, add_roots};
use crate::value::{check_type, from_bits, is_gc, to_bits};
use crate::vmctx::VmGlobal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use windrow::jit::{GcRef, RootKind, RootVisitor};
use windrow::{Store, Val, ValType};

/// The type of a global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalType {
    /// What it holds.
    pub content: ValType,
    /// Whether it can be set.
    pub mutable: bool,
}

/// What the store's instances share of a global.
#[derive(Debug)]
pub(crate) struct GlobalData {
    /// What compiled code reads and writes.
    pub(crate) vm: VmGlobal,
    pub(crate) ty: GlobalType,
    is_gc: bool,
}

impl GlobalData {
    pub(crate) fn new(store: &Store, ty: GlobalType) -> Self {
        Self {
            vm: VmGlobal::default(),
            ty,
            is_gc: is_gc(store.types(), ty.content),
        }
    }

    /// The bits of its value.
    pub(crate) fn bits(&self) -> u128 {
        let high = self.vm.high.load(Ordering::Relaxed);
        u128::from(self.vm.low.load(Ordering::Relaxed)) | u128::from(high) << 64
    }

    /// Sets the bits of its value, with the barrier a reference owes.
    pub(crate) fn set_bits(&self, store: &mut Store, bits: u128) {
        if self.is_gc {
            store.isolate_mut().write_barrier(None, 0, low_ref(bits));
        }
        self.vm.low.store(low_double(bits), Ordering::Relaxed);
        let high = low_double(bits >> 64);
        self.vm.high.store(high, Ordering::Relaxed);
    }
}

impl Roots for GlobalData {
    fn visit(&self, visitor: &mut dyn RootVisitor) {
        if self.is_gc {
            let mut slot = low_ref(self.bits());
            visitor.visit(RootKind::Global, &mut slot);
            self.vm.low.store(u64::from(slot.bits()), Ordering::Relaxed);
        }
    }
}

/// The reference in the first four bytes of a cell.
pub(crate) fn low_ref(bits: u128) -> GcRef {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    GcRef::from_bits(u32::from_le_bytes([a, b, c, d]))
}

/// The first eight bytes of a cell.
pub(crate) fn low_double(bits: u128) -> u64 {
    u64::try_from(bits & u128::from(u64::MAX)).expect("the other bits were masked")
}

/// A global of a store.
#[derive(Clone, Debug)]
pub struct Global {
    pub(crate) store: StoreId,
    pub(crate) data: Arc<GlobalData>,
}

impl Global {
    /// Makes a global that lasts as long as the store.
    ///
    /// # Errors
    /// [`Error::ValueType`] for a value that is not of the type.
    pub fn new(store: &mut Store, ty: GlobalType, value: &Val) -> Result<Self, Error> {
        check_type(store, value, ty.content, || "the global's value".to_owned())?;
        let data = Arc::new(GlobalData::new(store, ty));
        let bits = to_bits(store, value)?;
        data.set_bits(store, bits);
        if data.is_gc {
            add_roots(store, &data);
        }
        Ok(Self {
            store: StoreId::assign(store),
            data,
        })
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> GlobalType {
        self.data.ty
    }

    /// Its value.
    ///
    /// # Errors
    /// [`Error::WrongStore`].
    pub fn value(&self, store: &mut Store) -> Result<Val, Error> {
        self.store.check(store, "the global")?;
        Ok(from_bits(store, self.data.ty.content, self.data.bits()))
    }

    /// Sets its value.
    ///
    /// # Errors
    /// [`Error::Immutable`], [`Error::ValueType`], [`Error::WrongStore`].
    pub fn set(&self, store: &mut Store, value: &Val) -> Result<(), Error> {
        self.store.check(store, "the global")?;
        if !self.data.ty.mutable {
            return Err(Error::Immutable);
        }
        check_type(store, value, self.data.ty.content, || {
            "the global's value".to_owned()
        })?;
        let bits = to_bits(store, value)?;
        self.data.set_bits(store, bits);
        Ok(())
    }
}
