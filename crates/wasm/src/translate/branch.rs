//! Branches: plain, on conditions, on null, and by a table.

use super::{TranslateError, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, InstBuilder, JumpTableData, Value};
use hashbrown::HashMap;
use wasmparser::BrTable;

impl Translator<'_> {
    pub(super) fn branch(&mut self, depth: u32) {
        let (label, args) = self.branch_target(depth);
        self.b.ins().jump(label, &args);
        self.reachable = false;
    }

    /// Branches if `condition` is not zero, and goes on in a new block otherwise.
    pub(super) fn branch_if(&mut self, depth: u32, condition: Value) {
        let (label, args) = self.branch_target(depth);
        let next = self.b.create_block();
        self.b.ins().brif(condition, label, &args, next, &[]);
        self.continue_in(next);
    }

    /// Makes `next`, all of whose predecessors are known, the current block.
    pub(super) fn continue_in(&mut self, next: Block) {
        self.b.seal_block(next);
        self.b.switch_to_block(next);
    }

    pub(super) fn branch_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let is_null = self.b.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        self.branch_if(depth, is_null);
        self.push(reference);
    }

    pub(super) fn branch_on_non_null(&mut self, depth: u32) {
        let reference = self.stack.peek(&mut self.b, 0);
        self.branch_if(depth, reference);
        self.pop();
    }

    pub(super) fn branch_table(&mut self, targets: &BrTable<'_>) -> Result<(), TranslateError> {
        let index = self.pop();
        let mut edges = Edges::default();
        let otherwise = self.edge(&mut edges, targets.default());
        let mut blocks = Vec::with_capacity(targets.len() as usize);
        for depth in targets.targets() {
            blocks.push(self.edge(&mut edges, depth?));
        }
        let pool = &mut self.b.func.dfg.value_lists;
        let mut call = |block| cranelift_codegen::ir::BlockCall::new(block, [], pool);
        let otherwise = call(otherwise);
        let calls: Vec<_> = blocks.into_iter().map(call).collect();
        let table = self
            .b
            .create_jump_table(JumpTableData::new(otherwise, &calls));
        self.b.ins().br_table(index, table);
        for (block, depth) in edges.landings {
            self.continue_in(block);
            self.branch(depth);
        }
        self.reachable = false;
        Ok(())
    }

    /// The block a table's entry leads to: the label itself, or a block that adds its arguments.
    fn edge(&mut self, edges: &mut Edges, depth: u32) -> Block {
        if let Some(block) = edges.blocks.get(&depth) {
            return *block;
        }
        let (label, arity) = self.label(depth);
        let block = if arity == 0 {
            label
        } else {
            let block = self.b.create_block();
            edges.landings.push((block, depth));
            block
        };
        edges.blocks.insert(depth, block);
        block
    }
}

/// Where the entries of a branch table lead.
#[derive(Debug, Default)]
struct Edges {
    blocks: HashMap<u32, Block>,
    /// Blocks to be filled with a branch to the label at a depth.
    landings: Vec<(Block, u32)>,
}
