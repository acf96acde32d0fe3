//! What an isolate tells a listener: collections, growth, exhaustion.
//!
//! The driver looks once a collection, and once for each budget it sets anew, whether anybody listens.
//! Without a listener no time is taken and nothing is put together; allocation in line never looks.

use crate::{CollectionKind, CollectionReason, HeapError, Usage};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hears what isolates do. One listener may serve many isolates on many threads; each event names its
/// isolate.
///
/// A method runs on the thread that allocates or collects, which waits for it. It cannot reach the
/// isolate. A panic passes through the call that caused the event, and leaves the heap whole.
pub trait EventListener: Send + Sync {
    /// A collection begins. Nothing has been looked at.
    fn collection_started(&self, event: &CollectionStarted) {
        let _ = event;
    }

    /// A collection ended, or failed. Host values of the dead drop after this.
    fn collection_ended(&self, event: &CollectionEnded) {
        let _ = event;
    }

    /// An allocation found no room, and the heap may allocate more before it collects again.
    fn budget_grown(&self, event: &BudgetGrown) {
        let _ = event;
    }

    /// An allocation failed: there is no room after collecting and growing as far as the limit allows.
    fn heap_exhausted(&self, event: &HeapExhausted) {
        let _ = event;
    }
}

impl fmt::Debug for dyn EventListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventListener")
    }
}

/// See [`EventListener::collection_started`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CollectionStarted {
    /// Which isolate: [`Isolate::id`](crate::Isolate::id).
    pub isolate: u64,
    /// Which collection was asked for.
    pub kind: CollectionKind,
    /// Why.
    pub reason: CollectionReason,
    /// What the heap holds.
    pub usage: Usage,
}

/// See [`EventListener::collection_ended`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CollectionEnded {
    /// Which isolate: [`Isolate::id`](crate::Isolate::id).
    pub isolate: u64,
    /// Which collection was asked for.
    pub kind: CollectionKind,
    /// Why.
    pub reason: CollectionReason,
    /// What the heap held before.
    pub before: Usage,
    /// What it holds now; as before if the collection failed.
    pub after: Usage,
    /// Bytes of dead objects reclaimed.
    pub reclaimed_bytes: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Objects copied.
    pub copied_objects: u64,
    /// Host values that drop now, because their objects died.
    pub host_values_dropped: u64,
    /// What may be allocated before the next collection, in bytes; zero if this one failed.
    pub budget_bytes: u64,
    /// How long the mutator waited, verification under zeal left out.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "pause_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub pause: Duration,
    /// Where the time went.
    pub phases: PhaseTimes,
    /// Why the collection, or verification after it, failed. The heap is poisoned then.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "crate::serialize::as_optional_text")
    )]
    pub error: Option<HeapError>,
}

/// How long the parts of a collection took, as they look from outside a collector.
///
/// A part is the time up to the moment that ends it, so whatever a collector does in between is in one
/// of them, and together they are the pause and verification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PhaseTimes {
    /// Until every root was shown, with what the collector does to what roots refer to.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "roots_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub roots: Duration,
    /// From there to the weak phase: tracing, or the counts of a log.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "closure_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub closure: Duration,
    /// Finding what died of what goes by an object's life: host values.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "weak_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub weak: Duration,
    /// From there on: freeing, and setting the budget.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "reclaim_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub reclaim: Duration,
    /// Verification before and after; zero unless zeal asks for it.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "verify_seconds",
            serialize_with = "crate::serialize::as_seconds"
        )
    )]
    pub verify: Duration,
}

/// See [`EventListener::budget_grown`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BudgetGrown {
    /// Which isolate: [`Isolate::id`](crate::Isolate::id).
    pub isolate: u64,
    /// Bytes of the allocation that needs it.
    pub needed_bytes: u64,
    /// What the heap holds.
    pub usage: Usage,
    /// What it may allocate beyond that before it collects; the limit holds all the same.
    pub budget_bytes: u64,
}

/// See [`EventListener::heap_exhausted`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HeapExhausted {
    /// Which isolate: [`Isolate::id`](crate::Isolate::id).
    pub isolate: u64,
    /// Bytes of the allocation that failed.
    pub needed_bytes: u64,
    /// What the heap holds.
    pub usage: Usage,
    /// The hard limit on committed bytes.
    pub limit_bytes: u64,
}

/// The parts of [`PhaseTimes`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    Roots,
    Closure,
    Weak,
    Reclaim,
    Verify,
}

/// A collection somebody listens to.
pub(crate) struct CollectionWatch {
    pub(crate) listener: Arc<dyn EventListener>,
    pub(crate) started: CollectionStarted,
    /// What the statistics said before.
    pub(crate) copied_bytes: u64,
    pub(crate) copied_objects: u64,
    pub(crate) budget_bytes: u64,
    pub(crate) phases: PhaseTimes,
    last: Instant,
}

impl CollectionWatch {
    /// Tells the listener of the start, then starts the clock.
    pub(crate) fn start(
        listener: Arc<dyn EventListener>,
        started: CollectionStarted,
        copied_bytes: u64,
        copied_objects: u64,
    ) -> Self {
        listener.collection_started(&started);
        Self {
            listener,
            started,
            copied_bytes,
            copied_objects,
            budget_bytes: 0,
            phases: PhaseTimes::default(),
            last: Instant::now(),
        }
    }

    /// Counts the time since the last call, or the start, for `phase`.
    pub(crate) fn end_of(&mut self, phase: Phase) {
        let now = Instant::now();
        let phases = &mut self.phases;
        *match phase {
            Phase::Roots => &mut phases.roots,
            Phase::Closure => &mut phases.closure,
            Phase::Weak => &mut phases.weak,
            Phase::Reclaim => &mut phases.reclaim,
            Phase::Verify => &mut phases.verify,
        } += now - self.last;
        self.last = now;
    }
}

/// Counts the time since the last call for `phase`, if anybody listens.
pub(crate) fn end_of(watch: &mut Option<CollectionWatch>, phase: Phase) {
    if let Some(watch) = watch {
        watch.end_of(phase);
    }
}
