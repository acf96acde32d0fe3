//! Chunks: equal pieces of a heap, to make spaces from.
//!
//! All chunks of a pool have one size, a power of two, and lie at multiples of it. Addresses once
//! taken for chunks stay chunks, and the free ones are reused last in, first out: a small live set
//! keeps using the same few, which stay in the cache.

use crate::{HeapError, Memory, PAGE_BYTES, PageSpace};
use std::ops::RangeInclusive;

/// A free chunk.
#[derive(Clone, Copy, Debug)]
struct Free {
    start: u32,
    /// Whether it may hold pages of memory (as opposed to having been given back).
    resident: bool,
}

/// The free chunks of one heap, and the address space they come from.
#[derive(Debug)]
pub struct ChunkPool {
    chunk_bytes: u32,
    space: PageSpace,
    free: Vec<Free>,
    /// How many of the first are not resident for sure.
    trimmed: usize,
}

impl ChunkPool {
    /// An empty pool for a heap of at most `max_bytes`: with chunks of a 32nd of that, so that a small
    /// heap has a few dozen, within `sizes` and rounded down to a power of two.
    ///
    /// # Panics
    /// If the smaller size is below a page.
    #[must_use]
    pub fn new(max_bytes: u64, sizes: RangeInclusive<u32>) -> Self {
        assert!(*sizes.start() >= PAGE_BYTES, "chunks are made of pages");
        let wanted = u32::try_from(max_bytes / 32).unwrap_or(u32::MAX);
        let chunk_bytes = wanted.clamp(*sizes.start(), *sizes.end());
        Self {
            chunk_bytes: 1 << chunk_bytes.ilog2(),
            space: PageSpace::new(),
            free: Vec::new(),
            trimmed: 0,
        }
    }

    /// Bytes of each chunk, a power of two.
    #[must_use]
    pub const fn chunk_bytes(&self) -> u32 {
        self.chunk_bytes
    }

    const fn chunk_pages(&self) -> u32 {
        self.chunk_bytes / PAGE_BYTES
    }

    /// How many chunks could be taken now, address space considered.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.free.len() as u64
            + u64::from(self.space.untouched_from(self.chunk_pages()) / self.chunk_pages())
    }

    /// Pages that must stay untouched so that `chunks` can be taken.
    #[must_use]
    pub fn pages_to_keep(&self, chunks: u64) -> u32 {
        let missing = chunks.saturating_sub(self.free.len() as u64);
        let pages = u64::from(self.chunk_pages());
        // The first one may start up to a chunk further on.
        let aligning = if missing > 0 { pages - 1 } else { 0 };
        u32::try_from(missing * pages + aligning).unwrap_or(u32::MAX)
    }

    /// The address space, which large objects share.
    pub const fn space(&mut self) -> &mut PageSpace {
        &mut self.space
    }

    /// Takes a chunk and returns its offset; `Ok(None)` where the address space is used up.
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where memory cannot grow.
    pub fn take(&mut self, memory: &mut impl Memory) -> Result<Option<u32>, HeapError> {
        if let Some(free) = self.free.pop() {
            self.trimmed = self.trimmed.min(self.free.len());
            return Ok(Some(free.start));
        }
        let pages = self.chunk_pages();
        let Some(page) = self.space.take_aligned(pages, pages, 0) else {
            return Ok(None);
        };
        let start = page * PAGE_BYTES;
        if let Err(error) = memory.grow_to(u64::from(start) + u64::from(self.chunk_bytes)) {
            // It is no chunk: there may be room at a lower address next time.
            self.space.give(page, pages);
            return Err(error);
        }
        Ok(Some(start))
    }

    /// Gives a chunk back.
    pub fn give(&mut self, start: u32) {
        self.free.push(Free {
            start,
            resident: true,
        });
    }

    /// Gives the addresses of all free chunks back, and their memory to the system: for an object
    /// that finds no run of pages.
    pub fn give_up_free(&mut self, memory: &mut impl Memory) {
        for free in std::mem::take(&mut self.free) {
            if free.resident {
                memory.decommit(free.start, self.chunk_bytes);
            }
            let pages = self.chunk_bytes / PAGE_BYTES;
            self.space.give(free.start / PAGE_BYTES, pages);
        }
        self.trimmed = 0;
    }

    /// Returns the memory of free chunks to the system, all but the `keep` that will be taken
    /// next. Linear in the chunks freed since the last call.
    pub fn trim(&mut self, memory: &mut impl Memory, keep: usize) {
        let surplus = self.free.len().saturating_sub(keep);
        for free in self
            .free
            .iter_mut()
            .take(surplus)
            .skip(self.trimmed)
            .filter(|free| free.resident)
        {
            memory.decommit(free.start, self.chunk_bytes);
            free.resident = false;
        }
        self.trimmed = self.trimmed.max(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeapMemory, MemoryKind};

    #[test]
    fn free_chunks_give_their_addresses_back() {
        let (memory, _state) = HeapMemory::new(MemoryKind::Checked).unwrap();
        let HeapMemory::Checked(mut memory) = memory else {
            panic!("checked memory was asked for");
        };
        let mut pool = ChunkPool::new(1 << 20, 16 << 10..=16 << 10);
        let before = pool.space().untouched();
        let chunks: Vec<u32> = (0..10)
            .map(|_| pool.take(&mut memory).unwrap().unwrap())
            .collect();
        assert!(chunks.iter().all(|start| start.is_multiple_of(16 << 10)));
        chunks.iter().for_each(|start| pool.give(*start));
        pool.trim(&mut memory, 4);
        // The last one freed is taken first.
        assert_eq!(pool.take(&mut memory).unwrap(), chunks.last().copied());
        pool.give(chunks[9]);
        pool.give_up_free(&mut memory);
        assert_eq!(pool.space().untouched(), before);
        assert!(pool.take(&mut memory).unwrap().is_some());
    }
}
