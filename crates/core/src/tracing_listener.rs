//! Events for `tracing`: a span for each collection, an event for growth and exhaustion.
//!
//! Everything goes by the target `windrow::gc`. A collection is a span `collection`, open from its
//! start to its end but not entered, and an event `collected` inside it. Levels: a collection is
//! `INFO`, one that failed `ERROR`, growth `DEBUG`, exhaustion `WARN`. What nobody subscribes to costs
//! a look.

use crate::events::{
    BudgetGrown, CollectionEnded, CollectionStarted, EventListener, HeapExhausted,
};
use hashbrown::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::Span;

/// A listener that hands events on to the subscriber of the thread they happen on.
#[derive(Debug, Default)]
pub struct TracingListener {
    /// The spans of running collections by isolate.
    open: Mutex<HashMap<u64, Span>>,
}

impl TracingListener {
    /// A listener, for any number of isolates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Span>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Microseconds, as many as fit.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl EventListener for TracingListener {
    fn collection_started(&self, event: &CollectionStarted) {
        let span = tracing::info_span!(
            target: "windrow::gc",
            "collection",
            isolate = event.isolate,
            kind = ?event.kind,
            reason = ?event.reason,
            occupied_bytes = event.usage.occupied_bytes,
            committed_bytes = event.usage.committed_bytes,
        );
        // One that a panic cut short leaves its span, which ends here.
        self.open().insert(event.isolate, span);
    }

    fn collection_ended(&self, event: &CollectionEnded) {
        let span = self.open().remove(&event.isolate);
        let span = span.unwrap_or_else(Span::none);
        if let Some(error) = &event.error {
            tracing::error!(
                target: "windrow::gc", parent: &span,
                isolate = event.isolate, %error, "collection failed"
            );
            return;
        }
        tracing::info!(
            target: "windrow::gc",
            parent: &span,
            isolate = event.isolate,
            kind = ?event.kind,
            reclaimed_bytes = event.reclaimed_bytes,
            occupied_bytes = event.after.occupied_bytes,
            committed_bytes = event.after.committed_bytes,
            copied_bytes = event.copied_bytes,
            host_values_dropped = event.host_values_dropped,
            budget_bytes = event.budget_bytes,
            pause_us = micros(event.pause),
            roots_us = micros(event.phases.roots),
            closure_us = micros(event.phases.closure),
            weak_us = micros(event.phases.weak),
            reclaim_us = micros(event.phases.reclaim),
            verify_us = micros(event.phases.verify),
            "collected"
        );
    }

    fn budget_grown(&self, event: &BudgetGrown) {
        tracing::debug!(
            target: "windrow::gc",
            isolate = event.isolate,
            needed_bytes = event.needed_bytes,
            occupied_bytes = event.usage.occupied_bytes,
            budget_bytes = event.budget_bytes,
            "budget grown"
        );
    }

    fn heap_exhausted(&self, event: &HeapExhausted) {
        tracing::warn!(
            target: "windrow::gc",
            isolate = event.isolate,
            needed_bytes = event.needed_bytes,
            committed_bytes = event.usage.committed_bytes,
            limit_bytes = event.limit_bytes,
            "heap exhausted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CollectionKind, CollectionReason, PhaseTimes, Usage};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::{Event, Metadata, span, subscriber};

    /// Counts spans opened and closed, and events by level.
    #[derive(Default)]
    struct Counts {
        opened: AtomicU64,
        closed: AtomicU64,
        infos: AtomicU64,
        errors: AtomicU64,
    }

    struct Counting(Arc<Counts>);

    impl tracing::Subscriber for Counting {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "windrow::gc"
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1 + self.0.opened.fetch_add(1, Ordering::Relaxed))
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            let count = match *event.metadata().level() {
                tracing::Level::INFO => &self.0.infos,
                _ => &self.0.errors,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
        fn try_close(&self, _: span::Id) -> bool {
            self.0.closed.fetch_add(1, Ordering::Relaxed);
            true
        }
    }

    #[test]
    fn a_collection_is_a_span_with_an_event() {
        let counts = Arc::new(Counts::default());
        let listener = TracingListener::new();
        let usage = Usage::default();
        let mut ended = CollectionEnded {
            isolate: 7,
            kind: CollectionKind::Full,
            reason: CollectionReason::Requested,
            before: usage,
            after: usage,
            reclaimed_bytes: 0,
            copied_bytes: 0,
            copied_objects: 0,
            host_values_dropped: 0,
            budget_bytes: 0,
            pause: Duration::ZERO,
            phases: PhaseTimes::default(),
            error: None,
        };
        subscriber::with_default(Counting(Arc::clone(&counts)), || {
            for error in [None, Some(crate::HeapError::CollectionCutShort)] {
                listener.collection_started(&CollectionStarted {
                    isolate: 7,
                    kind: CollectionKind::Full,
                    reason: CollectionReason::Requested,
                    usage,
                });
                ended.error = error;
                listener.collection_ended(&ended);
            }
        });
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        assert_eq!((read(&counts.opened), read(&counts.closed)), (2, 2));
        assert_eq!((read(&counts.infos), read(&counts.errors)), (1, 1));
    }
}
