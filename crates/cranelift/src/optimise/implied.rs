//! Tests that earlier ones answer.
//!
//! A cast of what was cast before, a branch on null where null has been ruled out, an element stored
//! where one was loaded: such a test comes out the same each time. The tree of dominators is walked with
//! what tests on the way have told. A test whose outcome is known goes: a trap that is not taken, a
//! branch that leads one way. An index counted up from zero or more, and less than a length as a signed
//! number, is less than it as an unsigned one, as which elements check it.
//!
//! For functions that have been optimised, so that equal values are one. Linear in instructions; for each
//! index dominators are looked through once, up to the loop's beginning.

use super::condition::{self, Condition, Term};
use cranelift_codegen::Context;
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef,
};
use hashbrown::HashMap;

/// Dominators looked through for the bound of an index.
const MOST_DOMINATORS: usize = 64;

/// Drops the tests whose outcome is known. `true` if branches have gone: the flow graph is to be made
/// anew then, and blocks may be unreachable.
pub(super) fn drop_implied(context: &mut Context) -> bool {
    let Some(entry) = context.func.layout.entry_block() else {
        return false;
    };
    let mut walk = Walk {
        func: &mut context.func,
        graph: &context.cfg,
        tree: &context.domtree,
        facts: Facts::default(),
        natural: HashMap::new(),
        has_cut: false,
    };
    let mut steps = vec![Step::Enter(entry)];
    while let Some(step) = steps.pop() {
        match step {
            Step::Enter(block) => {
                steps.push(Step::Leave(walk.facts.trail.len()));
                walk.block(block);
                steps.extend(walk.tree.children(block).map(Step::Enter));
            }
            Step::Leave(mark) => walk.facts.forget(mark),
        }
    }
    walk.has_cut
}

/// What remains of the walk.
enum Step {
    Enter(Block),
    /// To forget what was learnt since the trail had this length.
    Leave(usize),
}

/// What is known where the walk is.
#[derive(Default)]
struct Facts {
    known: HashMap<Condition, bool>,
    /// What was learnt, in order.
    trail: Vec<Condition>,
}

impl Facts {
    fn learn(&mut self, condition: Condition, holds: bool) {
        let before = self.known.insert(condition, holds);
        debug_assert!(before.is_none_or(|before| before == holds), "{condition:?}");
        if before.is_none() {
            self.trail.push(condition);
        }
    }

    fn forget(&mut self, mark: usize) {
        for condition in self.trail.drain(mark..) {
            self.known.remove(&condition);
        }
    }
}

struct Walk<'a> {
    func: &'a mut Function,
    graph: &'a ControlFlowGraph,
    tree: &'a DominatorTree,
    facts: Facts,
    /// Parameters of blocks that are counted up from zero or more, and those that are not.
    natural: HashMap<Value, bool>,
    has_cut: bool,
}

impl Walk<'_> {
    fn block(&mut self, block: Block) {
        if let Some((condition, holds)) = self.on_entry(block) {
            self.facts.learn(condition, holds);
        }
        let mut next = self.func.layout.first_inst(block);
        while let Some(inst) = next {
            next = self.func.layout.next_inst(inst);
            self.test(inst);
        }
    }

    /// Drops a test, or learns from it.
    fn test(&mut self, inst: Inst) {
        match self.func.dfg.insts[inst] {
            InstructionData::CondTrap { opcode, arg, .. } => {
                let (condition, holds) = condition::of(self.func, arg);
                let passes = holds == (opcode == Opcode::Trapz);
                match self.outcome(condition) {
                    Some(outcome) if outcome == passes => self.func.layout.remove_inst(inst),
                    // One that always traps stays: it ends the program.
                    Some(_) => {}
                    None => self.facts.learn(condition, passes),
                }
            }
            InstructionData::Brif { arg, blocks, .. } => {
                let (condition, holds) = condition::of(self.func, arg);
                if let Some(outcome) = self.outcome(condition) {
                    let to = blocks[usize::from(outcome != holds)];
                    let lists = &self.func.dfg.value_lists;
                    let (block, arguments) = (to.block(lists), to.args(lists));
                    let arguments: Vec<BlockArg> = arguments.collect();
                    self.func.replace(inst).jump(block, &arguments);
                    self.has_cut = true;
                }
            }
            _ => {}
        }
    }

    /// What the branch that leads to a block tells, if only one does.
    fn on_entry(&self, block: Block) -> Option<(Condition, bool)> {
        let mut predecessors = self.graph.pred_iter(block);
        let predecessor = predecessors.next()?;
        if predecessors.next().is_some() {
            return None;
        }
        let InstructionData::Brif { arg, blocks, .. } = self.func.dfg.insts[predecessor.inst]
        else {
            return None;
        };
        let [then, otherwise] = blocks.map(|to| to.block(&self.func.dfg.value_lists));
        let (condition, holds) = condition::of(self.func, arg);
        (then != otherwise).then_some((condition, holds == (then == block)))
    }

    /// Whether a condition holds, if that is known.
    fn outcome(&mut self, condition: Condition) -> Option<bool> {
        let known = self.facts.known.get(&condition).copied();
        known.or_else(|| {
            let below = condition.as_signed()?;
            let is_below = self.facts.known.get(&below) == Some(&true);
            (is_below && self.is_natural(condition.lesser()?)).then_some(true)
        })
    }

    /// Whether a number is not negative: a constant, or counted up from one.
    fn is_natural(&mut self, term: Term) -> bool {
        let value = match term {
            Term::Constant(constant) => return constant >= 0,
            Term::Masked(_, mask) => return mask >= 0,
            Term::Plus(..) => return false,
            Term::Value(value) => value,
        };
        if let Some(is_natural) = self.natural.get(&value) {
            return *is_natural;
        }
        let is_natural = self.is_counted_up(value);
        self.natural.insert(value, is_natural);
        is_natural
    }

    /// Whether a value is a parameter of a loop that begins with a constant that is not negative, and goes
    /// on with one more where it is less than something.
    fn is_counted_up(&self, value: Value) -> bool {
        let ValueDef::Param(block, index) = self.func.dfg.value_def(value) else {
            return false;
        };
        if self.func.layout.entry_block() == Some(block) {
            return false;
        }
        let mut predecessors = self.graph.pred_iter(block);
        predecessors.all(|predecessor| {
            let dfg = &self.func.dfg;
            let targets = dfg.insts[predecessor.inst]
                .branch_destination(&dfg.jump_tables, &dfg.exception_tables);
            let arguments = targets
                .iter()
                .filter(|to| to.block(&dfg.value_lists) == block)
                .map(|to| to.args(&dfg.value_lists).nth(index));
            arguments.into_iter().all(|argument| {
                let Some(BlockArg::Value(argument)) = argument else {
                    return false;
                };
                match condition::term(self.func, argument) {
                    Term::Constant(constant) => constant >= 0,
                    Term::Plus(counted, 1) => {
                        counted == value && self.is_bounded(value, predecessor.block, block)
                    }
                    _ => false,
                }
            })
        })
    }

    /// Whether a value is less than some other as signed numbers at the end of a block, by a test since
    /// `start`, so that one more does not wrap.
    fn is_bounded(&self, value: Value, mut block: Block, start: Block) -> bool {
        for _ in 0..MOST_DOMINATORS {
            if block == start {
                return false;
            }
            if let Some((condition, true)) = self.on_entry(block)
                && condition.is_signed()
                && condition.lesser() == Some(Term::Value(value))
            {
                return true;
            }
            let Some(dominator) = self.tree.idom(block) else {
                return false;
            };
            block = dominator;
        }
        false
    }
}
