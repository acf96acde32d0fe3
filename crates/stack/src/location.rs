//! Where a call keeps its references, as stack maps tell it.
//!
//! A location is eight bytes, whatever compiler told it: Cranelift names words above the stack
//! pointer, LLVM also words off the frame pointer, registers, and pointers derived from others.

use crate::registers::{Register, Registers};

/// How a place holds a reference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Encoding {
    /// Four bytes: the reference itself, an offset in the heap.
    Offset32,
    /// Eight bytes: the heap's base address plus the reference; zero for null.
    BasePlusOffset64,
}

impl Encoding {
    /// Bytes of a place in memory.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Offset32 => 4,
            Self::BasePlusOffset64 => 8,
        }
    }
}

/// What lies at a location, without how it is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Memory this many bytes from what the register holds.
    Memory(Register, i32),
    /// The register itself.
    Register(Register),
}

/// Where a reference is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Location {
    register: Register,
    is_register: bool,
    encoding: Encoding,
    /// One more than the position, in the same list, of what this is derived from; zero for a
    /// reference of its own.
    base: u8,
    offset: i32,
}

impl Location {
    /// The four bytes this far above the stack pointer.
    #[must_use]
    pub const fn slot(offset: i32) -> Self {
        Self::memory(Register::STACK_POINTER, offset, Encoding::Offset32)
    }

    /// Memory this many bytes from what a register holds.
    #[must_use]
    pub const fn memory(register: Register, offset: i32, encoding: Encoding) -> Self {
        Self {
            register,
            is_register: false,
            encoding,
            base: 0,
            offset,
        }
    }

    /// A register that calls preserve.
    #[must_use]
    pub const fn register(register: Register, encoding: Encoding) -> Self {
        Self {
            register,
            is_register: true,
            encoding,
            base: 0,
            offset: 0,
        }
    }

    /// The same place, holding not a reference but a pointer into the object that the location at
    /// `position` of the same list refers to. `None` beyond the 255th.
    #[must_use]
    pub fn derived_from(self, position: usize) -> Option<Self> {
        let base = u8::try_from(position.checked_add(1)?).ok()?;
        Some(Self { base, ..self })
    }

    /// The place.
    #[must_use]
    #[inline(always)]
    pub const fn place(self) -> Place {
        if self.is_register {
            Place::Register(self.register)
        } else {
            Place::Memory(self.register, self.offset)
        }
    }

    /// Where in memory it lies, in a frame with these registers; `None` if that is not known.
    #[must_use]
    #[inline(always)]
    pub fn address(self, registers: &Registers) -> Option<usize> {
        match self.place() {
            Place::Memory(register, offset) => registers
                .get(register)
                .map(|base| base.wrapping_add_signed(offset as isize)),
            Place::Register(register) => registers.home(register),
        }
    }

    /// How the place holds the reference.
    #[must_use]
    #[inline(always)]
    pub const fn encoding(self) -> Encoding {
        self.encoding
    }

    /// The position, in the same list, of the reference this is derived from, if it is.
    #[must_use]
    #[inline(always)]
    pub const fn base(self) -> Option<usize> {
        match self.base {
            0 => None,
            base => Some(base as usize - 1),
        }
    }
}

const _: () = assert!(size_of::<Location>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_what_was_said() {
        let slot = Location::slot(16);
        assert_eq!(slot.place(), Place::Memory(Register::STACK_POINTER, 16));
        assert_eq!((slot.encoding(), slot.base()), (Encoding::Offset32, None));
        let derived = Location::register(Register::FRAME_POINTER, Encoding::BasePlusOffset64)
            .derived_from(3)
            .unwrap();
        assert_eq!(derived.place(), Place::Register(Register::FRAME_POINTER));
        assert_eq!(derived.base(), Some(3));
        assert_eq!(slot.derived_from(255), None);
    }
}
