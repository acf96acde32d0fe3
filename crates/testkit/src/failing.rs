//! A collector whose heaps refuse one allocation, for testing what comes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use windrow_core::{
    AllocError, AllocSpec, CollectionClient, CollectionKind, Collector, GcHeap, GcRef, HeapContext,
    HeapError, HeapLimits, MutatorAbi, ObjectRef, Properties, Usage, Violation,
};

/// Wraps a collector so that the `n`-th allocation of each heap, counted from zero, finds no room,
/// however often the heap is collected and grown for it. All others are the collector's own. Every
/// allocation is a call, compiled code's too.
#[derive(Debug)]
pub struct Failing {
    inner: Arc<dyn Collector>,
    nth: AtomicU64,
}

impl Failing {
    /// Refuses the `nth` allocation of each of the collector's heaps.
    #[must_use]
    pub const fn new(inner: Arc<dyn Collector>, nth: u64) -> Self {
        Self {
            inner,
            nth: AtomicU64::new(nth),
        }
    }

    /// Refuses another allocation in the heaps made from now on.
    pub fn refuse(&self, nth: u64) {
        self.nth.store(nth, Ordering::Relaxed);
    }
}

impl Collector for Failing {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::Call,
            ..self.inner.abi()
        }
    }

    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        // The driver asks again after a collection, after growth, and after a full collection.
        let attempts = if self.inner.properties().collects {
            4
        } else {
            2
        };
        Ok(Box::new(FailingHeap {
            inner: self.inner.new_heap(cx, limits)?,
            left: self.nth.load(Ordering::Relaxed),
            refusals: attempts,
        }))
    }
}

struct FailingHeap {
    inner: Box<dyn GcHeap>,
    /// Allocations before the one to refuse.
    left: u64,
    /// How often it is still to be refused.
    refusals: u32,
}

impl GcHeap for FailingHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        if self.left == 0 && self.refusals > 0 {
            self.refusals -= 1;
            return Err(AllocError::Exhausted);
        }
        let object = self.inner.allocate(cx, bytes, header)?;
        self.left = self.left.saturating_sub(1);
        Ok(object)
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        self.inner.collect(cx, kind, client)
    }

    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64) {
        self.inner.set_budget(cx, bytes);
    }

    fn usage(&self, cx: &HeapContext<'_>) -> Usage {
        self.inner.usage(cx)
    }

    fn write_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: Option<ObjectRef>,
        slot: u32,
        value: GcRef,
    ) {
        self.inner.write_barrier(cx, owner, slot, value);
    }

    fn range_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: ObjectRef,
        first_slot: u32,
        count: u32,
    ) {
        self.inner.range_barrier(cx, owner, first_slot, count);
    }

    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        self.inner.visit_objects(cx, visit)
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        self.inner.verify(cx, report);
    }
}
