//! A recorder of what a mutator owes a collector, and a collector a mutator.
//!
//! It wraps any collector and asks for every barrier as a call, whatever the collector itself
//! asks for. What slots held after a collection is remembered; at the next one a slot of an object
//! that is no longer new must hold the same, or a barrier must have named it. A global or a table
//! element must hold what some did before, or what a barrier announced. So a store without its
//! barrier is found, in the host's code or in compiled code, on any collector.
//!
//! It also watches the protocol of a collection: roots once, then the weak phase once.
//!
//! Faults are reported by the heap's `verify`, which zeal calls after each collection. Time and
//! space are linear in the live objects at each collection.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use windrow_core::{
    AllocError, CollectionClient, CollectionKind, Collector, GcHeap, GcRef, Header, HeapContext,
    HeapError, HeapLimits, MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor, Usage,
    Violation, WeakPhase, WriteBarrier, load_ref, object_bytes, slots,
};

/// A collector whose mutators are watched.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Collector>,
}

impl Recorder {
    /// Watches the mutators of `inner`.
    #[must_use]
    pub const fn new(inner: Arc<dyn Collector>) -> Self {
        Self { inner }
    }
}

impl Collector for Recorder {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn properties(&self) -> Properties {
        self.inner.properties()
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            write_barrier: WriteBarrier::Call,
            ..self.inner.abi()
        }
    }

    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        Ok(Box::new(RecordingHeap {
            inner: self.inner.new_heap(cx, limits)?,
            wants_calls: self.inner.abi().has_write_barrier(),
            records: Records::default(),
        }))
    }
}

/// What is known of a heap since its last collection.
#[derive(Debug, Default)]
struct Records {
    /// What each slot of a survivor held.
    held: HashMap<u32, GcRef>,
    /// Slots that barriers named since.
    announced: HashSet<u32>,
    /// What globals and tables held.
    statics: HashSet<GcRef>,
    /// What barriers said globals and tables come to hold.
    announced_statics: HashSet<GcRef>,
    faults: Vec<String>,
}

/// Whether roots of a kind are written with a barrier.
const fn owes_barrier(kind: RootKind) -> bool {
    matches!(kind, RootKind::Global | RootKind::Table)
}

impl Records {
    fn announce(&mut self, cx: &HeapContext<'_>, owner: ObjectRef, first_slot: u32, count: u32) {
        let shape = cx.types.shape(Header::read(cx.memory, owner).type_id());
        let end = object_bytes(cx.memory, shape, owner)
            .map_or(0, |bytes| u64::from(owner.offset()) + u64::from(bytes));
        let start = u64::from(owner.offset()) + u64::from(windrow_core::HEADER_BYTES);
        let first = u64::from(first_slot);
        if first < start || first + 4 * u64::from(count) > end {
            self.faults.push(format!(
                "a barrier names {count} slots at {first_slot:#x}, not all in {owner:?}"
            ));
            return;
        }
        self.announced
            .extend((0..count).map(|index| first_slot + index * 4));
    }

    /// Compares every slot of a survivor with what it held.
    fn compare(&mut self, cx: &HeapContext<'_>) {
        for (slot, held) in &self.held {
            let holds = load_ref(cx.memory, *slot);
            if holds != *held && !self.announced.contains(slot) {
                self.faults.push(format!(
                    "the slot {slot:#x} went from {held:?} to {holds:?} without a barrier"
                ));
            }
        }
    }

    fn compare_static(&mut self, kind: RootKind, holds: GcRef) {
        let is_known = holds.as_object().is_none()
            || self.statics.contains(&holds)
            || self.announced_statics.contains(&holds);
        if !is_known {
            self.faults.push(format!(
                "a root of kind {kind:?} came to hold {holds:?} without a barrier"
            ));
        }
    }

    /// Remembers what every slot of the survivors holds.
    fn remember(&mut self, cx: &HeapContext<'_>, survivors: &[ObjectRef]) {
        self.held.clear();
        self.announced.clear();
        self.announced_statics.clear();
        for object in survivors {
            let header = Header::read(cx.memory, *object);
            let shape = cx.types.shape(header.type_id());
            let Ok(bytes) = object_bytes(cx.memory, shape, *object) else {
                continue;
            };
            slots(cx.memory, cx.types, header, shape, *object, bytes).for_each(|slot| {
                self.held.insert(slot, load_ref(cx.memory, slot));
            });
        }
    }
}

struct RecordingHeap {
    inner: Box<dyn GcHeap>,
    wants_calls: bool,
    records: Records,
}

impl GcHeap for RecordingHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        self.inner.allocate(cx, bytes, header)
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        self.records.compare(cx);
        let mut watched = WatchedClient {
            inner: client,
            records: &mut self.records,
            statics: HashSet::new(),
            root_phases: 0,
            weak_phases: 0,
        };
        self.inner.collect(cx, kind, &mut watched)?;
        let (root_phases, weak_phases) = (watched.root_phases, watched.weak_phases);
        self.records.statics = watched.statics;
        if (root_phases, weak_phases) != (1, 1) {
            self.records.faults.push(format!(
                "a collection visited the roots {root_phases} times and ran the weak phase \
                 {weak_phases} times; each is to be done once"
            ));
        }
        let mut survivors = Vec::new();
        self.inner
            .visit_objects(cx, &mut |object, _| survivors.push(object))?;
        self.records.remember(cx, &survivors);
        Ok(())
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
        match owner {
            Some(owner) => self.records.announce(cx, owner, slot, 1),
            None => {
                self.records.announced_statics.insert(value);
            }
        }
        if self.wants_calls {
            self.inner.write_barrier(cx, owner, slot, value);
        }
    }

    fn range_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: ObjectRef,
        first_slot: u32,
        count: u32,
    ) {
        self.records.announce(cx, owner, first_slot, count);
        if self.wants_calls {
            self.inner.range_barrier(cx, owner, first_slot, count);
        }
    }

    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        self.inner.visit_objects(cx, visit)
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        for fault in &self.records.faults {
            report(Violation(fault.clone()));
        }
        self.inner.verify(cx, report);
    }
}

/// The client of a collection, watched.
struct WatchedClient<'a> {
    inner: &'a mut dyn CollectionClient,
    records: &'a mut Records,
    /// What globals and tables hold afterwards.
    statics: HashSet<GcRef>,
    root_phases: u32,
    weak_phases: u32,
}

impl CollectionClient for WatchedClient<'_> {
    fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError> {
        self.root_phases += 1;
        self.inner.visit_roots(&mut WatchedRoots {
            inner: visitor,
            records: self.records,
            statics: &mut self.statics,
        })
    }

    fn process_weak(&mut self, heap: &mut dyn WeakPhase) -> Result<(), HeapError> {
        self.weak_phases += 1;
        self.inner.process_weak(heap)
    }
}

struct WatchedRoots<'a> {
    inner: &'a mut dyn RootVisitor,
    records: &'a mut Records,
    statics: &'a mut HashSet<GcRef>,
}

impl RootVisitor for WatchedRoots<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        if owes_barrier(kind) {
            self.records.compare_static(kind, *slot);
        }
        self.inner.visit(kind, slot);
        if owes_barrier(kind) {
            self.statics.insert(*slot);
        }
    }
}
