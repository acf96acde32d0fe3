//! Where an exception lands: the innermost frame of an activation whose call has a handler.

use crate::registry::CodeReader;
use crate::walk::{Frames, StackMemory, WalkError};

/// Where an exception is handled: the words that the landing code needs, as trampolines keep them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Landing {
    /// Address of the handler.
    pub pc: usize,
    /// The stack pointer of its frame.
    pub sp: usize,
    /// The frame pointer of its frame.
    pub fp: usize,
}

/// The innermost handler among these frames.
pub(crate) fn innermost_handler<M: StackMemory>(
    frames: Frames<'_, M>,
    code: &CodeReader<'_>,
) -> Result<Option<Landing>, WalkError> {
    for frame in frames {
        let frame = frame?;
        if let Some(pc) = code.handler(frame.pc.address()) {
            return Ok(Some(Landing {
                pc,
                sp: frame.sp,
                fp: frame.fp,
            }));
        }
    }
    Ok(None)
}
