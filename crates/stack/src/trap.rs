//! A trap of compiled code, as the result of entering it.

use crate::backtrace::Backtrace;
use crate::code::TrapCode;
use std::error::Error;
use std::fmt;

/// Why an activation ended before its code returned.
///
/// Its frames are gone, nothing of them was unwound, and the isolate is as usable as before.
/// A reason that the host recorded before it let compiled code trap stays with the host: the code
/// is then whichever number client and compiler agreed on for that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap {
    /// What the compiler says of the instruction.
    pub code: TrapCode,
    /// The instruction that trapped.
    pub pc: usize,
    /// The address it accessed in vain, if the trap was a memory fault.
    pub fault_address: Option<usize>,
    /// The frames of the activation.
    pub backtrace: Backtrace,
}

// By hand, because `thiserror` takes any field of a type named `Backtrace` for the standard one.
impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "compiled code trapped at {:#x} with code {}",
            self.pc,
            self.code.number()
        )
    }
}

impl Error for Trap {}
