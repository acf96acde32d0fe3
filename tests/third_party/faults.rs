//! Collectors with one fault each: the kit must find it and say where it is.

use crate::sticky::{Mistake, StickyCollector};
use std::collections::HashSet;
use std::sync::Arc;
use windrow::CollectorKind;
use windrow_core::{
    AllocError, CollectionClient, CollectionKind, Collector, GcHeap, GcRef, Header, HeapContext,
    HeapError, HeapLimits, Memory, MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor,
    ShapeKind, Usage, Violation, WeakPhase, load_ref, slots,
};
use windrow_testkit::{Effort, Recorder, VARIABLES, prove};

/// What a collector does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Does not see roots of one kind.
    ForgetsRoots(RootKind),
    /// Sees the roots of the innermost call and of none that waits for it.
    MissesCallers,
    /// Leaves the last byte of each object behind.
    CopiesShort,
    /// Leaves the last element of each array behind.
    LosesLastElement,
    /// Makes two objects of one that is referred to twice.
    ForwardsTwice,
    /// Gives the last object the type of the first.
    ConfusesTypes,
    /// Ignores that a reference is stored in an object.
    SkipsTheWriteBarrier,
    /// Ignores that a run of references is stored in an object.
    SkipsTheRangeBarrier,
    /// Runs the weak phase a second time.
    RepeatsTheWeakPhase,
    /// Says in the weak phase of every object that it died.
    DropsHostDataEarly,
    /// Says in the weak phase of every object that it lives.
    DropsHostDataLate,
    /// Says of an object in the weak phase that it is where it was.
    SurvivorsStay,
    /// Does not trace what it is shown in the weak phase.
    TracesNothingMore,
    /// Says that every object lives until dependents are shown.
    KeepsDependents,
    /// Sees nothing of what is shown once all is settled.
    BringsNothingBack,
    /// Accounts for eight bytes too many.
    MiscountsBytes,
    /// Makes a heap twice as large as it may be.
    IgnoresTheLimit,
    /// Says that objects stay where they are.
    MovesInSecret,
    /// Says that it collects, and does not.
    Hoards,
    /// Says that it is full when it is not.
    RefusesEverything,
}

/// A right collector with a fault added.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Collector>,
    pub(crate) fault: Fault,
}

impl Collector for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn properties(&self) -> Properties {
        let collects = self.fault == Fault::Hoards || self.inner.properties().collects;
        Properties {
            collects,
            reclaims_cycles: collects,
            ..self.inner.properties()
        }
    }

    fn abi(&self) -> MutatorAbi {
        let inner = self.inner.abi();
        MutatorAbi {
            moves_objects: inner.moves_objects && self.fault != Fault::MovesInSecret,
            ..inner
        }
    }

    fn new_heap(
        &self,
        cx: &mut HeapContext<'_>,
        mut limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        if self.fault == Fault::IgnoresTheLimit {
            limits.max_bytes *= 2;
        }
        Ok(Box::new(FaultyHeap {
            inner: self.inner.new_heap(cx, limits)?,
            fault: self.fault,
        }))
    }
}

struct FaultyHeap {
    inner: Box<dyn GcHeap>,
    fault: Fault,
}

impl FaultyHeap {
    /// Leaves the heap as a wrong collection would have.
    fn tamper(&mut self, cx: &mut HeapContext<'_>) -> Result<(), HeapError> {
        let mut objects = Vec::new();
        self.inner
            .visit_objects(cx, &mut |object, bytes| objects.push((object, bytes)))?;
        if let (Fault::ConfusesTypes, [(first, _), .., (last, _)]) = (self.fault, &objects[..]) {
            let ty = Header::read(cx.memory, *first).type_id();
            cx.memory.store_u32(last.offset(), ty.bits());
        }
        for (object, bytes) in &objects {
            let (object, bytes) = (*object, *bytes);
            let end = object.offset() + u32::try_from(bytes).expect("objects fit the heap");
            let shape = *cx.types.shape(Header::read(cx.memory, object).type_id());
            let length = cx.memory.load_u32(object.offset() + 8);
            let is_array = shape.kind == ShapeKind::Array;
            match self.fault {
                Fault::CopiesShort if bytes > 8 => cx.memory.fill(end - 1, 1, 0),
                Fault::LosesLastElement if is_array && length > 0 => {
                    let last = shape.size_bytes + ((length - 1) << shape.element_log2);
                    cx.memory
                        .fill(object.offset() + last, 1 << shape.element_log2, 0);
                }
                _ => {}
            }
        }
        if self.fault == Fault::ForwardsTwice {
            self.split_shared(cx, &objects);
        }
        Ok(())
    }

    /// Gives the second of two references to one object a copy of its own.
    fn split_shared(&mut self, cx: &mut HeapContext<'_>, objects: &[(ObjectRef, u64)]) {
        let mut seen = HashSet::new();
        let mut second = None;
        for (object, bytes) in objects {
            let header = Header::read(cx.memory, *object);
            let shape = cx.types.shape(header.type_id());
            let bytes = u32::try_from(*bytes).expect("objects fit the heap");
            slots(cx.memory, cx.types, header, shape, *object, bytes).for_each(|slot| {
                let target = load_ref(cx.memory, slot).as_object();
                second = second.or(target
                    .filter(|target| !seen.insert(*target))
                    .zip(Some(slot)));
            });
        }
        let Some((target, slot)) = second else { return };
        let of_target = objects.iter().find(|(object, _)| *object == target);
        let bytes = of_target.map_or(0, |(_, bytes)| u32::try_from(*bytes).unwrap_or(0));
        let header = Header::read(cx.memory, target).bits();
        self.inner.set_budget(cx, 1 << 16);
        if let Ok(copy) = self.inner.allocate(cx, bytes, header) {
            cx.memory.copy(target.offset(), copy.offset(), bytes);
            cx.memory.store_u32(slot, copy.to_ref().bits());
        }
    }
}

impl GcHeap for FaultyHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        if self.fault == Fault::RefusesEverything {
            return Err(AllocError::Exhausted);
        }
        self.inner.allocate(cx, bytes, header)
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        self.inner.collect(
            cx,
            kind,
            &mut FaultyClient {
                inner: client,
                fault: self.fault,
            },
        )?;
        self.tamper(cx)
    }

    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64) {
        self.inner.set_budget(cx, bytes);
    }

    fn usage(&self, cx: &HeapContext<'_>) -> Usage {
        let mut usage = self.inner.usage(cx);
        if self.fault == Fault::MiscountsBytes {
            usage.occupied_bytes += 8;
        }
        usage
    }

    fn write_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        owner: Option<ObjectRef>,
        slot: u32,
        value: GcRef,
    ) {
        if self.fault != Fault::SkipsTheWriteBarrier {
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
        if self.fault != Fault::SkipsTheRangeBarrier {
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
        self.inner.verify(cx, report);
    }
}

struct FaultyClient<'a> {
    inner: &'a mut dyn CollectionClient,
    fault: Fault,
}

impl CollectionClient for FaultyClient<'_> {
    fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError> {
        self.inner.visit_roots(&mut Blinkered {
            inner: visitor,
            fault: self.fault,
            frame_slots: 0,
        })
    }

    fn process_weak(&mut self, heap: &mut dyn WeakPhase) -> Result<(), HeapError> {
        if self.fault == Fault::RepeatsTheWeakPhase {
            self.inner.process_weak(heap)?;
        }
        self.inner.process_weak(&mut Misled {
            heap,
            fault: self.fault,
            is_settled: false,
        })
    }
}

/// A heap with a fault in the weak phase.
struct Misled<'a> {
    heap: &'a mut dyn WeakPhase,
    fault: Fault,
    is_settled: bool,
}

impl RootVisitor for Misled<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        let is_missed = match self.fault {
            Fault::ForgetsRoots(forgotten) => kind == forgotten,
            Fault::BringsNothingBack => self.is_settled,
            _ => false,
        };
        if !is_missed {
            self.heap.visit(kind, slot);
        }
    }
}

impl WeakPhase for Misled<'_> {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        let survivor = self.heap.survivor(object);
        match self.fault {
            Fault::DropsHostDataEarly => None,
            Fault::DropsHostDataLate => survivor.or(Some(object)),
            Fault::KeepsDependents if !self.is_settled => survivor.or(Some(object)),
            Fault::SurvivorsStay => survivor.map(|_| object),
            _ => survivor,
        }
    }

    fn trace(&mut self, reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        if self.fault == Fault::TracesNothingMore {
            return Ok(());
        }
        self.heap.trace(reached)
    }

    fn settle(&mut self, is_final: bool) -> Result<(), HeapError> {
        self.is_settled = true;
        self.heap.settle(is_final)
    }
}

struct Blinkered<'a> {
    inner: &'a mut dyn RootVisitor,
    fault: Fault,
    /// How many slots of frames there were so far.
    frame_slots: usize,
}

impl RootVisitor for Blinkered<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        self.frame_slots += usize::from(kind == RootKind::Frame);
        let is_missed = match self.fault {
            Fault::ForgetsRoots(forgotten) => kind == forgotten,
            Fault::MissesCallers => kind == RootKind::Frame && self.frame_slots > VARIABLES,
            _ => false,
        };
        if !is_missed {
            self.inner.visit(kind, slot);
        }
    }
}

/// Asserts that the kit finds `fault` in a collector that has it, and says one of `clues`.
fn is_caught(inner: Arc<dyn Collector>, fault: Fault, clues: &[&str]) {
    let name = inner.name();
    let collector: Arc<dyn Collector> = Arc::new(Faulty { inner, fault });
    fails(&collector, &format!("{name}, {fault:?}"), clues);
}

fn fails(collector: &Arc<dyn Collector>, what: &str, clues: &[&str]) {
    let Err(counterexample) = prove(collector, Effort::cases(300)) else {
        panic!("{what}: passed for right");
    };
    let failure = counterexample.failure.to_string();
    let steps = counterexample.case.steps.len();
    eprintln!("{what}, {steps} steps: {failure}");
    let points_at_it = clues.iter().any(|clue| failure.contains(clue));
    assert!(
        points_at_it,
        "{what}: the message does not point at the fault: {failure}"
    );
}

fn copying() -> Arc<dyn Collector> {
    CollectorKind::Copying.instance()
}

fn sticky() -> Arc<dyn Collector> {
    Arc::new(StickyCollector::default())
}

#[test]
fn every_forgotten_kind_of_root_is_caught() {
    for (kind, clue) in [
        (RootKind::ValueStack, "variable"),
        (RootKind::Frame, "variable"),
        (RootKind::HostCall, "variable"),
        (RootKind::Exception, "variable"),
        (RootKind::Global, "static"),
        (RootKind::Table, "static"),
        (RootKind::ElementSegment, "static"),
        (RootKind::ScopedHandle, "scoped handle"),
        (RootKind::OwnedHandle, "owned handle"),
        (RootKind::HostValue, "cell"),
        (RootKind::WeakMapValue, "weak map"),
        (RootKind::Finalizable, "queue of finalizers"),
    ] {
        for inner in [copying(), sticky()] {
            is_caught(
                inner,
                Fault::ForgetsRoots(kind),
                &[&format!("root of kind {kind:?} holds"), clue],
            );
        }
    }
    for inner in [copying(), sticky()] {
        is_caught(
            inner,
            Fault::ForgetsRoots(RootKind::InFlight),
            &["init: InFlight("],
        );
    }
}

#[test]
fn what_copying_leaves_behind_is_caught() {
    is_caught(
        copying(),
        Fault::CopiesShort,
        &["-> field", "-> element", ": expected 0x"],
    );
    is_caught(copying(), Fault::LosesLastElement, &["-> element"]);
    is_caught(copying(), Fault::MovesInSecret, &["an object moved"]);
}

#[test]
fn callers_that_are_missed_are_caught() {
    for inner in [copying(), sticky()] {
        is_caught(
            inner,
            Fault::MissesCallers,
            &["of kind Frame", "of the caller"],
        );
    }
}

#[test]
fn objects_taken_for_others_are_caught() {
    is_caught(
        copying(),
        Fault::ForwardsTwice,
        &["leads to as well", "bytes are live"],
    );
    for inner in [copying(), sticky()] {
        is_caught(
            inner,
            Fault::ConfusesTypes,
            &[
                "found an object of type",
                "of a type it may not hold",
                "header of no type",
                "has not the",
                "names no type",
            ],
        );
    }
}

#[test]
fn skipped_barriers_are_caught() {
    for fault in [Fault::SkipsTheWriteBarrier, Fault::SkipsTheRangeBarrier] {
        is_caught(sticky(), fault, &["which is no object", "expected"]);
    }
}

#[test]
fn a_live_cycle_freed_and_a_stale_remembered_entry_are_caught() {
    for (mistake, clues) in [
        (
            Mistake::FreesCycles,
            ["of its own, found", "which is no object"],
        ),
        (
            Mistake::KeepsTheRemembered,
            ["is remembered and no object", "leads to no object"],
        ),
    ] {
        let collector: Arc<dyn Collector> = Arc::new(StickyCollector {
            mistake: Some(mistake),
        });
        fails(&collector, &format!("{mistake:?}"), &clues);
    }
}

#[test]
fn a_weak_phase_run_twice_is_caught() {
    for inner in [copying(), sticky()] {
        let collector: Arc<dyn Collector> = Arc::new(Recorder::new(Arc::new(Faulty {
            inner,
            fault: Fault::RepeatsTheWeakPhase,
        })));
        fails(
            &collector,
            "a weak phase run twice",
            &["the weak phase 2 times", "was dropped"],
        );
    }
}

#[test]
fn host_data_dropped_early_or_late_is_caught() {
    for inner in [copying(), sticky()] {
        is_caught(
            Arc::clone(&inner),
            Fault::DropsHostDataEarly,
            &["host value"],
        );
        is_caught(
            inner,
            Fault::DropsHostDataLate,
            &[
                "was not dropped",
                "was not cleared",
                "the owner of a host value holds",
                "a weak reference holds",
            ],
        );
    }
}

#[test]
fn faults_of_the_weak_phase_are_caught() {
    is_caught(
        copying(),
        Fault::SurvivorsStay,
        &["the owner of a host value holds", "a weak reference holds"],
    );
    for inner in [copying(), sticky()] {
        is_caught(
            Arc::clone(&inner),
            Fault::TracesNothingMore,
            &["which is no object", "expected"],
        );
        is_caught(
            Arc::clone(&inner),
            Fault::KeepsDependents,
            &["bytes are live", "was not dropped", "roots of kind"],
        );
        is_caught(
            inner,
            Fault::BringsNothingBack,
            &["queue of finalizers", "kind Finalizable"],
        );
    }
}

#[test]
fn false_accounts_are_caught() {
    for inner in [copying(), sticky()] {
        is_caught(
            Arc::clone(&inner),
            Fault::MiscountsBytes,
            &["bytes are accounted for"],
        );
        is_caught(
            Arc::clone(&inner),
            Fault::IgnoresTheLimit,
            &["bytes were committed, the limit is"],
        );
        is_caught(inner, Fault::RefusesEverything, &["there should be room"]);
    }
    is_caught(
        CollectorKind::Null.instance(),
        Fault::Hoards,
        &["bytes are live", "was not dropped"],
    );
}
