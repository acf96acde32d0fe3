//! Trap codes of the code this crate emits.

use cranelift_codegen::ir::TrapCode;

/// Why emitted code traps. Numbers from [`HeapTrap::FIRST_CLIENT`] up are the client's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[repr(u8)]
pub enum HeapTrap {
    /// A null reference was used where what it should lead to is not known.
    NullReference = 1,
    /// A reference is not of the type it was cast to.
    CastFailure = 2,
    /// An array was accessed beyond its length.
    ArrayOutOfBounds = 3,
    /// Something read from the heap cannot be: an access left the heap or hit its first page.
    HeapCorrupt = 4,
    /// A null function reference was called through a table.
    IndirectNull = 5,
    /// A function called indirectly has another signature.
    IndirectType = 6,
    /// A call to the host failed; the host recorded why.
    Host = 7,
    /// A field of a null struct reference was accessed.
    NullStruct = 8,
    /// The length or an element of a null array reference was accessed.
    NullArray = 9,
}

impl HeapTrap {
    /// The first number free for the client's own traps.
    pub const FIRST_CLIENT: u8 = 32;

    const ALL: [Self; 9] = [
        Self::NullReference,
        Self::CastFailure,
        Self::ArrayOutOfBounds,
        Self::HeapCorrupt,
        Self::IndirectNull,
        Self::IndirectType,
        Self::Host,
        Self::NullStruct,
        Self::NullArray,
    ];

    /// The code as instructions carry it.
    #[must_use]
    pub const fn code(self) -> TrapCode {
        TrapCode::unwrap_user(self as u8)
    }

    /// The trap with this number, or `None` for Cranelift's own and the client's.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|trap| *trap as u8 == number)
    }
}

impl From<HeapTrap> for TrapCode {
    fn from(trap: HeapTrap) -> Self {
        trap.code()
    }
}
