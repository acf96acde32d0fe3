//! The third party's collector: mark and sweep, first fit, everything it trusts beside the heap.
//!
//! Objects never move. Allocation and barriers are calls: the forms any collector can start from.
//! Sizes, marks and free runs are in maps outside the sandbox, so what an object's bytes say of
//! itself is only ever used to find its references. McCarthy, CACM 3(4), 1960.

use crate::free_list::FreeList;
use crate::recorder::Recorder;
use std::collections::BTreeMap;
use windrow_core::{
    AllocError, AllocSpec, CollectionClient, CollectionKind, Collector, Corruption,
    FIRST_OBJECT_OFFSET, GcHeap, GcRef, HEAP_END, Header, HeapContext, HeapError, HeapLimits,
    Memory, MutatorAbi, ObjectRef, Properties, RootKind, RootVisitor, TypeTables, Usage, Violation,
    WriteBarrier, Zeal, load_ref, object_bytes, slots_of_known_size, with_memory,
};

/// The algorithm.
#[derive(Debug)]
pub(crate) struct MarkSweepCollector;

impl Collector for MarkSweepCollector {
    fn name(&self) -> &'static str {
        "third-party-mark-sweep"
    }

    fn properties(&self) -> Properties {
        Properties {
            summary: "marks what is reachable and frees the rest where it lies",
            collects: true,
            reclaims_cycles: true,
            pauses: "follow the heap",
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
        Ok(Box::new(MarkSweepHeap {
            objects: BTreeMap::new(),
            free: FreeList::new(FIRST_OBJECT_OFFSET, bytes),
            bytes,
            end: FIRST_OBJECT_OFFSET,
            occupied_bytes: 0,
            budget_bytes: 0,
            recorder: Recorder::default(),
        }))
    }
}

#[derive(Debug)]
struct Object {
    bytes: u32,
    marked: bool,
}

#[derive(Debug)]
struct MarkSweepHeap {
    objects: BTreeMap<ObjectRef, Object>,
    free: FreeList,
    /// Bytes of the whole region.
    bytes: u32,
    /// Just past the highest object there ever was.
    end: u32,
    occupied_bytes: u64,
    budget_bytes: u64,
    recorder: Recorder,
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

    fn trace(&mut self) -> Result<(), HeapError> {
        while let Some(object) = self.gray.pop() {
            let memory = self.memory;
            let bytes = self.objects.get(&object).map_or(0, |entry| entry.bytes);
            each_slot(memory, self.types, object, bytes, |slot| {
                self.mark(load_ref(memory, slot), slot)
            })?;
        }
        self.corruption
            .map_or(Ok(()), |corruption| Err(corruption.into()))
    }
}

impl<M: Memory> RootVisitor for Marking<'_, M> {
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        self.mark(*slot, 0);
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

impl MarkSweepHeap {
    fn check_barriers(
        &mut self,
        memory: &impl Memory,
        types: &TypeTables,
    ) -> Result<(), Corruption> {
        let Self {
            objects, recorder, ..
        } = self;
        objects.iter().try_for_each(|(object, entry)| {
            each_slot(memory, types, *object, entry.bytes, |slot| {
                recorder.compare(slot, load_ref(memory, slot))
            })
        })
    }

    fn sweep(&mut self, memory: &mut impl Memory, zeal: Zeal) {
        let Self {
            objects,
            free,
            occupied_bytes,
            ..
        } = self;
        objects.retain(|object, entry| {
            if std::mem::replace(&mut entry.marked, false) {
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

    fn remember_slots(
        &mut self,
        memory: &impl Memory,
        types: &TypeTables,
    ) -> Result<(), Corruption> {
        let Self {
            objects, recorder, ..
        } = self;
        recorder.restart();
        objects.iter().try_for_each(|(object, entry)| {
            each_slot(memory, types, *object, entry.bytes, |slot| {
                recorder.remember(slot, load_ref(memory, slot))
            })
        })
    }
}

impl GcHeap for MarkSweepHeap {
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
        self.objects.insert(
            object,
            Object {
                bytes,
                marked: false,
            },
        );
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
        with_memory!(&mut *cx.memory, memory => {
            self.check_barriers(memory, types)?;
            let objects = &mut self.objects;
            let mut marking = Marking { objects, memory, types, gray: Vec::new(), corruption: None };
            client.visit_roots(&mut marking)?;
            marking.trace()?;
            client.process_weak(&mut |object| self.objects.get(&object).filter(|entry| entry.marked).map(|_| object));
            self.sweep(memory, zeal);
            self.remember_slots(memory, types)?;
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

    fn write_barrier(
        &mut self,
        _cx: &mut HeapContext<'_>,
        owner: Option<ObjectRef>,
        slot: u32,
        _value: GcRef,
    ) {
        if let Some(owner) = owner {
            let bytes = self.objects.get(&owner).map(|object| object.bytes);
            self.recorder.announce(owner, bytes, slot, 1);
        }
    }

    fn range_barrier(
        &mut self,
        _cx: &mut HeapContext<'_>,
        owner: ObjectRef,
        first_slot: u32,
        count: u32,
    ) {
        let bytes = self.objects.get(&owner).map(|object| object.bytes);
        self.recorder.announce(owner, bytes, first_slot, count);
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
        self.recorder
            .faults()
            .iter()
            .for_each(|fault| report(Violation(fault.clone())));
        let accounted = self.occupied_bytes + self.free.free_bytes();
        if accounted != u64::from(self.bytes) {
            report(Violation(format!(
                "{accounted} bytes are used or free, of {}",
                self.bytes
            )));
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
