//! The operand stack: values, and references that may have moved to their homes.
//!
//! An operand is pushed as a plain value. At a safepoint every reference on the stack is moved to
//! the [`RefVar`] of its position and stays there until it is popped, because afterwards the value
//! is stale. References below a control frame are moved when the frame begins: were one of them
//! moved within an arm, its variable would be unset on the paths through another.

use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use windrow_cranelift::{RefFrame, RefVar};

#[derive(Clone, Copy, Debug)]
enum Place {
    Value(Value),
    Home(RefVar),
}

/// What the validator knows of an operand, as far as code depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct OperandType {
    /// Whether it is a collected reference, to be named in stack maps.
    pub(crate) is_ref: bool,
    /// Whether it is a reference of any kind that may be null.
    pub(crate) nullable: bool,
    /// Whether it is a reference that may be an `i31`.
    pub(crate) may_be_i31: bool,
}

#[derive(Clone, Copy, Debug)]
struct Operand {
    place: Place,
    ty: OperandType,
}

/// The operands of the function under translation.
#[derive(Debug, Default)]
pub(crate) struct OperandStack {
    operands: Vec<Operand>,
    /// The variable of each position, made when first needed.
    homes: Vec<Option<RefVar>>,
    /// Operands from here up were pushed since types were last told.
    untyped_from: usize,
}

impl OperandStack {
    /// How many operands there are.
    pub(crate) fn len(&self) -> usize {
        self.operands.len()
    }

    /// Pushes a value. Its type is to be told by [`Self::set_types`] before the next operator.
    pub(crate) fn push(&mut self, value: Value) {
        self.untyped_from = self.untyped_from.min(self.operands.len());
        self.operands.push(Operand {
            place: Place::Value(value),
            ty: OperandType::default(),
        });
    }

    /// Tells the types of the operands just pushed, by distance from the top and value.
    pub(crate) fn set_types(&mut self, mut ty: impl FnMut(usize, Value) -> OperandType) {
        let len = self.operands.len();
        for (index, operand) in self.operands.iter_mut().enumerate().skip(self.untyped_from) {
            if let Place::Value(value) = operand.place {
                operand.ty = ty(len - 1 - index, value);
            }
        }
        self.untyped_from = len;
    }

    /// Pops an operand.
    ///
    /// # Panics
    /// If there is none, which validation rules out.
    pub(crate) fn pop(&mut self, b: &mut FunctionBuilder<'_>) -> Value {
        let value = self.peek(b, 0);
        self.truncate(self.operands.len() - 1);
        value
    }

    /// The operand at a distance from the top.
    ///
    /// # Panics
    /// If there is none, which validation rules out.
    pub(crate) fn peek(&self, b: &mut FunctionBuilder<'_>, distance: usize) -> Value {
        let index = self
            .operands
            .len()
            .checked_sub(distance + 1)
            .expect("validated operands are there");
        match self.operands[index].place {
            Place::Value(value) => value,
            Place::Home(var) => b.use_var(var.variable()),
        }
    }

    /// The type of the operand at a distance from the top.
    ///
    /// # Panics
    /// If there is none, which validation rules out.
    pub(crate) fn ty(&self, distance: usize) -> OperandType {
        let index = self
            .operands
            .len()
            .checked_sub(distance + 1)
            .expect("validated operands are there");
        self.operands[index].ty
    }

    /// Pops operands, returned in the order in which they were pushed.
    pub(crate) fn pop_many(&mut self, b: &mut FunctionBuilder<'_>, count: usize) -> Vec<Value> {
        let values = self.peek_many(b, count);
        self.truncate(self.operands.len() - count);
        values
    }

    /// The topmost operands in the order in which they were pushed.
    pub(crate) fn peek_many(&self, b: &mut FunctionBuilder<'_>, count: usize) -> Vec<Value> {
        (0..count)
            .rev()
            .map(|distance| self.peek(b, distance))
            .collect()
    }

    /// Drops all operands from `len` up.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.operands.truncate(len);
        self.untyped_from = self.untyped_from.min(len);
    }

    /// Moves the references among the operands in `from..to` to their homes.
    pub(crate) fn move_to_homes(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        from: usize,
        to: usize,
    ) {
        debug_assert!(
            self.untyped_from >= self.operands.len(),
            "types are told before operands move"
        );
        self.homes.resize(self.homes.len().max(to), None);
        for (operand, home) in self.operands[from..to]
            .iter_mut()
            .zip(&mut self.homes[from..to])
        {
            if let Place::Value(value) = operand.place
                && operand.ty.is_ref
            {
                let var = *home.get_or_insert_with(|| frame.declare(b));
                frame.set(b, var, value);
                operand.place = Place::Home(var);
            }
        }
    }

    /// The variables of the references in `from..`. Those that have not moved to their homes are
    /// left out.
    pub(crate) fn homes(&self, from: usize) -> impl Iterator<Item = RefVar> + '_ {
        self.operands
            .iter()
            .skip(from)
            .filter_map(|operand| match operand.place {
                Place::Home(var) => Some(var),
                Place::Value(_) => None,
            })
    }
}
