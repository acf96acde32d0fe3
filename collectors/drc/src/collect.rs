//! An epoch's end: count the young in, apply the log, reclaim what nothing refers to.
//!
//! Order matters: every new reference is counted before any old one is taken away, so that only what
//! is dead falls to zero. An object without references that a root holds is kept on a list, to be
//! looked at again when the roots are next. One that no root holds is dead, and so is what only the
//! dead lead to: nothing the mutator does until the next epoch can change that, so the dead are looked
//! at when there is time, iteratively, each once. But what something outside the heap goes by may be
//! brought back by that until the weak phase has judged it: it waits, whole, with all it leads to.
//!
//! In the weak phase an object is alive that a root holds or that has counted references. What is shown
//! there is looked at again each epoch, as roots are, and not counted. Old references are taken away
//! when everything is shown, before the phase judges what is dead.
//!
//! A backup trace is the same with every count forgotten first: what the roots do not lead to is never
//! entered again.
//!
//! Nothing read from the heap is believed. An object is entered only where no other lies, inside one
//! block, so it is entered once; what it takes is in the count table from then on. Counts that do not
//! add up are corruption.

use crate::blocks::visit_free;
use crate::counts::{Entry, Released};
use crate::heap::{DrcHeap, page_kind};
use windrow_core::{
    Ahead, CollectionClient, Corruption, GcRef, Header, HeapError, LogBits, Memory, ObjectRef,
    RootKind, RootVisitor, TypeTables, Watched, WeakPhase, Zeal, dies_in_collections_only,
    load_ref, object_bytes, slots, slots_of_known_size,
};

/// The work a collection spends on the dead of the old: about a millisecond, see
/// [`Counting::kill_one`].
const WORK_PER_EPOCH: u32 = 1 << 15;

/// Bytes of an object that are as much work as the object itself.
pub(crate) const BYTES_PER_WORK: u32 = 64;

/// The heap, while counts change.
pub(crate) struct Counting<'a, M> {
    heap: &'a mut DrcHeap,
    memory: &'a mut M,
    types: &'a TypeTables,
    watched: &'a Watched,
    log_bits: &'a mut LogBits,
    zeal: Zeal,
    /// Whether watched objects are to be noted when they are reached, and those that were.
    notes_reached: bool,
    reached: Vec<ObjectRef>,
    /// Whether nothing that is dead will be brought back any more in this collection.
    is_final: bool,
    /// Objects entered and not scanned.
    gray: Vec<ObjectRef>,
    /// References to count, and the slots they were found in.
    found: Ahead<(ObjectRef, u32)>,
    corruption: Option<Corruption>,
}

impl<'a, M: Memory> Counting<'a, M> {
    pub(crate) fn new(
        heap: &'a mut DrcHeap,
        memory: &'a mut M,
        (types, watched): (&'a TypeTables, &'a Watched),
        log_bits: &'a mut LogBits,
        zeal: Zeal,
    ) -> Self {
        Self {
            heap,
            memory,
            types,
            watched,
            log_bits,
            zeal,
            notes_reached: false,
            reached: Vec::new(),
            is_final: false,
            gray: Vec::new(),
            found: Ahead::new(),
            corruption: None,
        }
    }

    /// Takes every object for young.
    pub(crate) fn forget_counts(&mut self) {
        let DrcHeap {
            blocks,
            counts,
            large,
            young_large,
            ..
        } = &mut *self.heap;
        blocks.leave_all(|block, bytes| {
            counts.clear(block, bytes);
            self.log_bits.disarm(block, bytes);
        });
        young_large.clear();
        for (object, bytes) in large.iter() {
            counts.clear(object.offset(), 1);
            self.log_bits.disarm(object.offset(), bytes);
            young_large.push(object);
        }
        self.heap.log.clear();
        self.heap.unreferenced.clear();
        self.heap.dying.clear();
        self.heap.awaited.clear();
        self.heap.rooted.clear();
    }

    /// Ends the epoch.
    pub(crate) fn collect(&mut self, client: &mut dyn CollectionClient) -> Result<(), HeapError> {
        for object in std::mem::take(&mut self.heap.rooted) {
            self.heap.counts.set_rooted(object, false);
        }
        client.visit_roots(self)?;
        let log = std::mem::take(&mut self.heap.log);
        for logged in &log {
            self.log_bits.arm(logged.slot & !7, 8);
            self.retain(load_ref(self.memory, logged.slot), logged.slot);
        }
        self.heap.log = log;
        self.count_found();
        self.corruption.map_or(Ok(()), Err)?;
        self.notes_reached = !self.watched.is_empty();
        client.process_weak(self)?;
        self.kill_awaited();
        if !self.is_final {
            self.kill(WORK_PER_EPOCH);
        }
        self.corruption.map_or(Ok(()), Err)?;
        self.reclaim_young();
        Ok(())
    }

    /// Takes away the references that were overwritten.
    fn release_log(&mut self) {
        self.find_dying();
        let mut log = std::mem::take(&mut self.heap.log);
        for logged in &log {
            self.release(logged.old, logged.slot);
        }
        log.clear();
        self.heap.log = log;
    }

    /// Counts a reference, in a while: see [`Self::count_found`].
    #[inline(always)]
    fn retain(&mut self, reference: GcRef, slot: u32) {
        let Some(object) = reference.as_object() else {
            return;
        };
        self.heap.counts.prefetch(object);
        self.memory.prefetch(object.offset());
        if let Some((object, slot)) = self.found.push((object, slot)) {
            self.retain_now(object, slot);
        }
    }

    /// Counts a reference, entering the object it leads to if it is young.
    #[inline(always)]
    fn retain_now(&mut self, object: ObjectRef, slot: u32) {
        let entry = self.heap.counts.at(object);
        if entry.is_counted() {
            self.heap.counts.retain(object, entry);
        } else if let Some(entry) = self.enter(object, slot) {
            self.heap.counts.retain(object, entry);
        }
    }

    /// Enters a young object. `None`, with the corruption noted, where there is none.
    fn enter(&mut self, object: ObjectRef, found_at: u32) -> Option<Entry> {
        match self.try_enter(object, found_at) {
            Ok(entry) => Some(entry),
            Err(corruption) => {
                self.corruption.get_or_insert(corruption);
                None
            }
        }
    }

    #[inline(always)]
    fn try_enter(&mut self, object: ObjectRef, found_at: u32) -> Result<Entry, Corruption> {
        let start = object.offset();
        let shape = self
            .types
            .shape(Header::read(self.memory, object).type_id());
        let has_refs = shape.has_refs();
        let bytes = object_bytes(self.memory, shape, object)?;
        let DrcHeap {
            blocks,
            counts,
            large,
            pages,
            ..
        } = &mut *self.heap;
        if pages.at(start) == page_kind::BLOCK {
            if bytes > blocks.end_of_block(start) - start {
                return Err(Corruption::Size { offset: start });
            }
            if !counts.enter(object, bytes) {
                let bits = object.to_ref().bits();
                return Err(Corruption::Reference {
                    offset: found_at,
                    bits,
                });
            }
            blocks.enter(start, start + bytes);
        } else {
            match large.bytes_of(object) {
                Some(known) if known == bytes => counts.enter_start(object),
                Some(_) => return Err(Corruption::Size { offset: start }),
                None => {
                    let bits = object.to_ref().bits();
                    return Err(Corruption::Reference {
                        offset: found_at,
                        bits,
                    });
                }
            }
        }
        self.note(object);
        if has_refs {
            if self.heap.is_logged {
                self.log_bits.arm(start, bytes);
            }
            self.gray.push(object);
        }
        Ok(self.heap.counts.at(object))
    }

    /// Takes note that `object` was reached, if somebody waits for that.
    #[inline(always)]
    fn note(&mut self, object: ObjectRef) {
        if self.notes_reached && self.watched.contains(object) {
            self.reached.push(object);
        }
    }

    /// Counts what was found, and what the objects entered refer to, entering what is young of that.
    fn count_found(&mut self) {
        loop {
            let Some(object) = self.gray.pop() else {
                match self.found.pop() {
                    Some((object, slot)) => self.retain_now(object, slot),
                    None => break,
                }
                continue;
            };
            let header = Header::read(self.memory, object);
            let shape = self.types.shape(header.type_id());
            match object_bytes(self.memory, shape, object) {
                Ok(bytes) => slots(self.memory, self.types, header, shape, object, bytes)
                    .for_each(|slot| self.retain(load_ref(self.memory, slot), slot)),
                Err(corruption) => {
                    self.corruption.get_or_insert(corruption);
                }
            }
            if self.corruption.is_some() {
                break;
            }
        }
    }

    /// Takes away a reference that was counted.
    #[inline(always)]
    fn release(&mut self, reference: GcRef, slot: u32) {
        let Some(object) = reference.as_object() else {
            return;
        };
        match self.heap.counts.release(object) {
            Released::Held => {}
            Released::Unreferenced(entry) => {
                self.heap.counts.set_listed(object, true);
                if entry.is_rooted() {
                    self.heap.unreferenced.push(object);
                } else {
                    self.heap.dying.push(object);
                }
            }
            Released::Unknown => {
                let bits = reference.bits();
                self.corruption
                    .get_or_insert(Corruption::Reference { offset: slot, bits });
            }
        }
    }

    /// Looks through the objects that had no references, and those that were dead but may have been
    /// brought back: some have references by now, some are held by roots, the rest is dead.
    fn find_dying(&mut self) {
        let DrcHeap {
            counts,
            unreferenced,
            dying,
            awaited,
            ..
        } = &mut *self.heap;
        let mut held = Vec::new();
        awaited.retain(|object| {
            let entry = counts.at(*object);
            if !entry.is_unreferenced() {
                counts.set_listed(*object, false);
            } else if entry.is_rooted() {
                held.push(*object);
            } else {
                return true;
            }
            false
        });
        unreferenced.retain(|object| {
            let entry = counts.at(*object);
            if !entry.is_unreferenced() {
                counts.set_listed(*object, false);
                return false;
            }
            if !entry.is_rooted() {
                dying.push(*object);
            }
            entry.is_rooted()
        });
        unreferenced.append(&mut held);
    }

    /// Looks at dead objects and reclaims them, until so much work is done. What the weak phase must
    /// see first waits for that.
    fn kill(&mut self, work: u32) {
        let mut left = work;
        while left > 0 && self.corruption.is_none() {
            let Some(object) = self.heap.dying.pop() else {
                return;
            };
            let header = Header::read(self.memory, object);
            if dies_in_collections_only(self.watched, object, header) {
                self.heap.awaited.push(object);
                left -= 1;
            } else {
                left = left.saturating_sub(self.kill_one(object));
            }
        }
    }

    /// As [`Self::kill`], between collections.
    pub(crate) fn kill_between(&mut self, work: u32) -> Result<(), Corruption> {
        self.kill(work);
        self.corruption.map_or(Ok(()), Err)
    }

    /// After the weak phase: reclaims all that waited for it and was not brought back, which is linear
    /// in such objects, as the phase itself.
    fn kill_awaited(&mut self) {
        while let Some(object) = self.heap.awaited.pop() {
            self.kill_one(object);
            if self.corruption.is_some() {
                return;
            }
        }
    }

    /// Releases what a dead object refers to, and reclaims it. How much work that was: its bytes count,
    /// for a large array is looked at in one piece.
    #[inline(always)]
    fn kill_one(&mut self, object: ObjectRef) -> u32 {
        let entry = self.heap.counts.at(object);
        if !entry.is_unreferenced() {
            // It was brought back, and something refers to it; or something forged does.
            self.heap.counts.set_listed(object, false);
            return 1;
        }
        if entry.is_rooted() {
            self.heap.unreferenced.push(object);
            return 1;
        }
        let start = object.offset();
        let is_large = self.heap.pages.at(start) != page_kind::BLOCK;
        let bytes = if is_large {
            self.heap.large.bytes_of(object).unwrap_or(0)
        } else {
            let most = self.heap.blocks.end_of_block(start) - start;
            self.heap.counts.bytes_of(object, most)
        };
        let work = 1 + bytes / BYTES_PER_WORK;
        match slots_of_known_size(self.memory, self.types, object, bytes) {
            Ok(slots) => slots.for_each(|slot| self.release(load_ref(self.memory, slot), slot)),
            Err(corruption) => {
                self.corruption.get_or_insert(corruption);
                return 1;
            }
        }
        self.log_bits.disarm(start, bytes);
        if is_large {
            self.free_large(object);
            return work;
        }
        self.heap.counts.clear(start, bytes);
        self.heap.blocks.leave(start, start + bytes);
        if self.zeal.poison {
            self.memory.fill(start, bytes, Zeal::POISON);
        }
        work
    }

    fn free_large(&mut self, object: ObjectRef) {
        let DrcHeap {
            blocks,
            counts,
            large,
            pages,
            ..
        } = &mut *self.heap;
        counts.clear(object.offset(), 1);
        large.free(blocks.pool.space(), object, |object, bytes| {
            pages.set_range(object.offset(), bytes, page_kind::FREE);
        });
    }

    /// Reclaims what was not counted in: the dead young, of which nothing is read.
    fn reclaim_young(&mut self) {
        for object in std::mem::take(&mut self.heap.young_large) {
            if !self.heap.counts.at(object).is_counted() {
                self.free_large(object);
            }
        }
        self.heap.forget_young();
        let DrcHeap { blocks, pages, .. } = &mut *self.heap;
        let (memory, poisons) = (&mut *self.memory, self.zeal.poison);
        blocks.restart(|block, bytes| {
            pages.set_range(block, bytes, page_kind::FREE);
            if poisons {
                memory.fill(block, bytes, Zeal::POISON);
            }
        });
        if self.zeal.poison {
            self.poison_free();
        }
    }

    /// Overwrites whatever is no object in the blocks in use.
    fn poison_free(&mut self) {
        let DrcHeap { blocks, counts, .. } = &*self.heap;
        for block in blocks.used() {
            visit_free(counts, block, blocks.block_bytes(), |free| {
                self.memory.fill(free.start, free.bytes(), Zeal::POISON);
            });
        }
    }
}

impl<M: Memory> RootVisitor for Counting<'_, M> {
    /// Notes that a root holds an object; the reference is not counted.
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        let Some(object) = slot.as_object() else {
            return;
        };
        let mut entry = self.heap.counts.at(object);
        if !entry.is_counted() {
            match self.enter(object, 0) {
                Some(entered) => entry = entered,
                None => return,
            }
            self.heap.counts.set_listed(object, true);
            self.heap.unreferenced.push(object);
        }
        if !entry.is_rooted() {
            self.heap.counts.set_rooted(object, true);
            self.heap.rooted.push(object);
            if entry.is_unreferenced() {
                self.note(object);
            }
        }
    }
}

impl<M: Memory> WeakPhase for Counting<'_, M> {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        let entry = self.heap.counts.at(object);
        let is_held = entry.is_rooted() || !entry.is_unreferenced();
        (entry.is_counted() && is_held).then_some(object)
    }

    fn trace(&mut self, reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        self.count_found();
        reached.append(&mut self.reached);
        Ok(self.corruption.map_or(Ok(()), Err)?)
    }

    fn settle(&mut self, is_final: bool) -> Result<(), HeapError> {
        self.release_log();
        self.is_final = is_final;
        if is_final {
            // Host values of what is reached from these are dropped in this collection.
            self.kill(WORK_PER_EPOCH);
        }
        Ok(self.corruption.map_or(Ok(()), Err)?)
    }
}
