//! Scopes in which nothing is collected, so references stay what they are.

use super::Isolate;
use std::ops::{Deref, DerefMut};

/// An isolate that collects nothing until this is dropped: no reference moves, whatever is
/// allocated. An operation that would have to collect returns
/// [`HeapError::CollectionForbidden`](crate::HeapError::CollectionForbidden); the heap still grows
/// within its limit. Zeal waits.
#[derive(Debug)]
pub struct NoGc<'a> {
    isolate: &'a mut Isolate,
}

impl Isolate {
    /// Opens a scope without collections. Scopes nest.
    pub fn no_gc(&mut self) -> NoGc<'_> {
        self.forbid_gc();
        NoGc { isolate: self }
    }

    /// Forbids collections until [`Self::allow_gc`] was called as often as this: what [`NoGc`] does, for
    /// layers with a scope of their own.
    pub const fn forbid_gc(&mut self) {
        self.no_gc_scopes += 1;
    }

    /// Takes one [`Self::forbid_gc`] back.
    ///
    /// # Panics
    /// If none is left.
    pub const fn allow_gc(&mut self) {
        assert!(self.no_gc_scopes > 0, "collections were forbidden as often");
        self.no_gc_scopes -= 1;
    }

    /// Whether a scope without collections is open.
    #[must_use]
    pub const fn is_gc_forbidden(&self) -> bool {
        self.no_gc_scopes > 0
    }
}

impl Deref for NoGc<'_> {
    type Target = Isolate;

    fn deref(&self) -> &Isolate {
        self.isolate
    }
}

impl DerefMut for NoGc<'_> {
    fn deref_mut(&mut self) -> &mut Isolate {
        self.isolate
    }
}

impl Drop for NoGc<'_> {
    fn drop(&mut self) {
        self.isolate.allow_gc();
    }
}
