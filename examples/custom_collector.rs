//! A collector of your own, in one file: what `windrow-core` asks of it, step by step.
//!
//! For who wants to try an idea. This one is mark and sweep in which the sweep writes down the gaps
//! between the survivors, and allocation goes through the gaps from the lowest on. Objects never move,
//! and no write owes anything. It knows `windrow-core` alone, contains no unsafe code, and is handed to
//! [`Config`] as an `Arc<dyn Collector>`: everything that runs on a store then runs on it, whatever it
//! was written for. `tests/custom_collector.rs` proves it with one line, by the same tests that the
//! built-in collectors pass.
//!
//! What it costs: a look-up in a map for each reference, and a walk over all objects for each
//! collection. The collectors in `collectors/` have mark bits, blocks and lines instead; their files
//! are the next thing to read, `collectors/README.md` first.
//!
//! `cargo run --example custom_collector`
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]
#![expect(clippy::print_stdout, reason = "an example prints what it did")]

use std::collections::BTreeMap;
use std::sync::Arc;
use windrow::{Config, FieldType, ScopedVal, Store, StructRef, StructType, Val, ValType, Zeal};
use windrow_core::{
    AllocError, AllocSpec, CollectionClient, CollectionKind, Collector, Corruption,
    FIRST_OBJECT_OFFSET, GcHeap, GcRef, HEAP_END, HeapContext, HeapError, HeapLimits, Memory,
    MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor, TypeTables, Usage, Violation,
    WeakPhase, WriteBarrier, Zeal as HeapZeal, load_ref, slots_of_known_size, with_memory,
};

// ---- Step 1: the algorithm. A name, a description, and what compiled code has to know. ----

/// Mark and sweep into the gaps between survivors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GapCollector;

impl Collector for GapCollector {
    fn name(&self) -> &'static str {
        "gaps"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "marks what is reachable, allocates in the gaps between",
            collects: true,
            reclaims_cycles: true,
            pauses: "follow all objects",
        }
    }

    /// Allocation by call is what any collector can start with; `AllocSpec::bump` would have compilers
    /// allocate in line, between two words of the mutator's state. Nothing is owed on stores.
    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::Call,
            header_template: 0,
            write_barrier: WriteBarrier::None,
            moves_objects: false,
        }
    }

    fn new_heap(
        &self,
        _cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        // The first page stays empty, so that null leads nowhere.
        let room = u64::from(HEAP_END - FIRST_OBJECT_OFFSET).min(limits.max_bytes) & !7;
        let bytes = u32::try_from(room).expect("less than the heap");
        Ok(Box::new(GapHeap {
            objects: BTreeMap::new(),
            gaps: vec![Gap {
                start: FIRST_OBJECT_OFFSET,
                bytes,
            }],
            first_gap: 0,
            room,
            end: FIRST_OBJECT_OFFSET,
            occupied_bytes: 0,
            budget_bytes: 0,
        }))
    }
}

// ---- Step 2: a heap. What it must trust lies out here, and not among the objects. ----

#[derive(Debug)]
struct Object {
    bytes: u32,
    is_marked: bool,
}

#[derive(Debug)]
struct Gap {
    start: u32,
    bytes: u32,
}

#[derive(Debug)]
struct GapHeap {
    /// Every object there is, by address.
    objects: BTreeMap<ObjectRef, Object>,
    /// Where there is none, by address.
    gaps: Vec<Gap>,
    /// The first that is worth a look: those before are nearly full.
    first_gap: usize,
    /// Bytes of objects and gaps together.
    room: u64,
    /// Just past the highest object there ever was.
    end: u32,
    occupied_bytes: u64,
    /// What may be allocated before the driver wants to be asked again.
    budget_bytes: u64,
}

/// Gaps smaller than this are not worth a second look.
const CRUMB_BYTES: u32 = 32;

impl GapHeap {
    /// The first gap that has so many bytes. Crumbs are tried last.
    fn find(&mut self, bytes: u32) -> Option<usize> {
        let is_crumb = |gap: &Gap| gap.bytes < CRUMB_BYTES;
        while self.gaps.get(self.first_gap).is_some_and(is_crumb) {
            self.first_gap += 1;
        }
        let order = (self.first_gap..self.gaps.len()).chain(0..self.first_gap);
        let has_room = |at: &usize| self.gaps.get(*at).is_some_and(|gap| gap.bytes >= bytes);
        order.into_iter().find(has_room)
    }
}

// ---- Step 3: marking. Roots first, then whatever they lead to. ----

struct Marking<'a, M> {
    objects: &'a mut BTreeMap<ObjectRef, Object>,
    memory: &'a M,
    types: &'a TypeTables,
    /// Marked, but not looked into.
    gray: Vec<ObjectRef>,
    /// The first reference that leads to no object.
    stray: Option<Corruption>,
}

impl<M: Memory> Marking<'_, M> {
    /// The heap's bytes are anybody's: a reference is good if the map knows its object.
    fn mark(&mut self, reference: GcRef, found_at: u32) {
        let Some(object) = reference.as_object() else {
            return; // Null, or an integer.
        };
        match self.objects.get_mut(&object) {
            Some(entry) if entry.is_marked => {}
            Some(entry) => {
                entry.is_marked = true;
                self.gray.push(object);
            }
            None => {
                self.stray.get_or_insert(Corruption::Reference {
                    offset: found_at,
                    bits: reference.bits(),
                });
            }
        }
    }

    /// Marks what the gray lead to, until there are none.
    fn close(&mut self) -> Result<(), HeapError> {
        while let Some(object) = self.gray.pop() {
            let bytes = self.objects.get(&object).map_or(0, |entry| entry.bytes);
            let memory = self.memory;
            // Where the references are is in trusted tables, by the type in the header. An object that
            // claims another size than it was given is an error.
            slots_of_known_size(memory, self.types, object, bytes)?
                .for_each(|slot| self.mark(load_ref(memory, slot), slot));
        }
        self.stray.map_or(Ok(()), |stray| Err(stray.into()))
    }
}

/// A root is a reference that is shown in place. A collector that moves objects writes the new address
/// back; this one does not.
impl<M: Memory> RootVisitor for Marking<'_, M> {
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        self.mark(*slot, 0);
    }
}

// ---- Step 4: the weak phase. Weak references, weak maps, finalizers and host values are not a ----
// ---- collector's business: it answers what is alive, and keeps more alive when it is shown more. ----

impl<M: Memory> WeakPhase for Marking<'_, M> {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        let entry = self.objects.get(&object)?;
        entry.is_marked.then_some(object)
    }

    fn trace(&mut self, _reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        self.close()
    }
}

// ---- Step 5: sweeping. What is not marked goes, and what lies between the others is free. ----

impl GapHeap {
    fn sweep(&mut self, memory: &mut impl Memory, zeal: HeapZeal) {
        self.objects.retain(|object, entry| {
            if !entry.is_marked && zeal.poison {
                // A stale reference is to find nothing that looks like an object.
                memory.fill(object.offset(), entry.bytes, HeapZeal::POISON);
            }
            // Unmarked again, for the next time.
            std::mem::take(&mut entry.is_marked)
        });
        (self.gaps, self.first_gap, self.occupied_bytes) = (Vec::new(), 0, 0);
        let mut start = FIRST_OBJECT_OFFSET;
        for (object, entry) in &self.objects {
            let bytes = object.offset() - start;
            self.gaps
                .extend((bytes > 0).then_some(Gap { start, bytes }));
            start = object.offset() + entry.bytes;
            self.occupied_bytes += u64::from(entry.bytes);
        }
        let used = u64::from(start - FIRST_OBJECT_OFFSET);
        let bytes = u32::try_from(self.room - used).expect("less than the heap");
        self.gaps.push(Gap { start, bytes });
    }
}

// ---- Step 6: the contract. ----

impl GcHeap for GapHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        // "Exhausted" is an answer: the driver collects, or grows the budget, and asks again.
        if u64::from(bytes) > self.budget_bytes {
            return Err(AllocError::Exhausted);
        }
        let gap = self.find(bytes).and_then(|at| self.gaps.get_mut(at));
        let gap = gap.ok_or(AllocError::Exhausted)?;
        let end = self.end.max(gap.start + bytes);
        // Where there is no memory, the heap stays as it was.
        cx.memory
            .grow_to(end.into())
            .map_err(|_| AllocError::Exhausted)?;
        let start = gap.start;
        (gap.start, gap.bytes) = (start + bytes, gap.bytes - bytes);
        self.end = end;
        self.budget_bytes -= u64::from(bytes);
        self.occupied_bytes += u64::from(bytes);
        let object = ObjectRef::from_offset(start).expect("gaps are aligned, past the first page");
        let is_marked = false;
        self.objects.insert(object, Object { bytes, is_marked });
        // The caller writes the rest.
        cx.memory.store_u64(start, header);
        Ok(object)
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        _kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        let (types, zeal) = (cx.types, cx.zeal);
        // One match on the kind of memory; the loops inside are compiled for each.
        with_memory!(&mut *cx.memory, memory => {
            let objects = &mut self.objects;
            let mut marking = Marking { objects, memory, types, gray: Vec::new(), stray: None };
            client.visit_roots(&mut marking)?;
            marking.close()?;
            client.process_weak(&mut marking)?;
            self.sweep(memory, zeal);
        });
        Ok(())
    }

    fn set_budget(&mut self, _cx: &mut HeapContext<'_>, bytes: u64) {
        self.budget_bytes = bytes;
    }

    fn usage(&self, _cx: &HeapContext<'_>) -> Usage {
        Usage {
            occupied_bytes: self.occupied_bytes,
            committed_bytes: u64::from(self.end - FIRST_OBJECT_OFFSET),
        }
    }

    fn visit_objects(
        &self,
        _cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        let all = self.objects.iter();
        all.for_each(|(object, entry)| visit(*object, entry.bytes.into()));
        Ok(())
    }

    /// Checks this heap's own accounts. Under zeal it runs after each collection; that objects and
    /// references are whole is checked by others.
    fn verify(&self, _cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        let gaps: u64 = self.gaps.iter().map(|gap| u64::from(gap.bytes)).sum();
        let (occupied, room) = (self.occupied_bytes, self.room);
        if occupied + gaps != room {
            report(Violation(format!(
                "{occupied} bytes are used and {gaps} free, of {room}"
            )));
        }
    }
}

// ---- Step 7: use it. Nothing but the configuration knows. ----

pub(crate) fn main() -> Result<(), windrow::Error> {
    for (zeal, rounds) in [(Zeal::OFF, 2000), (Zeal::every(1), 5)] {
        let collector: Arc<dyn Collector> = Arc::new(GapCollector);
        let config = Config::new()
            .collector(collector)
            .heap_initial_bytes(64 << 10)
            .heap_max_bytes(1 << 20)
            .zeal(zeal);
        let mut store = Store::new(&config)?;
        let node = store.types().register_struct(StructType::new([
            FieldType::mutable(ValType::I32),
            FieldType::mutable(ValType::ANYREF),
        ]))?;

        // Lists that are dropped one after the other, and one node of each that is kept.
        let mut scope = store.scope();
        let mut kept = None;
        for round in 0..rounds {
            let mut turn = scope.scope();
            let mut list = None;
            for value in 0..100 {
                let fields = [Val::I32(value), ScopedVal::from(list)];
                list = Some(StructRef::new(&mut turn, node, &fields)?);
            }
            drop(turn);
            kept = scope.nested(|inner| {
                StructRef::new(inner, node, &[Val::I32(round), kept.into()]).map(Some)
            })?;
        }

        let (mut at, mut count) = (kept, 0);
        while let Some(object) = at {
            count += 1;
            let mut turn = scope.scope();
            let value = object.get(&mut turn, 0)?.as_i32();
            assert_eq!(value, Some(rounds - count));
            drop(turn);
            let next = object.get(&mut scope, 1)?.as_ref();
            at = next.and_then(|next| next.cast(&scope));
        }
        assert_eq!(count, rounds);
        let stats = scope.stats();
        println!(
            "zeal {}: {count} kept of {} bytes allocated; {} collections",
            zeal.collect_every,
            stats.allocated_bytes,
            stats.collections()
        );
        assert!(stats.collections() > 0);
    }
    Ok(())
}
