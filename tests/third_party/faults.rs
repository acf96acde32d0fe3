//! Collectors with one fault each: the kit must find it and say where it is.

use crate::mark_sweep::MarkSweepCollector;
use std::sync::Arc;
use windrow::CollectorKind;
use windrow_core::{
    AllocError, CollectionClient, CollectionKind, Collector, GcHeap, GcRef, Header, HeapContext,
    HeapError, HeapLimits, Memory, MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor,
    ShapeKind, Usage, Violation,
};
use windrow_testkit::{Effort, prove};

/// What a collector does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// Does not see roots of one kind.
    ForgetsRoots(RootKind),
    /// Leaves the last word of each object behind.
    CopiesShort,
    /// Leaves the last element of each array behind.
    LosesLastElement,
    /// Says of every object with a host value that it died.
    DropsHostDataEarly,
    /// Says of every object with a host value that it lives.
    DropsHostDataLate,
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
struct Faulty {
    inner: Arc<dyn Collector>,
    fault: Fault,
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
    /// Wipes what a collection that copied too little would have left behind.
    fn wipe(&self, cx: &mut HeapContext<'_>) -> Result<(), HeapError> {
        let mut objects = Vec::new();
        self.inner
            .visit_objects(cx, &mut |object, bytes| objects.push((object, bytes)))?;
        for (object, bytes) in objects {
            let end = object.offset() + u32::try_from(bytes).expect("objects fit the heap");
            let shape = *cx.types.shape(Header::read(cx.memory, object).type_id());
            let length = cx.memory.load_u32(object.offset() + 8);
            let is_array = shape.kind == ShapeKind::Array;
            match self.fault {
                Fault::CopiesShort if bytes > 16 => cx.memory.fill(end - 8, 8, 0),
                Fault::LosesLastElement if is_array && length > 0 => {
                    let last = shape.size_bytes + ((length - 1) << shape.element_log2);
                    cx.memory
                        .fill(object.offset() + last, 1 << shape.element_log2, 0);
                }
                _ => {}
            }
        }
        Ok(())
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
        self.wipe(cx)
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

struct FaultyClient<'a> {
    inner: &'a mut dyn CollectionClient,
    fault: Fault,
}

impl CollectionClient for FaultyClient<'_> {
    fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError> {
        self.inner.visit_roots(&mut Blinkered {
            inner: visitor,
            fault: self.fault,
        })
    }

    fn process_weak(&mut self, survivor: &mut dyn FnMut(ObjectRef) -> Option<ObjectRef>) {
        match self.fault {
            Fault::DropsHostDataEarly => self.inner.process_weak(&mut |_| None),
            Fault::DropsHostDataLate => self
                .inner
                .process_weak(&mut |object| survivor(object).or(Some(object))),
            _ => self.inner.process_weak(survivor),
        }
    }
}

struct Blinkered<'a> {
    inner: &'a mut dyn RootVisitor,
    fault: Fault,
}

impl RootVisitor for Blinkered<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        if self.fault != Fault::ForgetsRoots(kind) {
            self.inner.visit(kind, slot);
        }
    }
}

/// Asserts that the kit finds `fault` in a collector that has it, and says one of `clues`.
fn is_caught(inner: Arc<dyn Collector>, fault: Fault, clues: &[&str]) {
    let name = inner.name();
    let collector: Arc<dyn Collector> = Arc::new(Faulty { inner, fault });
    let Err(counterexample) = prove(&collector, Effort::cases(300)) else {
        panic!("{name} with the fault {fault:?} passed for right");
    };
    let failure = counterexample.failure.to_string();
    eprintln!(
        "{name}, {fault:?}, {} steps: {failure}",
        counterexample.case.steps.len()
    );
    let points_at_it = clues.iter().any(|clue| failure.contains(clue));
    assert!(
        points_at_it,
        "{name}, {fault:?}: the message does not point at the fault: {failure}"
    );
}

fn copying() -> Arc<dyn Collector> {
    CollectorKind::Copying.instance()
}

fn mark_sweep() -> Arc<dyn Collector> {
    Arc::new(MarkSweepCollector)
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
    ] {
        for inner in [copying(), mark_sweep()] {
            is_caught(
                inner,
                Fault::ForgetsRoots(kind),
                &[&format!("root of kind {kind:?} holds"), clue],
            );
        }
    }
    for inner in [copying(), mark_sweep()] {
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
fn host_data_dropped_early_or_late_is_caught() {
    for inner in [copying(), mark_sweep()] {
        is_caught(
            Arc::clone(&inner),
            Fault::DropsHostDataEarly,
            &["host value"],
        );
        is_caught(inner, Fault::DropsHostDataLate, &["was not dropped"]);
    }
}

#[test]
fn false_accounts_are_caught() {
    for inner in [copying(), mark_sweep()] {
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
