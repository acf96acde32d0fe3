//! A collection: flip, evacuate the roots, scan what was copied, the weak phase, free what was left.
//!
//! The forwarding offset takes the collector's header word, which is zero in every other object.
//! Nothing read from the heap is believed: a type id is masked into the shape table, a size is
//! compared with the room in the chunk, tospace is finite, and each large object is marked once,
//! so a corrupt heap ends in an error and never in an endless loop.

use crate::heap::{Chunk, CopyingHeap, page_kind};
use windrow_core::{
    Ahead, CollectionClient, Corruption, GC_WORD_OFFSET, GcRef, HEADER_BYTES, Header, HeapContext,
    HeapError, Memory, ObjectRef, RootKind, RootVisitor, Shape, ShapeKind, TypeTables, Watched,
    WeakPhase, Zeal, load_ref, object_bytes, slots, slots_of_known_size, with_memory,
};

impl CopyingHeap {
    /// Collects everything.
    pub(crate) fn collect_all(
        &mut self,
        cx: &mut HeapContext<'_>,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        self.close_chunk(cx.state.cursor);
        let types = cx.types;
        let (end, copied) = with_memory!(&mut *cx.memory, memory => {
            let mut evacuation = Evacuation::start(self, memory, types);
            client.visit_roots(&mut evacuation)?;
            evacuation.close()?;
            evacuation.watched = Some(cx.watched).filter(|watched| !watched.is_empty());
            client.process_weak(&mut evacuation)?;
            evacuation.finish(cx.zeal)
        });
        cx.stats.copied_bytes += copied.bytes;
        cx.stats.copied_objects += copied.objects;
        self.keep_to_limit(end);
        cx.state.cursor = end;
        cx.state.limit = self.limit;
        Ok(())
    }
}

/// What a collection copied.
#[derive(Clone, Copy, Debug, Default)]
struct Copied {
    bytes: u64,
    objects: u64,
}

/// The state of one collection.
struct Evacuation<'a, M> {
    heap: &'a mut CopyingHeap,
    memory: &'a mut M,
    types: &'a TypeTables,
    from_space: u8,
    to_space: u8,
    from: Vec<Chunk>,
    /// Closed tospace chunks, in the order they were filled.
    to: Vec<Chunk>,
    /// Tospace chunks that may be taken yet.
    chunks_left: u64,
    /// The open tospace chunk: its start, where the next copy goes, where it ends.
    start: u32,
    cursor: u32,
    limit: u32,
    /// The chunk the scan is in, by its number among the closed ones, and where; `None` for its start.
    scanned_chunk: usize,
    scanned_to: Option<u32>,
    /// Objects to take note of when they are reached, in the weak phase, and those that were.
    watched: Option<&'a Watched>,
    reached: Vec<ObjectRef>,
    /// References to fromspace and their slots, to be looked at when what they lead to is in the cache.
    found: Ahead<(ObjectRef, u32)>,
    /// Large objects marked and not scanned.
    gray_large: Vec<ObjectRef>,
    copied: Copied,
    corruption: Option<Corruption>,
}

impl<'a, M: Memory> Evacuation<'a, M> {
    fn start(heap: &'a mut CopyingHeap, memory: &'a mut M, types: &'a TypeTables) -> Self {
        let from_space = heap.space;
        let to_space = page_kind::FIRST + page_kind::SECOND - from_space;
        heap.space = to_space;
        let chunks_left = heap.reserve_chunks(heap.closed_bytes);
        Self {
            from: std::mem::take(&mut heap.closed),
            heap,
            memory,
            types,
            from_space,
            to_space,
            to: Vec::new(),
            chunks_left,
            start: 0,
            cursor: 0,
            limit: 0,
            scanned_chunk: 0,
            scanned_to: None,
            watched: None,
            reached: Vec::new(),
            found: Ahead::new(),
            gray_large: Vec::new(),
            copied: Copied::default(),
            corruption: None,
        }
    }

    /// The transitive closure of what was evacuated.
    fn close(&mut self) -> Result<(), HeapError> {
        loop {
            // The chunk to scan in: a closed one, or the open one.
            let current = self.to.get(self.scanned_chunk).copied();
            let (start, fill) = current.map_or((self.start, self.cursor), |c| (c.start, c.fill));
            let next = self.scanned_to.unwrap_or(start);
            if next < fill {
                self.scanned_to = Some(self.scan_range(next, fill));
            } else if current.is_some() {
                (self.scanned_chunk, self.scanned_to) = (self.scanned_chunk + 1, None);
            } else if let Some((object, slot)) = self.found.pop() {
                self.forward(object, slot);
            } else if let Some(object) = self.gray_large.pop() {
                self.scan_large(object);
            } else {
                break;
            }
            if self.corruption.is_some() {
                break;
            }
        }
        self.corruption
            .map_or(Ok(()), |corruption| Err(corruption.into()))
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
        let mut words = shape.ref_words;
        let first = object.offset() + HEADER_BYTES;
        while words != 0 {
            self.update(first.wrapping_add(words.trailing_zeros() * 4));
            words &= words - 1;
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
        let reference = load_ref(self.memory, slot);
        let Some(object) = reference.as_object() else {
            return;
        };
        if self.heap.pages.at(object.offset()) != self.from_space {
            self.mark_in_place(reference, object);
            return;
        }
        self.memory.prefetch(object.offset());
        if let Some((object, slot)) = self.found.push((object, slot)) {
            self.forward(object, slot);
        }
    }

    /// Has a slot refer to where its object, which lies in fromspace, is after the collection.
    #[inline(always)]
    fn forward(&mut self, object: ObjectRef, slot: u32) {
        let moved = self.moved(object);
        self.memory.store_u32(slot, moved.bits());
    }

    /// Where `reference` leads after the collection, copying what it leads to if need be.
    #[inline(always)]
    fn evacuate(&mut self, reference: GcRef) -> GcRef {
        let Some(object) = reference.as_object() else {
            return reference;
        };
        if self.heap.pages.at(object.offset()) != self.from_space {
            self.mark_in_place(reference, object);
            return reference;
        }
        self.moved(object)
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

    /// Frees fromspace and dead large objects, and makes tospace the space to allocate in.
    /// Returns the cursor and what was copied.
    fn finish(self, zeal: Zeal) -> (u32, Copied) {
        let Self {
            heap,
            memory,
            from,
            to,
            start,
            cursor,
            limit,
            mut copied,
            ..
        } = self;
        let chunk_bytes = heap.pool.chunk_bytes();
        for chunk in from.iter().rev() {
            if zeal.poison {
                memory.fill(chunk.start, chunk.filled_bytes(), Zeal::POISON);
            }
            heap.pages
                .set_range(chunk.start, chunk_bytes, page_kind::FREE);
            heap.pool.give(chunk.start);
        }
        let pages = &mut heap.pages;
        heap.large.sweep(heap.pool.space(), |object, bytes| {
            pages.set_range(object.offset(), bytes, page_kind::FREE);
        });
        heap.closed_bytes = to.iter().map(|chunk| u64::from(chunk.filled_bytes())).sum();
        copied.bytes = heap.closed_bytes + u64::from(cursor - start);
        heap.closed = to;
        heap.open = (cursor != 0).then_some(start);
        heap.limit = limit;
        (cursor, copied)
    }
}

impl<M: Memory> RootVisitor for Evacuation<'_, M> {
    fn visit(&mut self, _kind: RootKind, slot: &mut GcRef) {
        *slot = self.evacuate(*slot);
    }
}

impl<M: Memory> WeakPhase for Evacuation<'_, M> {
    fn survivor(&mut self, object: ObjectRef) -> Option<ObjectRef> {
        if self.heap.pages.at(object.offset()) == self.from_space {
            GcRef::from_bits(Header::read(self.memory, object).gc_word()).as_object()
        } else {
            self.heap.large.is_marked(object).then_some(object)
        }
    }

    fn trace(&mut self, reached: &mut Vec<ObjectRef>) -> Result<(), HeapError> {
        self.close()?;
        reached.append(&mut self.reached);
        Ok(())
    }
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
