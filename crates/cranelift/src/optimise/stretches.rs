//! Values that cost nothing to make anew: one each for the optimiser, one a stretch for the register
//! allocator.
//!
//! The state pointer lies in the pinned register, so that reading it is a register move, and an
//! address in the heap or on the stack is part of the instruction that uses it. Loads are found to be
//! equal only if their addresses are, so while a function is optimised there is one state pointer.
//! Kept that way it would take a register for the whole function, or be spilled around calls. So
//! afterwards each *stretch*, the part of a block between two calls, gets values of its own, made just
//! before their first use there.
//!
//! Linear in instructions.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Function, Inst, InstBuilder, InstructionData, Opcode, Value, types};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// Makes one value of all reads of the pinned register, if it is only read.
pub(super) fn unify_state(func: &mut Function) {
    if writes_state(func) {
        return;
    }
    let is_read = |inst: &Inst| func.dfg.insts[*inst].opcode() == Opcode::GetPinnedReg;
    let reads: Vec<Inst> = insts(func).filter(is_read).collect();
    let Some(entry) = func.layout.entry_block().filter(|_| !reads.is_empty()) else {
        return;
    };
    let mut cursor = FuncCursor::new(func).at_first_insertion_point(entry);
    let state = cursor.ins().get_pinned_reg(types::I64);
    for read in reads {
        func.layout.remove_inst(read);
        let value = func.dfg.first_result(read);
        func.dfg.clear_results(read);
        func.dfg.change_to_alias(value, state);
    }
}

fn insts(func: &Function) -> impl Iterator<Item = Inst> {
    let blocks = func.layout.blocks();
    blocks.flat_map(|block| func.layout.block_insts(block))
}

/// Whether a function sets the pinned register, so that its reads differ.
fn writes_state(func: &Function) -> bool {
    insts(func).any(|inst| func.dfg.insts[inst].opcode() == Opcode::SetPinnedReg)
}

/// How a value is made anew.
#[derive(Clone, Copy)]
enum Recipe {
    /// A copy of an instruction whose operands, if it has any, stay what they are.
    Copy(Inst),
    /// The state pointer plus something.
    StatePlus { state: Value, distance: Value },
}

/// Gives each stretch its own state pointer and addresses. For a function that has been optimised.
pub(super) fn separate(func: &mut Function) {
    let recipes = take_out(func);
    if recipes.is_empty() {
        return;
    }
    // What was made in the stretch at hand.
    let mut made: HashMap<Value, Value> = HashMap::new();
    let mut cursor = FuncCursor::new(func);
    while cursor.next_block().is_some() {
        made.clear();
        while let Some(inst) = cursor.next_inst() {
            let operands = cursor.func.dfg.inst_values(inst);
            let operands: SmallVec<[Value; 4]> = operands
                .filter(|value| recipes.contains_key(value))
                .collect();
            for value in &operands {
                make(&mut cursor, &recipes, &mut made, *value);
            }
            if !operands.is_empty() {
                let dfg = &mut cursor.func.dfg;
                dfg.map_inst_values(inst, |value| *made.get(&value).unwrap_or(&value));
            }
            if cursor.func.dfg.insts[inst].opcode().is_call() {
                made.clear();
            }
        }
    }
}

/// Removes the instructions that make such values from where they are.
fn take_out(func: &mut Function) -> HashMap<Value, Recipe> {
    let mut recipes = HashMap::new();
    if !writes_state(func) {
        // Definitions come before uses along the tree of dominators, not in the layout.
        take_out_by(func, &mut recipes, |func, _, inst| copy(func, inst));
        take_out_by(func, &mut recipes, sum);
    }
    recipes
}

fn take_out_by(
    func: &mut Function,
    recipes: &mut HashMap<Value, Recipe>,
    recipe: impl Fn(&Function, &HashMap<Value, Recipe>, Inst) -> Option<Recipe>,
) {
    let mut cursor = FuncCursor::new(func);
    while cursor.next_block().is_some() {
        while let Some(inst) = cursor.next_inst() {
            if let Some(recipe) = recipe(cursor.func, recipes, inst) {
                recipes.insert(cursor.func.dfg.first_result(inst), recipe);
                cursor.remove_inst_and_step_back();
            }
        }
    }
}

/// The recipe of the state pointer, or of a place on the stack.
fn copy(func: &Function, inst: Inst) -> Option<Recipe> {
    let opcode = func.dfg.insts[inst].opcode();
    matches!(opcode, Opcode::GetPinnedReg | Opcode::StackAddr).then_some(Recipe::Copy(inst))
}

/// The recipe of a place in the heap.
fn sum(func: &Function, recipes: &HashMap<Value, Recipe>, inst: Inst) -> Option<Recipe> {
    let InstructionData::Binary {
        opcode: Opcode::Iadd,
        args: [left, right],
    } = func.dfg.insts[inst]
    else {
        return None;
    };
    let is_state = |value: &Value| match recipes.get(value) {
        Some(Recipe::Copy(inst)) => func.dfg.insts[*inst].opcode() == Opcode::GetPinnedReg,
        _ => false,
    };
    let pairs = [(left, right), (right, left)];
    let (state, distance) = pairs.into_iter().find(|(state, _)| is_state(state))?;
    Some(Recipe::StatePlus { state, distance })
}

/// Makes a value, unless this stretch has it, before the instruction at hand.
fn make(
    cursor: &mut FuncCursor<'_>,
    recipes: &HashMap<Value, Recipe>,
    made: &mut HashMap<Value, Value>,
    value: Value,
) -> Value {
    if let Some(value) = made.get(&value) {
        return *value;
    }
    let anew = match recipes[&value] {
        Recipe::Copy(inst) => {
            let copy = cursor.func.dfg.clone_inst(inst);
            cursor.insert_inst(copy);
            cursor.func.dfg.first_result(copy)
        }
        Recipe::StatePlus { state, distance } => {
            let state = make(cursor, recipes, made, state);
            let distance = match recipes.contains_key(&distance) {
                true => make(cursor, recipes, made, distance),
                false => distance,
            };
            cursor.ins().iadd(state, distance)
        }
    };
    made.insert(value, anew);
    anew
}
