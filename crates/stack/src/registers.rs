//! The registers of a suspended frame, as far as a walk knows them.
//!
//! A walk follows the stack pointer and the registers that calls preserve: the others are lost at a
//! call, so no stack map names them. Where a register was saved by a frame further in, the address
//! is known as well, and a reference in it can be replaced there. Registers go by their numbers in
//! DWARF, which are those of LLVM's stack maps too.

/// A register that a walk keeps track of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Register(u8);

/// The numbers of the registers in DWARF, by position: stack pointer, frame pointer, and the others
/// that calls preserve.
#[cfg(not(target_arch = "aarch64"))]
const NUMBERS: [u16; 7] = [7, 6, 3, 12, 13, 14, 15];
/// As above; the link register, from which a function that calls none returns, is the last.
#[cfg(target_arch = "aarch64")]
const NUMBERS: [u16; 13] = [31, 29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30];

/// The number in DWARF by which expressions name the address a frame stands at.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const PROGRAM_COUNTER: u16 = 16;
/// As above.
#[cfg(target_arch = "aarch64")]
pub(crate) const PROGRAM_COUNTER: u16 = 32;

/// The column of unwind tables that stands for the return address.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const RETURN_ADDRESS: u16 = 16;
/// As above: the link register's.
#[cfg(target_arch = "aarch64")]
pub(crate) const RETURN_ADDRESS: u16 = 30;

impl Register {
    /// How many there are.
    pub const COUNT: usize = NUMBERS.len();

    /// Places in arrays with one for each: a power of two, so that an index needs no comparison.
    pub(crate) const PLACES: usize = Self::COUNT.next_power_of_two();

    /// The stack pointer.
    pub const STACK_POINTER: Self = Self(0);

    /// The register that code with frame pointers keeps them in.
    pub const FRAME_POINTER: Self = Self(1);

    /// Every register by its position, for code that goes through sets of them.
    pub(crate) const BY_POSITION: [Self; Self::COUNT] = {
        let mut registers = [Self(0); Self::COUNT];
        let mut position = 0_u8;
        while (position as usize) < Self::COUNT {
            registers[position as usize] = Self(position);
            position += 1;
        }
        registers
    };

    /// The register with this number in DWARF, if walks keep track of it.
    #[must_use]
    pub fn from_dwarf(number: u16) -> Option<Self> {
        Self::all().find(|register| register.dwarf() == number)
    }

    /// Its number in DWARF.
    #[must_use]
    pub const fn dwarf(self) -> u16 {
        NUMBERS[self.0 as usize]
    }

    /// Every register, the stack pointer first.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        Self::BY_POSITION.into_iter()
    }

    /// Its position in [`Self::all`].
    #[must_use]
    #[inline(always)]
    pub const fn position(self) -> usize {
        self.0 as usize % Self::PLACES
    }
}

/// Where a frame stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CodeAddress {
    /// At this instruction, which has not run: the innermost frame's, or one a signal interrupted.
    Exact(usize),
    /// Behind a call, which returns to this address.
    Return(usize),
}

impl CodeAddress {
    /// The address itself.
    #[must_use]
    #[inline(always)]
    pub const fn address(self) -> usize {
        match self {
            Self::Exact(address) | Self::Return(address) => address,
        }
    }

    /// An address inside the instruction the frame stands at, by which to look up its function, line
    /// or unwind table: the address behind a call may be another function's.
    #[must_use]
    #[inline(always)]
    pub const fn lookup(self) -> usize {
        match self {
            Self::Exact(address) => address,
            Self::Return(address) => address.wrapping_sub(1),
        }
    }
}

/// The registers of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// Where the frame stands.
    pub pc: CodeAddress,
    words: [usize; Register::PLACES],
    /// Where in memory each register's word lies; zero for one that no frame further in saved.
    homes: [usize; Register::PLACES],
    /// A bit for each register whose word is known. Written only where it changes: a byte written and
    /// a word read right after cost a dozen cycles.
    known: u32,
}

impl Registers {
    /// Registers of which nothing but the place in the code is known.
    #[must_use]
    pub const fn at(pc: CodeAddress) -> Self {
        Self {
            pc,
            words: [0; Register::PLACES],
            homes: [0; Register::PLACES],
            known: 0,
        }
    }

    /// The word in a register, if it is known.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, register: Register) -> Option<usize> {
        (self.known >> register.0 & 1 != 0).then(|| self.words[register.position()])
    }

    /// The stack pointer, or zero.
    #[must_use]
    #[inline(always)]
    pub fn sp(&self) -> usize {
        self.words[Register::STACK_POINTER.position()]
    }

    /// The frame pointer, or zero; in code without frame pointers, what else the register holds.
    #[must_use]
    #[inline(always)]
    pub fn fp(&self) -> usize {
        self.words[Register::FRAME_POINTER.position()]
    }

    /// The address at which the register's word was saved, if a frame further in did.
    #[must_use]
    #[inline(always)]
    pub fn home(&self, register: Register) -> Option<usize> {
        let home = self.homes[register.position()];
        (home != 0 && self.get(register).is_some()).then_some(home)
    }

    /// Sets a register that is not saved in memory.
    #[inline(always)]
    pub fn set(&mut self, register: Register, word: usize) {
        self.set_saved(register, word, 0);
    }

    /// Sets a register to the word that was saved at `home`.
    #[inline(always)]
    pub fn set_saved(&mut self, register: Register, word: usize, home: usize) {
        self.words[register.position()] = word;
        self.homes[register.position()] = home;
        if self.known >> register.0 & 1 == 0 {
            self.known |= 1 << register.0;
        }
    }

    /// Sets the registers in a set of positions to words that were saved, each as `saved` tells with
    /// its home. If that fails, some of them have been set.
    #[inline(always)]
    pub(crate) fn set_all_saved<E>(
        &mut self,
        set: u32,
        mut saved: impl FnMut(usize) -> Result<(usize, usize), E>,
    ) -> Result<(), E> {
        let mut left = set;
        while left != 0 {
            let position = left.trailing_zeros() as usize % Register::PLACES;
            left &= left - 1;
            (self.words[position], self.homes[position]) = saved(position)?;
        }
        if self.known & set != set {
            self.known |= set;
        }
        Ok(())
    }

    /// Makes a register unknown.
    #[inline(always)]
    pub fn forget(&mut self, register: Register) {
        self.words[register.position()] = 0;
        self.known &= !(1 << register.0);
    }

    /// Makes every register but the stack pointer and the frame pointer unknown.
    pub(crate) fn forget_all_but_pointers(&mut self) {
        self.known &= 0b11;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_registers_and_back() {
        for register in Register::all() {
            assert_eq!(Register::from_dwarf(register.dwarf()), Some(register));
        }
        assert_eq!(Register::from_dwarf(0), None);
        assert_eq!(Register::from_dwarf(u16::MAX), None);
    }

    #[test]
    fn a_register_is_known_once_set_and_has_a_home_once_saved() {
        let fp = Register::FRAME_POINTER;
        let mut registers = Registers::at(CodeAddress::Return(1));
        assert_eq!((registers.get(fp), registers.home(fp)), (None, None));
        registers.set(fp, 7);
        assert_eq!((registers.get(fp), registers.home(fp)), (Some(7), None));
        registers.set_saved(fp, 8, 64);
        assert_eq!((registers.get(fp), registers.home(fp)), (Some(8), Some(64)));
        registers.forget(fp);
        assert_eq!((registers.get(fp), registers.home(fp)), (None, None));
    }
}
