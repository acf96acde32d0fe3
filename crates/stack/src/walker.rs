//! Walks of a thread or of a stack that is suspended, and what they remember of the code they meet.
//!
//! A walk begins where compiled code was left ([`Walker::activation`]) or at registers: those captured
//! here, a signal's, or those that a fiber was suspended with, behind the call that switched away
//! ([`CodeAddress::Return`]). It ends at the entry of an activation ([`Walker::stretch`]), at a fiber's
//! first function ([`Walker::stack_below`]) or where the thread began ([`Walker::stack`]).
//!
//! What a fiber begins with is no good end: glibc's `makecontext` leaves the address of code of its own
//! as the first function's return address, which no call precedes, so that a table found for it would
//! be another function's; other libraries lead on to the stack that resumed the fiber. So the end is
//! told, as the stack pointer that the first function was called with. From `makecontext` it is known:
//! the context's stack pointer, on x86-64 eight bytes more, since the return address is pushed already.

use crate::address_cache::AddressCache;
use crate::frame_section::{UnwindScratch, Unwinding};
use crate::location::{Location, Place};
use crate::process::{ImageEntry, Images};
use crate::registers::{CodeAddress, Register, Registers};
use crate::registry::{CodeReader, SiteKey};
use crate::row::{Row, Step};
use crate::walk::{End, Frames, StackMemory, WalkFault};
use hashbrown::HashMap;
use std::cell::RefCell;
use windrow_core::Activation;

/// How a walk gets from a frame to its caller's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Unwinder {
    /// Through the chain of frame pointers, which all code must keep.
    #[default]
    FramePointers,
    /// By unwind tables (call-frame information in the form of DWARF), which all code must have.
    Dwarf,
}

/// Follows frames, and remembers what it learnt of the code they belong to.
#[derive(Debug, Default)]
pub struct Walker {
    unwinder: Unwinder,
    cache: WalkCache,
}

impl Walker {
    /// A walker that knows nothing yet.
    #[must_use]
    pub fn new(unwinder: Unwinder) -> Self {
        Self {
            unwinder,
            cache: WalkCache::default(),
        }
    }

    /// Runs `walk` with a walker that knows what the walks of this thread have learnt.
    pub fn of_thread<R>(unwinder: Unwinder, walk: impl FnOnce(&mut Self) -> R) -> R {
        thread_local! {
            static BY_FRAME_POINTERS: RefCell<WalkCache> = RefCell::default();
            static BY_TABLES: RefCell<WalkCache> = RefCell::default();
        }
        let kept = match unwinder {
            Unwinder::FramePointers => &BY_FRAME_POINTERS,
            Unwinder::Dwarf => &BY_TABLES,
        };
        // Gone already where a thread ends, which may still walk.
        let cache = kept.try_with(RefCell::take).unwrap_or_default();
        let mut walker = Self { unwinder, cache };
        let result = walk(&mut walker);
        let _ended = kept.try_with(|kept| kept.replace(walker.cache));
        result
    }

    /// The frames of a suspended activation in `memory`, innermost first. None if it is not suspended.
    #[must_use]
    pub fn activation<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        activation: Activation,
    ) -> Frames<'a, M> {
        Frames::of_activation(memory, code, self.unwinder, &mut self.cache, activation)
    }

    /// The frames of the stack in `memory` from the one with these registers out to the outermost: the
    /// one whose return address is zero, or said to be undefined by its unwind table, as threads begin.
    #[must_use]
    pub fn stack<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        registers: Registers,
    ) -> Frames<'a, M> {
        self.frames_to(memory, code, registers, End::Outermost)
    }

    /// As [`Self::stack`], out to the function that was called with the stack pointer at `base`: below
    /// it lie its return address and all of its frame. What called it is not looked at, so this is the
    /// walk for fibers: what starts them need not be code that can be walked.
    ///
    /// Anything but a frame that ends at `base` is an error.
    #[must_use]
    pub fn stack_below<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        registers: Registers,
        base: usize,
    ) -> Frames<'a, M> {
        self.frames_to(memory, code, registers, End::Base(base))
    }

    /// As [`Self::stack`], out to the entry of an activation, whose stub has this frame pointer.
    #[must_use]
    pub fn stretch<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        registers: Registers,
        entry_fp: usize,
    ) -> Frames<'a, M> {
        self.frames_to(memory, code, registers, End::Entry(entry_fp))
    }

    fn frames_to<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        registers: Registers,
        end: End,
    ) -> Frames<'a, M> {
        let (unwinder, cache) = (self.unwinder, &mut self.cache);
        Frames::new(memory, code, unwinder, cache, registers, end)
    }

    /// How far below its frame pointer a frame's tables name words of it, where it waits for a call
    /// that returns to `pc` and has references in these places.
    pub(crate) fn bytes_below(
        &mut self,
        code: &CodeReader<'_>,
        pc: usize,
        locations: &[Location],
    ) -> usize {
        let places = locations.iter().map(|location| match location.place() {
            Place::Memory(Register::FRAME_POINTER, offset) => -i64::from(offset),
            _ => 0,
        });
        let saved = match self.unwinder {
            Unwinder::FramePointers => 0,
            Unwinder::Dwarf => {
                self.cache.keep_for(code, self.unwinder);
                let known = self
                    .cache
                    .known(code, CodeAddress::Return(pc), self.unwinder);
                match self.cache.way(known.way) {
                    Way::Row(row) => row.bytes_below(Register::FRAME_POINTER),
                    _ => 0,
                }
            }
        };
        let below = places.chain([saved]).max().unwrap_or(0);
        usize::try_from(below).unwrap_or(0)
    }
}

/// How to find the caller of a frame by unwind tables.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Way {
    /// By this row.
    Row(Row),
    /// By interpreting this entry of the table of the registered code that the frame stands in.
    Registered(usize),
    /// By interpreting this entry of one of the process's own tables.
    Image(ImageEntry),
    /// There is none.
    None,
}

/// The number of a [`Way`] in its cache.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct WayId(u32);

impl WayId {
    /// [`Way::None`].
    pub(crate) const NONE: Self = Self(0);
}

/// What is known of a place in code.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Known {
    /// What stack maps say of the call there.
    pub(crate) site: SiteKey,
    /// Whether a registry knows the code.
    pub(crate) is_registered: bool,
    /// How to find its caller; not asked for walks by frame pointers.
    pub(crate) way: WayId,
}

/// What walks have learnt of return addresses.
#[derive(Debug, Default)]
pub(crate) struct WalkCache {
    generation: u64,
    /// How often the registry had been added to when code it did not know was kept, if some is.
    foreign_at: Option<u64>,
    known: AddressCache<Known>,
    /// Way `id` is at `id - 1`. Nearly all places share one of a few.
    ways: Vec<Way>,
    ids: HashMap<Way, WayId>,
    /// The process's own code, once a walk met some.
    images: Option<Images>,
    scratch: Option<Box<UnwindScratch>>,
}

impl WalkCache {
    /// Forgets what may not be true of this code, or of the process's own.
    pub(crate) fn keep_for(&mut self, code: &CodeReader<'_>, unwinder: Unwinder) {
        let is_old = unwinder == Unwinder::Dwarf
            && self
                .images
                .as_ref()
                .is_some_and(|images| !images.are_current());
        if is_old {
            self.images = None;
        }
        // Code of an image may have been registered since a walk met it.
        let is_adopted = self.foreign_at.is_some_and(|at| at != code.additions());
        if is_old || is_adopted || self.generation != code.generation() {
            self.generation = code.generation();
            self.foreign_at = None;
            self.known.clear();
            self.ways.clear();
            self.ids.clear();
        }
    }

    /// The way with this number.
    #[inline(always)]
    pub(crate) fn way(&self, WayId(id): WayId) -> &Way {
        match (id as usize).checked_sub(1) {
            Some(index) => &self.ways[index],
            None => &Way::None,
        }
    }

    fn add_way(&mut self, way: Way) -> WayId {
        if way == Way::None {
            return WayId::NONE;
        }
        let next = WayId(u32::try_from(self.ways.len() + 1).unwrap_or(0));
        let id = *self.ids.entry(way).or_insert(next);
        if id == next {
            self.ways.push(way);
        }
        id
    }

    /// What is known of `pc`; asks registry and unwind tables the first time.
    #[inline(always)]
    pub(crate) fn known(
        &mut self,
        code: &CodeReader<'_>,
        pc: CodeAddress,
        unwinder: Unwinder,
    ) -> Known {
        if let CodeAddress::Return(address) = pc
            && let Some(known) = self.known.get(address)
        {
            return known;
        }
        self.learn(code, pc, unwinder)
    }

    #[cold]
    #[inline(never)]
    fn learn(&mut self, code: &CodeReader<'_>, pc: CodeAddress, unwinder: Unwinder) -> Known {
        let site = match pc {
            CodeAddress::Return(address) => code.site_key(address),
            CodeAddress::Exact(address) => code.contains(address).then_some(SiteKey::PLAIN),
        };
        let is_registered = site.is_some();
        let known = Known {
            site: site.unwrap_or(SiteKey::PLAIN),
            is_registered,
            way: match unwinder {
                Unwinder::FramePointers => WayId::NONE,
                Unwinder::Dwarf => {
                    let way = self.find_way(code, pc.lookup(), is_registered);
                    self.add_way(way)
                }
            },
        };
        // Wild addresses of broken stacks are not worth the room.
        if let CodeAddress::Return(address) = pc
            && address != 0
            && (is_registered || known.way != WayId::NONE)
        {
            self.known.insert(address, known);
            if !is_registered {
                self.foreign_at = Some(code.additions());
            }
        }
        known
    }

    fn find_way(&mut self, code: &CodeReader<'_>, address: usize, is_registered: bool) -> Way {
        let scratch = self.scratch.get_or_insert_default();
        // Code that was compiled ahead of time is registered for its stack maps alone: its unwind
        // table is the image's.
        if is_registered && let Some(table) = code.unwind_table(address) {
            return match table.unwinding(address, scratch) {
                Unwinding::Compact(row) => Way::Row(row),
                Unwinding::Interpreted(entry) => Way::Registered(entry),
                Unwinding::NoInfo => Way::None,
            };
        }
        let images = self.images.get_or_insert_with(Images::loaded);
        match images.unwinding(address, scratch) {
            Some((_, Unwinding::Compact(row))) => Way::Row(row),
            Some((entry, Unwinding::Interpreted(_))) => Way::Image(entry),
            Some((_, Unwinding::NoInfo)) | None => Way::None,
        }
    }

    /// Turns the registers of a frame into those of its caller where that takes an interpreter.
    #[cold]
    #[inline(never)]
    pub(crate) fn interpret<M: StackMemory>(
        &mut self,
        way: WayId,
        code: &CodeReader<'_>,
        memory: &M,
        registers: &mut Registers,
    ) -> Result<Step, WalkFault> {
        let way = *self.way(way);
        let Self {
            images, scratch, ..
        } = self;
        let scratch = scratch.get_or_insert_default();
        match way {
            Way::Row(row) => row.step(memory, registers),
            Way::Registered(entry) => code
                .unwind_table(registers.pc.lookup())
                .ok_or(WalkFault::NoUnwindInfo)?
                .interpret(entry, memory, registers, scratch),
            Way::Image(entry) => images
                .as_ref()
                .ok_or(WalkFault::NoUnwindInfo)?
                .interpret(entry, memory, registers, scratch),
            Way::None => Err(WalkFault::NoUnwindInfo),
        }
    }
}

#[cfg(test)]
mod tests;
