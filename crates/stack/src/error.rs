//! What can be wrong with code to register, or with the system under the trap handler.

/// An error of this crate. Traps and walks have their own types.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// A range of code is empty, has 4 GiB or more, begins at address zero, or wraps around the
    /// address space.
    #[error(
        "a code range at {start:#x} of {len} bytes is empty, too large or at no address; register ranges of 1 byte to less than 4 GiB"
    )]
    BadRange {
        /// Where it starts.
        start: usize,
        /// Its size in bytes.
        len: usize,
    },
    /// A range of code overlaps one that is registered.
    #[error(
        "the code range at {start:#x} of {len} bytes overlaps the registered one at {other_start:#x} of {other_len} bytes; drop that one's handle first"
    )]
    Overlap {
        /// Where the refused range starts.
        start: usize,
        /// Its size in bytes.
        len: usize,
        /// Where the registered one starts.
        other_start: usize,
        /// Its size in bytes.
        other_len: usize,
    },
    /// A stack map that cannot be true.
    #[error("the stack map for return offset {return_offset:#x} is wrong: {reason}")]
    BadSafepoint {
        /// The return address, in bytes from the start of the range.
        return_offset: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An exception handler that cannot be true.
    #[error("the handler of the call with return offset {return_offset:#x} is wrong: {reason}")]
    BadHandler {
        /// The call's return address, in bytes from the start of the range.
        return_offset: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A trap site that cannot be true.
    #[error("the trap site at offset {offset:#x} is wrong: {reason}")]
    BadTrap {
        /// Where it is, in bytes from the start of the range.
        offset: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A function's place that cannot be true.
    #[error("the place of function {id} is wrong: {reason}")]
    BadFunction {
        /// The client's name for it.
        id: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An unwind table that cannot be read.
    #[error("the unwind table is wrong at offset {offset:#x} of its section: {reason}")]
    BadUnwindTable {
        /// The entry's place, in bytes from the start of the section.
        offset: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// What debuggers are to be told of code cannot be written down.
    #[error("the object file for debuggers cannot be written: {reason}")]
    DebuggerImage {
        /// What is in the way.
        reason: String,
    },
    /// The system refused the trap handler.
    #[error(
        "cannot install the handler for signal {signal}: system error {errno}; traps of compiled code cannot be caught"
    )]
    Signals {
        /// The signal's number.
        signal: i32,
        /// What the system said.
        errno: i32,
    },
}
