//! Handles: the host's own roots, by index.
//!
//! Scoped handles are a stack: a scope remembers the height and drops everything above it at its
//! end. Owned handles live as long as their token; the table notices at the next collection that
//! a token is gone, so dropping one needs no access to the isolate.

use crate::{GcRef, RootKind, RootVisitor};
use std::sync::Arc;

/// A handle on the scoped stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScopedHandle(usize);

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
    reference: GcRef,
    token: Arc<()>,
}

/// The handles of one isolate.
#[derive(Debug, Default)]
pub struct Handles {
    scoped: Vec<GcRef>,
    owned: Vec<Option<Owned>>,
    free: Vec<usize>,
}

impl Handles {
    /// Opens a scope.
    pub fn open_scope(&self) -> ScopeMark {
        ScopeMark(self.scoped.len())
    }

    /// Closes a scope: its handles, and those of scopes inside it, root nothing any more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a mark closes one scope, once"
    )]
    pub fn close_scope(&mut self, mark: ScopeMark) {
        self.scoped.truncate(mark.0);
    }

    /// Roots `reference` in the innermost scope.
    pub fn push(&mut self, reference: GcRef) -> ScopedHandle {
        self.scoped.push(reference);
        ScopedHandle(self.scoped.len() - 1)
    }

    /// The reference behind a scoped handle, or `None` after its scope was closed.
    #[must_use]
    pub fn scoped(&self, handle: ScopedHandle) -> Option<GcRef> {
        self.scoped.get(handle.0).copied()
    }

    /// Roots `reference` until the handle and all its clones are dropped.
    pub fn own(&mut self, reference: GcRef) -> OwnedHandle {
        let token = Arc::new(());
        let owned = Some(Owned {
            reference,
            token: Arc::clone(&token),
        });
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.owned.get_mut(index)
        {
            *slot = owned;
            return OwnedHandle { index, token };
        }
        self.owned.push(owned);
        OwnedHandle {
            index: self.owned.len() - 1,
            token,
        }
    }

    /// The reference behind an owned handle, or `None` if it is another table's.
    #[must_use]
    pub fn owned(&self, handle: &OwnedHandle) -> Option<GcRef> {
        let owned = self.owned.get(handle.index)?.as_ref()?;
        Arc::ptr_eq(&owned.token, &handle.token).then_some(owned.reference)
    }

    /// Visits every handle, and frees the owned ones whose tokens are gone.
    pub(crate) fn visit(&mut self, visitor: &mut dyn RootVisitor) {
        for reference in &mut self.scoped {
            visitor.visit(RootKind::ScopedHandle, reference);
        }
        for (index, slot) in self.owned.iter_mut().enumerate() {
            let Some(owned) = slot else { continue };
            if Arc::strong_count(&owned.token) == 1 {
                *slot = None;
                self.free.push(index);
            } else {
                visitor.visit(RootKind::OwnedHandle, &mut owned.reference);
            }
        }
    }
}
