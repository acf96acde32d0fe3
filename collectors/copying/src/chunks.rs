//! Chunks: the pieces semispaces are made of.
//!
//! All chunks of a heap have one size, chosen from its hard limit so that a small heap still has
//! a few dozen. Addresses once taken for chunks stay chunks, and the free ones are reused last in,
//! first out: a small live set keeps using the same few, which stay in the cache.

use windrow_core::{HeapError, Memory, PAGE_BYTES, PageSpace};

/// The smallest chunk, in bytes.
pub(crate) const MIN_CHUNK_BYTES: u32 = 16 << 10;

/// The largest chunk, in bytes.
pub(crate) const MAX_CHUNK_BYTES: u32 = 256 << 10;

/// Objects larger than a chunk divided by this never move.
pub(crate) const SMALL_FRACTION: u32 = 8;

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

/// A free chunk.
#[derive(Clone, Copy, Debug)]
struct Free {
    start: u32,
    /// Whether it may hold pages of memory (as opposed to having been given back).
    resident: bool,
}

/// The free chunks of one heap, and the address space they come from.
#[derive(Debug)]
pub(crate) struct ChunkPool {
    chunk_bytes: u32,
    space: PageSpace,
    free: Vec<Free>,
}

impl ChunkPool {
    /// A pool for a heap of at most `max_bytes`.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let wanted = u32::try_from(max_bytes / 32).unwrap_or(u32::MAX);
        let chunk_bytes = wanted.clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
        Self {
            chunk_bytes: 1 << chunk_bytes.ilog2(),
            space: PageSpace::new(),
            free: Vec::new(),
        }
    }

    /// Bytes of each chunk, a power of two.
    pub(crate) const fn chunk_bytes(&self) -> u32 {
        self.chunk_bytes
    }

    const fn chunk_pages(&self) -> u32 {
        self.chunk_bytes / PAGE_BYTES
    }

    /// How many chunks could be taken now, address space considered.
    pub(crate) fn available(&self) -> u64 {
        self.free.len() as u64 + u64::from(self.space.untouched() / self.chunk_pages())
    }

    /// Pages that must stay untouched so that `chunks` can be taken.
    pub(crate) fn pages_to_keep(&self, chunks: u64) -> u32 {
        let missing = chunks.saturating_sub(self.free.len() as u64);
        u32::try_from(missing * u64::from(self.chunk_pages())).unwrap_or(u32::MAX)
    }

    /// The address space, which large objects share.
    pub(crate) const fn space(&mut self) -> &mut PageSpace {
        &mut self.space
    }

    /// Takes a chunk and returns its offset; `Ok(None)` where the address space is used up.
    pub(crate) fn take(&mut self, memory: &mut impl Memory) -> Result<Option<u32>, HeapError> {
        if let Some(free) = self.free.pop() {
            return Ok(Some(free.start));
        }
        let Some(page) = self.space.take(self.chunk_pages(), 0) else {
            return Ok(None);
        };
        let start = page * PAGE_BYTES;
        match memory.grow_to(u64::from(start) + u64::from(self.chunk_bytes)) {
            Ok(()) => Ok(Some(start)),
            Err(error) => {
                self.free.push(Free {
                    start,
                    resident: false,
                });
                Err(error)
            }
        }
    }

    /// Gives a chunk back.
    pub(crate) fn give(&mut self, start: u32) {
        self.free.push(Free {
            start,
            resident: true,
        });
    }

    /// Returns the memory of free chunks to the system, all but the `keep` that will be taken
    /// next. Linear in the chunks freed since the last call.
    pub(crate) fn trim(&mut self, memory: &mut impl Memory, keep: usize) {
        let surplus = self.free.len().saturating_sub(keep);
        for free in self
            .free
            .iter_mut()
            .take(surplus)
            .filter(|free| free.resident)
        {
            memory.decommit(free.start, self.chunk_bytes);
            free.resident = false;
        }
    }
}
