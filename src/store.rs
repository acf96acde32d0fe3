//! A store: one heap with its types, handles and host values.

use crate::{Config, Error, Ref};
use std::sync::Arc;
use windrow_core::{
    CollectionKind, FunctionId, GcRef, HostValue, Isolate, ObjectRef, Statistics, TypeId,
    TypeRegistry,
};

/// One collected heap.
///
/// A store belongs to one thread at a time; a process may have thousands, on any threads.
#[derive(Debug)]
pub struct Store {
    isolate: Isolate,
}

impl Store {
    /// Makes an empty store.
    ///
    /// # Errors
    /// [`HeapError::Reservation`](crate::HeapError::Reservation) where the system has no room for
    /// the heap's memory.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Ok(Self {
            isolate: Isolate::new(config.isolate())?,
        })
    }

    /// The types of this store's family.
    #[must_use]
    pub const fn types(&self) -> &Arc<TypeRegistry> {
        self.isolate.types()
    }

    /// The heap itself, for compilers and other layers that keep the rules of references.
    #[must_use]
    pub const fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    /// The heap itself, for compilers and other layers that keep the rules of references.
    pub const fn isolate_mut(&mut self) -> &mut Isolate {
        &mut self.isolate
    }

    /// Allocates a struct with every field zero or null.
    ///
    /// # Errors
    /// [`HeapError::HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit.
    ///
    /// # Panics
    /// If `type_id` is not a struct type of this store's family.
    pub fn alloc_struct(&mut self, type_id: TypeId) -> Result<Ref, Error> {
        self.isolate.sync_types();
        let object = self.isolate.alloc_struct(type_id, &mut [])?;
        Ok(self.hold(object.to_ref()))
    }

    /// Allocates an array with every element zero or null.
    ///
    /// # Errors
    /// [`HeapError::HeapFull`](crate::HeapError::HeapFull) with the bytes needed and the limit.
    ///
    /// # Panics
    /// If `type_id` is not an array type of this store's family.
    pub fn alloc_array(&mut self, type_id: TypeId, length: u32) -> Result<Ref, Error> {
        self.isolate.sync_types();
        let object = self.isolate.alloc_array(type_id, length, &mut [])?;
        Ok(self.hold(object.to_ref()))
    }

    /// Puts a host value into the heap and returns a reference to the object that stands for it.
    /// The value is dropped after the collection that finds the object dead, or with the store.
    ///
    /// # Errors
    /// The error and the value handed back, where the heap is full.
    pub fn alloc_extern(&mut self, value: HostValue) -> Result<Ref, windrow_core::ExternError> {
        let object = self.isolate.alloc_extern(value, &mut [])?;
        Ok(self.hold(object.to_ref()))
    }

    /// As [`Self::alloc_extern`], for a value that takes about `bytes` bytes outside the heap. Values
    /// that take more than their budget together, 64 MiB or twice what survived, cause a collection.
    ///
    /// # Errors
    /// As [`Self::alloc_extern`].
    pub fn alloc_extern_sized(
        &mut self,
        value: HostValue,
        bytes: u32,
    ) -> Result<Ref, windrow_core::ExternError> {
        let object = self.isolate.alloc_extern_sized(value, bytes, &mut [])?;
        Ok(self.hold(object.to_ref()))
    }

    /// The host value a reference stands for, or `None` where it stands for none.
    ///
    /// # Errors
    /// [`Error::ForeignReference`], or [`HeapError::Corrupt`](crate::HeapError::Corrupt) where the
    /// heap's bytes were tampered with.
    pub fn host_value(&self, reference: &Ref) -> Result<Option<&HostValue>, Error> {
        match self.try_resolve(reference)?.as_object() {
            Some(object) => Ok(self.isolate.host_value(object)?),
            None => Ok(None),
        }
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
            (None, Some(object)) => Ref::Object(self.hold_object(object)),
            (None, None) => Ref::Null,
        }
    }

    /// Gives a held reference back. Dropping it does the same at the next collection; this frees
    /// its handle at once, if no clone of it is left.
    pub fn release(&mut self, reference: Ref) {
        if let Ref::Object(handle) = reference {
            self.isolate.handles_mut().release(handle);
        }
    }

    fn hold_object(&mut self, object: ObjectRef) -> windrow_core::OwnedHandle {
        self.isolate.handles_mut().own(object.to_ref())
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
            Ref::Object(handle) => self
                .isolate
                .handles()
                .owned(handle)
                .ok_or(Error::ForeignReference),
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
