//! The heap between collections: allocation, limits, accounts.
//!
//! **The reserve.** Let a chunk have `C` bytes and a small object at most `S = C / 8`. A collection
//! opens another tospace chunk only when an object of at most `S` bytes did not fit, so each chunk
//! it closed holds more than `C - S` bytes, that is at least `C - S + 8`. What it copies is at most
//! the `U` bytes fromspace holds. So it closes at most `U / (C - S + 8)` chunks, and
//!
//! ```text
//! reserve(U) = floor(U / (C - S + 8)) + 1        (and nothing for U = 0)
//! ```
//! chunks are always enough, whatever the order of copying and the waste at the tails. The tails
//! may leave more chunks in use after a collection than before, up to `reserve(U)`, and the next
//! collection needs its reserve too, so what `n` chunks that hold at most `U` bytes commit is
//!
//! ```text
//! max(n, reserve(U)) + reserve(U)
//! ```
//! The heap takes a chunk, or pages for a large object, only if afterwards that and the large
//! objects fit the hard limit, and so many chunks can be had from the address space. Where the rest
//! of the open chunk would not fit after a collection, it is given up. A collection that asks for
//! more chunks has met a corrupt heap.

use crate::{CHUNK_BYTES, SMALL_FRACTION};
use windrow_core::{
    AllocError, ChunkPool, CollectionClient, CollectionKind, GcHeap, Header, HeapContext,
    HeapError, HeapLimits, LargeObjects, Memory, ObjectRef, PAGE_BYTES, SideTable, Usage,
    Violation, object_bytes, visit_objects, with_memory,
};

/// What a page belongs to: an entry of the trusted page table.
pub(crate) mod page_kind {
    /// Nothing.
    pub(crate) const FREE: u8 = 0;
    /// A chunk of the first semispace.
    pub(crate) const FIRST: u8 = 1;
    /// A chunk of the second semispace.
    pub(crate) const SECOND: u8 = 2;
    /// A large object.
    pub(crate) const LARGE: u8 = 3;
}

/// Bytes of a page, as a power of two.
const PAGE_SHIFT: u32 = PAGE_BYTES.ilog2();

/// A limit above what can be addressed limits nothing, and is cut down to it.
const ADDRESSABLE_BYTES: u64 = 1 << 32;

/// A chunk in use and how far it is filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    /// Offset of its first byte.
    pub(crate) start: u32,
    /// Offset just past its last object.
    pub(crate) fill: u32,
}

impl Chunk {
    /// Bytes of objects in it.
    pub(crate) const fn filled_bytes(&self) -> u32 {
        self.fill - self.start
    }
}

/// Two semispaces made of chunks, and a space of large objects.
#[derive(Debug)]
pub(crate) struct CopyingHeap {
    pub(crate) pool: ChunkPool,
    pub(crate) large: LargeObjects,
    /// One entry a page: see [`page_kind`].
    pub(crate) pages: SideTable<u8, PAGE_SHIFT>,
    /// The kind of the space objects are allocated in.
    pub(crate) space: u8,
    /// Full chunks, in the order they were filled.
    pub(crate) closed: Vec<Chunk>,
    /// Bytes of objects in them.
    pub(crate) closed_bytes: u64,
    /// Offset of the chunk objects are allocated in, if there is one.
    pub(crate) open: Option<u32>,
    /// Where that chunk ends; the driver may hold the shared limit lower.
    pub(crate) limit: u32,
    /// Bytes that may be taken before the next collection.
    budget_bytes: u64,
    max_bytes: u64,
}

impl CopyingHeap {
    pub(crate) fn new(limits: HeapLimits) -> Result<Self, HeapError> {
        Ok(Self {
            pool: ChunkPool::new(limits.max_bytes, CHUNK_BYTES),
            large: LargeObjects::default(),
            pages: SideTable::zeroed()?,
            space: page_kind::FIRST,
            closed: Vec::new(),
            closed_bytes: 0,
            open: None,
            limit: 0,
            budget_bytes: 0,
            max_bytes: limits.max_bytes.min(ADDRESSABLE_BYTES),
        })
    }

    /// The largest object that lies in a chunk, in bytes.
    pub(crate) const fn max_small_bytes(&self) -> u32 {
        self.pool.chunk_bytes() / SMALL_FRACTION
    }

    /// Chunks that copying `bytes` can take at most: see the formula above.
    pub(crate) fn reserve_chunks(&self, bytes: u64) -> u64 {
        if bytes == 0 {
            return 0;
        }
        let filled = self.pool.chunk_bytes() - self.max_small_bytes() + 8;
        bytes / u64::from(filled) + 1
    }

    /// Chunks in use, and the most they can hold, after taking `more`.
    fn chunks_after(&self, more: u64) -> (u64, u64) {
        let open = u64::from(self.open.is_some()) + more;
        let most_bytes = self.closed_bytes + open * u64::from(self.pool.chunk_bytes());
        (self.closed.len() as u64 + open, most_bytes)
    }

    /// Chunks committed after taking `more`, reserve included.
    fn chunks_needed(&self, more: u64) -> u64 {
        let (chunks, most_bytes) = self.chunks_after(more);
        let reserve = self.reserve_chunks(most_bytes);
        chunks.max(reserve) + reserve
    }

    /// Free chunks that must stay to be had after taking `more`.
    fn chunks_to_keep(&self, more: u64) -> u64 {
        self.chunks_needed(more) - self.chunks_after(more).0
    }

    /// Bytes committed after taking `more` chunks, reserve included.
    fn committed_bytes(&self, more: u64) -> u64 {
        self.chunks_needed(more) * u64::from(self.pool.chunk_bytes()) + self.large.committed_bytes()
    }

    /// Whether one more chunk keeps the limit and the reserve.
    fn may_take_chunk(&self) -> bool {
        self.committed_bytes(1) <= self.max_bytes && self.pool.available() > self.chunks_to_keep(1)
    }

    /// Gives up the rest of the open chunk where what it could hold would not fit the limit.
    pub(crate) fn keep_to_limit(&mut self, cursor: u32) {
        if self.committed_bytes(0) > self.max_bytes {
            self.close_chunk(cursor);
            self.limit = cursor;
        }
    }

    fn allocate_large(
        &mut self,
        memory: &mut impl Memory,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        let page_bytes = u64::from(LargeObjects::pages_for(bytes)) * u64::from(PAGE_BYTES);
        let fits = self.committed_bytes(0) + page_bytes <= self.max_bytes;
        if !fits || u64::from(bytes) > self.budget_bytes {
            return Err(AllocError::Exhausted);
        }
        let keep = self.pool.pages_to_keep(self.chunks_to_keep(0));
        match self
            .large
            .allocate(memory, self.pool.space(), bytes, header, keep)
        {
            Ok(Some(object)) => {
                self.budget_bytes -= u64::from(bytes);
                self.pages
                    .set_range(object.offset(), bytes, page_kind::LARGE);
                Ok(object)
            }
            Ok(None) | Err(_) => Err(AllocError::Exhausted),
        }
    }

    /// Closes the open chunk, which is filled up to `cursor`.
    pub(crate) fn close_chunk(&mut self, cursor: u32) {
        if let Some(start) = self.open.take() {
            let chunk = Chunk {
                start,
                fill: cursor,
            };
            self.closed_bytes += u64::from(chunk.filled_bytes());
            self.closed.push(chunk);
        }
    }

    fn open_chunk(&mut self, cx: &mut HeapContext<'_>) -> Result<(), AllocError> {
        let chunk_bytes = self.pool.chunk_bytes();
        if self.budget_bytes < u64::from(chunk_bytes) || !self.may_take_chunk() {
            return Err(AllocError::Exhausted);
        }
        let start = self
            .pool
            .take(cx.memory)
            .ok()
            .flatten()
            .ok_or(AllocError::Exhausted)?;
        self.budget_bytes -= u64::from(chunk_bytes);
        self.close_chunk(cx.state.cursor);
        self.pages.set_range(start, chunk_bytes, self.space);
        self.open = Some(start);
        self.limit = start + chunk_bytes;
        cx.state.cursor = start;
        Ok(())
    }
}

impl GcHeap for CopyingHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        if bytes > self.max_small_bytes() {
            return with_memory!(&mut *cx.memory, memory => self.allocate_large(memory, bytes, header));
        }
        if self.open.is_none() || bytes > self.limit - cx.state.cursor {
            self.open_chunk(cx)?;
        }
        let start = cx.state.cursor;
        cx.state.cursor = start + bytes;
        cx.state.limit = self.limit;
        cx.memory.store_u64(start, header);
        Ok(ObjectRef::from_offset(start).expect("chunks and sizes are aligned"))
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        _kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        self.collect_all(cx, client)
    }

    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64) {
        let chunk_bytes = u64::from(self.pool.chunk_bytes());
        self.budget_bytes = bytes.div_ceil(chunk_bytes).saturating_mul(chunk_bytes);
        let room = self.max_bytes.saturating_sub(self.committed_bytes(0)) / chunk_bytes;
        let chunks = (self.budget_bytes / chunk_bytes).min(room);
        let keep = chunks + self.chunks_to_keep(chunks);
        self.pool
            .trim(cx.memory, usize::try_from(keep).unwrap_or(usize::MAX));
        let room = self.max_bytes.saturating_sub(self.committed_bytes(chunks));
        let keep_bytes = self.budget_bytes.min(room);
        self.large.trim(cx.memory, self.pool.space(), keep_bytes);
    }

    fn usage(&self, cx: &HeapContext<'_>) -> Usage {
        let open_bytes = self
            .open
            .map_or(0, |start| u64::from(cx.state.cursor - start));
        Usage {
            occupied_bytes: self.closed_bytes + open_bytes + self.large.occupied_bytes(),
            committed_bytes: self.committed_bytes(0),
        }
    }

    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        let open = self.open.map(|start| Chunk {
            start,
            fill: cx.state.cursor,
        });
        for chunk in self.closed.iter().copied().chain(open) {
            visit_objects(cx.memory, cx.types, chunk.start, chunk.fill, visit)?;
        }
        for (object, bytes) in self.large.iter() {
            visit(object, bytes.into());
        }
        Ok(())
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        let chunk_bytes = self.pool.chunk_bytes();
        let open = self.open.map(|start| Chunk {
            start,
            fill: cx.state.cursor,
        });
        for chunk in self.closed.iter().copied().chain(open) {
            if chunk.fill < chunk.start || chunk.filled_bytes() > chunk_bytes {
                report(Violation(format!(
                    "the chunk at {:#x} is filled to {:#x}",
                    chunk.start, chunk.fill
                )));
            }
            if self.pages.at(chunk.start) != self.space {
                report(Violation(format!(
                    "the chunk at {:#x} is not in the current space",
                    chunk.start
                )));
            }
        }
        for (object, bytes) in self.large.iter() {
            let shape = cx.types.shape(Header::read(cx.memory, object).type_id());
            if object_bytes(cx.memory, shape, object) != Ok(bytes) {
                report(Violation(format!(
                    "the large object {object:?} has not the {bytes} bytes it was given"
                )));
            }
        }
        let reserve = self.chunks_to_keep(0);
        if self.pool.available() < reserve {
            report(Violation(format!(
                "{reserve} chunks are needed to copy, {} can be had",
                self.pool.available()
            )));
        }
    }
}
