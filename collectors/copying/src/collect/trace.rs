//! The transitive closure: what is copied has its references looked at, and so on.
//!
//! In depth as long as that takes little room: the references of what was copied wait in a queue that
//! fetches what they lead to, the rest on a stack of fixed length. Where that is full, the collection goes
//! on breadth first, by Cheney's scan of tospace, which needs no room, until the scan has caught up. In
//! depth nothing that was copied is read again, and a list is not a scan of one object after the other.

use super::Evacuation;
use crate::heap::Chunk;
use windrow_core::{
    Corruption, GC_WORD_OFFSET, GcRef, HEADER_BYTES, Header, HeapError, Memory, ObjectRef, Shape,
    ShapeKind, load_ref, object_bytes, slots, slots_of_known_size,
};

impl<M: Memory> Evacuation<'_, M> {
    /// The transitive closure of what was evacuated.
    pub(super) fn close(&mut self) -> Result<(), HeapError> {
        while self.corruption.is_none() {
            if let Some((object, slot)) = self.found.pop() {
                self.forward(object, slot);
                self.look_ahead();
            } else if self.is_deep {
                match self.gray_large.pop() {
                    Some(object) => self.scan_large(object),
                    None => break,
                }
            } else {
                self.scan_copied();
            }
        }
        self.corruption
            .map_or(Ok(()), |corruption| Err(corruption.into()))
    }

    /// Fetches what the next pending reference leads to.
    #[inline(always)]
    fn look_ahead(&mut self) {
        if self.found.has_room()
            && let Some((object, slot)) = self.pending.pop()
        {
            self.memory.prefetch(object.offset());
            self.found.push((object, slot));
        }
    }

    /// Scans what was copied and has not been looked at, to the end of a chunk; goes on in depth where
    /// there is nothing more.
    fn scan_copied(&mut self) {
        let current = self.to.get(self.scanned_chunk).copied();
        let (start, fill) = current.map_or((self.start, self.cursor), |c| (c.start, c.fill));
        let next = self.scanned_to.unwrap_or(start);
        if next < fill {
            self.scanned_to = Some(self.scan_range(next, fill));
        } else if current.is_some() {
            (self.scanned_chunk, self.scanned_to) = (self.scanned_chunk + 1, None);
        } else {
            self.is_deep = true;
        }
    }

    /// Scans the objects between two offsets of one chunk; returns where it stopped.
    fn scan_range(&mut self, mut at: u32, fill: u32) -> u32 {
        while at < fill && self.corruption.is_none() {
            match ObjectRef::from_offset(at) {
                Some(object) => at = at.saturating_add(self.scan(object)),
                None => self.corruption = Some(Corruption::Size { offset: at }),
            }
        }
        at
    }

    /// Evacuates what `object` refers to; returns its size in bytes.
    #[inline(always)]
    fn scan(&mut self, object: ObjectRef) -> u32 {
        let header = Header::read(self.memory, object);
        let shape = self.types.shape(header.type_id());
        if shape.kind != ShapeKind::Struct || shape.is_wide {
            return self.scan_other(object);
        }
        let bytes = shape.size_bytes;
        for slot in struct_slots(object.offset(), shape) {
            self.update(slot);
        }
        bytes
    }

    /// As [`Self::scan`], of an array or a wide struct.
    fn scan_other(&mut self, object: ObjectRef) -> u32 {
        let header = Header::read(self.memory, object);
        let shape = self.types.shape(header.type_id());
        let bytes = match object_bytes(self.memory, shape, object) {
            Ok(bytes) => bytes,
            Err(corruption) => {
                self.corruption = Some(corruption);
                return 8;
            }
        };
        slots(self.memory, self.types, header, shape, object, bytes)
            .for_each(|slot| self.update(slot));
        bytes
    }

    /// Evacuates what a large object refers to. Its size is in the table of large objects: where it
    /// claims another, it might have the whole heap scanned, and so might each of them.
    fn scan_large(&mut self, object: ObjectRef) {
        let bytes = self.heap.large.bytes_of(object).unwrap_or(0);
        match slots_of_known_size(self.memory, self.types, object, bytes) {
            Ok(slots) => slots.for_each(|slot| self.update(slot)),
            Err(corruption) => self.corruption = Some(corruption),
        }
    }

    /// Sees to a slot, now or later.
    #[inline(always)]
    fn update(&mut self, slot: u32) {
        let Some(object) = self.evacuee(load_ref(self.memory, slot)) else {
            return;
        };
        self.memory.prefetch(object.offset());
        if let Some((object, slot)) = self.found.push((object, slot)) {
            self.forward(object, slot);
        }
    }

    /// Sees to a slot of what was just copied, later.
    #[inline(always)]
    fn await_slot(&mut self, slot: u32) {
        let Some(object) = self.evacuee(load_ref(self.memory, slot)) else {
            return;
        };
        if self.found.has_room() {
            self.memory.prefetch(object.offset());
            self.found.push((object, slot));
        } else if self.pending.len() < self.pending.capacity() {
            self.pending.push((object, slot));
        } else {
            self.go_broad(slot);
        }
    }

    /// Sees to the slots of the object just copied to `to`, later.
    #[inline(always)]
    fn await_slots(&mut self, to: u32, header: Header, shape: &Shape, bytes: u32) {
        if shape.kind == ShapeKind::Struct && !shape.is_wide {
            for slot in struct_slots(to, shape) {
                self.await_slot(slot);
            }
        } else if shape.has_refs() {
            self.await_many(to, header, shape, bytes);
        }
    }

    /// As [`Self::await_slots`], of an array or a wide struct.
    #[inline(never)]
    fn await_many(&mut self, to: u32, header: Header, shape: &Shape, bytes: u32) {
        if let Some(object) = ObjectRef::from_offset(to) {
            slots(self.memory, self.types, header, shape, object, bytes)
                .for_each(|slot| self.await_slot(slot));
        }
    }

    /// Sees to a slot for which there is no room, and leaves what is copied from here on where it lies.
    #[cold]
    fn go_broad(&mut self, slot: u32) {
        if self.is_deep {
            self.is_deep = false;
            (self.scanned_chunk, self.scanned_to) = (self.to.len(), Some(self.cursor));
        }
        self.update(slot);
    }

    /// Has a slot refer to where its object, which lies in fromspace, is after the collection.
    #[inline(always)]
    fn forward(&mut self, object: ObjectRef, slot: u32) {
        let moved = self.moved(object);
        self.memory.store_u32(slot, moved.bits());
    }

    /// Where `reference` leads after the collection, copying what it leads to if need be.
    #[inline(always)]
    pub(super) fn evacuate(&mut self, reference: GcRef) -> GcRef {
        match self.evacuee(reference) {
            Some(object) => self.moved(object),
            None => reference,
        }
    }

    /// The object of fromspace that `reference` leads to, if it leads to one; any other is kept where it
    /// is.
    #[inline(always)]
    fn evacuee(&mut self, reference: GcRef) -> Option<ObjectRef> {
        let object = reference.as_object()?;
        if self.heap.pages.at(object.offset()) != self.from_space {
            self.mark_in_place(reference, object);
            return None;
        }
        Some(object)
    }

    /// Where an object of fromspace lies after the collection.
    #[inline(always)]
    fn moved(&mut self, object: ObjectRef) -> GcRef {
        let header = Header::read(self.memory, object);
        match header.gc_word() {
            0 => self.copy(object, header),
            forwarded => GcRef::from_bits(forwarded),
        }
    }

    /// A reference to no fromspace chunk: a large object, or a defect.
    #[cold]
    fn mark_in_place(&mut self, reference: GcRef, object: ObjectRef) {
        match self.heap.large.mark(object) {
            Some(true) => {
                self.gray_large.push(object);
                self.note(object);
            }
            Some(false) => {}
            None => {
                let bits = reference.bits();
                self.corruption
                    .get_or_insert(Corruption::Reference { offset: 0, bits });
            }
        }
    }

    #[inline(always)]
    fn copy(&mut self, object: ObjectRef, header: Header) -> GcRef {
        let shape = self.types.shape(header.type_id());
        let bytes = if shape.kind == ShapeKind::Struct {
            shape.size_bytes
        } else {
            match self.bytes_of_other(shape, object) {
                Some(bytes) => bytes,
                None => return object.to_ref(),
            }
        };
        if bytes > self.limit - self.cursor && !self.open_chunk(object, bytes) {
            return object.to_ref();
        }
        let to = self.cursor;
        self.cursor += bytes;
        self.copied.objects += 1;
        // Its collector's word is zero, as in a new object.
        self.memory.store_u64(to, header.bits());
        copy_body(self.memory, object.offset(), to, bytes);
        self.memory.store_u32(object.offset() + GC_WORD_OFFSET, to);
        self.note(object);
        if self.is_deep {
            self.await_slots(to, header, shape, bytes);
        }
        GcRef::from_bits(to)
    }

    /// Bytes of an object that is no struct; notes the corruption where it is no array either.
    #[inline(never)]
    fn bytes_of_other(&mut self, shape: &Shape, object: ObjectRef) -> Option<u32> {
        match object_bytes(self.memory, shape, object) {
            Ok(bytes) => Some(bytes),
            Err(corruption) => {
                self.corruption.get_or_insert(corruption);
                None
            }
        }
    }

    /// Takes note that `object` was reached, if somebody waits for that.
    #[inline(always)]
    fn note(&mut self, object: ObjectRef) {
        if let Some(watched) = self.watched
            && watched.contains(object)
        {
            self.reached.push(object);
        }
    }

    /// Opens another tospace chunk; `false`, with the corruption noted, where the heap claims more
    /// than was ever allocated.
    #[cold]
    fn open_chunk(&mut self, object: ObjectRef, bytes: u32) -> bool {
        let chunk_bytes = self.heap.pool.chunk_bytes();
        let next = if bytes <= self.heap.max_small_bytes() && self.chunks_left > 0 {
            self.heap.pool.take(self.memory).ok().flatten()
        } else {
            None
        };
        let Some(start) = next else {
            self.corruption.get_or_insert(Corruption::Size {
                offset: object.offset(),
            });
            return false;
        };
        self.chunks_left -= 1;
        if self.cursor != 0 {
            self.to.push(Chunk {
                start: self.start,
                fill: self.cursor,
            });
        }
        self.heap.pages.set_range(start, chunk_bytes, self.to_space);
        (self.start, self.cursor, self.limit) = (start, start, start + chunk_bytes);
        true
    }
}

/// The slots of the struct at `start`, by its map of one word.
#[inline(always)]
fn struct_slots(start: u32, shape: &Shape) -> impl Iterator<Item = u32> + use<> {
    let first = start.wrapping_add(HEADER_BYTES);
    let mut words = shape.ref_words;
    std::iter::from_fn(move || {
        let word = (words != 0).then(|| words.trailing_zeros())?;
        words &= words - 1;
        Some(first.wrapping_add(word * 4))
    })
}

/// Copies an object but for its header, a multiple of eight bytes: word by word where it is small.
#[inline(always)]
fn copy_body(memory: &mut impl Memory, from: u32, to: u32, bytes: u32) {
    if bytes > 64 {
        memory.copy(from + HEADER_BYTES, to + HEADER_BYTES, bytes - HEADER_BYTES);
        return;
    }
    let mut at = HEADER_BYTES;
    while at < bytes {
        let word = memory.load_u64(from.wrapping_add(at));
        memory.store_u64(to.wrapping_add(at), word);
        at += 8;
    }
}
