//! Which values are references, and which are made from references.
//!
//! Copies (block parameters, `select`, changes of width) make references of their results, and of their
//! sources: what becomes a reference was one. Copies of nothing but null and `i31` constants are references
//! where a home holds them. Anything computed from a reference is derived, until a load,
//! a comparison or a call yields something else, or the truth says that it is a number.

use super::homes::{Place, place_of};
use super::program::Program;
use super::{Claim, GroundTruth, Problem, Violation, is_no_object};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Function, Inst, Opcode, Value, ValueDef};
use hashbrown::HashSet;
use smallvec::SmallVec;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Kind {
    /// Nothing that a collection is concerned with.
    #[default]
    Plain,
    Reference,
    Derived,
}

type Values = SmallVec<[Value; 2]>;

/// The kinds of all values.
pub(super) struct Kinds {
    kinds: SecondaryMap<Value, Kind>,
}

/// How values lead to values.
#[derive(Default)]
struct Flow {
    copies: SecondaryMap<Value, Values>,
    sources: SecondaryMap<Value, Values>,
    computed: SecondaryMap<Value, Values>,
    /// Block parameters that results of calls become.
    results: HashSet<Value>,
}

impl Flow {
    fn new(program: &Program<'_>) -> Self {
        let mut flow = Self::default();
        for inst in program.insts() {
            for (value, param) in program.edges(inst) {
                match value {
                    Some(value) => flow.copy(value, param),
                    None => {
                        flow.results.insert(param);
                    }
                }
            }
            flow.inst(program, inst);
        }
        flow
    }

    fn copy(&mut self, from: Value, to: Value) {
        self.copies[from].push(to);
        self.sources[to].push(from);
    }

    fn inst(&mut self, program: &Program<'_>, inst: Inst) {
        let dfg = &program.func.dfg;
        let opcode = dfg.insts[inst].opcode();
        let ends =
            opcode.can_load() || opcode.is_call() || matches!(opcode, Opcode::Icmp | Opcode::Fcmp);
        let Some(&result) = dfg.inst_results(inst).first() else {
            return;
        };
        if ends {
            return;
        }
        let copied = match opcode {
            Opcode::Select | Opcode::SelectSpectreGuard => Some(1),
            Opcode::Uextend | Opcode::Ireduce => Some(0),
            _ => None,
        };
        if let Some(first) = copied {
            for arg in program.args(inst).skip(first) {
                self.copy(arg, result);
            }
        } else {
            for arg in program.args(inst) {
                self.computed[arg].push(result);
            }
        }
    }

    /// The values that are copied to one that is no reference so far, itself included, if they are
    /// all made of constants that refer to no object.
    fn copies_of_no_object(&self, func: &Function, value: Value) -> Option<HashSet<Value>> {
        let mut seen = HashSet::new();
        let mut todo = vec![value];
        while let Some(value) = todo.pop() {
            if is_no_object(func, value) || !seen.insert(value) {
                continue;
            }
            let sources = &self.sources[value];
            if sources.is_empty() || self.results.contains(&value) {
                return None;
            }
            todo.extend(sources);
        }
        Some(seen)
    }
}

impl Kinds {
    pub(super) fn new(
        program: &Program<'_>,
        truth: &dyn GroundTruth,
        named: &HashSet<Place>,
    ) -> Result<Self, Violation> {
        let func = program.func;
        let flow = Flow::new(program);
        let mut kinds = Self {
            kinds: SecondaryMap::new(),
        };
        let mut numbers = HashSet::new();
        let mut todo = Vec::new();
        let params = func
            .layout
            .blocks()
            .map(|block| func.dfg.block_params(block));
        let results = program.insts().map(|inst| func.dfg.inst_results(inst));
        for value in params.chain(results).flatten() {
            match truth.claim(func, *value) {
                Some(Claim::Reference) => todo.push(*value),
                Some(Claim::Number) => {
                    numbers.insert(*value);
                }
                Some(Claim::Dead) | None => {}
            }
        }
        let is_home = |inst| place_of(func, inst).is_some_and(|place| named.contains(&place));
        let mut stored = Vec::new();
        for inst in program.insts().filter(|inst| is_home(*inst)) {
            match func.dfg.inst_results(inst) {
                [loaded, ..] => todo.push(*loaded),
                [] => stored.extend(program.args(inst).next()),
            }
        }

        let mut references = Vec::new();
        while let Some(value) = todo.pop() {
            if kinds.kinds[value] == Kind::Reference || is_no_object(func, value) {
                continue;
            }
            if numbers.contains(&value) {
                let inst = first_inst(program, value);
                return Err(program.violation(inst, Problem::Confused { value }));
            }
            kinds.kinds[value] = Kind::Reference;
            references.push(value);
            todo.extend(&flow.copies[value]);
            todo.extend(&flow.sources[value]);
        }
        for value in stored {
            if kinds.kinds[value] == Kind::Plain
                && let Some(copies) = flow.copies_of_no_object(func, value)
                && copies.is_disjoint(&numbers)
            {
                for copy in copies {
                    kinds.kinds[copy] = Kind::Reference;
                }
            }
        }
        kinds.derive(&flow, &numbers, references);
        Ok(kinds)
    }

    fn derive(&mut self, flow: &Flow, numbers: &HashSet<Value>, references: Vec<Value>) {
        let mut todo: Vec<Value> = Vec::new();
        for reference in references {
            todo.extend(&flow.computed[reference]);
        }
        while let Some(value) = todo.pop() {
            if self.kinds[value] == Kind::Plain && !numbers.contains(&value) {
                self.kinds[value] = Kind::Derived;
                todo.extend(&flow.computed[value]);
                todo.extend(&flow.copies[value]);
            }
        }
    }

    /// What a value, no alias, is.
    pub(super) fn of(&self, value: Value) -> Kind {
        self.kinds[value]
    }
}

/// An instruction to report a value by.
fn first_inst(program: &Program<'_>, value: Value) -> Inst {
    match program.func.dfg.value_def(value) {
        ValueDef::Result(inst, _) => inst,
        ValueDef::Param(block, _) => program
            .func
            .layout
            .first_inst(block)
            .expect("blocks are filled"),
        ValueDef::Union(..) => unreachable!("made by the optimiser only"),
    }
}
