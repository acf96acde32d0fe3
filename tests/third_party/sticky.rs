//! The third party's collector: generational mark and sweep with sticky mark bits.
//!
//! Objects never move; allocation and barriers are calls, the forms any collector can start from.
//! A mark outlives the collection that set it and means that its object is old. A minor collection
//! keeps the marks: it starts from the roots and from the old objects that barriers named, looks
//! at nothing else that is old, and frees what is new and unmarked. A major one forgets the marks
//! first. Whatever is trusted (sizes, marks, free runs, the remembered set) lies beside the heap;
//! what an object's bytes say of itself is only used to find its references.
//!
//! Costs a map lookup a reference: a model of the algorithm, not a fast one. Demers et al., POPL
//! 1990.

use crate::free_list::FreeList;
use std::collections::{BTreeMap, BTreeSet};
use windrow_core::{
    AllocError, AllocSpec, CollectionClient, CollectionKind, Collector, Corruption,
    FIRST_OBJECT_OFFSET, GcHeap, GcRef, HEAP_END, Header, HeapContext, HeapError, HeapLimits,
    Memory, MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor, TypeTables, Usage, Violation,
    WeakPhase, WriteBarrier, Zeal, load_ref, object_bytes, slots_of_known_size, with_memory,
};

/// Minor collections between two major ones.
const MINORS: u32 = 4;

/// A mistake to make, for the kit to find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    /// Takes an object whose reference leads back to it for garbage.
    FreesCycles,
    /// Keeps the remembered set from collection to collection.
    KeepsTheRemembered,
}

/// The algorithm.
#[derive(Debug, Default)]
pub(crate) struct StickyCollector {
    pub(crate) mistake: Option<Mistake>,
}

impl Collector for StickyCollector {
    fn name(&self) -> &'static str {
        "third-party-sticky"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "marks what is reachable and frees the rest where it lies, the young more often",
            collects: true,
            reclaims_cycles: true,
            pauses: "follow what was allocated since the last one",
        }
    }

    fn abi(&self) -> MutatorAbi {
        MutatorAbi {
            alloc: AllocSpec::Call,
            header_template: 0,
            write_barrier: WriteBarrier::Call,
            moves_objects: false,
        }
    }

    fn new_heap(
        &self,
        _cx: &mut HeapContext<'_>,
        limits: HeapLimits,
    ) -> Result<Box<dyn GcHeap>, HeapError> {
        let room = limits
            .max_bytes
            .min(u64::from(HEAP_END - FIRST_OBJECT_OFFSET))
            & !7;
        let bytes = u32::try_from(room).expect("less than the heap");
        Ok(Box::new(StickyHeap {
            mistake: self.mistake,
            objects: BTreeMap::new(),
            free: FreeList::new(FIRST_OBJECT_OFFSET, bytes),
            remembered: BTreeSet::new(),
            minors_left: MINORS,
            bytes,
            end: FIRST_OBJECT_OFFSET,
            occupied_bytes: 0,
            budget_bytes: 0,
        }))
    }
}

#[derive(Debug)]
struct Object {
    bytes: u32,
    /// Between collections: whether it is old.
    marked: bool,
}

#[derive(Debug)]
struct StickyHeap {
    mistake: Option<Mistake>,
    objects: BTreeMap<ObjectRef, Object>,
    free: FreeList,
    /// Old objects that were written to since the last collection.
    remembered: BTreeSet<ObjectRef>,
    minors_left: u32,
    /// Bytes of the whole region.
    bytes: u32,
    /// Just past the highest object there ever was.
    end: u32,
    occupied_bytes: u64,
    budget_bytes: u64,
}

/// Marks what it is shown and what that leads to.
struct Marking<'a, M> {
    objects: &'a mut BTreeMap<ObjectRef, Object>,
    memory: &'a M,
    types: &'a TypeTables,
    gray: Vec<ObjectRef>,
    corruption: Option<Corruption>,
}

impl<M: Memory> Marking<'_, M> {
    fn mark(&mut self, reference: GcRef, found_at: u32) {
        let Some(object) = reference.as_object() else {
            return;
        };
        match self.objects.get_mut(&object) {
            Some(entry) => {
                if !std::mem::replace(&mut entry.marked, true) {
                    self.gray.push(object);
                }
            }
            None => {
                let corruption = Corruption::Reference {
                    offset: found_at,
                    bits: reference.bits(),
                };
                self.corruption.get_or_insert(corruption);
            }
        }
    }

    fn scan(&mut self, object: ObjectRef) -> Result<(), Corruption> {
        let memory = self.memory;
        let bytes = self.objects.get(&object).map_or(0, |entry| entry.bytes);
        each_slot(memory, self.types, object, bytes, |slot| {
            self.mark(load_ref(memory, slot), slot)
        })
    }

    fn close(&mut self) -> Result<(), HeapError> {
        while let Some(object) = self.gray.pop() {
            self.scan(object)?;
        }
        self.corruption
            .map_or(Ok(()), |corruption| Err(corruption.into()))
    }

    /// The mistake of that name.
    fn free_cycles(&mut self) -> Result<(), Corruption> {
        let marked = self.objects.iter().filter(|(_, entry)| entry.marked);
        let marked: Vec<(ObjectRef, u32)> = marked
            .map(|(object, entry)| (*object, entry.bytes))
            .collect();
        for (object, bytes) in marked {
            let (memory, mut is_cyclic) = (self.memory, false);
            each_slot(memory, self.types, object, bytes, |slot| {
                is_cyclic |= load_ref(memory, slot) == object.to_ref();
            })?;
            if let Some(entry) = self.objects.get_mut(&object).filter(|_| is_cyclic) {
                entry.marked = false;
            }
        }
        Ok(())
    }
}

impl<M: Memory> RootVisitor for Marking<'_, M> {
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        self.mark(*slot, 0);
    }
}

impl<M: Memory> WeakPhase for Marking<'_, M> {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        let entry = self.objects.get(&object)?;
        entry.marked.then_some(object)
    }

    /// Names none of the objects reached.
    fn trace(&mut self, _reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        self.close()
    }
}

/// Visits the slots of an object that was given so many bytes. One that claims others is corrupt: it
/// may claim the whole heap.
fn each_slot(
    memory: &impl Memory,
    types: &TypeTables,
    object: ObjectRef,
    bytes: u32,
    visit: impl FnMut(u32),
) -> Result<(), Corruption> {
    slots_of_known_size(memory, types, object, bytes)?.for_each(visit);
    Ok(())
}

impl StickyHeap {
    /// Makes all objects new again where a major collection is due.
    fn choose_generation(&mut self, kind: CollectionKind) {
        if kind != CollectionKind::Full && self.minors_left > 0 {
            self.minors_left -= 1;
            return;
        }
        self.minors_left = MINORS;
        self.objects
            .values_mut()
            .for_each(|entry| entry.marked = false);
        if self.mistake != Some(Mistake::KeepsTheRemembered) {
            self.remembered.clear();
        }
    }

    fn sweep(&mut self, memory: &mut impl Memory, zeal: Zeal) {
        let Self {
            objects,
            free,
            occupied_bytes,
            ..
        } = self;
        objects.retain(|object, entry| {
            if entry.marked {
                return true;
            }
            if zeal.poison {
                memory.fill(object.offset(), entry.bytes, Zeal::POISON);
            }
            free.give(object.offset(), entry.bytes);
            *occupied_bytes -= u64::from(entry.bytes);
            false
        });
    }

    fn remember(&mut self, owner: ObjectRef) {
        if self.objects.get(&owner).is_some_and(|entry| entry.marked) {
            self.remembered.insert(owner);
        }
    }
}

impl GcHeap for StickyHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        if u64::from(bytes) > self.budget_bytes {
            return Err(AllocError::Exhausted);
        }
        let start = self.free.take(bytes).ok_or(AllocError::Exhausted)?;
        let end = self.end.max(start + bytes);
        if cx.memory.grow_to(end.into()).is_err() {
            self.free.give(start, bytes);
            return Err(AllocError::Exhausted);
        }
        self.end = end;
        self.budget_bytes -= u64::from(bytes);
        self.occupied_bytes += u64::from(bytes);
        let object =
            ObjectRef::from_offset(start).expect("runs are aligned and past the first page");
        let new = Object {
            bytes,
            marked: false,
        };
        self.objects.insert(object, new);
        cx.memory.store_u64(start, header);
        Ok(object)
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        let (types, zeal) = (cx.types, cx.zeal);
        self.choose_generation(kind);
        with_memory!(&mut *cx.memory, memory => {
            let objects = &mut self.objects;
            let mut marking = Marking { objects, memory, types, gray: Vec::new(), corruption: None };
            client.visit_roots(&mut marking)?;
            self.remembered.iter().try_for_each(|owner| marking.scan(*owner))?;
            marking.close()?;
            if self.mistake == Some(Mistake::FreesCycles) {
                marking.free_cycles()?;
            }
            client.process_weak(&mut marking)?;
            self.sweep(memory, zeal);
        });
        if self.mistake != Some(Mistake::KeepsTheRemembered) {
            self.remembered.clear();
        }
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

    fn write_barrier(
        &mut self,
        _cx: &mut HeapContext<'_>,
        owner: Option<ObjectRef>,
        _slot: u32,
        _value: GcRef,
    ) {
        if let Some(owner) = owner {
            self.remember(owner);
        }
    }

    fn range_barrier(
        &mut self,
        _cx: &mut HeapContext<'_>,
        owner: ObjectRef,
        _first_slot: u32,
        _count: u32,
    ) {
        self.remember(owner);
    }

    fn visit_objects(
        &self,
        _cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        self.objects
            .iter()
            .for_each(|(object, entry)| visit(*object, entry.bytes.into()));
        Ok(())
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        let accounted = self.occupied_bytes + self.free.free_bytes();
        if accounted != u64::from(self.bytes) {
            report(Violation(format!(
                "{accounted} bytes are used or free, of {}",
                self.bytes
            )));
        }
        for owner in &self.remembered {
            if !self.objects.contains_key(owner) {
                report(Violation(format!("{owner:?} is remembered and no object")));
            }
        }
        for (object, entry) in &self.objects {
            let shape = cx.types.shape(Header::read(cx.memory, *object).type_id());
            if object_bytes(cx.memory, shape, *object) != Ok(entry.bytes) {
                report(Violation(format!(
                    "{object:?} has not the {} bytes it was given",
                    entry.bytes
                )));
            }
        }
    }
}
