//! The frame walker: from where a stretch of frames was left, out to where it was entered.
//!
//! What a walk knows of a frame are its [registers](Registers); an [`Unwinder`] finds the caller's.
//!
//! Code with frame pointers keeps a chain of them: the word at a frame pointer is the caller's, the
//! word above it the return address into the caller. The callee has popped nothing while a caller
//! waits, so the caller's stack pointer is its own frame pointer less the frame size its stack map
//! tells.
//! ```text
//!   entry_fp -> | the entry stub's frame |   the walk ends here
//!               | return address         |
//!         fp -> | frame of the entry stub|   frame of the trampoline it called
//!               | ...                    |   CFA of frame n
//!               | return address         |   pc of the frame above
//!         fp -> | caller's frame pointer |   frame n
//!               | slots: sp + offset     |
//!         sp -> | sp = fp - frame_bytes  |
//! ```
//! Unwind tables say for each instruction where the frame ends (its canonical frame address, the CFA),
//! and where it saved the registers that its caller wants back.
//!
//! The stack is read through [`StackMemory`], so this file needs no unsafe code and is tested on
//! made-up stacks. Frames must rise with each step and never pass the end, and every return address
//! must lie in code that is known: a walk of any memory ends, in frames or in an error that names the
//! frame. Costs O(1) a frame whose return address was met before.

use crate::location::{Location, Place};
use crate::registers::{CodeAddress, Register, Registers};
use crate::registry::CodeReader;
use crate::row::Step;
use crate::walker::{Unwinder, WalkCache, Way, WayId};
use windrow_core::Activation;

/// Bytes of a pointer, and of a word of the stack.
pub(crate) const WORD_BYTES: usize = size_of::<usize>();

/// Bytes from the frame pointer of an entry stub down to its stack pointer when it calls compiled code.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const ENTRY_FRAME_BYTES: usize = 6 * WORD_BYTES;
/// As above, where registers are saved above the frame pointer.
#[cfg(target_arch = "aarch64")]
pub(crate) const ENTRY_FRAME_BYTES: usize = 0;

/// Bytes of what a call pushes below a frame: the return address and the caller's frame pointer.
pub(crate) const LINK_BYTES: usize = 2 * WORD_BYTES;

/// Memory that holds frames.
pub trait StackMemory {
    /// The word at `address`, or `None` if it is not aligned or not in this memory.
    fn word(&self, address: usize) -> Option<usize>;
}

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkedFrame<'a> {
    /// Where it stands.
    pub pc: CodeAddress,
    /// Its frame pointer; in code without, what else the register holds.
    pub fp: usize,
    /// Its stack pointer during the call it waits for; the frame pointer where that is not known.
    pub sp: usize,
    /// Where it ends: the stack pointer of its caller before the call. The canonical frame address of
    /// unwind tables.
    pub cfa: usize,
    /// Distance from the frame pointer down to the stack pointer, where the stack map tells it.
    pub frame_bytes: Option<u32>,
    /// Where its references are, in terms of [its registers](Frames::registers).
    pub locations: &'a [Location],
}

impl WalkedFrame<'_> {
    /// Before the first.
    const NONE: Self = Self {
        pc: CodeAddress::Exact(0),
        fp: 0,
        sp: 0,
        cfa: 0,
        frame_bytes: None,
        locations: &[],
    };
}

/// Where a walk ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// At the entry stub's frame, which has this frame pointer.
    Entry(usize),
    /// At the frame with this stack pointer, whatever it is.
    Base(usize),
    /// At the outermost frame of a stack.
    Outermost,
    /// It has ended.
    Reached,
}

/// Frames, innermost first; after an error, nothing.
#[derive(Debug)]
pub struct Frames<'a, M> {
    memory: &'a M,
    code: &'a CodeReader<'a>,
    unwinder: Unwinder,
    cache: &'a mut WalkCache,
    end: End,
    /// Those of the frame last shown.
    registers: Registers,
    /// The frame last shown.
    frame: WalkedFrame<'a>,
    /// How to find its caller, by unwind tables.
    way: WayId,
    walked: u64,
}

impl<'a, M: StackMemory> Frames<'a, M> {
    /// The frames of an activation. None if it is not suspended.
    pub(crate) fn of_activation(
        memory: &'a M,
        code: &'a CodeReader<'a>,
        unwinder: Unwinder,
        cache: &'a mut WalkCache,
        activation: Activation,
    ) -> Self {
        let mut registers = Registers::at(CodeAddress::Return(activation.exit_pc));
        registers.set(Register::FRAME_POINTER, activation.exit_fp);
        let end = if activation.is_suspended() {
            End::Entry(activation.entry_fp)
        } else {
            End::Reached
        };
        Self::new(memory, code, unwinder, cache, registers, end)
    }

    /// The frames from the one with these registers out to `end`.
    pub(crate) fn new(
        memory: &'a M,
        code: &'a CodeReader<'a>,
        unwinder: Unwinder,
        cache: &'a mut WalkCache,
        registers: Registers,
        end: End,
    ) -> Self {
        cache.keep_for(code, unwinder);
        let mut registers = registers;
        if unwinder == Unwinder::FramePointers {
            registers.forget_all_but_pointers();
        }
        Self {
            memory,
            code,
            unwinder,
            cache,
            end,
            registers,
            frame: WalkedFrame::NONE,
            way: WayId::NONE,
            walked: 0,
        }
    }

    /// The stack the frames lie in.
    pub(crate) fn memory(&self) -> &'a M {
        self.memory
    }

    /// How many frames have been walked.
    #[must_use]
    pub fn walked(&self) -> u64 {
        self.walked
    }

    /// The next frame, in place: as [`next`](Iterator::next), without a copy, which takes a third of the
    /// time.
    ///
    /// # Errors
    /// [`WalkError`] where frames cannot be followed; there are none after that.
    #[inline(always)]
    pub fn next_frame(&mut self) -> Result<Option<&WalkedFrame<'a>>, WalkError> {
        let is_there = match self.unwinder {
            Unwinder::FramePointers => self.advance::<false>()?,
            Unwinder::Dwarf => self.advance::<true>()?,
        };
        Ok(is_there.then_some(&self.frame))
    }

    /// The frame last shown.
    pub(crate) fn frame(&self) -> &WalkedFrame<'a> {
        &self.frame
    }

    /// The registers of the frame last shown.
    #[must_use]
    pub fn registers(&self) -> &Registers {
        &self.registers
    }

    /// Whether the walk goes by unwind tables: the parameter of the methods below, which are compiled
    /// for each unwinder apart.
    pub(crate) fn goes_by_tables(&self) -> bool {
        self.unwinder == Unwinder::Dwarf
    }

    /// Goes on to the next frame. Whether there is one.
    #[inline(always)]
    pub(crate) fn advance<const TABLES: bool>(&mut self) -> Result<bool, WalkError> {
        if self.end == End::Reached {
            return Ok(false);
        }
        let left = match self.walked {
            0 => Ok(()),
            _ => self.leave::<TABLES>(),
        };
        if let Err(fault) = left {
            let WalkedFrame { pc, fp, .. } = self.frame;
            return Err(self.broken(self.walked - 1, pc, fp, fault));
        }
        match self.arrive::<TABLES>() {
            Ok(true) => {
                self.walked += 1;
                Ok(true)
            }
            Ok(false) => {
                self.end = End::Reached;
                Ok(false)
            }
            Err(fault) => {
                let (pc, fp) = (self.registers.pc, self.registers.fp());
                Err(self.broken(self.walked, pc, fp, fault))
            }
        }
    }

    #[cold]
    fn broken(&mut self, frame: u64, pc: CodeAddress, fp: usize, fault: WalkFault) -> WalkError {
        self.end = End::Reached;
        WalkError {
            frame,
            pc: pc.address(),
            fp,
            fault,
        }
    }

    /// Turns the registers into those of the caller.
    #[inline(always)]
    fn leave<const TABLES: bool>(&mut self) -> Result<(), WalkFault> {
        if !TABLES {
            let fp = self.registers.fp();
            let word = |address| self.memory.word(address).ok_or(WalkFault::Unreadable);
            let (caller_fp, caller_pc) = (word(fp)?, word(fp.wrapping_add(WORD_BYTES))?);
            self.registers.pc = CodeAddress::Return(caller_pc);
            self.registers.set(Register::FRAME_POINTER, caller_fp);
            self.registers.set(Register::STACK_POINTER, self.frame.cfa);
            return Ok(());
        }
        let step = match self.cache.way(self.way) {
            Way::Row(row) => row.caller(self.memory, &mut self.registers, self.frame.cfa)?,
            _ => self
                .cache
                .interpret(self.way, self.code, self.memory, &mut self.registers)?,
        };
        match step {
            // Known from here on, where it took an interpreter to find.
            Step::Caller(cfa) => self.frame.cfa = cfa,
            Step::Outermost if self.end == End::Outermost => {
                self.registers.pc = CodeAddress::Exact(0);
            }
            Step::Outermost => return Err(WalkFault::OutOfBounds),
        }
        Ok(())
    }

    /// Looks at the frame whose registers these are. Whether it is one to show.
    #[inline(always)]
    fn arrive<const TABLES: bool>(&mut self) -> Result<bool, WalkFault> {
        if self.is_at_end::<TABLES>()? {
            return Ok(false);
        }
        let (pc, fp, floor) = (self.registers.pc, self.registers.fp(), self.frame.cfa);
        if !TABLES {
            if !fp.is_multiple_of(WORD_BYTES) {
                return Err(WalkFault::OutOfBounds);
            }
            if fp < floor {
                return Err(WalkFault::NotRising);
            }
        }
        // Recursion meets the same place again.
        if pc != self.frame.pc || self.walked == 0 {
            self.look_up::<TABLES>(pc)?;
        }
        self.frame.fp = fp;
        if let Some(frame_bytes) = self.frame.frame_bytes {
            let sp = fp
                .checked_sub(frame_bytes as usize)
                .ok_or(WalkFault::Overlap)?;
            self.registers.set(Register::STACK_POINTER, sp);
            self.frame.sp = sp;
        } else {
            self.frame.sp = self.registers.get(Register::STACK_POINTER).unwrap_or(fp);
        }
        // A callee owns the arguments that its caller passed on the stack: after a tail call to a
        // function with fewer of them, its frame begins there. References never lie among them.
        if let Some(lowest) = self.frame.locations.first()
            && let Place::Memory(Register::STACK_POINTER, offset) = lowest.place()
            && self.frame.sp.wrapping_add_signed(offset as isize) < floor
        {
            return Err(WalkFault::Overlap);
        }
        self.frame.cfa = match self.cache.way(self.way) {
            _ if !TABLES => fp.wrapping_add(LINK_BYTES),
            Way::Row(row) => row.end(&self.registers)?,
            _ => self.interpret_end()?,
        };
        // Else its step checks that it rises, but a stack pointer by the stack map hides where the
        // frame begins.
        if TABLES && self.frame.frame_bytes.is_some() && self.frame.cfa <= floor {
            return Err(WalkFault::NotRising);
        }
        Ok(true)
    }

    #[cold]
    fn interpret_end(&mut self) -> Result<usize, WalkFault> {
        let mut caller = self.registers;
        let step = self
            .cache
            .interpret(self.way, self.code, self.memory, &mut caller)?;
        Ok(match step {
            Step::Caller(cfa) => cfa,
            Step::Outermost => self.frame.sp,
        })
    }

    /// Whether the registers are those of what the walk ends at.
    #[inline(always)]
    fn is_at_end<const TABLES: bool>(&self) -> Result<bool, WalkFault> {
        let (sp, fp) = (self.registers.sp(), self.registers.fp());
        match self.end {
            End::Reached => Ok(true),
            End::Outermost => Ok(self.registers.pc.address() == 0 || (!TABLES && fp == 0)),
            End::Base(_) if self.walked == 0 => Ok(false),
            End::Base(base) if self.frame.cfa > base => Err(WalkFault::OutOfBounds),
            End::Base(base) => Ok(self.frame.cfa == base),
            End::Entry(entry_fp) if !TABLES => {
                if fp > entry_fp {
                    return Err(WalkFault::OutOfBounds);
                }
                Ok(fp == entry_fp)
            }
            End::Entry(entry_fp) if self.registers.get(Register::STACK_POINTER).is_none() => {
                Ok(fp == entry_fp)
            }
            // The register may have been the entry's all along, so the stack pointer decides, which
            // is not known of an activation's first frame alone.
            End::Entry(entry_fp) => {
                let entry_sp = entry_fp.wrapping_sub(ENTRY_FRAME_BYTES);
                if sp > entry_sp || (sp == entry_sp && fp != entry_fp) {
                    return Err(WalkFault::OutOfBounds);
                }
                Ok(sp == entry_sp)
            }
        }
    }

    /// Finds out what is known of the code that the frame stands in.
    #[inline(always)]
    fn look_up<const TABLES: bool>(&mut self, pc: CodeAddress) -> Result<(), WalkFault> {
        let known = self.cache.known(self.code, pc, self.unwinder);
        if !TABLES && !known.is_registered && matches!(self.end, End::Entry(_)) {
            return Err(WalkFault::UnknownCode);
        }
        let site = self.code.site(known.site);
        self.way = known.way;
        self.frame.pc = pc;
        self.frame.frame_bytes = site.frame_bytes;
        self.frame.locations = site.locations;
        Ok(())
    }
}

impl<'a, M: StackMemory> Iterator for Frames<'a, M> {
    type Item = Result<WalkedFrame<'a>, WalkError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().map(Option::<&_>::copied).transpose()
    }
}

mod fault;

pub use fault::{WalkError, WalkFault};

#[cfg(test)]
mod tests;
