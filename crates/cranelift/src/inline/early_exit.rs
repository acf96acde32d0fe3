//! The part of a function that answers at once where there is nothing to do.
//!
//! Most calls of a recursive function over trees are for a null, which it finds and returns. Where such
//! a function is not inlined as a whole, its test can be, with a call of the function for where the
//! answer takes more. Code that looks on entry whether it is to stop has no such test.

use super::{SAME_PLACE, tag_of};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Block, ExtFuncData, ExternalName, Function, Inst, InstBuilder, Opcode, UserExternalName,
};

/// Blocks that an exit may lead through.
const MOST_BLOCKS: usize = 4;

/// The test at the beginning of a function made by [`inlinable`](super::inlinable), and a call of it, by
/// its name, where the test does not lead to a return; `None` for a function that begins otherwise.
#[must_use]
pub fn early_exit(func: &Function, name: &UserExternalName) -> Option<Function> {
    let entry = func.layout.entry_block()?;
    let branch = func.layout.last_inst(entry)?;
    if func.dfg.insts[branch].opcode() != Opcode::Brif || !only_looks(func, entry, branch) {
        return None;
    }
    let targets = targets(func, branch);
    let exits = |index: usize| targets.get(index).is_some_and(|to| leads_out(func, *to));
    let other = if exits(0) {
        1
    } else if exits(1) {
        0
    } else {
        return None;
    };
    Some(with_call(func, entry, (branch, other), name))
}

/// The blocks that an instruction leads to.
fn targets(func: &Function, inst: Inst) -> Vec<Block> {
    let dfg = &func.dfg;
    dfg.insts[inst]
        .branch_destination(&dfg.jump_tables, &dfg.exception_tables)
        .iter()
        .map(|call| call.block(&dfg.value_lists))
        .collect()
}

/// Whether a block does nothing before its last instruction that a second time would make a difference.
fn only_looks(func: &Function, block: Block, last: Inst) -> bool {
    func.layout.block_insts(block).all(|inst| {
        let opcode = func.dfg.insts[inst].opcode();
        let acts = opcode.can_store() || opcode.is_call() || opcode.other_side_effects();
        let harmless = !acts && opcode != Opcode::StackAddr;
        inst == last || harmless || opcode == Opcode::GetPinnedReg
    })
}

/// Whether a block leads to a return without doing anything.
fn leads_out(func: &Function, mut block: Block) -> bool {
    for _ in 0..MOST_BLOCKS {
        let Some(last) = func.layout.last_inst(block) else {
            return false;
        };
        if !only_looks(func, block, last) {
            return false;
        }
        match func.dfg.insts[last].opcode() {
            Opcode::Return => return true,
            Opcode::Jump => block = targets(func, last)[0],
            _ => return false,
        }
    }
    false
}

/// The function with a call of itself for one of its first branch's targets.
fn with_call(
    func: &Function,
    entry: Block,
    (branch, target): (Inst, usize),
    name: &UserExternalName,
) -> Function {
    let mut func = func.clone();
    let name = func.declare_imported_user_function(name.clone());
    let signature = func.signature.clone();
    let signature = func.import_signature(signature);
    let itself = func.import_function(ExtFuncData {
        name: ExternalName::User(name),
        signature,
        colocated: true,
        patchable: false,
    });
    let calls = func.dfg.make_block();
    func.layout.append_block(calls);
    let arguments = func.dfg.block_params(entry).to_vec();
    let mut cursor = FuncCursor::new(&mut func).at_bottom(calls);
    let call = cursor.ins().call(itself, &arguments);
    let results = cursor.func.dfg.inst_results(call).to_vec();
    cursor.ins().return_(&results);
    func.stencil.debug_tags.set(call, [tag_of(SAME_PLACE)]);

    let dfg = &mut func.stencil.dfg;
    let destinations =
        dfg.insts[branch].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    destinations[target].clear(&mut dfg.value_lists);
    destinations[target].set_block(calls, &mut dfg.value_lists);
    // What can be reached now spills nothing.
    func.sized_stack_slots.clear();
    func
}
