//! What tests ask, in one form for all ways to ask the same.

use crate::emitter::integer;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Function, InstructionData, Opcode, Value};

/// Something that holds or does not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Condition {
    Nonzero(Term),
    Equal(Term, Term),
    Less {
        is_signed: bool,
        lesser: Term,
        greater: Term,
    },
}

/// A number, seen through the instructions that the optimiser makes anew in each block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Term {
    Constant(i64),
    Value(Value),
    Masked(Value, i64),
    Plus(Value, i64),
}

impl Condition {
    /// The same comparison of signed numbers, for one of unsigned ones.
    pub(super) fn as_signed(self) -> Option<Self> {
        match self {
            Self::Less {
                is_signed: false,
                lesser,
                greater,
            } => Some(Self::Less {
                is_signed: true,
                lesser,
                greater,
            }),
            _ => None,
        }
    }

    /// Whether this compares signed numbers.
    pub(super) fn is_signed(self) -> bool {
        matches!(
            self,
            Self::Less {
                is_signed: true,
                ..
            }
        )
    }

    /// What a comparison says is less.
    pub(super) fn lesser(self) -> Option<Term> {
        match self {
            Self::Less { lesser, .. } => Some(lesser),
            _ => None,
        }
    }
}

/// What is asked by testing `value` for zero, and the answer if it is not zero.
pub(super) fn of(func: &Function, value: Value) -> (Condition, bool) {
    let nonzero = (Condition::Nonzero(term(func, value)), true);
    let Some(inst) = func.dfg.value_def(value).inst() else {
        return nonzero;
    };
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend | Opcode::Sextend,
            arg,
        } => of(func, arg),
        InstructionData::IntCompare { cond, args, .. } => {
            let [left, right] = args.map(|arg| term(func, arg));
            match (cond, right) {
                (IntCC::Equal, Term::Constant(0)) => {
                    let (condition, holds) = of(func, args[0]);
                    (condition, !holds)
                }
                (IntCC::NotEqual, Term::Constant(0)) => of(func, args[0]),
                _ => compare(cond, left, right),
            }
        }
        _ => nonzero,
    }
}

fn compare(cond: IntCC, left: Term, right: Term) -> (Condition, bool) {
    let less = |is_signed, lesser, greater| Condition::Less {
        is_signed,
        lesser,
        greater,
    };
    match cond {
        IntCC::Equal => (Condition::Equal(left, right), true),
        IntCC::NotEqual => (Condition::Equal(left, right), false),
        IntCC::SignedLessThan => (less(true, left, right), true),
        IntCC::SignedGreaterThanOrEqual => (less(true, left, right), false),
        IntCC::SignedGreaterThan => (less(true, right, left), true),
        IntCC::SignedLessThanOrEqual => (less(true, right, left), false),
        IntCC::UnsignedLessThan => (less(false, left, right), true),
        IntCC::UnsignedGreaterThanOrEqual => (less(false, left, right), false),
        IntCC::UnsignedGreaterThan => (less(false, right, left), true),
        IntCC::UnsignedLessThanOrEqual => (less(false, right, left), false),
    }
}

/// A value as a term.
pub(super) fn term(func: &Function, value: Value) -> Term {
    if let Some(constant) = integer(func, value) {
        return Term::Constant(constant);
    }
    let inst = func.dfg.value_def(value).inst();
    let Some(InstructionData::Binary { opcode, args }) = inst.map(|inst| func.dfg.insts[inst])
    else {
        return Term::Value(value);
    };
    let (value_of, constant) = match args.map(|arg| integer(func, arg)) {
        [None, Some(constant)] => (args[0], constant),
        [Some(constant), None] => (args[1], constant),
        _ => return Term::Value(value),
    };
    match opcode {
        Opcode::Band => Term::Masked(value_of, constant),
        Opcode::Iadd => Term::Plus(value_of, constant),
        _ => Term::Value(value),
    }
}
