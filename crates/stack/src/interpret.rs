//! Rows of unwind tables that have no compact form, evaluated at each step.
//!
//! Expressions stand in the tables of signal trampolines, of procedure linkage tables and of
//! functions that realign their stack, and cost some hundred nanoseconds a frame. They see the
//! registers that walks keep track of, the address the frame stands at and the memory of the stack;
//! one that asks for anything else is refused. They may loop, so their steps are bounded.

use crate::frame_section::Bytes;
use crate::registers::{PROGRAM_COUNTER, RETURN_ADDRESS, Register, Registers};
use crate::row::{
    Step, check_reach, check_rise, is_signing, link_register, may_not_have_saved, pc_of_caller,
    words,
};
use crate::walk::{StackMemory, WORD_BYTES, WalkFault};
use gimli::{
    CfaRule, CommonInformationEntry, EhFrame, EvaluationResult, Format, RegisterRule, UnitOffset,
    UnwindExpression, UnwindTableRow, Value,
};

/// Steps an expression may take; those in use take a dozen.
const MAX_OPERATIONS: u32 = 1000;

/// The bits of an address that are left when the signature of a signed one is taken off.
const UNSIGNED: usize = usize::MAX >> 16;

/// A register of the caller.
enum Found {
    /// As in the frame itself.
    Same,
    /// Not to be known.
    Lost,
    /// A word, and its address, or zero.
    Word(usize, usize),
}

/// A row, and the frame it is to be applied to.
pub(crate) struct Interpreter<'a, M> {
    /// Where the expressions are.
    pub(crate) section: &'a EhFrame<Bytes<'a>>,
    /// The row for the address the frame stands at.
    pub(crate) row: &'a UnwindTableRow<usize>,
    /// What its entry shares with others.
    pub(crate) cie: &'a CommonInformationEntry<Bytes<'a>>,
    /// Memory that holds the stack.
    pub(crate) memory: &'a M,
    /// The frame's registers.
    pub(crate) registers: Registers,
}

impl<M: StackMemory> Interpreter<'_, M> {
    /// The caller's registers.
    pub(crate) fn caller(&self) -> Result<(Step, Registers), WalkFault> {
        let column = self.cie.return_address_register();
        if column.0 != RETURN_ADDRESS {
            return Err(WalkFault::BadUnwindInfo);
        }
        let return_rule = self.row.register(column).unwrap_or(RegisterRule::SameValue);
        if return_rule == RegisterRule::Undefined {
            return Ok((Step::Outermost, self.registers));
        }
        let end = self.end()?;
        let is_signal = self.cie.is_signal_trampoline();
        let in_link_register = return_rule == RegisterRule::SameValue && !is_signal;
        check_rise(&self.registers, end, in_link_register)?;
        let mut return_address = match self.find(&return_rule, end)? {
            Found::Word(word, _) => word,
            Found::Lost => return Err(WalkFault::UnknownRegister),
            Found::Same => {
                let link = link_register().ok_or(WalkFault::BadUnwindInfo)?;
                self.registers.get(link).ok_or(WalkFault::UnknownRegister)?
            }
        };
        let mut caller = self.registers;
        caller.set(Register::STACK_POINTER, end);
        for (number, rule) in self.row.registers() {
            if is_signing(*number) && *rule != RegisterRule::Constant(0) {
                return_address &= UNSIGNED;
            }
            let Some(register) = Register::from_dwarf(number.0) else {
                continue;
            };
            let found = match self.find(rule, end) {
                Err(_) if self.is_out_of_reach(rule) => Found::Lost,
                found => found?,
            };
            match found {
                Found::Same => {
                    if let Some(word) = self.registers.get(register) {
                        let home = self.registers.home(register).unwrap_or(0);
                        caller.set_saved(register, word, home);
                    }
                }
                Found::Lost => caller.forget(register),
                Found::Word(word, home) => caller.set_saved(register, word, home),
            }
        }
        // A rule of its own for the stack pointer must make it rise as well.
        let sp = caller
            .get(Register::STACK_POINTER)
            .ok_or(WalkFault::UnknownRegister)?;
        check_rise(&self.registers, sp, in_link_register)?;
        let is_bounded = match return_rule {
            RegisterRule::Offset(offset) => words(offset).is_some() && sp == end,
            _ => in_link_register && may_not_have_saved(&self.registers),
        };
        if !is_bounded {
            check_reach(self.memory, sp)?;
        }
        caller.pc = pc_of_caller(return_address, is_signal);
        Ok((Step::Caller(end), caller))
    }

    /// Whether what a rule could not find may be a register that is not saved yet.
    fn is_out_of_reach(&self, rule: &RegisterRule<usize>) -> bool {
        matches!(rule, RegisterRule::Offset(_)) && may_not_have_saved(&self.registers)
    }

    /// The frame's end.
    fn end(&self) -> Result<usize, WalkFault> {
        match self.row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                let base = self.register(*register).ok_or(WalkFault::UnknownRegister)?;
                displaced(base, *offset)
            }
            CfaRule::Expression(expression) => self.evaluate(*expression, None),
        }
    }

    /// What a rule says.
    fn find(&self, rule: &RegisterRule<usize>, end: usize) -> Result<Found, WalkFault> {
        let saved_at = |home| {
            let word = self.memory.word(home).ok_or(WalkFault::Unreadable)?;
            Ok(Found::Word(word, home))
        };
        let found = match *rule {
            RegisterRule::SameValue => Ok(Found::Same),
            RegisterRule::Undefined => Ok(Found::Lost),
            RegisterRule::Offset(offset) => saved_at(displaced(end, offset)?),
            RegisterRule::ValOffset(offset) => Ok(Found::Word(displaced(end, offset)?, 0)),
            RegisterRule::Register(other) => {
                let home = Register::from_dwarf(other.0)
                    .and_then(|other| self.registers.home(other))
                    .unwrap_or(0);
                let word = self.register(other);
                Ok(word.map_or(Found::Lost, |word| Found::Word(word, home)))
            }
            RegisterRule::Expression(expression) => {
                self.evaluate(expression, Some(end)).and_then(saved_at)
            }
            RegisterRule::ValExpression(expression) => self
                .evaluate(expression, Some(end))
                .map(|word| Found::Word(word, 0)),
            _ => Err(WalkFault::BadUnwindInfo),
        };
        match found {
            Err(WalkFault::UnknownRegister) => Ok(Found::Lost),
            found => found,
        }
    }

    /// A register by its number in DWARF.
    fn register(&self, number: gimli::Register) -> Option<usize> {
        if number.0 == PROGRAM_COUNTER {
            return Some(self.registers.pc.address());
        }
        self.registers.get(Register::from_dwarf(number.0)?)
    }

    /// The value of an expression, which finds the frame's end on its stack if it is known.
    fn evaluate(
        &self,
        expression: UnwindExpression<usize>,
        end: Option<usize>,
    ) -> Result<usize, WalkFault> {
        let bad = |_: gimli::Error| WalkFault::BadUnwindInfo;
        let encoding = gimli::Encoding {
            address_size: u8::try_from(WORD_BYTES).map_err(|_| WalkFault::BadUnwindInfo)?,
            format: Format::Dwarf32,
            version: 4,
        };
        let expression = expression.get(self.section).map_err(bad)?;
        if has_huge_piece(expression.0.slice()) {
            return Err(WalkFault::BadUnwindInfo);
        }
        let mut evaluation = expression.evaluation(encoding);
        evaluation.set_max_iterations(MAX_OPERATIONS);
        if let Some(end) = end {
            evaluation.set_initial_value(end as u64);
        }
        let mut state = evaluation.evaluate().map_err(bad)?;
        loop {
            let value = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory {
                    address,
                    size,
                    space: None,
                    base_type: UnitOffset(0),
                } if usize::from(size) == WORD_BYTES => usize::try_from(address)
                    .ok()
                    .and_then(|address| self.memory.word(address))
                    .ok_or(WalkFault::Unreadable)?,
                EvaluationResult::RequiresRegister {
                    register,
                    base_type: UnitOffset(0),
                } => self.register(register).ok_or(WalkFault::UnknownRegister)?,
                _ => return Err(WalkFault::BadUnwindInfo),
            };
            let value = Value::Generic(value as u64);
            state = if matches!(state, EvaluationResult::RequiresMemory { .. }) {
                evaluation.resume_with_memory(value)
            } else {
                evaluation.resume_with_register(value)
            }
            .map_err(bad)?;
        }
        // None if the expression names not an address but a register or the like.
        let value = evaluation.value_result().ok_or(WalkFault::BadUnwindInfo)?;
        let value = value.to_u64(u64::MAX).map_err(bad)?;
        usize::try_from(value).map_err(|_| WalkFault::BadUnwindInfo)
    }
}

/// Whether an expression names a piece of so many bytes, which no address has, that their bits cannot
/// be counted: gimli 0.33 overflows, and panics in builds with checks. A size takes seven bits a byte.
fn has_huge_piece(expression: &[u8]) -> bool {
    let is_huge = |bytes: &[u8]| {
        bytes[0] == gimli::DW_OP_piece.0 && bytes[1..].iter().all(|byte| byte & 0x80 != 0)
    };
    expression.windows(9).any(is_huge)
}

/// The address so many bytes from another.
fn displaced(address: usize, offset: i64) -> Result<usize, WalkFault> {
    isize::try_from(offset)
        .ok()
        .and_then(|offset| address.checked_add_signed(offset))
        .ok_or(WalkFault::BadUnwindInfo)
}
