//! A collection: flip, evacuate the roots and what they lead to, the weak phase, free what was left.
//!
//! The forwarding offset takes the collector's header word, which is zero in every other object.
//! Nothing read from the heap is believed: a type id is masked into the shape table, a size is
//! compared with the room in the chunk, tospace is finite, and each large object is marked once,
//! so a corrupt heap ends in an error and never in an endless loop.

mod trace;

use crate::heap::{Chunk, CopyingHeap, page_kind};
use windrow_core::{
    Ahead, CollectionClient, Corruption, GcRef, Header, HeapContext, HeapError, Memory, ObjectRef,
    RootKind, RootVisitor, TypeTables, Watched, WeakPhase, Zeal, with_memory,
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

/// References that may be pending before the collection goes on breadth first, which needs no room.
const PENDING: usize = 1024;

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
    /// Whether what is copied has its references looked at at once. If not, from the place below on it
    /// has not, and is scanned where it lies.
    is_deep: bool,
    /// References to fromspace and their slots, to be looked at when what they lead to is in the cache.
    found: Ahead<(ObjectRef, u32)>,
    /// More of them, the latest on top; never more than there was room for at first.
    pending: Vec<(ObjectRef, u32)>,
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
            is_deep: true,
            found: Ahead::new(),
            pending: Vec::with_capacity(PENDING),
            gray_large: Vec::new(),
            copied: Copied::default(),
            corruption: None,
        }
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
