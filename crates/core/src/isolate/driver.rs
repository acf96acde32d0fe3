//! Allocate -> collect -> grow -> retry, and the order of a collection.

use super::{Isolate, heap_context};
use crate::collector::{AllocError, CollectionClient, CollectionKind, CollectionReason, WeakPhase};
use crate::events::{CollectionWatch, Phase, end_of};
use crate::handles::Handles;
use crate::host_data::DeadValues;
use crate::roots::{ActivationList, RootKind, RootSource, RootVisitor};
use crate::weak::phase;
use crate::{Corruption, GcRef, HEAP_END, HeapError, Memory, ObjectRef};
use std::cell::OnceCell;
use std::time::{Duration, Instant};

impl Isolate {
    /// Collects, with nothing in flight.
    ///
    /// # Errors
    /// What poisons the heap: [`HeapError::Corrupt`], [`HeapError::CorruptStack`], or under zeal
    /// [`HeapError::StrayRoots`] and [`HeapError::VerifyFailed`]. [`HeapError::CollectionForbidden`] in a
    /// [`NoGc`](crate::NoGc) scope.
    ///
    /// # Panics
    /// Passes on the first panic of a host value's drop, once all that died are dropped.
    pub fn collect(&mut self, kind: CollectionKind) -> Result<(), HeapError> {
        self.collect_with(kind, &mut [])
    }

    /// Collects, keeping `in_flight` alive and up to date.
    ///
    /// # Errors
    /// As [`Self::collect`].
    ///
    /// # Panics
    /// As [`Self::collect`].
    pub fn collect_with(
        &mut self,
        kind: CollectionKind,
        in_flight: &mut [GcRef],
    ) -> Result<(), HeapError> {
        self.collect_for(CollectionReason::Requested, kind, in_flight)
    }

    /// As [`Self::collect_with`], for this reason.
    pub(super) fn collect_for(
        &mut self,
        reason: CollectionReason,
        kind: CollectionKind,
        in_flight: &mut [GcRef],
    ) -> Result<(), HeapError> {
        self.check()?;
        if self.is_gc_forbidden() {
            return Err(HeapError::CollectionForbidden { needed_bytes: 0 });
        }
        let mut watch = self.watch_collection(kind, reason);
        let start = Instant::now();
        let between = start.duration_since(self.collected_at);
        let mut dead = DeadValues::default();
        // Should a root source panic, this stays.
        self.poisoned = OnceCell::from(HeapError::CollectionCutShort);
        let left = if self.config.zeal.verify {
            let left = self.check_roots_left(in_flight);
            end_of(&mut watch, Phase::Verify);
            left
        } else {
            Ok(())
        };
        let result =
            left.and_then(|()| self.run_collection(kind, in_flight, &mut dead, &mut watch));
        self.poisoned.take();
        if result.is_ok() {
            self.set_next_budget(between, start.elapsed(), &mut watch);
        }
        self.collected_at = Instant::now();
        let pause = self.collected_at.duration_since(start);
        end_of(&mut watch, Phase::Reclaim);
        match kind {
            CollectionKind::Automatic => self.stats.automatic_collections += 1,
            CollectionKind::Full => self.stats.full_collections += 1,
        }
        self.stats.gc_time += pause;
        self.stats.pauses.record(pause);
        self.stats.host_values_dropped += dead.0.len() as u64;
        self.publish();
        let result = result.and_then(|()| {
            if self.config.zeal.verify {
                let verified = self.verify();
                end_of(&mut watch, Phase::Verify);
                verified
            } else {
                Ok(())
            }
        });
        if let Err(error) = &result {
            self.poison(error.clone());
        }
        if let Some(watch) = watch {
            self.tell_collection_ended(watch, pause, dead.0.len() as u64, &result);
        }
        dead.drop_all();
        result
    }

    /// Does some of the work the last collection left, about as much as looking at `bytes` of objects
    /// takes; whether some is left. No safepoint: nothing moves, and no root is looked at. A collector
    /// that does all its work in collections has none.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`], which poisons the heap; what poisoned it before.
    pub fn step(&mut self, bytes: u64) -> Result<bool, HeapError> {
        self.check()?;
        let result = self.heap.step(&mut heap_context!(self), bytes);
        self.publish();
        result.or_else(|corruption| self.corrupt(corruption))
    }

    fn run_collection(
        &mut self,
        kind: CollectionKind,
        in_flight: &mut [GcRef],
        dead: &mut DeadValues,
        watch: &mut Option<CollectionWatch>,
    ) -> Result<(), HeapError> {
        let before = self.heap.usage(&heap_context!(self));
        self.usage = before;
        self.stats.peak_committed_bytes =
            self.stats.peak_committed_bytes.max(before.committed_bytes);
        self.weak.epoch = self.weak.epoch.wrapping_add(1);
        let mut counts = [0; RootKind::ALL.len()];
        let mut client = Client {
            activations: ActivationList {
                current: self.state.activation,
                outer: &self.activations,
            },
            sources: &mut self.sources,
            handles: &mut self.handles,
            in_flight,
            weak: phase::Phase {
                tables: &mut self.weak,
                host_data: &mut self.host_data,
                id: self.id,
                dead: &mut dead.0,
                counts: &mut counts,
            },
            frames: 0,
            watch,
        };
        let result = self
            .heap
            .collect(&mut heap_context!(self), kind, &mut client);
        self.stats.frames += client.frames;
        for (total, count) in self.stats.roots.iter_mut().zip(counts) {
            *total += count;
        }
        result?;
        self.watch_anew();
        let after = self.heap.usage(&heap_context!(self));
        self.stats.reclaimed_bytes += before.occupied_bytes.saturating_sub(after.occupied_bytes);
        self.stats.live_bytes = after.occupied_bytes;
        Ok(())
    }

    /// After a collection of the heap as `self.usage` has it, which took `pause`.
    fn set_next_budget(
        &mut self,
        between: Duration,
        pause: Duration,
        watch: &mut Option<CollectionWatch>,
    ) {
        let allocated = self
            .usage
            .occupied_bytes
            .saturating_sub(self.survived_bytes);
        self.survived_bytes = self.stats.live_bytes;
        let live = self.heap.live_bytes(&heap_context!(self));
        self.pace.record(allocated, between, live, pause);
        let budget = self.config.growth.balanced_bytes(live, &self.pace);
        self.heap.set_budget(&mut heap_context!(self), budget);
        if let Some(watch) = watch {
            watch.budget_bytes = budget;
        }
    }

    /// Allocates `bytes` with `header`, collecting and growing as needed; `in_flight` references
    /// are roots meanwhile. The body is not initialised.
    pub(super) fn allocate(
        &mut self,
        bytes: u64,
        header: u64,
        in_flight: &mut [GcRef],
    ) -> Result<ObjectRef, HeapError> {
        self.check()?;
        if let Some(object) = self.allocate_inline(bytes) {
            self.memory.store_u64(object.offset(), header);
            return Ok(object);
        }
        self.stats.slow_allocations += 1;
        if self.config.zeal.is_on() && !self.is_gc_forbidden() {
            self.allocations_until_zeal -= 1;
            if self.allocations_until_zeal == 0 {
                self.allocations_until_zeal = self.config.zeal.collect_every;
                self.collect_for(CollectionReason::Zeal, CollectionKind::Automatic, in_flight)?;
            }
        }
        let full = HeapError::HeapFull {
            needed_bytes: bytes,
            limit_bytes: self.config.limits.max_bytes,
        };
        let object = match u32::try_from(bytes) {
            Ok(size) if size <= HEAP_END => self.allocate_or_make_room(size, header, in_flight),
            _ => Ok(None),
        };
        self.publish();
        match object? {
            Some(object) => Ok(object),
            None => {
                self.tell_exhausted(bytes);
                Err(full)
            }
        }
    }

    /// A new object at the cursor, where there is room for it: what compiled code does in line. Its
    /// body is not initialised.
    #[inline(always)]
    pub(super) fn allocate_at_cursor(&mut self, bytes: u32, header: u64) -> Option<ObjectRef> {
        let start = self.state.cursor;
        let end = start.checked_add(bytes)?;
        if end > self.state.limit || bytes > self.bump_bytes || self.poisoned.get().is_some() {
            return None;
        }
        let object = ObjectRef::from_offset(start)?;
        self.state.cursor = end;
        self.memory.store_u64(start, header);
        Some(object)
    }

    /// What compiled code does before it takes the slow path.
    fn allocate_inline(&mut self, bytes: u64) -> Option<ObjectRef> {
        let bytes = u32::try_from(bytes).ok()?;
        ObjectRef::from_offset(self.state.allocate_inline(self.abi.alloc, bytes)?)
    }

    fn allocate_or_make_room(
        &mut self,
        bytes: u32,
        header: u64,
        in_flight: &mut [GcRef],
    ) -> Result<Option<ObjectRef>, HeapError> {
        if let Some(object) = self.try_allocate(bytes, header)? {
            return Ok(Some(object));
        }
        if self.is_gc_forbidden() {
            let object = self.grow_and_allocate(bytes, header)?;
            let needed_bytes = bytes.into();
            return match object {
                Some(object) => Ok(Some(object)),
                None => Err(HeapError::CollectionForbidden { needed_bytes }),
            };
        }
        let collects = self.config.collector.properties().collects;
        if collects {
            let reason = CollectionReason::Allocation;
            self.collect_for(reason, CollectionKind::Automatic, in_flight)?;
            if let Some(object) = self.try_allocate(bytes, header)? {
                return Ok(Some(object));
            }
        }
        if let Some(object) = self.grow_and_allocate(bytes, header)? {
            return Ok(Some(object));
        }
        if !collects {
            return Ok(None);
        }
        let reason = CollectionReason::Allocation;
        self.collect_for(reason, CollectionKind::Full, in_flight)?;
        self.grow_and_allocate(bytes, header)
    }

    fn grow_and_allocate(
        &mut self,
        bytes: u32,
        header: u64,
    ) -> Result<Option<ObjectRef>, HeapError> {
        let occupied = self.heap.usage(&heap_context!(self)).occupied_bytes;
        let budget = self
            .config
            .growth
            .budget_bytes(occupied)
            .saturating_add(bytes.into());
        self.heap.set_budget(&mut heap_context!(self), budget);
        self.tell_budget_grown(bytes.into(), budget);
        self.try_allocate(bytes, header)
    }

    fn try_allocate(&mut self, bytes: u32, header: u64) -> Result<Option<ObjectRef>, HeapError> {
        match self.heap.allocate(&mut heap_context!(self), bytes, header) {
            // Compiled code stores into the object unchecked, so it must be where memory is.
            Ok(object) if u64::from(object.offset()) + u64::from(bytes) <= self.memory.len() => {
                Ok(Some(object))
            }
            Ok(object) => self.corrupt(Corruption::Size {
                offset: object.offset(),
            }),
            Err(AllocError::Exhausted) => Ok(None),
            Err(AllocError::Corrupt(corruption)) => self.corrupt(corruption),
        }
    }

    fn corrupt<T>(&mut self, corruption: Corruption) -> Result<T, HeapError> {
        let error = HeapError::Corrupt(corruption);
        self.poison(error.clone());
        Err(error)
    }

    /// The error that poisoned the heap, if any did.
    pub(super) fn check(&self) -> Result<(), HeapError> {
        self.poisoned.get().cloned().map_or(Ok(()), Err)
    }

    /// Poisons the heap: every later call returns `error`, or what poisoned it before.
    pub fn poison(&mut self, error: HeapError) {
        self.poisoned.get_or_init(|| error);
        // Compiled code finds no room from here on, and hears of it from the slow path.
        self.state.limit = 0;
    }
}

/// The isolate's side of a collection.
struct Client<'a> {
    activations: ActivationList<'a>,
    sources: &'a mut [Box<dyn RootSource>],
    handles: &'a mut Handles,
    in_flight: &'a mut [GcRef],
    weak: phase::Phase<'a>,
    frames: u64,
    watch: &'a mut Option<CollectionWatch>,
}

impl CollectionClient for Client<'_> {
    fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError> {
        let mut counting = Counting {
            visitor,
            counts: self.weak.counts,
        };
        for reference in &mut *self.in_flight {
            counting.visit(RootKind::InFlight, reference);
        }
        self.handles.visit(&mut counting);
        self.weak.tables.finalizers.visit(&mut counting);
        for source in &mut *self.sources {
            self.frames += source.visit_roots(self.activations, &mut counting)?;
        }
        end_of(self.watch, Phase::Roots);
        Ok(())
    }

    fn process_weak(&mut self, heap: &mut dyn WeakPhase) -> Result<(), HeapError> {
        end_of(self.watch, Phase::Closure);
        let result = self.weak.run(heap);
        end_of(self.watch, Phase::Weak);
        result
    }
}

/// Counts roots by kind on their way to the collector.
struct Counting<'a> {
    visitor: &'a mut dyn RootVisitor,
    counts: &'a mut [u64; RootKind::ALL.len()],
}

impl RootVisitor for Counting<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count += 1;
        }
        self.visitor.visit(kind, slot);
    }
}
