//! Why frames cannot be followed.

use windrow_core::HeapError;

/// What made a walk end before it reached the entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WalkFault {
    /// A frame lies beyond the one that the walk ends at, or has no caller before that, or its frame
    /// pointer is not aligned.
    OutOfBounds,
    /// A frame lies below the one it called, or inside it.
    NotRising,
    /// A return address lies in no registered code.
    UnknownCode,
    /// A frame reaches down into the frame it called.
    Overlap,
    /// The stack could not be read there.
    Unreadable,
    /// No unwind table covers it.
    NoUnwindInfo,
    /// Its unwind table or its stack map builds on a register whose word is not known.
    UnknownRegister,
    /// Its unwind table makes no sense, or says what walks do not understand.
    BadUnwindInfo,
    /// A pointer in it does not point into the heap.
    WildPointer,
    /// Frame pointers and unwind tables lead to different frames or references.
    Disagreement,
}

impl WalkFault {
    /// The fault in words.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OutOfBounds => "it does not lead to the frame that the walk ends at",
            Self::NotRising => "it does not lie above the frame it called",
            Self::UnknownCode => "its return address lies in no registered code",
            Self::Overlap => "it reaches down into the frame it called",
            Self::Unreadable => "its memory cannot be read",
            Self::NoUnwindInfo => "no unwind table covers it",
            Self::UnknownRegister => "its tables build on a register that is not known",
            Self::BadUnwindInfo => "its unwind table cannot be followed",
            Self::WildPointer => "a pointer in it does not point into the heap",
            Self::Disagreement => "frame pointers and unwind tables disagree about it",
        }
    }
}

/// Frames that cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("frame {frame}, with pc {pc:#x} and frame pointer {fp:#x}, cannot be followed: {}", fault.reason())]
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
