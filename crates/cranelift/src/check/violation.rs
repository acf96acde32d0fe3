//! What is wrong at a safepoint.

use cranelift_codegen::ir::{Inst, SourceLoc, StackSlot, Value};
use std::fmt;

/// A defect of emitted code, and where it shows.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// What is wrong.
    pub problem: Problem,
    /// The instruction at which it shows.
    pub inst: Inst,
    /// The same as text.
    pub instruction: String,
    /// The place in the source that the instruction comes from; the default means none.
    pub location: SourceLoc,
}

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A reference is used after a safepoint as it was before, though objects move.
    #[error("the reference {value} lives across the call; load it from its home again")]
    LivesAcross {
        /// The reference.
        value: Value,
    },
    /// The same of something computed from a reference.
    #[error("{value}, computed from a reference, lives across the call; compute it again")]
    DerivedLivesAcross {
        /// What was computed.
        value: Value,
    },
    /// A reference that is wanted after a safepoint is in no home its stack map names.
    #[error("the reference {value} survives the call, but is in no slot of its stack map")]
    Missing {
        /// The reference.
        value: Value,
    },
    /// A home may not have been stored to.
    #[error("the slot {slot} may hold nothing here: it is stored on some paths only, or on none")]
    Unset {
        /// The home.
        slot: StackSlot,
    },
    /// A home holds what a safepoint since the store has made stale.
    #[error("the slot {slot} may be stale here: a call since it was stored does not name it")]
    Stale {
        /// The home.
        slot: StackSlot,
    },
    /// A home holds something else.
    #[error("the slot {slot} may hold {value} here, which is no reference for all that is known")]
    NotReference {
        /// The home.
        slot: StackSlot,
        /// What it holds.
        value: Value,
    },
    /// The address of a home is used for something else than a load or store of a reference.
    #[error("the address of the slot {slot}, which a stack map names, is used in another way")]
    Escapes {
        /// The home.
        slot: StackSlot,
    },
    /// A value is a reference and a number at once.
    #[error("{value} is claimed to be a number, but a reference flows through it")]
    Confused {
        /// The value.
        value: Value,
    },
    /// A value that stands for a dead reference is used.
    #[error("{value} stands for a reference that was taken for dead, but is used")]
    UsesDead {
        /// The value.
        value: Value,
    },
    /// A tail call, after which there is no frame, has a stack map.
    #[error("a tail call has a stack map, but no frame for it")]
    TailCall,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} `{}`", self.problem, self.inst, self.instruction)?;
        if !self.location.is_default() {
            write!(f, " from {:#x}", self.location.bits())?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}
