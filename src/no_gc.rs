//! Scopes in which nothing is collected: references stay what they are, and need no handles.
//!
//! For walks over many objects: a reference read here is four bytes, copied freely, with no root to
//! make. Allocation goes on while the heap can grow within its limit; where it would have to collect,
//! it is an error.

use crate::access::{self, Extension};
use crate::arrays::Span;
use crate::field::{Field, FieldValue, RefField};
use crate::handle::StoreId;
use crate::{AnyRef, ArrayRef, Error, RefKind, Rooted, Scope, Store, StructRef, Val};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use windrow_core::{GcRef, ObjectRef, TypeId};

/// A store in which nothing is collected until this is dropped.
///
/// ```
/// # use windrow::{Config, FieldType, ScopedVal, Store, StructRef, StructType, Val, ValType};
/// # let mut store = Store::new(&Config::new())?;
/// # let node = store.types().register_struct(StructType::new([
/// #     FieldType::mutable(ValType::I32),
/// #     FieldType::mutable(ValType::ANYREF),
/// # ]))?;
/// let number = store.field::<i32>(node, 0)?;
/// let next = store.ref_field(node, 1)?;
/// let mut scope = store.scope();
/// let mut list = None;
/// for value in 0..10 {
///     list = Some(StructRef::new(&mut scope, node, &[Val::I32(value), list.into()])?);
/// }
///
/// let list = list.expect("ten nodes");
/// let heap = scope.no_gc();
/// let (mut at, mut sum) = (Some(heap.unrooted(list)?.to_any()), 0);
/// while let Some(object) = at {
///     let object = object.cast::<StructRef>(&heap).expect("a node");
///     sum += object.read(&heap, number)?;
///     at = object.read_ref(&heap, next)?;
/// }
/// assert_eq!(sum, 45);
/// # Ok::<(), windrow::Error>(())
/// ```
#[derive(Debug)]
pub struct NoGc<'n> {
    store: &'n mut Store,
    /// The store that was borrowed; a scope of handles may have swapped in another.
    id: StoreId,
}

/// A reference, not null, that no collection can make stale: good as long as its [`NoGc`] scope.
pub struct Unrooted<'n, T: RefKind = AnyRef> {
    reference: GcRef,
    scope: PhantomData<&'n ()>,
    kind: PhantomData<fn() -> T>,
}

impl<T: RefKind> Clone for Unrooted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: RefKind> Copy for Unrooted<'_, T> {}

impl<T: RefKind> PartialEq for Unrooted<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.reference == other.reference
    }
}

impl<T: RefKind> Eq for Unrooted<'_, T> {}

impl<T: RefKind> std::hash::Hash for Unrooted<'_, T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.reference.hash(state);
    }
}

impl<T: RefKind> fmt::Debug for Unrooted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unrooted({}, {:?})", T::NAME, self.reference)
    }
}

impl Store {
    /// Opens a scope in which nothing is collected. Scopes nest.
    pub fn no_gc(&mut self) -> NoGc<'_> {
        self.isolate_mut().forbid_gc();
        NoGc {
            id: self.id(),
            store: self,
        }
    }
}

impl Drop for NoGc<'_> {
    fn drop(&mut self) {
        // Where stores were swapped, the one that was borrowed stays as it is.
        if self.store.id() == self.id {
            self.store.isolate_mut().allow_gc();
        }
    }
}

impl Deref for NoGc<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl<'n> NoGc<'n> {
    /// The reference behind a handle.
    ///
    /// # Errors
    /// [`Error::ForeignReference`].
    #[inline]
    pub fn unrooted<T: RefKind>(&self, handle: Rooted<'_, T>) -> Result<Unrooted<'n, T>, Error> {
        Ok(Unrooted::new(handle.try_gc_ref(self.store)?))
    }

    /// Runs `body` in a scope of handles: objects may be made while the heap can grow.
    ///
    /// # Errors
    /// What `body` returns: [`HeapError::CollectionForbidden`](crate::HeapError::CollectionForbidden)
    /// where the heap would have to be collected.
    ///
    /// # Panics
    /// If `body` leaves another store in the place of this one: references of this scope would lead to
    /// that one's objects.
    pub fn scope<R>(&mut self, body: impl FnOnce(&mut Scope<'_>) -> R) -> R {
        let result = body(&mut self.store.scope());
        assert!(
            self.store.id() == self.id,
            "a store is not swapped while its references are unrooted"
        );
        result
    }

    /// Writes a reference, with the barrier the collector asks for.
    ///
    /// # Errors
    /// [`Error::WrongObject`], [`Error::Immutable`], [`Error::WrongValue`].
    pub fn write_ref<T: RefKind>(
        &mut self,
        object: Unrooted<'n, StructRef>,
        field: RefField<T>,
        value: Option<Unrooted<'n>>,
    ) -> Result<(), Error> {
        let object = object.object()?;
        let isolate = self.store.isolate_mut();
        field.check(isolate, object)?;
        field.check_mutable()?;
        let value = value.map_or(GcRef::NULL, |value| value.reference);
        access::check_value(isolate, &Val::Ref(value), field.of())?;
        isolate.write_ref(object, field.offset(), value);
        Ok(())
    }

    /// Writes a field of plain data.
    ///
    /// # Errors
    /// [`Error::WrongObject`], [`Error::Immutable`].
    #[inline]
    pub fn write<T: FieldValue>(
        &mut self,
        object: Unrooted<'n, StructRef>,
        field: Field<T>,
        value: T,
    ) -> Result<(), Error> {
        let object = object.object()?;
        let isolate = self.store.isolate_mut();
        field.check(isolate, object)?;
        field.check_mutable()?;
        value.store(isolate, object, field.offset());
        Ok(())
    }
}

impl<'n, T: RefKind> Unrooted<'n, T> {
    #[inline]
    const fn new(reference: GcRef) -> Self {
        Self {
            reference,
            scope: PhantomData,
            kind: PhantomData,
        }
    }

    #[inline]
    fn wrap(reference: GcRef) -> Option<Self> {
        (!reference.is_null()).then(|| Self::new(reference))
    }

    #[inline]
    fn object(self) -> Result<ObjectRef, Error> {
        // No `ok_or`: it makes the error, and drops it, where there is none.
        match self.reference.as_object() {
            Some(object) => Ok(object),
            None => Err(Error::WrongKind {
                expected: T::NAME,
                found: "an i31",
            }),
        }
    }

    /// The raw reference.
    #[must_use]
    pub const fn gc_ref(self) -> GcRef {
        self.reference
    }

    /// The same reference as one to anything.
    #[must_use]
    pub const fn to_any(self) -> Unrooted<'n, AnyRef> {
        Unrooted::new(self.reference)
    }

    /// The same reference as one of another kind, or `None` where it is not. Reads the object's
    /// header.
    #[must_use]
    #[inline]
    pub fn cast<U: RefKind>(self, heap: &NoGc<'n>) -> Option<Unrooted<'n, U>> {
        U::admits(heap.isolate(), self.reference).then(|| Unrooted::new(self.reference))
    }

    /// The object's type; `None` for an `i31`.
    #[must_use]
    pub fn type_id(self, heap: &NoGc<'n>) -> Option<TypeId> {
        let object = self.reference.as_object();
        object.map(|object| heap.isolate().type_of(object))
    }

    /// A handle of the same reference, in a scope [opened inside](NoGc::scope) this one.
    pub fn root<'s>(self, scope: &mut Scope<'s>) -> Rooted<'s, T> {
        Rooted::new(scope, self.reference)
    }
}

impl<'n> Unrooted<'n, StructRef> {
    /// Reads a field of plain data.
    ///
    /// # Errors
    /// [`Error::WrongObject`] where the struct has no such field.
    #[inline(always)]
    pub fn read<T: FieldValue>(self, heap: &NoGc<'n>, field: Field<T>) -> Result<T, Error> {
        let object = self.object()?;
        field.check(heap.isolate(), object)?;
        Ok(T::load(heap.isolate(), object, field.offset()))
    }

    /// Reads a field of plain data, of whatever object this is.
    #[must_use]
    #[inline]
    pub fn read_unchecked<T: FieldValue + Default>(self, heap: &NoGc<'n>, field: Field<T>) -> T {
        match self.reference.as_object() {
            Some(object) => T::load(heap.isolate(), object, field.offset()),
            None => T::default(),
        }
    }

    /// Reads a reference; `None` for null.
    ///
    /// # Errors
    /// [`Error::WrongObject`] where the struct has no such field.
    #[inline(always)]
    pub fn read_ref<T: RefKind>(
        self,
        heap: &NoGc<'n>,
        field: RefField<T>,
    ) -> Result<Option<Unrooted<'n, T>>, Error> {
        let object = self.object()?;
        field.check(heap.isolate(), object)?;
        let reference = heap.isolate().load_ref(object, field.offset());
        Ok(Unrooted::wrap(reference))
    }

    /// Reads a reference from whatever object this is; `None` for null.
    #[must_use]
    #[inline]
    pub fn read_ref_unchecked<T: RefKind>(
        self,
        heap: &NoGc<'n>,
        field: RefField<T>,
    ) -> Option<Unrooted<'n, T>> {
        let object = self.reference.as_object()?;
        Unrooted::wrap(heap.isolate().load_ref(object, field.offset()))
    }
}

impl<'n> Unrooted<'n, ArrayRef> {
    /// How many elements there are.
    #[must_use]
    pub fn len(self, heap: &NoGc<'n>) -> u32 {
        let object = self.reference.as_object();
        object.map_or(0, |object| heap.isolate().array_len(object))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self, heap: &NoGc<'n>) -> bool {
        self.len(heap) == 0
    }

    /// Reads an element that is a reference; `None` for null.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`]; [`Error::WrongElements`] where elements are no references.
    pub fn read_ref(self, heap: &NoGc<'n>, index: u32) -> Result<Option<Unrooted<'n>>, Error> {
        let span = Span::of(heap.isolate(), self.object()?)?;
        let offset = span.check_index(index)?;
        let storage = span.element.storage;
        match access::load(
            heap.isolate(),
            span.object,
            offset,
            storage,
            Extension::Zero,
        ) {
            Val::Ref(reference) => Ok(Unrooted::wrap(reference)),
            _ => Err(Error::WrongElements {
                type_id: span.type_id,
                expected: AnyRef::NAME,
                found: storage.to_string(),
            }),
        }
    }
}
