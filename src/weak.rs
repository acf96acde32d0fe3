//! What does not keep objects alive, or speaks after their death: weak references, weak maps,
//! finalizers, and host values that hold references.
//!
//! One phase of each collection serves them on every collector. A full collection of a collector
//! that reclaims cycles finds all that is dead; what an automatic one finds is the collector's
//! choice.

use crate::{AnyRef, Error, ExternError, ExternRef, RefKind, Rooted, Scope, Store};
use std::fmt;
use std::marker::PhantomData;
use windrow_core::{GcRef, HeapCell, HostValue, ObjectRef, TraceHost, WeakHandle, WeakMapHandle};

/// A reference that does not keep its object alive. Lasts until its last clone is dropped.
///
/// ```
/// # use windrow::{ArrayRef, ArrayType, CollectionKind, Config, FieldType, StorageType, Store};
/// # let mut store = Store::new(&Config::new())?;
/// # let bytes = store.types().register_array(ArrayType::new(FieldType::mutable(StorageType::I8)))?;
/// let mut scope = store.scope();
/// let array = ArrayRef::from_slice(&mut scope, bytes, b"hay")?;
/// let weak = array.downgrade(&mut scope)?;
/// assert!(weak.get(&mut scope)?.is_some());
/// drop(scope);
///
/// store.gc(CollectionKind::Full)?;
/// assert!(weak.get(&mut store.scope())?.is_none());
/// # Ok::<(), windrow::Error>(())
/// ```
pub struct WeakRef<T: RefKind = AnyRef> {
    handle: WeakHandle,
    kind: PhantomData<fn() -> T>,
}

impl<T: RefKind> Clone for WeakRef<T> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            kind: PhantomData,
        }
    }
}

impl<T: RefKind> fmt::Debug for WeakRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeakRef({})", T::NAME)
    }
}

impl<T: RefKind> WeakRef<T> {
    /// The object; `None` after the collection that found it dead, even where a finalizer brings it
    /// back.
    ///
    /// # Errors
    /// [`HeapError::Foreign`](crate::HeapError::Foreign) if the reference is another store's; what
    /// poisoned the heap.
    pub fn get<'s>(&self, scope: &mut Scope<'s>) -> Result<Option<Rooted<'s, T>>, Error> {
        let object = scope.isolate().weak(&self.handle)?;
        Ok(object.map(|object| Rooted::new(scope, object.to_ref())))
    }
}

impl<T: RefKind> Rooted<'_, T> {
    /// A weak reference to the object. Each collection looks at it once.
    ///
    /// # Errors
    /// [`Error::ForeignReference`]; [`Error::WrongKind`] for an `i31`, which never dies; what
    /// poisoned the heap.
    pub fn downgrade(self, store: &mut Store) -> Result<WeakRef<T>, Error> {
        let object = self.object(store)?;
        Ok(WeakRef {
            handle: store.isolate_mut().new_weak(object)?,
            kind: PhantomData,
        })
    }

    /// Has the first collection that finds the object dead bring it back, and queue it with `tag` for
    /// [`Scope::next_finalizable`]. Registered twice, it is queued twice.
    ///
    /// # Errors
    /// As [`Self::downgrade`].
    pub fn register_finalizer(self, store: &mut Store, tag: u64) -> Result<(), Error> {
        let object = self.object(store)?;
        Ok(store.isolate_mut().register_finalizer(object, tag)?)
    }
}

impl<'s> Scope<'s> {
    /// The next object that a collection found dead, with the tag it was registered with: once, in the
    /// order of registration for those that died together. It lives again, with all it leads to, as
    /// long as something keeps it: the scope, for a start. Weak references to it stay empty.
    ///
    /// ```
    /// # use windrow::{ArrayRef, ArrayType, CollectionKind, Config, FieldType, StorageType, Store};
    /// # let mut store = Store::new(&Config::new())?;
    /// # let bytes = store.types().register_array(ArrayType::new(FieldType::mutable(StorageType::I8)))?;
    /// let mut scope = store.scope();
    /// let file = ArrayRef::from_slice(&mut scope, bytes, b"log.txt")?;
    /// file.register_finalizer(&mut scope, 17)?;
    /// drop(scope);
    /// store.gc(CollectionKind::Full)?;
    ///
    /// let mut scope = store.scope();
    /// let (file, tag) = scope.next_finalizable()?.expect("it died");
    /// let file = file.cast::<ArrayRef>(&scope).expect("it is an array");
    /// assert_eq!((file.as_slice::<u8>(&mut scope)?, tag), (&b"log.txt"[..], 17));
    /// # Ok::<(), windrow::Error>(())
    /// ```
    ///
    /// # Errors
    /// What poisoned the heap.
    pub fn next_finalizable(&mut self) -> Result<Option<(Rooted<'s>, u64)>, Error> {
        let next = self.isolate_mut().next_finalizable()?;
        Ok(next.map(|(object, tag)| (Rooted::new(self, object.to_ref()), tag)))
    }
}

/// A map from objects, by identity, to references: an entry lives as long as its key does, and keeps
/// neither key nor, once the key is dead, value alive. That the value leads to the key makes no
/// difference: entries are ephemerons (Hayes, OOPSLA 1997).
///
/// Lasts until its last clone is dropped. Each collection looks at each entry.
#[derive(Clone, Debug)]
pub struct WeakMap {
    handle: WeakMapHandle,
}

impl Store {
    /// Makes an empty weak map.
    pub fn new_weak_map(&mut self) -> WeakMap {
        WeakMap {
            handle: self.isolate_mut().new_weak_map(),
        }
    }
}

impl WeakMap {
    /// Sets the value of `key`; whether it had none. Constant time, amortised.
    ///
    /// # Errors
    /// [`Error::ForeignReference`]; [`HeapError::Foreign`](crate::HeapError::Foreign) where the map is
    /// another store's; [`Error::WrongKind`] for a key that is an `i31`.
    pub fn insert<K: RefKind>(
        &self,
        store: &mut Store,
        key: Rooted<'_, K>,
        value: Option<Rooted<'_>>,
    ) -> Result<bool, Error> {
        let key = key.object(store)?;
        let value = raw(store, value)?;
        let isolate = store.isolate_mut();
        let before = isolate.weak_map_insert(&self.handle, key, value)?;
        Ok(before.is_none())
    }

    /// The value of `key`, if there is an entry: null is one. Constant time.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn get<'s, K: RefKind>(
        &self,
        scope: &mut Scope<'s>,
        key: Rooted<'_, K>,
    ) -> Result<Option<Option<Rooted<'s>>>, Error> {
        let key = key.object(scope)?;
        let value = scope.isolate().weak_map_get(&self.handle, key)?;
        Ok(value.map(|value| Rooted::wrap(scope, value)))
    }

    /// Whether there is an entry of `key`. Constant time.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn contains<K: RefKind>(&self, store: &Store, key: Rooted<'_, K>) -> Result<bool, Error> {
        let key = key.object(store)?;
        Ok(store.isolate().weak_map_contains(&self.handle, key)?)
    }

    /// Removes the entry of `key`; whether there was one. Constant time.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn remove<K: RefKind>(&self, store: &mut Store, key: Rooted<'_, K>) -> Result<bool, Error> {
        let key = key.object(store)?;
        let removed = store.isolate_mut().weak_map_remove(&self.handle, key)?;
        Ok(removed.is_some())
    }

    /// How many entries there are whose keys no collection found dead.
    ///
    /// # Errors
    /// [`HeapError::Foreign`](crate::HeapError::Foreign) where the map is another store's.
    pub fn len(&self, store: &Store) -> Result<usize, Error> {
        Ok(store.isolate().weak_map_len(&self.handle)?)
    }

    /// Whether there are none.
    ///
    /// # Errors
    /// As [`Self::len`].
    pub fn is_empty(&self, store: &Store) -> Result<bool, Error> {
        Ok(self.len(store)? == 0)
    }

    /// Every entry, rooted: keys and values that no collection found dead.
    ///
    /// # Errors
    /// As [`Self::len`].
    pub fn entries<'s>(
        &self,
        scope: &mut Scope<'s>,
    ) -> Result<Vec<(Rooted<'s>, Option<Rooted<'s>>)>, Error> {
        let entries = scope.isolate().weak_map_entries(&self.handle)?;
        let raw: Vec<(ObjectRef, GcRef)> = entries.collect();
        let rooted = raw.into_iter().map(|(key, value)| {
            let key = Rooted::new(scope, key.to_ref());
            (key, Rooted::wrap(scope, value))
        });
        Ok(rooted.collect())
    }
}

fn raw(store: &Store, reference: Option<Rooted<'_>>) -> Result<GcRef, Error> {
    reference.map_or(Ok(GcRef::NULL), |reference| reference.try_gc_ref(store))
}

impl ExternRef {
    /// Puts a value of the host's that holds references into the heap. They keep their objects alive
    /// as long as the value's own object is alive, so a cycle through host and heap dies. A safepoint.
    ///
    /// ```
    /// use windrow::{CollectionKind, Config, ExternRef, HeapCell, Store, TraceHost};
    ///
    /// struct Listener {
    ///     callback: HeapCell,
    /// }
    ///
    /// impl TraceHost for Listener {
    ///     fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
    ///         visitor(&self.callback);
    ///     }
    /// }
    ///
    /// let mut store = Store::new(&Config::new())?;
    /// let mut scope = store.scope();
    /// let listener = Listener { callback: HeapCell::new() };
    /// let listener = ExternRef::new_traced(&mut scope, listener)?;
    /// // A cycle: from the value to the object that stands for it.
    /// let cell = &listener.data::<Listener>(&scope)?.expect("it is one").callback;
    /// scope.set_cell(cell, Some(listener.to_any()))?;
    /// drop(scope);
    ///
    /// store.gc(CollectionKind::Full)?;
    /// assert_eq!(store.stats().host_values_dropped, 1);
    /// # Ok::<(), windrow::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn new_traced<'s, T: TraceHost>(
        scope: &mut Scope<'s>,
        value: T,
    ) -> Result<Rooted<'s, Self>, ExternError<HostValue>> {
        Self::from_host_value(scope, HostValue::new_traced(value), 0)
    }
}

impl Store {
    /// Stores a reference in a cell of a traced host value. No barrier is owed.
    ///
    /// # Errors
    /// [`Error::ForeignReference`]; [`HeapError::Foreign`](crate::HeapError::Foreign) where the cell
    /// belongs to another store.
    pub fn set_cell(&self, cell: &HeapCell, reference: Option<Rooted<'_>>) -> Result<(), Error> {
        let reference = raw(self, reference)?;
        Ok(cell.set(self.isolate(), reference)?)
    }

    /// The raw reference in a cell of a traced host value, valid until the next safepoint; see
    /// [`Scope::root`].
    ///
    /// # Errors
    /// [`HeapError::Foreign`](crate::HeapError::Foreign) where the cell belongs to another store.
    pub fn cell(&self, cell: &HeapCell) -> Result<GcRef, Error> {
        Ok(cell.get(self.isolate())?)
    }
}
