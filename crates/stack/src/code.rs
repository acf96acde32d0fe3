//! What a compiler tells about its code: safepoints, traps and functions, as plain data.
//!
//! The numbers are those Cranelift hands out. For each entry `(return_offset, span, map)` of
//! `CompiledCode::buffer.user_stack_maps()`, `return_offset` is the offset of the instruction
//! after the call, `span` the distance from the frame pointer down to the stack pointer while the
//! call runs (outgoing arguments, stack slots, spills and saved registers; neither the saved frame
//! pointer nor the return address), and `map.entries()` gives offsets upwards from that stack
//! pointer. So a slot lies at `fp - frame_bytes + offset`. LLVM's stack maps name registers and what
//! lies off them, and are told in the same terms. Offsets are relative to the start of
//! the function; whoever lays functions out in one range adds the function's own offset.
//!
//! `buffer.traps()` gives the offset of the very instruction that faults: the `ud2`, the division,
//! the load or store, which is the pc a signal handler sees.

use crate::StackError;
use crate::location::{Location, Place};
use crate::registers::Register;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::num::NonZeroU8;
use std::sync::Arc;

/// Why code trapped: a small number whose meaning belongs to the compiler that chose it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct TrapCode(pub NonZeroU8);

impl TrapCode {
    /// The code with this number, or `None` for zero.
    #[must_use]
    pub const fn new(code: u8) -> Option<Self> {
        match NonZeroU8::new(code) {
            Some(code) => Some(Self(code)),
            None => None,
        }
    }

    /// The number of this code.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0.get()
    }
}

/// The references a frame holds while one call in it runs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Safepoint {
    /// Where the call returns to, in bytes from the range's start.
    pub return_offset: u32,
    /// Distance from the frame pointer down to the stack pointer during the call, in bytes. `None`
    /// for code without frame pointers, whose stack pointer an unwinder must find.
    pub frame_bytes: Option<u32>,
    /// Where the references are, pointers derived from others last. Otherwise order and repetition do
    /// not matter.
    pub locations: SmallVec<[Location; 4]>,
}

/// Where a call goes on when it ends in an exception.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handler {
    /// Where the call returns to otherwise, in bytes from the range's start. A safepoint must be
    /// there, for its frame size.
    pub return_offset: u32,
    /// The handler, in bytes from the range's start. It is entered with the call's frame pointer
    /// and stack pointer, and the exception in the first result register.
    pub handler_offset: u32,
}

/// An instruction that traps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TrapSite {
    /// Where the instruction is, in bytes from the range's start.
    pub offset: u32,
    /// What its trap means.
    pub code: TrapCode,
}

/// Where a function lies in a range of code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FunctionRange {
    /// Its first byte, in bytes from the range's start.
    pub start: u32,
    /// Its size in bytes.
    pub len: u32,
    /// What the client calls it; backtraces carry it.
    pub id: u64,
}

/// A range of compiled code with all that is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CodeRange {
    /// Address of the first byte.
    pub start: usize,
    /// Size in bytes.
    pub len: usize,
    /// Its safepoints, in any order. A call without one holds no references.
    pub safepoints: Vec<Safepoint>,
    /// Where its calls go on after exceptions, in any order; other calls let them pass.
    pub handlers: Vec<Handler>,
    /// Its trap sites, in any order.
    pub traps: Vec<TrapSite>,
    /// Its functions, in any order; code that backtraces should not show belongs to none.
    pub functions: Vec<FunctionRange>,
    /// Its unwind table: an `.eh_frame` section with absolute addresses; or nothing, for code without
    /// one and for code of the process's images, which bring theirs.
    pub eh_frame: Arc<[u8]>,
}

impl CodeRange {
    /// Sorts every list and drops repetitions.
    ///
    /// # Errors
    /// [`StackError::BadRange`], [`StackError::BadSafepoint`], [`StackError::BadHandler`],
    /// [`StackError::BadTrap`] or [`StackError::BadFunction`] for data that cannot be true.
    pub(crate) fn normalise(&mut self) -> Result<(), StackError> {
        let (start, len) = (self.start, self.len);
        if len == 0 || start == 0 || start.checked_add(len).is_none() || u32::try_from(len).is_err()
        {
            return Err(StackError::BadRange { start, len });
        }
        self.normalise_safepoints()?;
        self.normalise_handlers()?;
        self.normalise_traps()?;
        self.normalise_functions()
    }

    fn normalise_safepoints(&mut self) -> Result<(), StackError> {
        for safepoint in &mut self.safepoints {
            let return_offset = safepoint.return_offset;
            let bad = |reason| StackError::BadSafepoint {
                return_offset,
                reason,
            };
            // A call may be a range's last instruction, so the end itself is a return address.
            if return_offset == 0 || return_offset as usize > self.len {
                return Err(bad("the return address lies outside the code"));
            }
            normalise_locations(safepoint).map_err(bad)?;
        }
        self.safepoints
            .sort_unstable_by_key(|safepoint| safepoint.return_offset);
        match self
            .safepoints
            .windows(2)
            .find(|w| w[0].return_offset == w[1].return_offset)
        {
            Some(twins) => Err(StackError::BadSafepoint {
                return_offset: twins[0].return_offset,
                reason: "the return address has two stack maps",
            }),
            None => Ok(()),
        }
    }

    fn normalise_handlers(&mut self) -> Result<(), StackError> {
        self.handlers
            .sort_unstable_by_key(|handler| handler.return_offset);
        let mut last = None;
        for handler in &self.handlers {
            let bad = |reason| StackError::BadHandler {
                return_offset: handler.return_offset,
                reason,
            };
            if handler.handler_offset as usize >= self.len {
                return Err(bad("the handler lies outside the code"));
            }
            if last.replace(handler.return_offset) == Some(handler.return_offset) {
                return Err(bad("the call has two handlers"));
            }
            let found = self
                .safepoints
                .binary_search_by_key(&handler.return_offset, |point| point.return_offset);
            if found.is_err() {
                return Err(bad("the call has no stack map"));
            }
        }
        Ok(())
    }

    fn normalise_traps(&mut self) -> Result<(), StackError> {
        self.traps
            .sort_unstable_by_key(|trap| (trap.offset, trap.code));
        self.traps.dedup();
        let outside = self
            .traps
            .last()
            .filter(|last| last.offset as usize >= self.len);
        if let Some(trap) = outside {
            return Err(StackError::BadTrap {
                offset: trap.offset,
                reason: "it lies outside the code",
            });
        }
        match self.traps.windows(2).find(|w| w[0].offset == w[1].offset) {
            Some(twins) => {
                let reason = "the instruction has two trap codes";
                Err(StackError::BadTrap {
                    offset: twins[0].offset,
                    reason,
                })
            }
            None => Ok(()),
        }
    }

    fn normalise_functions(&mut self) -> Result<(), StackError> {
        self.functions
            .sort_unstable_by_key(|function| function.start);
        let mut end = 0_u64;
        for function in &self.functions {
            let bad = |reason| StackError::BadFunction {
                id: function.id,
                reason,
            };
            if u64::from(function.start) < end {
                return Err(bad("it overlaps another function"));
            }
            end = u64::from(function.start) + u64::from(function.len);
            if end > self.len as u64 {
                return Err(bad("it lies outside the code"));
            }
        }
        Ok(())
    }
}

/// Drops repetitions, and sorts the locations unless one is derived from another.
fn normalise_locations(safepoint: &mut Safepoint) -> Result<(), &'static str> {
    let Safepoint {
        frame_bytes,
        locations,
        ..
    } = safepoint;
    for location in &*locations {
        if let Place::Memory(register, offset) = location.place() {
            let bytes = location.encoding().bytes();
            if !offset.unsigned_abs().is_multiple_of(bytes) {
                return Err("a slot is not a multiple of its size from its register");
            }
            let end = i64::from(offset) + i64::from(bytes);
            let is_outside = frame_bytes.is_some_and(|frame| end > frame.into()) || offset < 0;
            if register == Register::STACK_POINTER && is_outside {
                return Err("a slot lies outside the frame");
            }
        }
    }
    let references = locations.partition_point(|location| location.base().is_none());
    if references == locations.len() {
        locations.sort_unstable();
        locations.dedup();
        return Ok(());
    }
    let is_derived = |location: &Location| location.base().is_some_and(|base| base < references);
    if locations[references..].iter().all(is_derived) {
        *locations = without_repetitions(locations);
        Ok(())
    } else {
        Err("a derived pointer does not lie behind all references, or its base is none of them")
    }
}

/// These locations, each once, in their order.
fn without_repetitions(locations: &[Location]) -> SmallVec<[Location; 4]> {
    let mut kept = SmallVec::new();
    let mut positions = SmallVec::<[usize; 8]>::new();
    let mut first = HashMap::new();
    for location in locations {
        let moved = location.base().map(|base| positions[base]);
        let location = moved.map_or(*location, |base| {
            let derived = location.derived_from(base);
            derived.expect("a base moves nowhere but to the front")
        });
        let position = *first.entry(location).or_insert(kept.len());
        if position == kept.len() {
            kept.push(location);
        }
        positions.push(position);
    }
    kept
}
