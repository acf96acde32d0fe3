//! The heap between collections: allocation, limits, barriers, accounts.

use crate::blocks::{Blocks, LINE_BYTES, Run, object_at};
use crate::collect::{BYTES_PER_WORK, Counting};
use crate::counts::Counts;
use windrow_core::{
    AllocError, CollectionClient, CollectionKind, Corruption, GcHeap, GcRef, HeapContext,
    HeapError, HeapLimits, LargeObjects, LogBits, Memory, OBJECT_ALIGN, ObjectRef, PAGE_BYTES,
    SideTable, Usage, Violation, load_ref, visit_objects, with_memory,
};

/// What a page belongs to: an entry of the trusted page table.
pub(crate) mod page_kind {
    /// Nothing.
    pub(crate) const FREE: u8 = 0;
    /// A block.
    pub(crate) const BLOCK: u8 = 1;
    /// A large object.
    pub(crate) const LARGE: u8 = 2;
}

/// Bytes of a page, as a power of two.
const PAGE_SHIFT: u32 = PAGE_BYTES.ilog2();

/// A limit above what can be addressed limits nothing, and is cut down to it.
const ADDRESSABLE_BYTES: u64 = 1 << 32;

/// A backup trace is due when twice as many bytes are counted as survived the last one, but never before
/// twice as many as this.
const MIN_TRACE_BYTES: u64 = 8 << 20;

/// Dead objects of the old that are looked at for every 64 bytes that are handed out: more than can
/// be allocated in them, so that the dead do not pile up.
const KILLS_PER_64_BYTES: u32 = 8;

/// The shortest log that may be given up: applying it takes a fraction of a millisecond.
pub(crate) const MIN_LOG: u64 = 4096;

/// The most epochs in a row that are not logged because logs were given up before them.
const MAX_UNLOGGED: u32 = 8;

/// A slot of a counted object that was overwritten, and what it held when the epoch began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged {
    pub(crate) slot: u32,
    pub(crate) old: GcRef,
}

/// Counted and young objects in blocks, and large ones.
#[derive(Debug)]
pub(crate) struct DrcHeap {
    pub(crate) blocks: Blocks,
    pub(crate) counts: Counts,
    pub(crate) large: LargeObjects,
    /// One entry a page: see [`page_kind`].
    pub(crate) pages: SideTable<u8, PAGE_SHIFT>,
    /// Slots overwritten since the epoch began, if it is logged.
    pub(crate) log: Vec<Logged>,
    /// Whether stores are logged in this epoch: otherwise it ends with a backup trace.
    pub(crate) is_logged: bool,
    /// How many epochs are not to be logged yet, and how many it were the last time.
    unlogged_left: u32,
    unlogged: u32,
    /// Counted objects without references that roots held when the epoch began.
    pub(crate) unreferenced: Vec<ObjectRef>,
    /// Counted objects that are dead, not looked at yet.
    pub(crate) dying: Vec<ObjectRef>,
    /// Those of them that the weak phase must see before they are reclaimed: until then something
    /// outside the heap may bring them back.
    pub(crate) awaited: Vec<ObjectRef>,
    /// What roots held when the epoch began.
    pub(crate) rooted: Vec<ObjectRef>,
    /// Large objects allocated since the epoch began.
    pub(crate) young_large: Vec<ObjectRef>,
    young_large_bytes: u64,
    /// Runs filled with young objects since the epoch began, and the bytes of these.
    filled: Vec<Run>,
    filled_bytes: u64,
    /// The run objects are allocated in, from its start to the cursor; the driver may hold the shared
    /// limit lower than its end.
    run: Run,
    /// The run for objects longer than a line, from its start, and its cursor.
    overflow: Run,
    overflow_cursor: u32,
    /// Whether gaps inside lines may be handed out: after a backup trace.
    may_fill_gaps: bool,
    /// Bytes of counted objects when the last collection began.
    old_before: u64,
    /// Counted bytes at which a backup trace is due.
    trace_bytes: u64,
    budget_bytes: u64,
    max_bytes: u64,
}

const EMPTY: Run = Run { start: 0, end: 0 };

impl DrcHeap {
    pub(crate) fn new(limits: HeapLimits) -> Self {
        Self {
            blocks: Blocks::new(limits.max_bytes),
            counts: Counts::new(),
            large: LargeObjects::default(),
            pages: SideTable::new(),
            log: Vec::new(),
            is_logged: true,
            unlogged_left: 0,
            unlogged: 0,
            unreferenced: Vec::new(),
            dying: Vec::new(),
            awaited: Vec::new(),
            rooted: Vec::new(),
            young_large: Vec::new(),
            young_large_bytes: 0,
            filled: Vec::new(),
            filled_bytes: 0,
            run: EMPTY,
            overflow: EMPTY,
            overflow_cursor: 0,
            may_fill_gaps: false,
            old_before: 0,
            trace_bytes: MIN_TRACE_BYTES,
            budget_bytes: 0,
            max_bytes: limits.max_bytes.min(ADDRESSABLE_BYTES),
        }
    }

    /// Gives the log up where it has an entry for every 32 bytes of counted objects, that is for half of
    /// them if they are small: a trace of these costs no more than to apply it, and until then stores
    /// owe nothing.
    fn keep_log_short(&mut self, log_bits: &mut LogBits) {
        if self.log.len() as u64 <= MIN_LOG.max(self.old_bytes() / 32) {
            return;
        }
        self.is_logged = false;
        self.log.clear();
        for block in self.blocks.used() {
            log_bits.disarm(block, self.blocks.block_bytes());
        }
        for (object, bytes) in self.large.iter() {
            log_bits.disarm(object.offset(), bytes);
        }
    }

    /// Before a backup trace: whether to log the epoch after it. Where a log was given up the next
    /// epoch is not logged; where that happens again and again, the next two, four, eight.
    fn choose_logging(&mut self) {
        if self.unlogged_left > 0 {
            self.unlogged_left -= 1;
        } else if !self.is_logged {
            self.unlogged = (2 * self.unlogged).clamp(1, MAX_UNLOGGED);
            self.unlogged_left = self.unlogged;
        }
        self.is_logged = self.unlogged_left == 0;
    }

    fn committed_bytes(&self, more_blocks: u64) -> u64 {
        self.blocks.committed_bytes(more_blocks) + self.large.committed_bytes()
    }

    /// Bytes of counted objects in blocks, and of all large ones.
    fn counted_bytes(&self) -> u64 {
        self.blocks.live_bytes() + self.large.occupied_bytes()
    }

    /// Bytes of counted objects, large ones included.
    fn old_bytes(&self) -> u64 {
        self.counted_bytes() - self.young_large_bytes
    }

    /// Bytes of objects, the dead not yet reclaimed included.
    fn occupied_bytes(&self, cursor: u32) -> u64 {
        let open = (cursor - self.run.start) + (self.overflow_cursor - self.overflow.start);
        self.counted_bytes() + self.filled_bytes + u64::from(open)
    }

    /// Runs of young objects, filled up to the second offset.
    fn young(&self, cursor: u32) -> impl Iterator<Item = Run> + '_ {
        let open = [(self.run, cursor), (self.overflow, self.overflow_cursor)];
        let open = open.map(|(run, end)| Run { end, ..run });
        self.filled.iter().copied().chain(open)
    }

    /// Runs handed out since the epoch began: what is filled of those left behind, the others whole.
    pub(crate) fn handed_out(&self) -> impl Iterator<Item = Run> + '_ {
        self.filled.iter().copied().chain([self.run, self.overflow])
    }

    /// Takes note that a run is filled up to `end`.
    fn fill(&mut self, run: Run, end: u32) {
        if end > run.start {
            self.filled_bytes += u64::from(end - run.start);
            self.filled.push(Run { end, ..run });
        }
    }

    /// Forgets the young: they are counted by now, or dead.
    pub(crate) fn forget_young(&mut self) {
        self.filled.clear();
        self.filled_bytes = 0;
        self.young_large_bytes = 0;
        (self.run, self.overflow, self.overflow_cursor) = (EMPTY, EMPTY, 0);
    }

    /// A run of at least `bytes` free ones: free lines, a new block, or a gap. For an object longer than
    /// a line the short holes on the way to a long enough one are not given up as long as there is
    /// another way.
    fn find_run(&mut self, memory: &mut impl Memory, bytes: u32) -> Result<Run, AllocError> {
        if self.budget_bytes < u64::from(bytes) {
            return Err(AllocError::Exhausted);
        }
        let long = if bytes > LINE_BYTES {
            let hole = self.blocks.next_long_hole(bytes);
            hole.or_else(|| self.take_block(memory))
        } else {
            None
        };
        let run = long
            .or_else(|| self.blocks.next_hole(bytes))
            .or_else(|| self.take_block(memory))
            .or_else(|| self.find_gap(bytes))
            .ok_or(AllocError::Exhausted)?;
        self.budget_bytes = self.budget_bytes.saturating_sub(run.bytes().into());
        Ok(run)
    }

    fn take_block(&mut self, memory: &mut impl Memory) -> Option<Run> {
        if self.committed_bytes(1) > self.max_bytes {
            return None;
        }
        let Self { counts, pages, .. } = self;
        let block = self.blocks.take(memory, |end| {
            counts.cover(end)?;
            pages.cover(end.into())
        })?;
        self.pages
            .set_range(block.start, block.bytes(), page_kind::BLOCK);
        Some(block)
    }

    fn find_gap(&mut self, bytes: u32) -> Option<Run> {
        if !self.may_fill_gaps {
            return None;
        }
        self.blocks.next_gap(&self.counts, bytes)
    }

    /// A run for more objects, after as many of the dead were looked at as its size demands.
    fn next_run(&mut self, cx: &mut HeapContext<'_>, bytes: u32) -> Result<Run, AllocError> {
        let run = with_memory!(&mut *cx.memory, memory => self.find_run(memory, bytes))?;
        if !self.dying.is_empty() {
            self.kill_some(cx, run.bytes())?;
        }
        Ok(run)
    }

    /// Looks at some of the dead between collections, for `bytes` that are handed out.
    fn kill_some(&mut self, cx: &mut HeapContext<'_>, bytes: u32) -> Result<(), AllocError> {
        let kills = bytes.div_ceil(64).saturating_mul(KILLS_PER_64_BYTES);
        self.kill(cx, kills).map_err(AllocError::Corrupt)
    }

    /// Does so much work on the dead.
    fn kill(&mut self, cx: &mut HeapContext<'_>, kills: u32) -> Result<(), Corruption> {
        let before = self.counted_bytes();
        let result = with_memory!(&mut *cx.memory, memory => {
            Counting::new(self, memory, (cx.types, cx.watched), cx.log_bits, cx.zeal).kill_between(kills)
        });
        cx.stats.reclaimed_bytes += before - self.counted_bytes();
        result
    }

    fn allocate_small(&mut self, cx: &mut HeapContext<'_>, bytes: u32) -> Result<u32, AllocError> {
        if bytes <= self.run.end - cx.state.cursor.min(self.run.end) {
            let start = cx.state.cursor;
            cx.state.cursor = start + bytes;
            cx.state.limit = self.run.end;
            return Ok(start);
        }
        if bytes > LINE_BYTES {
            return self.allocate_in_overflow(cx, bytes);
        }
        let run = self.next_run(cx, bytes)?;
        self.fill(self.run, cx.state.cursor);
        self.run = run;
        cx.state.cursor = run.start + bytes;
        cx.state.limit = run.end;
        Ok(run.start)
    }

    /// Allocates an object that is longer than a line and finds no room in the run of the others, which
    /// may have room for many of them yet.
    fn allocate_in_overflow(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
    ) -> Result<u32, AllocError> {
        if bytes > self.overflow.end - self.overflow_cursor {
            let run = self.next_run(cx, bytes)?;
            self.fill(self.overflow, self.overflow_cursor);
            (self.overflow, self.overflow_cursor) = (run, run.start);
        }
        let start = self.overflow_cursor;
        self.overflow_cursor += bytes;
        Ok(start)
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
        let mut space = self.blocks.pool.space();
        let mut object = self.large.allocate(memory, space, bytes, header, 0);
        if let Ok(None) = object {
            // What free blocks lie in may be what is missing.
            self.blocks.pool.give_up_free(memory);
            space = self.blocks.pool.space();
            object = self.large.allocate(memory, space, bytes, header, 0);
        }
        match object {
            Ok(Some(object)) if self.cover_large(object, bytes).is_err() => {
                let space = self.blocks.pool.space();
                self.large.free(space, object, |_, _| ());
                Err(AllocError::Exhausted)
            }
            Ok(Some(object)) => {
                self.budget_bytes -= u64::from(bytes);
                self.pages
                    .set_range(object.offset(), bytes, page_kind::LARGE);
                self.young_large.push(object);
                self.young_large_bytes += u64::from(bytes);
                Ok(object)
            }
            Ok(None) | Err(_) => Err(AllocError::Exhausted),
        }
    }

    /// Has the tables cover a large object.
    fn cover_large(&mut self, object: ObjectRef, bytes: u32) -> Result<(), HeapError> {
        self.counts.cover(object.offset() + OBJECT_ALIGN)?;
        self.pages
            .cover(u64::from(object.offset()) + u64::from(bytes))
    }
}

impl GcHeap for DrcHeap {
    fn allocate(
        &mut self,
        cx: &mut HeapContext<'_>,
        bytes: u32,
        header: u64,
    ) -> Result<ObjectRef, AllocError> {
        if bytes > self.blocks.max_small_bytes() {
            if !self.dying.is_empty() {
                self.kill_some(cx, bytes)?;
            }
            return with_memory!(&mut *cx.memory, memory => self.allocate_large(memory, bytes, header));
        }
        let start = self.allocate_small(cx, bytes)?;
        cx.memory.store_u64(start, header);
        Ok(object_at(start))
    }

    fn collect(
        &mut self,
        cx: &mut HeapContext<'_>,
        kind: CollectionKind,
        client: &mut dyn CollectionClient,
    ) -> Result<(), HeapError> {
        let traces =
            kind == CollectionKind::Full || !self.is_logged || self.old_bytes() >= self.trace_bytes;
        self.old_before = self.old_bytes();
        if traces {
            self.choose_logging();
        } else {
            self.unlogged = 0;
        }
        let (trusted, zeal) = ((cx.types, cx.watched), cx.zeal);
        with_memory!(&mut *cx.memory, memory => {
            let mut counting = Counting::new(self, memory, trusted, cx.log_bits, zeal);
            if traces {
                counting.forget_counts();
            }
            counting.collect(client)?;
        });
        (cx.state.cursor, cx.state.limit) = (0, 0);
        self.may_fill_gaps = traces;
        if traces {
            self.trace_bytes = 2 * self.old_bytes().max(MIN_TRACE_BYTES);
        }
        Ok(())
    }

    fn step(&mut self, cx: &mut HeapContext<'_>, bytes: u64) -> Result<bool, Corruption> {
        let kills = u32::try_from(bytes.div_ceil(BYTES_PER_WORK.into())).unwrap_or(u32::MAX);
        self.kill(cx, kills)?;
        Ok(!self.dying.is_empty())
    }

    fn set_budget(&mut self, cx: &mut HeapContext<'_>, bytes: u64) {
        self.budget_bytes = bytes;
        let room = self.max_bytes.saturating_sub(self.committed_bytes(0));
        let keep = bytes.min(room).div_ceil(self.blocks.block_bytes().into());
        self.blocks
            .pool
            .trim(cx.memory, usize::try_from(keep).unwrap_or(usize::MAX));
        let keep_bytes = bytes.min(room.saturating_sub(bytes));
        self.large
            .trim(cx.memory, self.blocks.pool.space(), keep_bytes);
    }

    fn usage(&self, cx: &HeapContext<'_>) -> Usage {
        Usage {
            occupied_bytes: self.occupied_bytes(cx.state.cursor),
            committed_bytes: self.committed_bytes(0),
        }
    }

    /// While the dead wait, what was old before: by then those of the time before are reclaimed. To go by
    /// what is occupied would be to allocate by the dead, and by the young that only they lead to.
    fn live_bytes(&self, cx: &HeapContext<'_>) -> u64 {
        let occupied = self.occupied_bytes(cx.state.cursor);
        if self.dying.is_empty() {
            occupied
        } else {
            occupied.min(self.old_before)
        }
    }

    fn write_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        _owner: Option<ObjectRef>,
        slot: u32,
        _value: GcRef,
    ) {
        if cx.log_bits.take(slot) {
            let old = load_ref(cx.memory, slot);
            self.log.push(Logged { slot, old });
            self.keep_log_short(cx.log_bits);
        }
    }

    fn range_barrier(
        &mut self,
        cx: &mut HeapContext<'_>,
        _owner: ObjectRef,
        first_slot: u32,
        count: u32,
    ) {
        let memory = &*cx.memory;
        cx.log_bits.take_range(first_slot, count, |slot| {
            self.log.push(Logged {
                slot,
                old: load_ref(memory, slot),
            });
        });
        self.keep_log_short(cx.log_bits);
    }

    fn visit_objects(
        &self,
        cx: &HeapContext<'_>,
        visit: &mut dyn FnMut(ObjectRef, u64),
    ) -> Result<(), HeapError> {
        for block in self.blocks.used() {
            self.counts
                .visit(block, self.blocks.block_bytes(), |start, end| {
                    visit(object_at(start), u64::from(end - start));
                });
        }
        for run in self.young(cx.state.cursor) {
            visit_objects(cx.memory, cx.types, run.start, run.end, visit)?;
        }
        for (object, bytes) in self.large.iter() {
            visit(object, bytes.into());
        }
        Ok(())
    }

    fn verify(&self, cx: &HeapContext<'_>, report: &mut dyn FnMut(Violation)) {
        self.check(cx, &mut |fault| report(Violation(fault)));
    }
}
