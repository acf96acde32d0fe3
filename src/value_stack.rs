//! Roots of the embedder's own: an interpreter's registers, its operand stack, its symbol table.
//!
//! The store owns the source and shows its slots to each collection in place; the embedder borrows
//! it through a key, at the cost of a type check. Slots hold raw references: four bytes, copied
//! freely, kept up to date where they lie. One that was copied out of its slot is stale after the
//! next safepoint, as any raw reference is: it leads to some object or to none, never out of the heap.

use crate::handle::StoreId;
use crate::{Error, Store};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use windrow_core::{ActivationList, GcRef, HeapError, RootKind, RootSource, RootVisitor};

/// Leads to a source of roots that a store owns. Lasts as long as the store.
pub struct RootsKey<T> {
    store: StoreId,
    number: usize,
    source: PhantomData<fn() -> T>,
}

impl<T> Clone for RootsKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RootsKey<T> {}

impl<T> fmt::Debug for RootsKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RootsKey").field(&self.number).finish()
    }
}

impl Store {
    /// Gives the store a source of roots, which it shows to each collection from now on.
    ///
    /// ```
    /// use windrow::{CollectionKind, Config, FieldType, Store, StructRef, StructType, ValType, ValueStack};
    ///
    /// let mut store = Store::new(&Config::new())?;
    /// let number = store.types().register_struct(StructType::new([FieldType::mutable(ValType::F64)]))?;
    /// let operands = store.add_roots(ValueStack::new());
    ///
    /// let mut scope = store.scope();
    /// let raw = StructRef::new_default(&mut scope, number)?.gc_ref(&scope);
    /// scope.roots_mut(operands).push(raw);
    /// drop(scope);
    ///
    /// // It may have moved by now, and the slot with it.
    /// store.gc(CollectionKind::Full)?;
    /// let raw = store.roots_mut(operands).pop().expect("it was pushed");
    /// let mut scope = store.scope();
    /// let object = scope.root(raw).expect("it is not null");
    /// assert_eq!(object.type_id(&scope), Some(number));
    /// # Ok::<(), windrow::Error>(())
    /// ```
    pub fn add_roots<T: RootSource>(&mut self, source: T) -> RootsKey<T> {
        RootsKey {
            store: self.id(),
            number: self.isolate_mut().add_root_source(Box::new(source)),
            source: PhantomData,
        }
    }

    /// A source of roots that this store owns.
    ///
    /// # Panics
    /// If the key is another store's; see [`Self::try_roots`].
    #[must_use]
    #[inline]
    pub fn roots<T: RootSource>(&self, key: RootsKey<T>) -> &T {
        self.try_roots(key)
            .expect("a key is used with the store it came from")
    }

    /// A source of roots that this store owns, to be changed.
    ///
    /// # Panics
    /// If the key is another store's; see [`Self::try_roots_mut`].
    #[must_use]
    #[inline]
    pub fn roots_mut<T: RootSource>(&mut self, key: RootsKey<T>) -> &mut T {
        self.try_roots_mut(key)
            .expect("a key is used with the store it came from")
    }

    /// A source of roots that this store owns.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if the key is another store's.
    #[inline]
    pub fn try_roots<T: RootSource>(&self, key: RootsKey<T>) -> Result<&T, Error> {
        if key.store != self.id() {
            return Err(Error::ForeignReference);
        }
        // No `ok_or`: the error it makes in advance costs a call to drop.
        match self.isolate().root_source(key.number) {
            Some(source) => Ok(source),
            None => Err(Error::ForeignReference),
        }
    }

    /// A source of roots that this store owns, to be changed.
    ///
    /// # Errors
    /// [`Error::ForeignReference`] if the key is another store's.
    #[inline]
    pub fn try_roots_mut<T: RootSource>(&mut self, key: RootsKey<T>) -> Result<&mut T, Error> {
        if key.store != self.id() {
            return Err(Error::ForeignReference);
        }
        match self.isolate_mut().root_source_mut(key.number) {
            Some(source) => Ok(source),
            None => Err(Error::ForeignReference),
        }
    }
}

/// A stack of references that a store keeps alive and up to date: a `Vec` of slots.
#[derive(Clone, Default, Debug)]
pub struct ValueStack {
    slots: Vec<GcRef>,
}

impl ValueStack {
    /// An empty stack.
    #[must_use]
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }
}

impl Deref for ValueStack {
    type Target = Vec<GcRef>;

    #[inline]
    fn deref(&self) -> &Vec<GcRef> {
        &self.slots
    }
}

impl DerefMut for ValueStack {
    #[inline]
    fn deref_mut(&mut self) -> &mut Vec<GcRef> {
        &mut self.slots
    }
}

impl RootSource for ValueStack {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        for slot in &mut self.slots {
            visitor.visit(RootKind::ValueStack, slot);
        }
        Ok(0)
    }
}
