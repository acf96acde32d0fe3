//! The frame walker: from where an activation left compiled code up to where it was entered.
//!
//! Compiled code keeps frame pointers: the word at a frame pointer is the caller's, the word above
//! it the return address into the caller. The callee has popped nothing while a caller waits, so
//! the caller's stack pointer is its own frame pointer less the frame size its stack map tells.
//! ```text
//!   entry_fp -> | the entry stub's frame |   the walk ends here
//!               | return address         |
//!         fp -> | frame of the entry stub|   frame of the trampoline it called
//!               | ...                    |
//!               | return address         |   pc of the frame above
//!         fp -> | caller's frame pointer |   frame n
//!               | slots: sp + offset     |
//!         sp -> | sp = fp - frame_bytes  |
//! ```
//! The stack is read through [`StackMemory`], so this file needs no unsafe code and is tested on
//! made-up stacks. Frame pointers must rise by at least a frame's two words each step and never
//! pass the end, and every return address must lie in registered code: a walk of any memory ends,
//! in frames or in an error that names the frame. Costs O(1) a frame.

use crate::registry::{CallSite, CodeReader};
use windrow_core::{Activation, HeapError};

/// Bytes of a pointer, and of a word of the stack.
pub(crate) const WORD_BYTES: usize = size_of::<usize>();

/// Bytes of what a call pushes below a frame: the return address and the caller's frame pointer.
pub(crate) const LINK_BYTES: usize = 2 * WORD_BYTES;

/// Memory that holds frames.
pub trait StackMemory {
    /// The word at `address`, or `None` if it is not aligned or not in this memory.
    fn word(&self, address: usize) -> Option<usize>;
}

/// A suspended frame of compiled code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WalkedFrame<'a> {
    /// Where the frame goes on: the return address of the call it waits for.
    pub pc: usize,
    /// Its frame pointer.
    pub fp: usize,
    /// Its stack pointer during the call; the frame pointer where the call has no stack map.
    pub sp: usize,
    /// Where its references are, in bytes up from the stack pointer.
    pub slots: &'a [u32],
}

/// What made a walk end before it reached the entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WalkFault {
    /// A frame pointer leaves the activation, or is not aligned.
    OutOfBounds,
    /// A frame pointer lies below the frame it was read from, or inside it.
    NotRising,
    /// A return address lies in no registered code.
    UnknownCode,
    /// A frame reaches down into the frame it called.
    Overlap,
    /// The stack could not be read there.
    Unreadable,
    /// No unwind table covers it.
    NoUnwindInfo,
    /// Its unwind table builds on a register whose word is not known.
    UnknownRegister,
    /// Its unwind table makes no sense, or says what walks do not understand.
    BadUnwindInfo,
}

impl WalkFault {
    /// The fault in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OutOfBounds => "its frame pointer leaves the activation",
            Self::NotRising => "its frame pointer does not rise above the frame below",
            Self::UnknownCode => "its return address lies in no registered code",
            Self::Overlap => "it reaches down into the frame it called",
            Self::Unreadable => "its memory cannot be read",
            Self::NoUnwindInfo => "no unwind table covers it",
            Self::UnknownRegister => "its unwind table builds on a register that is not known",
            Self::BadUnwindInfo => "its unwind table cannot be followed",
        }
    }
}

/// Frames that cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("frame {frame} of the activation, with pc {pc:#x} and frame pointer {fp:#x}, cannot be followed: {}", fault.reason())]
pub struct WalkError {
    /// How many frames had been walked.
    pub frame: u64,
    /// The return address that frame would have.
    pub pc: usize,
    /// The frame pointer it would have.
    pub fp: usize,
    /// What is wrong with it.
    pub fault: WalkFault,
}

impl From<WalkError> for HeapError {
    fn from(error: WalkError) -> Self {
        Self::CorruptStack {
            pc: error.pc,
            frame: error.frame,
            reason: error.fault.reason(),
        }
    }
}

/// The frames of one activation, innermost first; after an error, nothing.
#[derive(Debug)]
pub struct Frames<'a, M> {
    memory: &'a M,
    code: &'a CodeReader<'a>,
    pc: usize,
    fp: usize,
    entry_fp: usize,
    /// The lowest address that is not the callee's, once a callee is known.
    floor: Option<usize>,
    /// The stack map last found and its return address: recursion meets it again at once.
    last: (usize, CallSite<'a>),
    /// Bounds of the code a call without a stack map was last found in.
    plain_range: (usize, usize),
    walked: u64,
}

/// The frames of a suspended activation, innermost first. None if it is not suspended.
#[must_use]
pub fn frames<'a, M: StackMemory>(
    memory: &'a M,
    code: &'a CodeReader<'a>,
    activation: Activation,
) -> Frames<'a, M> {
    let Activation {
        entry_fp,
        exit_fp,
        exit_pc,
    } = activation;
    let fp = if activation.is_suspended() {
        exit_fp
    } else {
        entry_fp
    };
    Frames {
        memory,
        code,
        pc: exit_pc,
        fp,
        entry_fp,
        floor: None,
        last: (0, CallSite::PLAIN),
        plain_range: (0, 0),
        walked: 0,
    }
}

impl<'a, M: StackMemory> Frames<'a, M> {
    /// How many frames have been walked.
    #[must_use]
    pub fn walked(&self) -> u64 {
        self.walked
    }

    fn step(&mut self) -> Result<WalkedFrame<'a>, WalkFault> {
        let Self { pc, fp, .. } = *self;
        if fp > self.entry_fp || !fp.is_multiple_of(WORD_BYTES) {
            return Err(WalkFault::OutOfBounds);
        }
        if self.floor.is_some_and(|floor| fp < floor) {
            return Err(WalkFault::NotRising);
        }
        let site = self.call_site(pc).ok_or(WalkFault::UnknownCode)?;
        let sp = fp
            .checked_sub(site.frame_bytes as usize)
            .ok_or(WalkFault::Overlap)?;
        // A callee owns the arguments that its caller passed on the stack: after a tail call to a
        // function with fewer of them, its frame begins there. References never lie among them.
        let lowest = site.slots.first().map_or(fp, |slot| sp + *slot as usize);
        if self.floor.is_some_and(|floor| lowest < floor) {
            return Err(WalkFault::Overlap);
        }
        let caller_fp = self.memory.word(fp).ok_or(WalkFault::Unreadable)?;
        let caller_pc = self
            .memory
            .word(fp + WORD_BYTES)
            .ok_or(WalkFault::Unreadable)?;
        self.floor = Some(fp + LINK_BYTES);
        (self.pc, self.fp) = (caller_pc, caller_fp);
        self.walked += 1;
        Ok(WalkedFrame {
            pc,
            fp,
            sp,
            slots: site.slots,
        })
    }

    /// As [`CodeReader::call_site`], but a run of calls without stack maps in one range of code
    /// searches the ranges once.
    #[inline]
    fn call_site(&mut self, pc: usize) -> Option<CallSite<'a>> {
        if pc == self.last.0 && pc != 0 {
            return Some(self.last.1);
        }
        if let Some(site) = self.code.safepoint(pc) {
            self.last = (pc, site);
            return Some(site);
        }
        let (start, end) = self.plain_range;
        if pc <= start || pc > end {
            self.plain_range = self.code.range_of_call(pc)?;
        }
        Some(CallSite {
            frame_bytes: 0,
            slots: &[],
        })
    }
}

impl<'a, M: StackMemory> Iterator for Frames<'a, M> {
    type Item = Result<WalkedFrame<'a>, WalkError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.fp == self.entry_fp {
            return None;
        }
        let Self { pc, fp, walked, .. } = *self;
        Some(self.step().map_err(|fault| {
            self.fp = self.entry_fp;
            WalkError {
                frame: walked,
                pc,
                fp,
                fault,
            }
        }))
    }
}

#[cfg(test)]
mod tests;
