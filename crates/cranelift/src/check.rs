//! A checker of safepoints: does emitted CLIF keep every reference where a collection finds it?
//!
//! It knows nothing of [`RefFrame`](crate::RefFrame). What is a reference it learns from a
//! [`GroundTruth`], which a compiler answers from what it believes without help of its own
//! bookkeeping: a validator's types, the signatures of what is called. From there:
//!
//! 1. `kinds`: what copies a reference (block parameters, `select`, changes of width) is one too, what
//!    is computed from one is *derived*;
//! 2. `homes`: a place on the stack that a map names, or to which a reference is stored, is a home.
//!    Where it is named or loaded it holds a reference on every path: it was stored, and every
//!    safepoint since named it;
//! 3. `ranges`: no derived value lives across a safepoint, and where objects move no reference
//!    does: each is loaded from its home again. Where they stay, each that lives across is in a
//!    home that the map names;
//! 4. what the truth says survives a safepoint is in a home that its map names.
//!
//! Handlers of exceptions are successors of their call like any other. Run it on a function as the
//! builder leaves it, before any optimisation. Time is near linear as long as values and homes are
//! used near their definitions, which is what calls enforce. It does not follow homes whose
//! addresses are computed, stored or passed on: it refuses them.

mod homes;
mod kinds;
mod program;
mod ranges;
mod violation;

#[cfg(test)]
mod tests;

pub use violation::{Problem, Violation};

use crate::emitter::constant_in;
use cranelift_codegen::ir::{Function, Inst, Value};
use homes::Homes;
use kinds::Kinds;
use program::Program;

/// What is known of a value for sure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is a collected reference, which may be null or an `i31`.
    Reference,
    /// It is none, nor an address made from one.
    Number,
    /// It takes the place of a reference that is dead, so nothing may use it.
    Dead,
}

/// What a compiler knows of its function without regard to safepoints.
pub trait GroundTruth {
    /// Whether collections move objects.
    fn moves_objects(&self) -> bool;

    /// What is known of `value`, which is no alias. It is enough to tell it where references come
    /// from: parameters, loads, results of calls.
    fn claim(&self, func: &Function, value: Value) -> Option<Claim>;

    /// Whether a collection may happen in `call`. Calls with stack maps are safepoints anyway.
    fn may_collect(&self, func: &Function, call: Inst) -> bool;

    /// References, as they are before `call`, that are wanted after it whatever the code at hand
    /// does with them: operands of a stack machine, say. One that is listed several times is to be
    /// in as many homes. Constants that refer to no object can be left out, unless a home is to
    /// hold them. By default none is known.
    fn surviving(&self, func: &Function, call: Inst) -> &[Value] {
        let _ = (func, call);
        &[]
    }
}

/// Checks every safepoint of a function.
///
/// # Errors
/// The first [`Violation`] found: a collection at a safepoint would miss a reference or take
/// something else for one.
pub fn check_safepoints(func: &Function, truth: &dyn GroundTruth) -> Result<(), Violation> {
    let program = Program::new(func, truth)?;
    for inst in program.insts() {
        let mut used = program.args(inst).chain(program.passed(inst));
        if let Some(value) = used.find(|value| truth.claim(func, *value) == Some(Claim::Dead)) {
            return Err(program.violation(inst, Problem::UsesDead { value }));
        }
    }
    let mut places = homes::named(&program);
    let kinds = loop {
        let kinds = Kinds::new(&program, truth, &places)?;
        let known = places.len();
        places.extend(homes::stored(&program, &kinds));
        if places.len() == known {
            break kinds;
        }
    };
    let homes = Homes::new(&program, &kinds, places, truth.moves_objects())?;
    homes.check()?;
    for &(_, call) in &program.safepoints {
        let surviving = truth.surviving(func, call).iter();
        let mut surviving: Vec<Value> = surviving
            .map(|value| func.dfg.resolve_aliases(*value))
            .collect();
        surviving.sort_unstable();
        for same in surviving.chunk_by(|first, second| first == second) {
            if homes.holding(call, same[0]) < same.len() {
                return Err(program.violation(call, Problem::Missing { value: same[0] }));
            }
        }
    }
    ranges::check(&program, &kinds, &homes)
}

/// Whether a value is a constant that refers to no object.
fn is_no_object(func: &Function, value: Value) -> bool {
    constant_in(func, value).is_some_and(|bits| bits == 0 || bits & 1 == 1)
}
