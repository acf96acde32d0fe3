//! What a store's instances and its host share, as roots.

use std::sync::Arc;
use windrow::jit::{ActivationList, RootSource, RootVisitor};
use windrow::{HeapError, Store};

/// Something with references in it, shared by compiled code, the host and the collector.
pub(crate) trait Roots: Send + Sync + 'static {
    /// Shows the references it holds, if it holds any.
    fn visit(&self, visitor: &mut dyn RootVisitor);
}

/// The roots of something shared.
struct Shared<T>(Arc<T>);

impl<T: Roots> RootSource for Shared<T> {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        visitor: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        self.0.visit(visitor);
        Ok(0)
    }
}

/// Shows the roots of `data` to every collection of the store.
pub(crate) fn add_roots<T: Roots>(store: &mut Store, data: &Arc<T>) {
    let source = Shared(Arc::clone(data));
    store.isolate_mut().add_root_source(Box::new(source));
}
