//! How a walk gets from a frame to its caller's.

/// How a walk gets from a frame to its caller's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Unwinder {
    /// Through the chain of frame pointers, which all code must keep.
    #[default]
    FramePointers,
    /// By unwind tables (call-frame information in the form of DWARF), which all code must have.
    Dwarf,
}
