//! Jumps led past tests that they answer.
//!
//! A type test yields 1 or 0 to the block where both ways meet, and so do `&&` and `||` of most
//! languages; a branch on that number comes next. Where a block does nothing but branch on what it is
//! passed, jumps that pass it a constant are led to where the branch leads. The number is then not made,
//! and what was tested is known where the jump ends.
//!
//! For functions that are about to be optimised. Linear in instructions.

use crate::emitter::integer;
use cranelift_codegen::entity::EntitySet;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, Function, Inst, InstructionData, Opcode, Value, ValueDef,
};
use smallvec::SmallVec;

/// Blocks that a jump is led past.
const MOST_PASSED: usize = 8;

/// Instructions of a block that jumps are led past.
const MOST_INSTS: usize = 8;

/// What a jump that was led past a block may pass: each such jump has a list of its own.
const MOST_ARGUMENTS: usize = 8;

/// Leads jumps past the blocks whose branch they decide.
pub(super) fn thread(func: &mut Function) {
    let forks = forks(func);
    if forks.is_empty() {
        return;
    }
    let blocks: Vec<Block> = func.layout.blocks().collect();
    let ends = blocks
        .iter()
        .filter_map(|block| func.layout.last_inst(*block));
    let ends: Vec<Inst> = ends
        .filter(|inst| matches!(func.dfg.insts[*inst].opcode(), Opcode::Jump | Opcode::Brif))
        .collect();
    for inst in ends {
        for index in 0..destinations(func, inst).len() {
            for _ in 0..MOST_PASSED {
                let Some(to) = past(func, &forks, destinations(func, inst)[index]) else {
                    break;
                };
                let dfg = &mut func.stencil.dfg;
                dfg.insts[inst]
                    .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables)
                    [index] = to;
            }
        }
    }
}

fn destinations(func: &Function, inst: Inst) -> &[BlockCall] {
    let dfg = &func.dfg;
    dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables)
}

/// The blocks that do nothing but branch on what they are passed, begin no loop, and whose values no other
/// block uses.
fn forks(func: &Function) -> EntitySet<Block> {
    let mut forks = EntitySet::new();
    for block in func.layout.blocks() {
        let is_short = func.layout.block_insts(block).nth(MOST_INSTS).is_none();
        let does_little = is_short
            && func.layout.block_insts(block).all(|inst| {
                matches!(
                    func.dfg.insts[inst].opcode(),
                    Opcode::Iconst | Opcode::Icmp | Opcode::Uextend | Opcode::Brif
                )
            });
        let is_entry = func.layout.entry_block() == Some(block);
        if does_little && !is_entry && !func.dfg.block_params(block).is_empty() {
            forks.insert(block);
        }
    }
    if forks.is_empty() {
        return forks;
    }
    let mut passed = EntitySet::new();
    for block in func.layout.blocks() {
        passed.insert(block);
        for inst in func.layout.block_insts(block) {
            // A loop that is entered past its beginning is none to the optimiser.
            for to in destinations(func, inst) {
                let to = to.block(&func.dfg.value_lists);
                if passed.contains(to) {
                    forks.remove(to);
                }
            }
            for value in func.dfg.inst_values(inst) {
                if let Some(home) = home(func, value)
                    && home != block
                {
                    forks.remove(home);
                }
            }
        }
    }
    forks
}

/// The block that a value is made in.
fn home(func: &Function, value: Value) -> Option<Block> {
    match func.dfg.value_def(value) {
        ValueDef::Param(block, _) => Some(block),
        ValueDef::Result(inst, _) => func.layout.inst_block(inst),
        ValueDef::Union(..) => None,
    }
}

/// Where a jump leads in the end that leads to one of `forks` now, if what it passes decides that.
fn past(func: &mut Function, forks: &EntitySet<Block>, to: BlockCall) -> Option<BlockCall> {
    let lists = &func.dfg.value_lists;
    let fork = to.block(lists);
    if !forks.contains(fork) {
        return None;
    }
    let passed: SmallVec<[BlockArg; 4]> = to.args(lists).collect();
    let InstructionData::Brif { arg, blocks, .. } = func.dfg.insts[func.layout.last_inst(fork)?]
    else {
        return None;
    };
    let is_zero = outcome(func, fork, &passed, arg)? == 0;
    let next = blocks[usize::from(is_zero)];
    if next.len(lists) > MOST_ARGUMENTS {
        return None;
    }
    let arguments = next.args(lists).map(|argument| match argument {
        BlockArg::Value(value) => match func.dfg.value_def(value) {
            ValueDef::Param(block, index) if block == fork => passed.get(index).copied(),
            _ if home(func, value) == Some(fork) => None,
            _ => Some(argument),
        },
        _ => None,
    });
    let arguments: SmallVec<[BlockArg; 4]> = arguments.collect::<Option<_>>()?;
    let block = next.block(lists);
    Some(BlockCall::new(
        block,
        arguments,
        &mut func.stencil.dfg.value_lists,
    ))
}

/// A value in a block that was passed constants, with its sign, if they decide it.
fn outcome(func: &Function, fork: Block, passed: &[BlockArg], value: Value) -> Option<i64> {
    let inst = match func.dfg.value_def(value) {
        ValueDef::Param(block, index) if block == fork => {
            return integer(func, passed.get(index)?.as_value()?);
        }
        ValueDef::Result(inst, _) => inst,
        _ => return None,
    };
    if func
        .dfg
        .inst_values(inst)
        .any(|arg| func.dfg.value_type(arg).bits() > 64)
    {
        return None;
    }
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } => {
            let unused = 64_u32.checked_sub(func.dfg.value_type(arg).bits())?;
            let arg = outcome(func, fork, passed, arg)?.cast_unsigned();
            Some((arg << unused >> unused).cast_signed())
        }
        InstructionData::IntCompare { cond, args, .. } => {
            let [left, right] = args.map(|arg| outcome(func, fork, passed, arg));
            Some(i64::from(compare(cond, left?, right?)))
        }
        _ => integer(func, value),
    }
}

/// Compares numbers of one width with their signs, which leaves unsigned ones in their order.
fn compare(cond: IntCC, left: i64, right: i64) -> bool {
    let unsigned = left.cast_unsigned().cmp(&right.cast_unsigned());
    match cond {
        IntCC::Equal => left == right,
        IntCC::NotEqual => left != right,
        IntCC::SignedLessThan => left < right,
        IntCC::SignedGreaterThanOrEqual => left >= right,
        IntCC::SignedGreaterThan => left > right,
        IntCC::SignedLessThanOrEqual => left <= right,
        IntCC::UnsignedLessThan => unsigned.is_lt(),
        IntCC::UnsignedGreaterThanOrEqual => unsigned.is_ge(),
        IntCC::UnsignedGreaterThan => unsigned.is_gt(),
        IntCC::UnsignedLessThanOrEqual => unsigned.is_le(),
    }
}
