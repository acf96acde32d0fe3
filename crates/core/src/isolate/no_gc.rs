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
        self.no_gc_scopes += 1;
        NoGc { isolate: self }
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
        self.isolate.no_gc_scopes -= 1;
    }
}
