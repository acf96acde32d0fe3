//! The locals: plain frontend variables, and reference variables for collected references.

use super::clif_type;
use super::liveness::Liveness;
use crate::env::Repr;
use cranelift_codegen::ir::{Block, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use windrow_cranelift::{RefFrame, RefVar};

#[derive(Clone, Copy, Debug)]
struct Local {
    variable: Variable,
    /// Its number among reference locals.
    reference: Option<u32>,
}

/// The locals of the function under translation.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    locals: Vec<Local>,
    refs: Vec<RefVar>,
    /// The null that dead locals are set to; it dominates everything.
    null: Option<Value>,
    /// Which reference locals were set to null in the block `known_in`, and not set since.
    known_null: Vec<u64>,
    known_in: Option<Block>,
}

impl Locals {
    /// No locals. `null` is defined in the entry block.
    pub(crate) fn new(null: Value) -> Self {
        Self {
            null: Some(null),
            ..Self::default()
        }
    }

    /// Declares the next local with its first value.
    pub(crate) fn declare(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        repr: Repr,
        value: Value,
    ) {
        let (variable, reference) = if repr == Repr::Gc {
            let var = frame.declare(b);
            let index = self.refs();
            self.refs.push(var);
            (var.variable(), Some(index))
        } else {
            (b.declare_var(clif_type(repr)), None)
        };
        b.def_var(variable, value);
        self.locals.push(Local {
            variable,
            reference,
        });
        self.known_null.resize(self.refs.len().div_ceil(64), 0);
    }

    /// How many reference locals there are.
    ///
    /// # Panics
    /// Beyond 2^32, which the validator's limit on locals rules out.
    pub(crate) fn refs(&self) -> u32 {
        u32::try_from(self.refs.len()).expect("a function has at most 50,000 locals")
    }

    /// A local's number among reference locals. The index need not be valid.
    pub(crate) fn ref_index(&self, local: u32) -> Option<u32> {
        self.locals.get(local as usize)?.reference
    }

    /// A local's value.
    pub(crate) fn value(&self, b: &mut FunctionBuilder<'_>, local: u32) -> Value {
        b.use_var(self.local(local).variable)
    }

    /// Sets a local.
    pub(crate) fn set(&mut self, b: &mut FunctionBuilder<'_>, local: u32, value: Value) {
        let Local {
            variable,
            reference,
        } = self.local(local);
        b.def_var(variable, value);
        if let Some(index) = reference
            && let Some(word) = self.known_null.get_mut(index as usize / 64)
        {
            *word &= !(1 << (index % 64));
        }
    }

    /// The reference locals that are live after a safepoint.
    pub(crate) fn live(
        &self,
        liveness: &Liveness,
        safepoint: usize,
    ) -> impl Iterator<Item = RefVar> {
        self.refs
            .chunks(64)
            .enumerate()
            .flat_map(move |(word, refs)| {
                let live = liveness.live_word(safepoint, word);
                refs.iter()
                    .enumerate()
                    .filter(move |(bit, _)| live >> bit & 1 == 1)
                    .map(|(_, var)| *var)
            })
    }

    /// Sets the reference locals that are dead after a safepoint to null. Costs no code: nothing
    /// reads them, unless the analysis is wrong, and then they read as null.
    pub(crate) fn kill_dead(
        &mut self,
        b: &mut FunctionBuilder<'_>,
        frame: &mut RefFrame,
        liveness: &Liveness,
        safepoint: usize,
    ) {
        let Some(null) = self.null else { return };
        let block = b.current_block();
        if self.known_in != block {
            self.known_in = block;
            self.known_null.fill(0);
        }
        for (word, (refs, known)) in self.refs.chunks(64).zip(&mut self.known_null).enumerate() {
            let dead = !liveness.live_word(safepoint, word);
            let mut kill = dead & !*known;
            *known |= dead;
            while kill != 0 {
                if let Some(var) = refs.get(kill.trailing_zeros() as usize) {
                    frame.set(b, *var, null);
                }
                kill &= kill - 1;
            }
        }
    }

    fn local(&self, local: u32) -> Local {
        *self
            .locals
            .get(local as usize)
            .expect("a validated local index is in range")
    }
}
