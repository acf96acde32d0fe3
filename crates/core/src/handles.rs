//! Handles: the host's own roots, by index.
//!
//! Scoped handles are a stack: a scope remembers the height and drops everything above it at its
//! end. Owned handles live as long as their token; the table notices at the next collection that
//! a token is gone, so dropping one needs no access to the isolate. Whoever has the isolate at hand
//! gives a handle back with [`Handles::release`], and the table does not grow until then. Tokens
//! stay with their entries and are used again, so in a steady state neither allocates.

use crate::{GcRef, RootKind, RootVisitor};
use std::sync::Arc;

/// A handle on the scoped stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScopedHandle(u32);

impl ScopedHandle {
    /// The handle at this height of the stack, for layers that keep it in a form of their own.
    #[must_use]
    pub const fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// Its height on the stack.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// Height of the scoped stack when a scope was opened.
#[derive(Debug)]
#[must_use = "close the scope to release its handles"]
pub struct ScopeMark(usize);

/// A root that lasts until its last clone is dropped.
#[derive(Clone, Debug)]
pub struct OwnedHandle {
    index: usize,
    token: Arc<()>,
}

#[derive(Debug)]
struct Owned {
    /// `None` while the entry is free. Then nobody else has the token.
    reference: Option<GcRef>,
    token: Arc<()>,
}

/// The handles of one isolate.
#[derive(Debug, Default)]
pub struct Handles {
    scoped: Vec<GcRef>,
    owned: Vec<Owned>,
    free: Vec<usize>,
}

impl Handles {
    /// Opens a scope.
    #[inline]
    pub fn open_scope(&self) -> ScopeMark {
        ScopeMark(self.scoped.len())
    }

    /// Closes a scope: its handles, and those of scopes inside it, root nothing any more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a mark closes one scope, once"
    )]
    #[inline]
    pub fn close_scope(&mut self, mark: ScopeMark) {
        self.scoped.truncate(mark.0);
    }

    /// Roots `reference` in the innermost scope.
    ///
    /// # Panics
    /// After 2^32 handles, which take 16 GiB.
    #[inline]
    pub fn push(&mut self, reference: GcRef) -> ScopedHandle {
        let index = u32::try_from(self.scoped.len()).expect("fewer than 2^32 handles are open");
        self.scoped.push(reference);
        ScopedHandle(index)
    }

    /// The reference behind a scoped handle, or `None` after its scope was closed.
    #[must_use]
    #[inline]
    pub fn scoped(&self, handle: ScopedHandle) -> Option<GcRef> {
        self.scoped.get(handle.0 as usize).copied()
    }

    /// How many handles open scopes hold.
    #[must_use]
    pub const fn scoped_len(&self) -> usize {
        self.scoped.len()
    }

    /// Roots `reference` until the handle and all its clones are dropped.
    pub fn own(&mut self, reference: GcRef) -> OwnedHandle {
        if let Some(index) = self.free.pop()
            && let Some(entry) = self.owned.get_mut(index)
        {
            entry.reference = Some(reference);
            let token = Arc::clone(&entry.token);
            return OwnedHandle { index, token };
        }
        let token = Arc::new(());
        self.owned.push(Owned {
            reference: Some(reference),
            token: Arc::clone(&token),
        });
        OwnedHandle {
            index: self.owned.len() - 1,
            token,
        }
    }

    /// Drops a handle; if it is the last of its clones its entry is free at once, rather than from
    /// the next collection on. Another table's handle is only dropped.
    pub fn release(&mut self, handle: OwnedHandle) {
        let OwnedHandle { index, token } = handle;
        let Some(entry) = self.owned.get_mut(index) else {
            return;
        };
        if !Arc::ptr_eq(&entry.token, &token) {
            return;
        }
        drop(token);
        if Arc::strong_count(&entry.token) == 1 {
            entry.reference = None;
            self.free.push(index);
        }
    }

    /// The reference behind an owned handle, or `None` if it is another table's.
    #[must_use]
    pub fn owned(&self, handle: &OwnedHandle) -> Option<GcRef> {
        let owned = self.owned.get(handle.index)?;
        owned
            .reference
            .filter(|_| Arc::ptr_eq(&owned.token, &handle.token))
    }

    /// Visits every handle, and frees the owned ones whose tokens are gone.
    pub(crate) fn visit(&mut self, visitor: &mut dyn RootVisitor) {
        for reference in &mut self.scoped {
            visitor.visit(RootKind::ScopedHandle, reference);
        }
        for (index, owned) in self.owned.iter_mut().enumerate() {
            let Some(reference) = &mut owned.reference else {
                continue;
            };
            if Arc::strong_count(&owned.token) == 1 {
                owned.reference = None;
                self.free.push(index);
            } else {
                visitor.visit(RootKind::OwnedHandle, reference);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(usize);

    impl RootVisitor for Count {
        fn visit(&mut self, _: RootKind, _: &mut GcRef) {
            self.0 += 1;
        }
    }

    fn count(handles: &mut Handles) -> usize {
        let mut count = Count(0);
        handles.visit(&mut count);
        count.0
    }

    #[test]
    fn released_entries_are_used_again_before_a_collection() {
        let mut handles = Handles::default();
        for value in 0..1000 {
            let handle = handles.own(GcRef::from_i31(value));
            assert_eq!(handles.owned(&handle), Some(GcRef::from_i31(value)));
            handles.release(handle);
        }
        assert_eq!((handles.owned.len(), count(&mut handles)), (1, 0));
    }

    #[test]
    fn a_clone_keeps_a_released_handle_rooted() {
        let mut handles = Handles::default();
        let kept = handles.own(GcRef::from_i31(1));
        handles.release(kept.clone());
        let other = handles.own(GcRef::from_i31(2));
        assert_eq!(handles.owned(&kept), Some(GcRef::from_i31(1)));
        assert_eq!(handles.owned(&other), Some(GcRef::from_i31(2)));
        assert_eq!(count(&mut handles), 2);
        drop((kept, other));
        assert_eq!(count(&mut handles), 0);
        assert_eq!(handles.free.len(), 2);
    }

    #[test]
    fn another_tables_handle_frees_nothing() {
        let (mut handles, mut others) = (Handles::default(), Handles::default());
        let mine = handles.own(GcRef::from_i31(1));
        let other = others.own(GcRef::from_i31(2));
        assert_eq!(handles.owned(&other), None);
        handles.release(other);
        assert_eq!(handles.owned(&mine), Some(GcRef::from_i31(1)));
        assert_eq!((count(&mut handles), count(&mut others)), (1, 0));
    }
}
