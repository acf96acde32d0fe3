//! Backtraces: which functions of compiled code were running, innermost first.
//!
//! Taken when a trap happens or a host call asks for one, with functions named by the client's
//! ids at once, so that a backtrace outlives the code. Only the innermost frames are kept and the
//! rest are counted, which keeps the trap of a deep recursion small.

use crate::registry::{CodeReader, FunctionPlace};
use crate::walk::{StackMemory, WORD_BYTES, WalkError, WalkFault, frames};
use windrow_core::Activation;

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
    /// The frames from an instruction at `pc` in the frame at `fp` up to the entry.
    #[must_use]
    pub fn of_trap<M: StackMemory>(
        memory: &M,
        code: &CodeReader<'_>,
        pc: usize,
        fp: usize,
        entry_fp: usize,
    ) -> Self {
        let mut trace = Self::default();
        trace.push(Frame {
            pc,
            function: code.function(pc),
        });
        let caller = memory.word(fp).zip(
            fp.checked_add(WORD_BYTES)
                .and_then(|link| memory.word(link)),
        );
        match caller {
            Some((exit_fp, exit_pc)) if exit_fp > fp => {
                trace.extend(
                    memory,
                    code,
                    Activation {
                        entry_fp,
                        exit_fp,
                        exit_pc,
                    },
                );
            }
            Some(_) => {
                trace.broken = Some(WalkError {
                    frame: 0,
                    pc,
                    fp,
                    fault: WalkFault::NotRising,
                })
            }
            None => {
                trace.broken = Some(WalkError {
                    frame: 0,
                    pc,
                    fp,
                    fault: WalkFault::Unreadable,
                })
            }
        }
        trace
    }

    /// How many frames there are, as far as they could be followed.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.frames.len() as u64 + self.omitted_frames
    }

    /// Adds the frames of a suspended activation in `memory`.
    pub fn extend<M: StackMemory>(
        &mut self,
        memory: &M,
        code: &CodeReader<'_>,
        activation: Activation,
    ) {
        for frame in frames(memory, code, activation) {
            match frame {
                Ok(frame) => {
                    // The byte before the return address belongs to the call.
                    let function = if self.is_full() {
                        None
                    } else {
                        code.function(frame.pc.wrapping_sub(1))
                    };
                    self.push(Frame {
                        pc: frame.pc,
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
