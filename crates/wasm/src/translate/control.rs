//! Structured control: frames and labels.
//!
//! A label becomes a block when the first branch to it is met, so straight-line code has one
//! block and a `block` nobody leaves early costs nothing. Results that reach a label are block
//! parameters; operands below a frame pass through untouched. Blocks are sealed as soon as no
//! branch to them can follow: labels and arms at once, loop heads at the end of their loop.

use super::{TranslateError, Translator, clif_type};
use crate::trap::CodeTrap;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Type, Value};
use smallvec::SmallVec;
use wasmparser::{BlockType, Catch, FuncType, Operator, ValType};
use windrow_cranelift::RefVar;

type Types = SmallVec<[Type; 2]>;

#[derive(Debug)]
pub(super) enum FrameKind {
    /// The function's body: its label is the return.
    Function,
    Block,
    Loop,
    /// The first arm of an `if`: the block of the second, and the parameters it starts with.
    If {
        otherwise: Block,
        params: Vec<Value>,
    },
    /// The second arm of an `if`.
    Else,
    /// A `try_table`, with what it catches.
    TryTable(Vec<Catch>),
    /// The body of a legacy `try`.
    Try,
    /// A handler of a legacy `try`. In dead code there is neither of both.
    Catch {
        /// The exception.
        exception: Option<RefVar>,
        /// Where exceptions go that no handler so far takes.
        otherwise: Option<Block>,
    },
    /// Begun where control does not reach.
    Dead,
}

/// A frame of the control stack.
#[derive(Debug)]
pub(crate) struct ControlFrame {
    pub(super) kind: FrameKind,
    params: Types,
    results: Types,
    /// Operands below the frame's parameters.
    pub(super) height: usize,
    /// Where branches to the frame lead, once there are any.
    label: Option<Block>,
    /// Where exceptions thrown in the frame lead, once there are any: it takes the exception.
    pub(super) dispatch: Option<Block>,
}

impl ControlFrame {
    /// How many operands, from the bottom, are in their homes for sure.
    pub(crate) const fn settled_operands(&self) -> usize {
        self.height
    }

    /// Whether exceptions thrown in the frame are its own to handle.
    pub(super) fn handles_exceptions(&self) -> bool {
        match &self.kind {
            FrameKind::TryTable(catches) => !catches.is_empty(),
            FrameKind::Try => true,
            _ => false,
        }
    }
}

impl Translator<'_> {
    /// Translates operators of control, in dead code too. Whether `op` is done with.
    pub(super) fn control_operator(&mut self, op: &Operator<'_>) -> Result<bool, TranslateError> {
        match op {
            Operator::Block { blockty } => self.begin_block(*blockty, FrameKind::Block),
            Operator::Loop { blockty } => self.begin_loop(*blockty),
            Operator::If { blockty } => self.begin_if(*blockty),
            Operator::Else => self.begin_else(),
            Operator::End => self.end_frame(),
            Operator::TryTable { .. }
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. } => self.try_operator(op),
            _ if !self.reachable => return Ok(false),
            Operator::Unreachable => {
                self.b.ins().trap(CodeTrap::Unreachable.code());
                self.reachable = false;
            }
            Operator::Nop => {}
            Operator::Br { relative_depth } => self.branch(*relative_depth),
            Operator::BrIf { relative_depth } => {
                let condition = self.pop();
                self.branch_if(*relative_depth, condition);
            }
            Operator::BrTable { targets } => self.branch_table(targets)?,
            Operator::BrOnNull { relative_depth } => self.branch_on_null(*relative_depth),
            Operator::BrOnNonNull { relative_depth } => self.branch_on_non_null(*relative_depth),
            Operator::Return => self.return_results(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Begins the function's own frame.
    pub(super) fn push_function_frame(&mut self, ty: &FuncType) {
        let results = self.clif_types(ty.results());
        self.push_frame(FrameKind::Function, Types::new(), results, None);
    }

    fn clif_types(&self, types: &[ValType]) -> Types {
        types
            .iter()
            .map(|ty| clif_type(self.env.repr(*ty)))
            .collect()
    }

    fn block_types(&self, ty: BlockType) -> (Types, Types) {
        match ty {
            BlockType::Empty => (Types::new(), Types::new()),
            BlockType::Type(ty) => (Types::new(), self.clif_types(&[ty])),
            BlockType::FuncType(index) => {
                let ty = self.env.signature(index);
                (self.clif_types(ty.params()), self.clif_types(ty.results()))
            }
        }
    }

    /// Pushes a frame whose parameters are on the stack. References below move to their homes.
    fn push_frame(&mut self, kind: FrameKind, params: Types, results: Types, label: Option<Block>) {
        let height = self.stack.len() - params.len();
        let settled = self
            .control
            .last()
            .map_or(0, ControlFrame::settled_operands);
        self.stack
            .move_to_homes(&mut self.b, &mut self.frame, settled, height);
        self.control.push(ControlFrame {
            kind,
            params,
            results,
            height,
            label,
            dispatch: None,
        });
    }

    fn push_dead_frame(&mut self) {
        let height = self.stack.len();
        let (params, results) = (Types::new(), Types::new());
        self.control.push(ControlFrame {
            kind: FrameKind::Dead,
            params,
            results,
            height,
            label: None,
            dispatch: None,
        });
    }

    /// Begins a frame whose code goes on in the same block.
    pub(super) fn begin_block(&mut self, ty: BlockType, kind: FrameKind) {
        if !self.reachable {
            return self.push_dead_frame();
        }
        let (params, results) = self.block_types(ty);
        self.push_frame(kind, params, results, None);
    }

    fn begin_loop(&mut self, ty: BlockType) {
        if !self.reachable {
            return self.push_dead_frame();
        }
        let (params, results) = self.block_types(ty);
        let head = self.block_with(&params);
        let args = self.block_args(params.len());
        self.push_frame(FrameKind::Loop, params, results, Some(head));
        self.b.ins().jump(head, &args);
        self.b.switch_to_block(head);
        self.replace_operands(head);
        self.check_stop();
    }

    fn begin_if(&mut self, ty: BlockType) {
        if !self.reachable {
            return self.push_dead_frame();
        }
        let condition = self.pop();
        let (param_types, results) = self.block_types(ty);
        let params = self.stack.peek_many(&mut self.b, param_types.len());
        let (then, otherwise) = (self.b.create_block(), self.b.create_block());
        self.push_frame(
            FrameKind::If { otherwise, params },
            param_types,
            results,
            None,
        );
        self.b.ins().brif(condition, then, &[], otherwise, &[]);
        self.b.seal_block(then);
        self.b.seal_block(otherwise);
        self.b.switch_to_block(then);
    }

    fn begin_else(&mut self) {
        let mut frame = self
            .control
            .pop()
            .expect("a validated `else` is in an `if`");
        if let FrameKind::If { otherwise, params } =
            std::mem::replace(&mut frame.kind, FrameKind::Else)
        {
            self.jump_to_label(&mut frame);
            self.b.switch_to_block(otherwise);
            self.stack.truncate(frame.height);
            for value in params {
                self.push(value);
            }
            self.reachable = true;
        } else {
            frame.kind = FrameKind::Dead;
        }
        self.control.push(frame);
    }

    fn end_frame(&mut self) {
        let mut frame = self.control.pop().expect("a validated `end` ends a frame");
        match std::mem::replace(&mut frame.kind, FrameKind::Dead) {
            FrameKind::Dead => return,
            FrameKind::Loop => {
                let head = frame.label.take().expect("a loop has a head");
                self.b.seal_block(head);
            }
            FrameKind::If { otherwise, params } => {
                self.jump_to_label(&mut frame);
                self.b.switch_to_block(otherwise);
                let label = self.label_of(&mut frame);
                let args: Vec<BlockArg> = params.into_iter().map(BlockArg::from).collect();
                self.b.ins().jump(label, &args);
                self.reachable = false;
            }
            FrameKind::TryTable(catches) => self.end_try_table(&mut frame, &catches),
            FrameKind::Try => self.end_try(&mut frame, self.control.len()),
            FrameKind::Catch {
                exception,
                otherwise,
            } => self.end_catch(&mut frame, exception, otherwise),
            FrameKind::Block | FrameKind::Else | FrameKind::Function => {}
        }
        self.continue_after(frame);
    }

    /// Goes on after a frame, if control gets there.
    pub(super) fn continue_after(&mut self, mut frame: ControlFrame) {
        if frame.label.is_some() {
            self.jump_to_label(&mut frame);
            let label = self.label_of(&mut frame);
            self.b.switch_to_block(label);
            self.b.seal_block(label);
            self.stack.truncate(frame.height);
            let results = self.b.block_params(label).to_vec();
            for value in results {
                self.push(value);
            }
            self.reachable = true;
        }
        if self.control.is_empty() && self.reachable {
            let results = self.stack.pop_many(&mut self.b, frame.results.len());
            self.b.ins().return_(&results);
            self.reachable = false;
        }
    }

    /// Jumps to the end of the frame with its results, if control gets there.
    pub(super) fn jump_to_label(&mut self, frame: &mut ControlFrame) {
        if self.reachable {
            let args = self.block_args(frame.results.len());
            let label = self.label_of(frame);
            self.b.ins().jump(label, &args);
            self.reachable = false;
        }
    }

    fn label_of(&mut self, frame: &mut ControlFrame) -> Block {
        match frame.label {
            Some(label) => label,
            None => {
                let label = self.block_with(&frame.results);
                *frame.label.insert(label)
            }
        }
    }

    fn block_with(&mut self, params: &[Type]) -> Block {
        let block = self.b.create_block();
        for ty in params {
            self.b.append_block_param(block, *ty);
        }
        block
    }

    /// Replaces the topmost operands by the parameters of a block.
    fn replace_operands(&mut self, block: Block) {
        let params = self.b.block_params(block).to_vec();
        self.stack.truncate(self.stack.len() - params.len());
        for value in params {
            self.push(value);
        }
    }

    /// The topmost operands, which stay on the stack, as arguments of a branch.
    fn block_args(&mut self, count: usize) -> Vec<BlockArg> {
        self.stack
            .peek_many(&mut self.b, count)
            .into_iter()
            .map(BlockArg::from)
            .collect()
    }

    /// The label at a depth and how many operands a branch to it takes.
    pub(super) fn label(&mut self, depth: u32) -> (Block, usize) {
        let index = self
            .control
            .len()
            .checked_sub(depth as usize + 1)
            .expect("a validated depth is in range");
        let frame = &mut self.control[index];
        let types = if matches!(frame.kind, FrameKind::Loop) {
            &frame.params
        } else {
            &frame.results
        };
        let arity = types.len();
        if let Some(label) = frame.label {
            return (label, arity);
        }
        let types = types.clone();
        let label = self.block_with(&types);
        self.control[index].label = Some(label);
        (label, arity)
    }

    /// The label at a depth with the arguments of a branch to it, which stay on the stack.
    pub(super) fn branch_target(&mut self, depth: u32) -> (Block, Vec<BlockArg>) {
        let (label, arity) = self.label(depth);
        (label, self.block_args(arity))
    }

    fn return_results(&mut self) {
        let count = self
            .control
            .first()
            .expect("the function's frame")
            .results
            .len();
        let results = self.stack.pop_many(&mut self.b, count);
        self.b.ins().return_(&results);
        self.reachable = false;
    }
}
