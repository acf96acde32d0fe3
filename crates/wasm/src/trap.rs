//! Traps: why a program was stopped, and where.

use std::fmt;
use std::num::NonZeroU8;
use windrow::HeapError;
use windrow::jit::Corruption;
use windrow_cranelift::HeapTrap;

/// Why compiled code of this engine traps, beyond what the heap and Cranelift number themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum CodeTrap {
    /// An `unreachable` was reached.
    Unreachable = HeapTrap::FIRST_CLIENT,
    /// A table was accessed beyond its length.
    TableOutOfBounds,
    /// A null function reference was called.
    NullFunction,
    /// A null `i31` reference was read.
    NullI31,
    /// Another thread asked code to stop.
    Interrupted,
    /// Code used up its fuel.
    OutOfFuel,
    /// A null exception reference was thrown.
    NullException,
}

impl CodeTrap {
    const ALL: [Self; 7] = [
        Self::Unreachable,
        Self::TableOutOfBounds,
        Self::NullFunction,
        Self::NullI31,
        Self::Interrupted,
        Self::OutOfFuel,
        Self::NullException,
    ];

    /// The code as instructions carry it.
    pub(crate) const fn code(self) -> cranelift_codegen::ir::TrapCode {
        cranelift_codegen::ir::TrapCode::unwrap_user(self as u8)
    }
}

/// Why a program was stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrapKind {
    /// An `unreachable` instruction was reached.
    Unreachable,
    /// An integer was divided by zero.
    DivisionByZero,
    /// The result of an integer operation does not fit.
    IntegerOverflow,
    /// A float that is not a number, or too large, was converted to an integer.
    InvalidConversion,
    /// A linear memory was accessed beyond its length.
    MemoryOutOfBounds,
    /// A table was accessed beyond its length.
    TableOutOfBounds,
    /// An array was accessed beyond its length.
    ArrayOutOfBounds,
    /// A string was accessed beyond its length.
    StringOutOfBounds,
    /// A number is no Unicode code point.
    InvalidCodePoint,
    /// A null reference was used.
    NullReference,
    /// A null struct reference was used.
    NullStruct,
    /// A null array reference was used.
    NullArray,
    /// A null function reference was called.
    NullFunction,
    /// A null `i31` reference was read.
    NullI31,
    /// A null exception reference was thrown.
    NullException,
    /// A reference is not of the type it was cast to.
    CastFailure,
    /// A function called through a table has another type than the call expects.
    IndirectCallType,
    /// A function was called through a table element that holds none.
    UninitializedElement,
    /// The stack allowance is used up: the program recurses too deeply, or needs more.
    StackExhausted,
    /// The host asked the program to stop, or its time was up.
    Interrupted,
    /// The program used up the fuel it was given.
    OutOfFuel,
    /// The heap said no: it is full, or corrupt.
    Heap(HeapError),
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::DivisionByZero => "integer divide by zero",
            Self::IntegerOverflow => "integer overflow",
            Self::InvalidConversion => "invalid conversion to integer",
            Self::MemoryOutOfBounds => "out of bounds memory access",
            Self::TableOutOfBounds => "out of bounds table access",
            Self::ArrayOutOfBounds => "out of bounds array access",
            Self::StringOutOfBounds => "out of bounds string access",
            Self::InvalidCodePoint => "invalid code point",
            Self::NullReference => "null reference",
            Self::NullStruct => "null structure reference",
            Self::NullArray => "null array reference",
            Self::NullFunction => "null function reference",
            Self::NullI31 => "null i31 reference",
            Self::NullException => "null exception reference",
            Self::CastFailure => "cast failure",
            Self::IndirectCallType => "indirect call type mismatch",
            Self::UninitializedElement => "uninitialized element",
            Self::StackExhausted => "call stack exhausted",
            Self::Interrupted => "interrupted by the host",
            Self::OutOfFuel => "all fuel consumed",
            Self::Heap(error) => return error.fmt(f),
        })
    }
}

impl TrapKind {
    /// What a trap code means, or `None` for that of a failed host call.
    ///
    /// A code that no emitted instruction carries counts as heap corruption: code does what it was
    /// compiled to do, so only data can have led there.
    pub(crate) fn from_code(code: NonZeroU8) -> Option<Self> {
        use cranelift_codegen::ir::TrapCode;
        let number = code.get();
        if let Some(trap) = HeapTrap::from_number(number) {
            return Self::from_heap_trap(trap);
        }
        if let Some(trap) = CodeTrap::ALL.into_iter().find(|trap| *trap as u8 == number) {
            return Some(match trap {
                CodeTrap::Unreachable => Self::Unreachable,
                CodeTrap::TableOutOfBounds => Self::TableOutOfBounds,
                CodeTrap::NullFunction => Self::NullFunction,
                CodeTrap::NullI31 => Self::NullI31,
                CodeTrap::Interrupted => Self::Interrupted,
                CodeTrap::OutOfFuel => Self::OutOfFuel,
                CodeTrap::NullException => Self::NullException,
            });
        }
        Some(match TrapCode::from_raw(code) {
            TrapCode::STACK_OVERFLOW => Self::StackExhausted,
            TrapCode::INTEGER_OVERFLOW => Self::IntegerOverflow,
            TrapCode::INTEGER_DIVISION_BY_ZERO => Self::DivisionByZero,
            TrapCode::BAD_CONVERSION_TO_INTEGER => Self::InvalidConversion,
            TrapCode::HEAP_OUT_OF_BOUNDS => Self::MemoryOutOfBounds,
            _ => Self::corrupt(),
        })
    }

    fn from_heap_trap(trap: HeapTrap) -> Option<Self> {
        Some(match trap {
            HeapTrap::NullReference => Self::NullReference,
            HeapTrap::NullStruct => Self::NullStruct,
            HeapTrap::NullArray => Self::NullArray,
            HeapTrap::CastFailure => Self::CastFailure,
            HeapTrap::ArrayOutOfBounds => Self::ArrayOutOfBounds,
            HeapTrap::IndirectNull => Self::UninitializedElement,
            HeapTrap::IndirectType => Self::IndirectCallType,
            HeapTrap::Host => return None,
            _ => Self::corrupt(),
        })
    }

    const fn corrupt() -> Self {
        Self::Heap(HeapError::Corrupt(Corruption::Reference {
            offset: 0,
            bits: 0,
        }))
    }
}

/// A frame of a [`Trap`]'s backtrace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrapFrame {
    /// The function: `module!name`, or its index where it has no name.
    pub function: String,
    /// The function's index in its module.
    pub function_index: u32,
    /// Where it stood, in bytes from the start of the module's binary, if known.
    pub wasm_offset: Option<u64>,
}

/// A program that was stopped: why, and in which functions, innermost first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap {
    /// Why.
    pub kind: TrapKind,
    /// The innermost functions.
    pub frames: Vec<TrapFrame>,
    /// How many frames there are beyond those; functions inlined in one are not counted.
    pub omitted_frames: u64,
}

impl Trap {
    /// A trap without frames.
    #[must_use]
    pub const fn new(kind: TrapKind) -> Self {
        Self {
            kind,
            frames: Vec::new(),
            omitted_frames: 0,
        }
    }
}

/// The reason, then a line for each frame, or for a run of equal ones as recursion leaves them.
impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        write_frames(f, &self.frames, self.omitted_frames)
    }
}

/// Writes the frames of a backtrace, each line after a line break.
pub(crate) fn write_frames(
    f: &mut fmt::Formatter<'_>,
    frames: &[TrapFrame],
    omitted: u64,
) -> fmt::Result {
    let mut number = 0;
    for run in frames.chunk_by(|frame, next| frame == next) {
        match run.len() {
            1 => write!(f, "\n  {number}: {}", run[0].function)?,
            len => write!(f, "\n  {number}-{}: {}", number + len - 1, run[0].function)?,
        }
        if let Some(offset) = run[0].wasm_offset {
            write!(f, " at {offset:#x}")?;
        }
        number += run.len();
    }
    match omitted {
        0 => Ok(()),
        more => write!(f, "\n  ... and {more} more"),
    }
}

impl std::error::Error for Trap {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_frames_are_shown_once() {
        let frame = |function: &str, wasm_offset| TrapFrame {
            function: function.to_owned(),
            function_index: 0,
            wasm_offset,
        };
        let mut trap = Trap::new(TrapKind::Unreachable);
        trap.frames = vec![
            frame("m!f", None),
            frame("m!f", Some(16)),
            frame("m!f", Some(16)),
            frame("m!g", Some(1)),
        ];
        trap.omitted_frames = 2;
        let lines = [
            "unreachable",
            "  0: m!f",
            "  1-2: m!f at 0x10",
            "  3: m!g at 0x1",
            "  ... and 2 more",
        ];
        assert_eq!(trap.to_string(), lines.join("\n"));
    }
}
