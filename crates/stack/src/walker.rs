//! Walks of a thread, and what they remember of the code they meet.

use crate::address_hash::AddressHasher;
use crate::registers::{CodeAddress, Registers};
use crate::registry::{CodeReader, SiteKey};
use crate::walk::{Frames, StackMemory};
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

/// Return addresses that a cache knows at most: a few mebibytes.
const MAX_KNOWN: usize = 1 << 16;

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
            static CACHE: RefCell<WalkCache> = RefCell::default();
        }
        let mut walker = Self {
            unwinder,
            cache: CACHE.take(),
        };
        let result = walk(&mut walker);
        CACHE.set(walker.cache);
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

    /// The frames of the stack in `memory` from the one with these registers out to the outermost.
    #[must_use]
    pub fn stack<'a, M: StackMemory>(
        &'a mut self,
        memory: &'a M,
        code: &'a CodeReader<'a>,
        registers: Registers,
    ) -> Frames<'a, M> {
        Frames::from_registers(
            memory,
            code,
            self.unwinder,
            &mut self.cache,
            registers,
            None,
        )
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
        let (unwinder, cache) = (self.unwinder, &mut self.cache);
        Frames::from_registers(memory, code, unwinder, cache, registers, Some(entry_fp))
    }
}

/// What is known of a place in code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What stack maps say of the call there.
    pub(crate) site: SiteKey,
    /// Whether a registry knows the code.
    pub(crate) is_registered: bool,
}

impl Known {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self {
        site: SiteKey::PLAIN,
        is_registered: false,
    };
}

/// What walks have learnt of return addresses.
#[derive(Debug, Default)]
pub(crate) struct WalkCache {
    generation: u64,
    known: HashMap<usize, Known, AddressHasher>,
}

impl WalkCache {
    /// Forgets what may not be true of this code.
    pub(crate) fn keep_for(&mut self, code: &CodeReader<'_>) {
        if self.generation != code.generation() || self.known.len() > MAX_KNOWN {
            self.generation = code.generation();
            self.known.clear();
        }
    }

    /// What is known of `pc`; asks the registry the first time.
    #[inline(always)]
    pub(crate) fn known(&mut self, code: &CodeReader<'_>, pc: CodeAddress) -> Known {
        let CodeAddress::Return(address) = pc else {
            return ask(code, pc);
        };
        match self.known.get(&address) {
            Some(known) => *known,
            None => self.learn(code, address),
        }
    }

    #[cold]
    #[inline(never)]
    fn learn(&mut self, code: &CodeReader<'_>, address: usize) -> Known {
        let known = ask(code, CodeAddress::Return(address));
        // Wild addresses of broken stacks are not worth the room.
        if known.is_registered {
            self.known.insert(address, known);
        }
        known
    }
}

fn ask(code: &CodeReader<'_>, pc: CodeAddress) -> Known {
    let site = match pc {
        CodeAddress::Return(address) => code.site_key(address),
        CodeAddress::Exact(address) => code.contains(address).then_some(SiteKey::PLAIN),
    };
    Known {
        site: site.unwrap_or(SiteKey::PLAIN),
        is_registered: site.is_some(),
    }
}
