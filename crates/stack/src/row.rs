//! A row of an unwind table, made small: how to find a frame's caller, without an interpreter.
//!
//! Compilers say nearly everything with two rules: the frame's end (CFA, the stack pointer before
//! the call) is a register plus a constant, and a register is where it was or lies so many words
//! from the end. A [`Row`] holds just that, in 28 bytes on x86-64; a row of unwind tables that says
//! more (expressions, registers kept in others) has no such form and is interpreted at each step.
//!
//! A step costs one checked read for the return address and one for each register saved, and
//! allocates nothing.

use crate::registers::{CodeAddress, PROGRAM_COUNTER, RETURN_ADDRESS, Register, Registers};
use crate::walk::{StackMemory, WORD_BYTES, WalkFault};
use gimli::{CfaRule, RegisterRule, UnwindTableRow};

/// Position of the return address among the offsets: the stack pointer's, which rows never save.
const RETURN: usize = Register::STACK_POINTER.position();

/// A set of registers by position.
type Set = u16;

/// Where a step led.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The registers are the caller's now. Its callee's frame ended here, where its own begins.
    Caller(usize),
    /// The frame has no caller; the registers are still its own.
    Outermost,
}

/// How to find the caller of a frame that stands in one range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Row {
    /// The frame's end, in bytes from what the base register holds.
    end_offset: i32,
    base: Register,
    kind: Kind,
    /// Registers that lie in memory.
    saved: Set,
    /// Registers whose words are lost.
    lost: Set,
    /// Where the saved registers lie, in words from the frame's end.
    offsets: [i16; Register::PLACES],
}

#[cfg(target_arch = "x86_64")]
const _: () = assert!(size_of::<Row>() <= 32);

/// What a frame returns to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    /// An address in memory, behind a call.
    Call,
    /// An address in the link register, behind a call.
    Leaf,
    /// An address in memory, at which a signal interrupted the caller.
    Signal,
    /// Nothing.
    Outermost,
}

impl Row {
    /// The compact form of a row, if it has one. `return_address` is the column of the return
    /// address, and `is_signal` tells that the frame is a signal's trampoline.
    pub(crate) fn compile(
        row: &UnwindTableRow<usize>,
        return_address: gimli::Register,
        is_signal: bool,
    ) -> Option<Self> {
        if return_address.0 != RETURN_ADDRESS {
            return None;
        }
        let mut compact = Self {
            end_offset: 0,
            base: Register::STACK_POINTER,
            kind: if is_signal { Kind::Signal } else { Kind::Call },
            saved: 0,
            lost: 0,
            offsets: [0; Register::PLACES],
        };
        match row.register(return_address) {
            Some(RegisterRule::Undefined) => {
                compact.kind = Kind::Outermost;
                return Some(compact);
            }
            Some(RegisterRule::Offset(offset)) => compact.offsets[RETURN] = words(offset)?,
            None | Some(RegisterRule::SameValue) if link_register().is_some() && !is_signal => {
                compact.kind = Kind::Leaf;
            }
            _ => return None,
        }
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
            return None;
        };
        compact.base = Register::from_dwarf(register.0)?;
        compact.end_offset = i32::try_from(*offset).ok()?;
        for (register, rule) in row.registers() {
            // A signed return address, and registers that calls do not preserve.
            let Some(register) = Register::from_dwarf(register.0) else {
                if is_signing(*register) && *rule != RegisterRule::Constant(0) {
                    return None;
                }
                continue;
            };
            compact.add(register, rule)?;
        }
        Some(compact)
    }

    fn add(&mut self, register: Register, rule: &RegisterRule<usize>) -> Option<()> {
        let bit = 1 << register.position();
        match *rule {
            // What the rule of the frame's end says anyway.
            RegisterRule::ValOffset(0) if register == Register::STACK_POINTER => {}
            _ if register == Register::STACK_POINTER => return None,
            RegisterRule::SameValue => {}
            RegisterRule::Undefined => self.lost |= bit,
            RegisterRule::Offset(offset) => {
                self.saved |= bit;
                self.offsets[register.position()] = words(offset)?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Where the frame ends; its stack pointer for one without a caller.
    ///
    /// # Errors
    /// As [`Self::caller`].
    #[inline(always)]
    pub(crate) fn end(&self, registers: &Registers) -> Result<usize, WalkFault> {
        if self.kind == Kind::Outermost {
            return Ok(registers.sp());
        }
        let base = registers.get(self.base).ok_or(WalkFault::UnknownRegister)?;
        // One that wraps around does not rise, or is not in memory.
        Ok(base.wrapping_add_signed(self.end_offset as isize))
    }

    /// How far below what this register holds the lowest word lies that the frame saved, if the frame
    /// is measured from that register; else, or if none lies below, zero or less.
    pub(crate) fn bytes_below(&self, register: Register) -> i64 {
        if self.base != register {
            return 0;
        }
        let saved = Register::BY_POSITION
            .into_iter()
            .filter(|register| self.saved >> register.position() & 1 != 0)
            .map(|register| i64::from(self.offsets[register.position()]))
            .min();
        let lowest = saved.unwrap_or(0) * WORD_BYTES as i64;
        -lowest - i64::from(self.end_offset)
    }

    /// Finds the end and then [the caller](Self::caller).
    #[inline(always)]
    pub(crate) fn step<M: StackMemory>(
        &self,
        memory: &M,
        registers: &mut Registers,
    ) -> Result<Step, WalkFault> {
        let end = self.end(registers)?;
        self.caller(memory, registers, end)
    }

    /// Turns the registers of a frame, which ends at [`end`](Self::end), into those of its caller.
    ///
    /// # Errors
    /// [`WalkFault::UnknownRegister`], [`WalkFault::Unreadable`], and [`WalkFault::NotRising`] for a
    /// caller that does not begin above the frame's stack pointer. The registers are then neither
    /// frame's. Registers that an innermost frame saved out of reach are [not known](may_not_have_saved).
    #[inline(always)]
    pub(crate) fn caller<M: StackMemory>(
        &self,
        memory: &M,
        registers: &mut Registers,
        end: usize,
    ) -> Result<Step, WalkFault> {
        let return_address = match self.kind {
            Kind::Call => {
                if end <= registers.sp() {
                    return Err(WalkFault::NotRising);
                }
                read(memory, end, self.offsets[RETURN])?.0
            }
            Kind::Outermost => return Ok(Step::Outermost),
            Kind::Leaf | Kind::Signal => self.unusual_return_address(memory, registers, end)?,
        };
        let saved = registers.set_all_saved(self.saved.into(), |position| {
            read(memory, end, self.offsets[position])
        });
        if let Err(fault) = saved {
            self.set_those_saved(memory, registers, end, fault)?;
        }
        if self.lost != 0 {
            self.forget_lost(registers);
        }
        registers.set(Register::STACK_POINTER, end);
        registers.pc = pc_of_caller(return_address, self.kind == Kind::Signal);
        Ok(Step::Caller(end))
    }

    #[cold]
    fn unusual_return_address<M: StackMemory>(
        &self,
        memory: &M,
        registers: &Registers,
        end: usize,
    ) -> Result<usize, WalkFault> {
        let in_link_register = self.kind == Kind::Leaf;
        check_rise(registers, end, in_link_register)?;
        if !in_link_register {
            return Ok(read(memory, end, self.offsets[RETURN])?.0);
        }
        if matches!(registers.pc, CodeAddress::Return(_)) {
            check_reach(memory, end)?;
        }
        link_register()
            .and_then(|link| registers.get(link))
            .ok_or(WalkFault::UnknownRegister)
    }

    #[cold]
    fn forget_lost(&self, registers: &mut Registers) {
        let lost = |register: &Register| self.lost >> register.position() & 1 != 0;
        for register in Register::BY_POSITION.into_iter().filter(lost) {
            registers.forget(register);
        }
    }

    /// Sets the registers that were saved, and makes unknown those that may not have been.
    #[cold]
    fn set_those_saved<M: StackMemory>(
        &self,
        memory: &M,
        registers: &mut Registers,
        end: usize,
        fault: WalkFault,
    ) -> Result<(), WalkFault> {
        if !may_not_have_saved(registers) {
            return Err(fault);
        }
        for register in Register::BY_POSITION {
            let position = register.position();
            if self.saved >> position & 1 == 0 {
                continue;
            }
            match read(memory, end, self.offsets[position]) {
                Ok((word, home)) => registers.set_saved(register, word, home),
                Err(_) => registers.forget(register),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Row {
    /// The base register, the frame's end in bytes from it, and where what columns of unwind tables
    /// stand for lies, in bytes from the end.
    pub(crate) fn described(&self) -> (Register, i32, Vec<(u16, isize)>) {
        let bytes = |position: usize| isize::from(self.offsets[position]) * 8;
        let mut saved = vec![(RETURN_ADDRESS, bytes(RETURN))];
        for register in Register::BY_POSITION {
            let position = register.position();
            if self.saved >> position & 1 != 0 {
                saved.push((register.dwarf(), bytes(position)));
            }
        }
        (self.base, self.end_offset, saved)
    }
}

/// The address a caller stands at.
#[inline(always)]
pub(crate) const fn pc_of_caller(return_address: usize, is_signal: bool) -> CodeAddress {
    if is_signal {
        CodeAddress::Exact(return_address)
    } else {
        CodeAddress::Return(return_address)
    }
}

/// Checks that a frame ends above its stack pointer, which makes every walk end. Only a frame that
/// has called nothing may be empty, where calls leave the return address in a register. While the
/// stack pointer is not known, which one step ends, any address will do.
#[inline(always)]
pub(crate) fn check_rise(
    registers: &Registers,
    end: usize,
    in_link_register: bool,
) -> Result<(), WalkFault> {
    let sp = registers.sp();
    let may_be_empty = in_link_register && matches!(registers.pc, CodeAddress::Exact(_));
    if end > sp || (end == sp && may_be_empty) {
        Ok(())
    } else {
        Err(WalkFault::NotRising)
    }
}

/// Checks that a caller's stack pointer does not lie beyond the stack, where its return address was
/// not read at a fixed distance from the frame's end: else a walk could go on as long as there are
/// addresses.
pub(crate) fn check_reach<M: StackMemory>(memory: &M, sp: usize) -> Result<(), WalkFault> {
    let below = sp.wrapping_sub(1) / WORD_BYTES * WORD_BYTES;
    memory.word(below).map(|_| ()).ok_or(WalkFault::Unreadable)
}

/// Whether a frame may have trapped before it saved the registers that its unwind table says are
/// saved: Cranelift puts the trap of a stack check that fails behind the function, with the row of the
/// code before it. The places are below the stack pointer then.
pub(crate) fn may_not_have_saved(registers: &Registers) -> bool {
    matches!(registers.pc, CodeAddress::Exact(_))
}

/// The register in which calls leave the return address, if there is one.
#[inline(always)]
pub(crate) fn link_register() -> Option<Register> {
    // Where it is in memory, the column of the return address is the program counter's.
    if RETURN_ADDRESS == PROGRAM_COUNTER {
        None
    } else {
        Register::BY_POSITION.last().copied()
    }
}

/// Whether this is the column that says whether the return address is signed.
pub(crate) fn is_signing(register: gimli::Register) -> bool {
    cfg!(target_arch = "aarch64") && register == gimli::AArch64::RA_SIGN_STATE
}

/// An offset in words, if it is one of whole words and not too far.
pub(crate) fn words(offset: i64) -> Option<i16> {
    let word_bytes = i64::try_from(WORD_BYTES).ok()?;
    (offset % word_bytes == 0)
        .then(|| i16::try_from(offset / word_bytes).ok())
        .flatten()
}

/// The word so many words from the frame's end, and its address.
#[inline(always)]
fn read<M: StackMemory>(memory: &M, end: usize, offset: i16) -> Result<(usize, usize), WalkFault> {
    let home = end.wrapping_add_signed(isize::from(offset) * size_of::<usize>() as isize);
    let word = memory.word(home).ok_or(WalkFault::Unreadable)?;
    Ok((word, home))
}

#[cfg(test)]
mod tests;
