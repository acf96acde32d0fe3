//! Blocks and lines: where objects lie, and where the next ones go.
//!
//! A block is a chunk of lines of 128 bytes; a line knows how many counted objects touch it, a
//! block how many bytes of them it holds. Lines that none touches are free, whatever dead young
//! objects lie there: they are found by these numbers alone, and nobody looks at the dead. After a
//! collection the blocks are swept lazily, each hole once, and the runs found are allocated in by
//! bumping a cursor. Where no line is free and no block can be had, the gaps inside used lines are
//! handed out, so that a heap fragmented to the last line still takes what fits between its objects.
//!
//! Blackburn and McKinley, *Immix*, PLDI 2008; Shahriyar et al., *Taking Off the Gloves with
//! Reference Counting Immix*, OOPSLA 2013.

use crate::counts::Counts;
use windrow_core::{ChunkPool, HeapError, Memory, OBJECT_ALIGN, ObjectRef, SideTable};

/// Bytes of a line.
pub(crate) const LINE_BYTES: u32 = 128;

/// Bytes of a block, by the heap's limit.
const BLOCK_BYTES: std::ops::RangeInclusive<u32> = 4 << 10..=32 << 10;

/// Objects larger than a block divided by this are large.
const SMALL_FRACTION: u32 = 4;

/// The largest object that is small in the smallest block, in bytes.
pub(crate) const MAX_INLINE_BYTES: u32 = *BLOCK_BYTES.start() / SMALL_FRACTION;

/// Sizes of gaps: a gap lies in lines in use, so it is shorter than two.
const GAP_SIZES: usize = (2 * LINE_BYTES / OBJECT_ALIGN) as usize;

/// A run of free bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Run {
    pub(crate) const fn bytes(self) -> u32 {
        self.end - self.start
    }
}

/// The blocks of one heap.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) pool: ChunkPool,
    /// Counted objects that touch each line.
    lines: SideTable<u8, { LINE_BYTES.ilog2() }>,
    /// Bytes of counted objects in each block, at its start.
    live: SideTable<u32, { BLOCK_BYTES.start().ilog2() }>,
    live_bytes: u64,
    /// Offsets of the blocks in use.
    used: Vec<u32>,
    /// How many of them are to be swept: the others were taken, or searched for a long hole, since the
    /// last collection.
    to_sweep: usize,
    /// The block swept for holes, and where in the heap the sweep is.
    swept: usize,
    swept_to: u32,
    /// Down from here blocks are yet to be searched for long holes.
    long_searched: usize,
    /// The block searched for gaps next, and where gaps found before start, by their size.
    searched: usize,
    gaps: [Vec<u32>; GAP_SIZES],
}

impl Blocks {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let pool = ChunkPool::new(max_bytes, BLOCK_BYTES);
        Self {
            lines: SideTable::new(),
            live: SideTable::new(),
            pool,
            live_bytes: 0,
            used: Vec::new(),
            to_sweep: 0,
            swept: 0,
            swept_to: 0,
            long_searched: 0,
            searched: 0,
            gaps: [const { Vec::new() }; GAP_SIZES],
        }
    }

    pub(crate) const fn block_bytes(&self) -> u32 {
        self.pool.chunk_bytes()
    }

    /// The largest object that lies in a block, in bytes.
    pub(crate) const fn max_small_bytes(&self) -> u32 {
        self.block_bytes() / SMALL_FRACTION
    }

    /// Bytes of counted objects.
    pub(crate) const fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Bytes of `blocks` more than there are.
    pub(crate) fn committed_bytes(&self, blocks: u64) -> u64 {
        (self.used.len() as u64 + blocks) * u64::from(self.block_bytes())
    }

    /// Offset of the end of the block in which `offset` lies.
    #[inline(always)]
    pub(crate) const fn end_of_block(&self, offset: u32) -> u32 {
        (offset | (self.block_bytes() - 1)).wrapping_add(1)
    }

    /// Offsets of the blocks in use.
    pub(crate) fn used(&self) -> impl Iterator<Item = u32> + '_ {
        self.used.iter().copied()
    }

    /// Takes a block and has the tables cover it, those of the heap by `cover`, which is told where it
    /// ends; `None` where memory has none.
    pub(crate) fn take(
        &mut self,
        memory: &mut impl Memory,
        cover: impl FnOnce(u32) -> Result<(), HeapError>,
    ) -> Option<Run> {
        let start = self.pool.take(memory).ok().flatten()?;
        let end = start + self.block_bytes();
        if self.cover(end).and_then(|()| cover(end)).is_err() {
            self.pool.give(start);
            return None;
        }
        self.used.push(start);
        Some(Run { start, end })
    }

    fn cover(&mut self, end: u32) -> Result<(), HeapError> {
        self.lines.cover(end.into())?;
        self.live.cover(end.into())
    }

    /// Counts an object that lies from `start` to `end`, which is inside a block.
    #[inline(always)]
    pub(crate) fn enter(&mut self, start: u32, end: u32) {
        for line in self.lines.range_mut(start, end - start) {
            *line = line.saturating_add(1);
        }
        let block = start & !(self.block_bytes() - 1);
        self.live.set(block, self.live.at(block) + (end - start));
        self.live_bytes += u64::from(end - start);
    }

    /// Counts it no more.
    #[inline(always)]
    pub(crate) fn leave(&mut self, start: u32, end: u32) {
        for line in self.lines.range_mut(start, end - start) {
            *line = line.saturating_sub(1);
        }
        let block = start & !(self.block_bytes() - 1);
        let live = self.live.at(block).saturating_sub(end - start);
        self.live.set(block, live);
        self.live_bytes -= u64::from(end - start);
    }

    /// Counts nothing any more, calling `cleared` with each block.
    pub(crate) fn leave_all(&mut self, mut cleared: impl FnMut(u32, u32)) {
        let bytes = self.block_bytes();
        for block in &self.used {
            self.lines.set_range(*block, bytes, 0);
            self.live.set(*block, 0);
            cleared(*block, bytes);
        }
        self.live_bytes = 0;
    }

    /// Frees the blocks that hold nothing, calling `freed` with each, and starts to sweep the others.
    ///
    /// Linear in the blocks in use.
    pub(crate) fn restart(&mut self, mut freed: impl FnMut(u32, u32)) {
        let bytes = self.block_bytes();
        let Self {
            pool, live, used, ..
        } = self;
        used.retain(|block| {
            let holds = live.at(*block) > 0;
            if !holds {
                freed(*block, bytes);
                pool.give(*block);
            }
            holds
        });
        self.to_sweep = self.used.len();
        self.long_searched = self.to_sweep;
        (self.swept, self.swept_to, self.searched) = (0, 0, 0);
        self.gaps.iter_mut().for_each(Vec::clear);
    }

    /// The next run of free lines of at least `bytes`. Shorter ones on the way stay unused until the
    /// next collection.
    pub(crate) fn next_hole(&mut self, bytes: u32) -> Option<Run> {
        while self.swept < self.to_sweep {
            let block = self.used.get(self.swept).copied()?;
            let end = block + self.block_bytes();
            let from = self.swept_to.max(block);
            match free_lines(self.lines.range(from, end - from)) {
                Some((first, count)) => {
                    let start = from + first * LINE_BYTES;
                    self.swept_to = start + count * LINE_BYTES;
                    if count * LINE_BYTES >= bytes {
                        return Some(Run {
                            start,
                            end: self.swept_to,
                        });
                    }
                }
                None => (self.swept, self.swept_to) = (self.swept + 1, 0),
            }
        }
        None
    }

    /// A run of free lines of at least `bytes`, from the far end of the sweep, so that it leaves the
    /// short ones to come where they are. Looks at each block once; what else is free in the block the
    /// run is found in stays unused until the next collection.
    pub(crate) fn next_long_hole(&mut self, bytes: u32) -> Option<Run> {
        let begun = self.swept + usize::from(self.swept_to > 0);
        while self.long_searched > begun {
            self.long_searched -= 1;
            let block = self.used.get(self.long_searched).copied()?;
            if let Some(hole) = self.hole_in(block, bytes) {
                self.to_sweep -= 1;
                self.used.swap(self.long_searched, self.to_sweep);
                return Some(hole);
            }
        }
        None
    }

    /// The first run of free lines of at least `bytes` in a block.
    fn hole_in(&self, block: u32, bytes: u32) -> Option<Run> {
        let end = block + self.block_bytes();
        let mut from = block;
        while let Some((first, count)) = free_lines(self.lines.range(from, end - from)) {
            let start = from + first * LINE_BYTES;
            from = start + count * LINE_BYTES;
            if from - start >= bytes {
                return Some(Run { start, end: from });
            }
        }
        None
    }

    /// A gap of at least `bytes` between the objects of lines in use, the shortest known. Searches each
    /// block once.
    pub(crate) fn next_gap(&mut self, counts: &Counts, bytes: u32) -> Option<Run> {
        let least = (bytes / OBJECT_ALIGN) as usize;
        loop {
            let mut sizes = (0_u32..).zip(&mut self.gaps).skip(least);
            let gap = sizes.find_map(|(size, starts)| Some((size, starts.pop()?)));
            if let Some((size, start)) = gap {
                return Some(Run {
                    start,
                    end: start + size * OBJECT_ALIGN,
                });
            }
            if least >= GAP_SIZES || self.searched == self.to_sweep {
                return None;
            }
            let block = self.used.get(self.searched).copied()?;
            self.searched += 1;
            self.find_gaps(counts, block);
        }
    }

    fn find_gaps(&mut self, counts: &Counts, block: u32) {
        let bytes = self.block_bytes();
        let Self { lines, gaps, .. } = self;
        let mut found = |start: u32, end: u32| {
            let size = ((end - start) / OBJECT_ALIGN) as usize;
            if let Some(starts) = gaps.get_mut(size).filter(|_| size > 0) {
                starts.push(start);
            }
        };
        visit_free(counts, block, bytes, |free| {
            // Lines nobody touches are holes, and have been handed out as such.
            let mut gap = free.start;
            let mut at = free.start;
            while at < free.end {
                let end = ((at | (LINE_BYTES - 1)) + 1).min(free.end);
                if lines.at(at) == 0 {
                    found(gap, at);
                    gap = end;
                }
                at = end;
            }
            found(gap, at);
        });
    }

    /// Gaps that are known and not handed out.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = Run> + '_ {
        (0_u32..).zip(&self.gaps).flat_map(|(size, starts)| {
            starts.iter().map(move |start| Run {
                start: *start,
                end: start + size * OBJECT_ALIGN,
            })
        })
    }

    /// Compares lines and blocks with the objects of the count table, reporting differences.
    pub(crate) fn verify(&self, counts: &Counts, report: &mut dyn FnMut(String)) {
        let bytes = self.block_bytes();
        let mut total = 0;
        for block in self.used() {
            let mut touched = vec![0_u32; (bytes / LINE_BYTES) as usize];
            let mut live = 0;
            counts.visit(block, bytes, |start, end| {
                live += end - start;
                let lines = (start - block) / LINE_BYTES..=(end - 1 - block) / LINE_BYTES;
                for line in lines {
                    if let Some(touched) = touched.get_mut(line as usize) {
                        *touched += 1;
                    }
                }
            });
            total += u64::from(live);
            if self.live.at(block) != live {
                report(format!(
                    "the block at {block:#x} counts {} bytes and holds {live}",
                    self.live.at(block)
                ));
            }
            for (line, (counted, touched)) in self
                .lines
                .range(block, bytes)
                .iter()
                .zip(&touched)
                .enumerate()
            {
                if u32::from(*counted) != *touched {
                    report(format!(
                        "line {line} of the block at {block:#x} counts {counted} objects and has {touched}"
                    ));
                }
            }
        }
        if total != self.live_bytes {
            report(format!(
                "the blocks count {} bytes and hold {total}",
                self.live_bytes
            ));
        }
    }
}

/// The first run of lines without objects: its index and length.
fn free_lines(lines: &[u8]) -> Option<(u32, u32)> {
    let first = lines.iter().position(|line| *line == 0)?;
    let rest = lines.get(first..)?;
    let count = rest
        .iter()
        .position(|line| *line != 0)
        .unwrap_or(rest.len());
    Some((u32::try_from(first).ok()?, u32::try_from(count).ok()?))
}

/// Calls `visit` with each run of a block in which no counted object lies, in address order.
pub(crate) fn visit_free(counts: &Counts, block: u32, bytes: u32, mut visit: impl FnMut(Run)) {
    let mut at = block;
    let mut gap = |start: u32, end: u32| {
        if start < end {
            visit(Run { start, end });
        }
    };
    counts.visit(block, bytes, |start, end| {
        gap(at, start);
        at = end;
    });
    gap(at, block + bytes);
}

/// The object that starts at an offset of a block.
pub(crate) fn object_at(offset: u32) -> ObjectRef {
    debug_assert!(offset.is_multiple_of(OBJECT_ALIGN));
    ObjectRef::from_offset(offset).expect("blocks lie where objects can")
}
