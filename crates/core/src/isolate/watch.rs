//! The isolate's side of events: what is told, and when.

use super::{Isolate, heap_context};
use crate::events::{
    BudgetGrown, CollectionEnded, CollectionStarted, CollectionWatch, HeapExhausted,
};
use crate::{CollectionKind, CollectionReason, HeapError};
use std::sync::Arc;
use std::time::Duration;

impl Isolate {
    /// Tells of a collection's start, if anybody listens.
    pub(super) fn watch_collection(
        &mut self,
        kind: CollectionKind,
        reason: CollectionReason,
    ) -> Option<CollectionWatch> {
        let listener = Arc::clone(self.config.listener.as_ref()?);
        let started = CollectionStarted {
            isolate: self.id.get().get(),
            kind,
            reason,
            usage: self.heap.usage(&heap_context!(self)),
        };
        let (bytes, objects) = (self.stats.copied_bytes, self.stats.copied_objects);
        Some(CollectionWatch::start(listener, started, bytes, objects))
    }

    /// Tells of its end.
    pub(super) fn tell_collection_ended(
        &mut self,
        watch: CollectionWatch,
        pause: Duration,
        host_values_dropped: u64,
        result: &Result<(), HeapError>,
    ) {
        let before = watch.started.usage;
        // A poisoned heap is not asked.
        let after = match result {
            Ok(()) => self.heap.usage(&heap_context!(self)),
            Err(_) => before,
        };
        watch.listener.collection_ended(&CollectionEnded {
            isolate: self.id.get().get(),
            kind: watch.started.kind,
            reason: watch.started.reason,
            before,
            after,
            reclaimed_bytes: before.occupied_bytes.saturating_sub(after.occupied_bytes),
            copied_bytes: self.stats.copied_bytes - watch.copied_bytes,
            copied_objects: self.stats.copied_objects - watch.copied_objects,
            host_values_dropped,
            budget_bytes: watch.budget_bytes,
            pause,
            phases: watch.phases,
            error: result.as_ref().err().cloned(),
        });
    }

    /// Tells that the budget was set anew outside a collection, if anybody listens.
    pub(super) fn tell_budget_grown(&mut self, needed_bytes: u64, budget_bytes: u64) {
        if let Some(listener) = &self.config.listener {
            listener.budget_grown(&BudgetGrown {
                isolate: self.id.get().get(),
                needed_bytes,
                usage: self.heap.usage(&heap_context!(self)),
                budget_bytes,
            });
        }
    }

    /// Tells that an allocation failed for good, if anybody listens.
    pub(super) fn tell_exhausted(&mut self, needed_bytes: u64) {
        if let Some(listener) = &self.config.listener {
            listener.heap_exhausted(&HeapExhausted {
                isolate: self.id.get().get(),
                needed_bytes,
                usage: self.heap.usage(&heap_context!(self)),
                limit_bytes: self.config.limits.max_bytes,
            });
        }
    }
}
