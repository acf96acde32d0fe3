//! Backtraces: which functions of compiled code were running, innermost first.
//!
//! Taken when a trap happens or a host call asks for one, with functions named by the client's
//! ids at once, so that a backtrace outlives the code. Only the innermost frames are kept and the
//! rest are counted, which keeps the trap of a deep recursion small.

use crate::registers::Registers;
use crate::registry::{CodeReader, FunctionPlace};
use crate::walk::{Frames, StackMemory, WalkError};
use crate::walker::Walker;

/// How many frames a backtrace keeps.
pub const BACKTRACE_FRAMES: usize = 64;

/// A frame of a backtrace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Where the frame stands: the instruction that trapped, or the address a call returns to.
    pub pc: usize,
    /// The function and the place in it of the instruction that trapped or called, if `pc` lies in
    /// one; trampolines usually are none.
    pub function: Option<FunctionPlace>,
}

/// Frames of compiled code, innermost first: after a trap, those of the activation it ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Backtrace {
    /// The innermost frames, at most [`BACKTRACE_FRAMES`].
    pub frames: Vec<Frame>,
    /// How many frames there are beyond those.
    pub omitted_frames: u64,
    /// Why the frames of an activation could not be followed to its entry, if they could not.
    pub broken: Option<WalkError>,
}

impl Backtrace {
    /// The frames from an instruction that trapped, with these registers, up to the entry.
    pub(crate) fn of_trap<M: StackMemory>(
        walker: &mut Walker,
        memory: &M,
        code: &CodeReader<'_>,
        registers: Registers,
        entry_fp: usize,
    ) -> Self {
        let mut trace = Self::default();
        let mut frames = walker.stretch(memory, code, registers, entry_fp);
        let first = frames.next();
        // Where it trapped is known, whatever its frame looks like.
        let pc = registers.pc.lookup();
        trace.push(Frame {
            pc,
            function: code.function(pc),
        });
        match first {
            Some(Err(error)) => trace.broken = Some(error),
            _ => trace.extend(frames, code),
        }
        trace
    }

    /// How many frames there are, as far as they could be followed.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.frames.len() as u64 + self.omitted_frames
    }

    /// Adds frames, as far as they can be followed.
    pub fn extend<M: StackMemory>(&mut self, frames: Frames<'_, M>, code: &CodeReader<'_>) {
        for frame in frames {
            match frame {
                Ok(frame) => {
                    let function = if self.is_full() {
                        None
                    } else {
                        code.function(frame.pc.lookup())
                    };
                    self.push(Frame {
                        pc: frame.pc.address(),
                        function,
                    });
                }
                Err(error) => self.broken = Some(error),
            }
        }
    }

    fn is_full(&self) -> bool {
        self.frames.len() >= BACKTRACE_FRAMES
    }

    fn push(&mut self, frame: Frame) {
        if self.is_full() {
            self.omitted_frames += 1;
        } else {
            self.frames.push(frame);
        }
    }
}
