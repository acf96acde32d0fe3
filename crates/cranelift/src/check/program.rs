//! A function with its instructions numbered in the order of the layout.
//!
//! A block takes a stretch of numbers: its start, where its parameters are defined, its
//! instructions, and its end, which the next block's start shares. What an edge of a call that may
//! throw carries is used at the end of the block, after the call.

use super::{GroundTruth, Problem, Violation};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, Function, Inst, Opcode, Value, ValueDef};

/// A function, numbered.
pub(super) struct Program<'a> {
    pub(super) func: &'a Function,
    graph: ControlFlowGraph,
    numbers: SecondaryMap<Inst, u32>,
    spans: SecondaryMap<Block, (u32, u32)>,
    /// The safepoints with their numbers, ascending.
    pub(super) safepoints: Vec<(u32, Inst)>,
}

impl<'a> Program<'a> {
    pub(super) fn new(func: &'a Function, truth: &dyn GroundTruth) -> Result<Self, Violation> {
        let mut program = Self {
            func,
            graph: ControlFlowGraph::with_function(func),
            numbers: SecondaryMap::new(),
            spans: SecondaryMap::new(),
            safepoints: Vec::new(),
        };
        let mut number = 0;
        for block in func.layout.blocks() {
            let start = number;
            for inst in func.layout.block_insts(block) {
                number += 1;
                program.numbers[inst] = number;
                if program.is_safepoint(inst, truth)? {
                    program.safepoints.push((number, inst));
                }
            }
            number += 1;
            program.spans[block] = (start, number);
        }
        Ok(program)
    }

    fn is_safepoint(&self, inst: Inst, truth: &dyn GroundTruth) -> Result<bool, Violation> {
        let dfg = &self.func.dfg;
        let has_map = dfg
            .user_stack_map_entries(inst)
            .is_some_and(|entries| !entries.is_empty());
        match dfg.insts[inst].opcode() {
            Opcode::ReturnCall | Opcode::ReturnCallIndirect if has_map => {
                Err(self.violation(inst, Problem::TailCall))
            }
            Opcode::Call | Opcode::CallIndirect | Opcode::TryCall | Opcode::TryCallIndirect => {
                Ok(has_map || truth.may_collect(self.func, inst))
            }
            _ => Ok(false),
        }
    }

    pub(super) fn violation(&self, inst: Inst, problem: Problem) -> Violation {
        Violation {
            problem,
            inst,
            instruction: self.func.dfg.display_inst(inst).to_string(),
            location: self.func.srcloc(inst),
        }
    }

    /// Every instruction in order.
    pub(super) fn insts(&self) -> impl Iterator<Item = Inst> + '_ {
        let layout = &self.func.layout;
        layout.blocks().flat_map(|block| layout.block_insts(block))
    }

    /// An instruction's number.
    pub(super) fn number(&self, inst: Inst) -> u32 {
        self.numbers[inst]
    }

    /// The block an instruction is in.
    pub(super) fn block(&self, inst: Inst) -> Block {
        self.func
            .layout
            .inst_block(inst)
            .expect("the instruction is in the function")
    }

    /// The first and last number of a block.
    pub(super) fn span(&self, block: Block) -> (u32, u32) {
        self.spans[block]
    }

    /// The blocks that lead to a block.
    pub(super) fn predecessors(&self, block: Block) -> impl Iterator<Item = Block> + '_ {
        self.graph.pred_iter(block).map(|from| from.block)
    }

    /// Whether control comes from outside into a block.
    pub(super) fn is_entry(&self, block: Block) -> bool {
        self.func.layout.entry_block() == Some(block)
    }

    /// The safepoints whose numbers lie between two.
    pub(super) fn safepoints_between(&self, from: u32, to: u32) -> &[(u32, Inst)] {
        let first = self
            .safepoints
            .partition_point(|(number, _)| *number <= from);
        let count = self.safepoints[first..].partition_point(|(number, _)| *number < to);
        &self.safepoints[first..first + count]
    }

    /// Where a value is defined.
    pub(super) fn definition(&self, value: Value) -> Option<(Block, u32)> {
        match self.func.dfg.value_def(value) {
            ValueDef::Result(inst, _) => Some((self.block(inst), self.number(inst))),
            ValueDef::Param(block, _) => Some((block, self.span(block).0)),
            ValueDef::Union(..) => None,
        }
    }

    /// The arguments of an instruction, without those of the blocks it leads to.
    pub(super) fn args(&self, inst: Inst) -> impl Iterator<Item = Value> + '_ {
        let dfg = &self.func.dfg;
        let args = dfg.inst_args(inst).iter();
        args.map(|arg| dfg.resolve_aliases(*arg))
    }

    fn destinations(&self, inst: Inst) -> &[BlockCall] {
        let dfg = &self.func.dfg;
        dfg.insts[inst].branch_destination(&dfg.jump_tables, &dfg.exception_tables)
    }

    /// What an instruction passes to blocks, each with the parameter it becomes: a value, or none
    /// for results of the instruction itself.
    pub(super) fn edges(&self, inst: Inst) -> impl Iterator<Item = (Option<Value>, Value)> + '_ {
        let dfg = &self.func.dfg;
        self.destinations(inst).iter().flat_map(move |call| {
            let params = dfg.block_params(call.block(&dfg.value_lists));
            let args = call.args(&dfg.value_lists).map(|arg| match arg {
                BlockArg::Value(value) => Some(dfg.resolve_aliases(value)),
                BlockArg::TryCallRet(_) | BlockArg::TryCallExn(_) => None,
            });
            args.zip(params.iter().copied())
        })
    }

    /// The values an instruction passes to blocks.
    pub(super) fn passed(&self, inst: Inst) -> impl Iterator<Item = Value> + '_ {
        self.edges(inst).filter_map(|(value, _)| value)
    }

    /// The number at which an instruction uses what it passes to blocks.
    pub(super) fn passes_at(&self, inst: Inst) -> u32 {
        match self.func.dfg.insts[inst].opcode() {
            Opcode::TryCall | Opcode::TryCallIndirect => self.span(self.block(inst)).1,
            _ => self.number(inst),
        }
    }
}
