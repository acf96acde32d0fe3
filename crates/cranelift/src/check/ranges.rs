//! Where references and what is derived from them live: across which safepoints.
//!
//! Each value is followed backwards from its uses to its definition, so the cost is that of the
//! blocks in which such values live.

use super::homes::Homes;
use super::kinds::{Kind, Kinds};
use super::program::Program;
use super::{Problem, Violation};
use cranelift_codegen::ir::{Block, Inst, Value};
use hashbrown::HashMap;

/// Checks that nothing lives across a safepoint that must not.
pub(super) fn check(
    program: &Program<'_>,
    kinds: &Kinds,
    homes: &Homes<'_>,
) -> Result<(), Violation> {
    if program.safepoints.is_empty() {
        return Ok(());
    }
    let mut uses = Vec::new();
    for inst in program.insts() {
        let block = program.block(inst);
        let args = program.args(inst);
        uses.extend(args.map(|value| (value, block, program.number(inst))));
        let passed = program.passed(inst);
        uses.extend(passed.map(|value| (value, block, program.passes_at(inst))));
    }
    uses.retain(|(value, ..)| kinds.of(*value) != Kind::Plain);
    uses.sort_unstable();
    for uses in uses.chunk_by(|(first, ..), (second, ..)| first == second) {
        let (value, ..) = uses[0];
        each_crossed(program, value, uses, |call| {
            homes.may_cross(program, kinds, call, value)
        })?;
    }
    Ok(())
}

impl Homes<'_> {
    /// Whether a value may live across a safepoint.
    fn may_cross(
        &self,
        program: &Program<'_>,
        kinds: &Kinds,
        call: Inst,
        value: Value,
    ) -> Result<(), Violation> {
        let problem = match (kinds.of(value), self.moves_objects()) {
            (Kind::Reference, true) => Problem::LivesAcross { value },
            (Kind::Derived, _) => Problem::DerivedLivesAcross { value },
            (Kind::Reference, false) if self.holding(call, value) == 0 => {
                Problem::Missing { value }
            }
            _ => return Ok(()),
        };
        Err(program.violation(call, problem))
    }
}

/// Calls `check` with each safepoint that a value lives across; with some more than once.
fn each_crossed(
    program: &Program<'_>,
    value: Value,
    uses: &[(Value, Block, u32)],
    mut check: impl FnMut(Inst) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let Some((home, defined)) = program.definition(value) else {
        return Ok(());
    };
    // Up to where each block was looked at already.
    let mut seen: HashMap<Block, u32> = HashMap::new();
    let mut todo: Vec<(Block, u32)> = uses.iter().map(|(_, block, at)| (*block, *at)).collect();
    while let Some((block, until)) = todo.pop() {
        let looked = seen.entry(block).or_insert(0);
        if *looked >= until {
            continue;
        }
        let is_new = *looked == 0;
        *looked = until;
        let from = if block == home {
            defined
        } else {
            program.span(block).0
        };
        for (_, call) in program.safepoints_between(from, until) {
            check(*call)?;
        }
        if block != home && is_new {
            let before = program.predecessors(block);
            todo.extend(before.map(|block| (block, program.span(block).1)));
        }
    }
    Ok(())
}
