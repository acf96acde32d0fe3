//! Finalizers: objects registered, and the queue of those found dead.

use crate::{GcRef, ObjectRef, RootKind, RootVisitor, WeakPhase};
use std::collections::VecDeque;

/// The finalizers of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Finalizers {
    registered: Vec<(ObjectRef, u64)>,
    /// Found dead, kept alive until they are handed out.
    queue: VecDeque<(GcRef, u64)>,
}

impl Finalizers {
    pub(crate) fn register(&mut self, object: ObjectRef, tag: u64) {
        self.registered.push((object, tag));
    }

    pub(crate) fn next(&mut self) -> Option<(ObjectRef, u64)> {
        let (reference, tag) = self.queue.pop_front()?;
        Some((reference.as_object()?, tag))
    }

    pub(crate) fn queued(&self) -> impl ExactSizeIterator<Item = (GcRef, u64)> + '_ {
        self.queue.iter().copied()
    }

    pub(crate) const fn is_none_registered(&self) -> bool {
        self.registered.is_empty()
    }

    /// Every object with a finalizer that did not die, with its tag.
    pub(crate) fn registered(&self) -> impl Iterator<Item = (ObjectRef, u64)> + '_ {
        self.registered.iter().copied()
    }

    /// Shows the objects in the queue.
    pub(crate) fn visit(&mut self, visitor: &mut dyn RootVisitor) {
        for (reference, _) in &mut self.queue {
            visitor.visit(RootKind::Finalizable, reference);
        }
    }

    /// Moves the dead to the queue, in the order they were registered in, the others along. The last so
    /// many in the queue are to be shown.
    pub(crate) fn queue_dead(&mut self, heap: &mut dyn WeakPhase) -> usize {
        let queued = self.queue.len();
        let queue = &mut self.queue;
        self.registered.retain_mut(|(object, tag)| {
            let now = heap.survivor(*object);
            match now {
                Some(now) => *object = now,
                None => queue.push_back((object.to_ref(), *tag)),
            }
            now.is_some()
        });
        self.queue.len() - queued
    }

    /// Shows the last `count` in the queue.
    pub(crate) fn visit_last(&mut self, count: usize, visitor: &mut dyn RootVisitor) {
        let first = self.queue.len().saturating_sub(count);
        for (reference, _) in self.queue.iter_mut().skip(first) {
            visitor.visit(RootKind::Finalizable, reference);
        }
    }
}
