//! Scopes: how long handles last.
//!
//! Opening and closing one costs a few instructions; each handle made in it costs four bytes until
//! then. Loops and recursive functions that make handles open a scope of their own for each turn,
//! so that the objects of the last turn can die.

use crate::handle::StoreId;
use crate::{AnyRef, RefKind, Rooted, Store};
use std::ops::{Deref, DerefMut};
use windrow_core::{GcRef, ScopeMark};

/// A store, borrowed, in which handles can be made. They go when the scope is dropped; those of one that is
/// forgotten, and of the scopes around it, go with the store.
///
/// ```
/// # use windrow::{Config, FieldType, ScopedVal, Store, StructRef, StructType, Val, ValType};
/// # let mut store = Store::new(&Config::new())?;
/// let node = store.types().register_struct(StructType::new([
///     FieldType::mutable(ValType::I32),
///     FieldType::mutable(ValType::ANYREF),
/// ]))?;
/// let mut scope = store.scope();
/// let mut list = None;
/// for number in 0..10 {
///     // The list built so far comes out of the inner scope; nothing else does.
///     list = scope.nested(|inner| {
///         let fields = [Val::I32(number), ScopedVal::from(list)];
///         StructRef::new(inner, node, &fields).map(Some)
///     })?;
/// }
/// # assert_eq!(list.expect("ten nodes").get(&mut scope, 0)?.as_i32(), Some(9));
/// # Ok::<(), windrow::Error>(())
/// ```
#[derive(Debug)]
pub struct Scope<'s> {
    store: &'s mut Store,
    /// The store that was borrowed; another may have been swapped in.
    id: StoreId,
    /// How many scopes of that store are open, this one included.
    depth: u32,
    /// `None` once it is closed.
    mark: Option<ScopeMark>,
}

impl Store {
    /// Opens a scope of handles.
    #[inline]
    pub fn scope(&mut self) -> Scope<'_> {
        self.open_scopes = self.open_scopes.saturating_add(1);
        Scope {
            id: self.id(),
            depth: self.open_scopes,
            mark: Some(self.isolate().handles().open_scope()),
            store: self,
        }
    }
}

impl<'s> Scope<'s> {
    /// Runs `body` in a scope of its own, and keeps the one handle it returns, if any.
    ///
    /// # Errors
    /// What `body` returns.
    #[inline]
    pub fn nested<T: RefKind, E>(
        &mut self,
        body: impl for<'i> FnOnce(&mut Scope<'i>) -> Result<Option<Rooted<'i, T>>, E>,
    ) -> Result<Option<Rooted<'s, T>>, E> {
        let mut inner = self.store.scope();
        let result = body(&mut inner)?;
        let reference = result.map_or(GcRef::NULL, |handle| handle.gc_ref(&inner));
        drop(inner);
        Ok(Rooted::wrap(self, reference))
    }

    /// Roots a raw reference; `None` for null. What it leads to is the caller's word until the
    /// handle is [cast](Rooted::cast): a stale reference leads to some object or to none, never out
    /// of the heap.
    #[inline]
    pub fn root(&mut self, reference: GcRef) -> Option<Rooted<'s, AnyRef>> {
        Rooted::wrap(self, reference)
    }

    /// How many handles are open in the store, those of the scopes around this one included.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.isolate().handles().scoped_len()
    }
}

impl Deref for Scope<'_> {
    type Target = Store;

    #[inline]
    fn deref(&self) -> &Store {
        self.store
    }
}

impl DerefMut for Scope<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Store {
        self.store
    }
}

impl Drop for Scope<'_> {
    #[inline]
    fn drop(&mut self) {
        // Where stores were swapped this may not be the store, or not its innermost scope: the handles
        // stay then, since some above the mark may be in use.
        if self.store.id() == self.id
            && self.store.open_scopes == self.depth
            && let Some(mark) = self.mark.take()
        {
            self.store.open_scopes -= 1;
            self.store.isolate_mut().handles_mut().close_scope(mark);
        }
    }
}
