//! A store: one heap with its types, handles and host values.

use crate::handle::StoreId;
use crate::{AnyRef, Config, Error, OwnedRooted, Ref};
use std::sync::Arc;
use windrow_core::{CollectionKind, FunctionId, GcRef, Isolate, Statistics, TypeId, TypeRegistry};

/// One collected heap.
///
/// A store belongs to one thread at a time; a process may have thousands, on any threads. It can be sent to
/// another, and is not shared:
///
/// ```compile_fail,E0277
/// fn is_shared<T: Sync>() {}
/// is_shared::<windrow::Store>();
/// ```
#[derive(Debug)]
pub struct Store {
    isolate: Isolate,
    id: StoreId,
    /// How many scopes of handles are open: opened, and not closed by the innermost first.
    pub(crate) open_scopes: u32,
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Store>();
};

impl Store {
    /// Makes an empty store.
    ///
    /// # Errors
    /// [`HeapError::Reservation`](crate::HeapError::Reservation) where the system has no room for
    /// the heap's memory.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let isolate = Isolate::new(config.isolate())?;
        // The low half, moved up: stores whose handles look alike are made four billion stores apart.
        let id = StoreId::new(isolate.id().get().get() << 32);
        let id = id.unwrap_or(const { StoreId::new(1 << 32).expect("not zero") });
        Ok(Self {
            isolate,
            id,
            open_scopes: 0,
        })
    }

    /// Told from every other store's.
    #[inline]
    pub(crate) const fn id(&self) -> StoreId {
        self.id
    }

    /// The types of this store's family.
    #[must_use]
    pub const fn types(&self) -> &Arc<TypeRegistry> {
        self.isolate.types()
    }

    /// The heap itself, for compilers and other layers that keep the rules of references.
    #[must_use]
    #[inline]
    pub const fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    /// The heap itself, for compilers and other layers that keep the rules of references.
    #[inline]
    pub const fn isolate_mut(&mut self) -> &mut Isolate {
        &mut self.isolate
    }

    /// The type of the object a reference leads to, or `None` for null and an `i31`.
    ///
    /// # Panics
    /// If the reference belongs to another store.
    #[must_use]
    pub fn type_of(&self, reference: &Ref) -> Option<TypeId> {
        self.resolve(reference)
            .as_object()
            .map(|object| self.isolate.type_of(object))
    }

    /// Whether two references are the same: both null, the same integer, or the same object.
    ///
    /// # Panics
    /// If either belongs to another store.
    #[must_use]
    pub fn ref_eq(&self, a: &Ref, b: &Ref) -> bool {
        self.resolve(a) == self.resolve(b)
    }

    /// Holds a raw reference so that it stays alive and up to date.
    pub fn hold(&mut self, reference: GcRef) -> Ref {
        match (reference.as_i31(), reference.as_object()) {
            (Some(value), _) => Ref::I31(value),
            (None, Some(object)) => Ref::Object(OwnedRooted::<AnyRef>::new(self, object.to_ref())),
            (None, None) => Ref::Null,
        }
    }

    /// Gives an owned reference back. Dropping it does the same at the next collection; this frees
    /// its entry at once, if no clone of it is left.
    pub fn release(&mut self, reference: impl Into<Ref>) {
        if let Ref::Object(handle) = reference.into() {
            self.isolate.handles_mut().release(handle.into_handle());
        }
    }

    /// The raw reference behind a held one, valid until the next safepoint.
    ///
    /// # Panics
    /// If it belongs to another store; see [`Self::try_resolve`].
    #[must_use]
    pub fn resolve(&self, reference: &Ref) -> GcRef {
        self.try_resolve(reference)
            .expect("a reference is used with the store it came from")
    }

    /// The raw reference behind a held one, valid until the next safepoint.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if it belongs to another store.
    pub fn try_resolve(&self, reference: &Ref) -> Result<GcRef, Error> {
        match reference {
            Ref::Null => Ok(GcRef::NULL),
            Ref::I31(value) => Ok(GcRef::from_i31(*value)),
            Ref::Object(handle) => handle.try_gc_ref(self),
        }
    }

    /// Whether a function id is one of this store's functions, and not null.
    #[must_use]
    pub fn has_function(&self, id: FunctionId) -> bool {
        self.isolate.function(id).is_some()
    }

    /// Collects.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`](crate::HeapError::Corrupt) and what else poisons the heap.
    pub fn gc(&mut self, kind: CollectionKind) -> Result<(), Error> {
        Ok(self.isolate.collect(kind)?)
    }

    /// Does some of the work that the last collection left, about as much as looking at `bytes` of
    /// objects takes; whether some is left. For idle moments. Only a collector that reclaims between
    /// collections has any (`drc`); nothing moves.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`](crate::HeapError::Corrupt), and what poisoned the heap before.
    pub fn gc_step(&mut self, bytes: u64) -> Result<bool, Error> {
        Ok(self.isolate.step(bytes)?)
    }

    /// What the heap did so far.
    #[must_use]
    pub fn stats(&mut self) -> Statistics {
        self.isolate.stats()
    }

    /// Checks the whole heap and every root: a testing aid.
    ///
    /// # Errors
    /// [`HeapError::VerifyFailed`](crate::HeapError::VerifyFailed) with the first fault found.
    pub fn verify(&mut self) -> Result<(), Error> {
        Ok(self.isolate.verify()?)
    }
}
