//! Exceptions: throwing, and the code that tells who catches what.
//!
//! An exception is an object of [`TypeId::EXN`]: its tag's number, and a reference to a struct of
//! its arguments. A frame that handles exceptions has one block for them, the dispatch, which
//! compares tags and branches; what nothing matches goes on to the dispatch of the next such frame
//! around, or leaves the function. A `throw` in the frame jumps to the dispatch. A call has a
//! landing of its own, which loads the references that live there from their homes, for a
//! collection may have happened, and jumps to the dispatch too.

use super::control::{ControlFrame, FrameKind};
use super::heap_types::{Cell, StructLayout};
use super::{Translator, clif_type};
use crate::builtins::THROW_TABLE_OFFSET;
use crate::trap::CodeTrap;
use crate::vmctx::VmOffsets;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, InstBuilder, MemFlagsData, Signature, Value, types,
};
use cranelift_codegen::isa::CallConv;
use wasmparser::{Catch, Operator};
use windrow::TypeId;
use windrow::jit::{EXN_PAYLOAD_OFFSET, EXN_TAG_OFFSET, HEADER_BYTES};
use windrow_cranelift::{Extension, HeapTrap, Known, NewStruct, Place, RefVar};

/// Where an exception keeps its tag's number.
const TAG: Place = Place::field(EXN_TAG_OFFSET, types::I32);

/// Where an exception keeps the struct of its arguments; null where it has none.
const PAYLOAD: Place = Place::reference(EXN_PAYLOAD_OFFSET);

/// Bytes of an exception.
const EXCEPTION_BYTES: u32 = HEADER_BYTES + 8;

impl Translator<'_> {
    /// Translates the begin and the parts of frames that handle exceptions, in dead code too.
    pub(super) fn try_operator(&mut self, op: &Operator<'_>) {
        match op {
            Operator::TryTable { try_table } => {
                let kind = FrameKind::TryTable(try_table.catches.clone());
                self.begin_block(try_table.ty, kind);
            }
            Operator::Try { blockty } => self.begin_block(*blockty, FrameKind::Try),
            Operator::Catch { tag_index } => self.begin_catch(Some(*tag_index)),
            Operator::CatchAll => self.begin_catch(None),
            Operator::Delegate { relative_depth } => self.delegate(*relative_depth),
            _ => unreachable!("the caller chose the operators"),
        }
    }

    /// Translates throwing operators. Whether `op` is one.
    pub(super) fn throw_operator(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::Throw { tag_index } => {
                let exception = self.new_exception(tag_index);
                self.raise(exception, self.control.len());
            }
            Operator::ThrowRef => {
                let nullable = self.stack.ty(0).nullable;
                let exception = self.pop();
                if nullable {
                    let null = CodeTrap::NullException.code();
                    self.b.ins().trapz(exception, null);
                }
                self.raise(exception, self.control.len());
            }
            Operator::Rethrow { relative_depth } => {
                let index = self.control.len().checked_sub(relative_depth as usize + 1);
                let frame = index.and_then(|index| self.control.get(index));
                let Some(FrameKind::Catch {
                    exception: Some(exception),
                    ..
                }) = frame.map(|frame| &frame.kind)
                else {
                    unreachable!("a validated `rethrow` names a handler that is reached")
                };
                let exception = self.frame.value(&mut self.b, *exception);
                self.raise(exception, self.control.len());
            }
            _ => return false,
        }
        true
    }

    /// Where exceptions go that are thrown with `depth` frames around: the dispatch of the
    /// innermost of them that handles exceptions, or `None` if they leave the function.
    pub(super) fn dispatch(&mut self, depth: usize) -> Option<Block> {
        let frame = self.control[..depth]
            .iter_mut()
            .rev()
            .find(|frame| frame.handles_exceptions())?;
        let b = &mut self.b;
        Some(*frame.dispatch.get_or_insert_with(|| {
            let block = b.create_block();
            b.append_block_param(block, types::I32);
            block
        }))
    }

    /// The exceptions of the handlers that the code at hand is in: they may be thrown again.
    pub(super) fn caught_exceptions(&self) -> impl Iterator<Item = RefVar> + '_ {
        self.control.iter().filter_map(|frame| match frame.kind {
            FrameKind::Catch { exception, .. } => exception,
            _ => None,
        })
    }

    /// Throws an exception with `depth` frames around. Ends the block.
    fn raise(&mut self, exception: Value, depth: usize) {
        match self.dispatch(depth) {
            Some(dispatch) => {
                self.b.ins().jump(dispatch, &[exception.into()]);
            }
            None => self.throw_out(exception),
        }
        self.reachable = false;
    }

    /// Throws an exception out of the function: whoever lands it does not come back.
    fn throw_out(&mut self, exception: Value) {
        let mut signature = Signature::new(CallConv::SystemV);
        let params = [types::I64, types::I32].map(AbiParam::new);
        signature.params.extend(params);
        let signature = self.b.import_signature(signature);
        let flags = MemFlagsData::trusted().with_readonly();
        let context = self.host.context();
        let table = self
            .b
            .ins()
            .load(types::I64, flags, context, VmOffsets::BUILTINS);
        let code = self
            .b
            .ins()
            .load(types::I64, flags, table, THROW_TABLE_OFFSET);
        self.b
            .ins()
            .call_indirect(signature, code, &[context, exception]);
        self.emitter.after_call();
        self.b.ins().trap(HeapTrap::Host);
    }

    /// The struct that keeps the arguments of a tag.
    fn payload(&mut self, tag: u32) -> StructLayout {
        let env = self.env;
        let tag = env.tag(tag);
        let info = env.registry.sub_type(tag.payload);
        let params = (0..).zip(env.signature(tag.type_index).params());
        let fields = params.map(|(index, ty)| {
            let repr = env.repr(*ty);
            Cell {
                repr,
                place: Place::field(info.field_offset(index), clif_type(repr)),
            }
        });
        StructLayout {
            type_id: info.id,
            bytes: info.shape.size_bytes,
            fields: fields.collect(),
        }
    }

    fn tag_number(&mut self, tag: u32) -> Value {
        self.load_context(types::I32, self.offsets.tag(tag))
    }

    /// Pops the arguments of a tag and makes an exception of them. A safepoint.
    fn new_exception(&mut self, tag: u32) -> Value {
        let layout = self.payload(tag);
        let mut live = self.live_refs();
        let mut payload = None;
        if !layout.fields.is_empty() {
            let object = self.allocate(&live, layout.type_id, layout.bytes);
            let values = self.stack.pop_many(&mut self.b, layout.fields.len());
            for (field, value) in layout.fields.iter().zip(values) {
                self.emitter
                    .store(&mut self.b, object, Known::Fresh, field.place, value);
            }
            let var = self.frame.declare(&mut self.b);
            self.frame.set(&mut self.b, var, object);
            live = self.live_refs();
            live.push(var);
            payload = Some(var);
        }
        let exception = self.allocate(&live, TypeId::EXN, EXCEPTION_BYTES);
        let number = self.tag_number(tag);
        let payload = match payload {
            Some(var) => self.frame.value(&mut self.b, var),
            None => self.b.ins().iconst(types::I32, 0),
        };
        for (place, value) in [(TAG, number), (PAYLOAD, payload)] {
            self.emitter
                .store(&mut self.b, exception, Known::Fresh, place, value);
        }
        exception
    }

    fn allocate(&mut self, live: &[RefVar], type_id: TypeId, bytes: u32) -> Value {
        let (b, frame, host) = (&mut self.b, &mut self.frame, &mut self.host);
        self.emitter
            .struct_new(b, frame, live, host, NewStruct { type_id, bytes })
    }

    /// Makes the block of exceptions the current one; all that lead there are known.
    fn begin_dispatch(&mut self, frame: &mut ControlFrame, dispatch: Block) -> Value {
        self.jump_to_label(frame);
        self.continue_in(dispatch);
        self.stack.truncate(frame.height);
        self.b.block_params(dispatch)[0]
    }

    /// Branches to a new block if the exception has the tag. Yields that block and the one where
    /// others go; the builder is left in the former.
    fn match_tag(&mut self, exception: Value, tag: u32) -> Block {
        let number = self.tag_number(tag);
        let (matching, otherwise) = (self.b.create_block(), self.b.create_block());
        let (b, emitter) = (&mut self.b, &mut self.emitter);
        let actual = emitter.load(b, exception, Known::NonNull, TAG, Extension::None);
        let same = b.ins().icmp(IntCC::Equal, actual, number);
        b.ins().brif(same, matching, &[], otherwise, &[]);
        b.seal_block(otherwise);
        self.continue_in(matching);
        otherwise
    }

    /// The arguments of an exception with a tag.
    fn load_payload(&mut self, exception: Value, tag: u32) -> Vec<Value> {
        let layout = self.payload(tag);
        if layout.fields.is_empty() {
            return Vec::new();
        }
        let (b, emitter) = (&mut self.b, &mut self.emitter);
        let none = Extension::None;
        let payload = emitter.load(b, exception, Known::NonNull, PAYLOAD, none);
        let fields = layout.fields.iter();
        fields
            .map(|field| emitter.load(b, payload, Known::NonNull, field.place, none))
            .collect()
    }

    /// Ends a `try_table`, which is off the control stack already.
    pub(super) fn end_try_table(&mut self, frame: &mut ControlFrame, catches: &[Catch]) {
        let Some(dispatch) = frame.dispatch.take() else {
            return;
        };
        let exception = self.begin_dispatch(frame, dispatch);
        for catch in catches {
            let (tag, label, with_reference) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, false),
                Catch::OneRef { tag, label } => (Some(tag), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            let otherwise = tag.map(|tag| self.match_tag(exception, tag));
            let mut values = match tag {
                Some(tag) => self.load_payload(exception, tag),
                None => Vec::new(),
            };
            values.extend(with_reference.then_some(exception));
            let (label, _) = self.label(label);
            let args: Vec<BlockArg> = values.into_iter().map(BlockArg::from).collect();
            self.b.ins().jump(label, &args);
            match otherwise {
                Some(otherwise) => self.b.switch_to_block(otherwise),
                None => return,
            }
        }
        self.raise(exception, self.control.len());
    }

    /// Ends the body of a legacy `try` without handlers, which is off the control stack already:
    /// its exceptions are as if thrown with `depth` frames around.
    pub(super) fn end_try(&mut self, frame: &mut ControlFrame, depth: usize) {
        if let Some(dispatch) = frame.dispatch.take() {
            let exception = self.begin_dispatch(frame, dispatch);
            self.raise(exception, depth);
        }
    }

    /// Ends the last handler of a legacy `try`, which is off the control stack already.
    pub(super) fn end_catch(
        &mut self,
        frame: &mut ControlFrame,
        exception: Option<RefVar>,
        otherwise: Option<Block>,
    ) {
        if let (Some(exception), Some(otherwise)) = (exception, otherwise) {
            self.jump_to_label(frame);
            self.b.switch_to_block(otherwise);
            let exception = self.frame.value(&mut self.b, exception);
            self.raise(exception, self.control.len());
        }
    }

    /// Begins a handler of a legacy `try`: of a tag, or of all exceptions.
    fn begin_catch(&mut self, tag: Option<u32>) {
        let mut frame = self
            .control
            .pop()
            .expect("a validated `catch` is in a `try`");
        let exception = match std::mem::replace(&mut frame.kind, FrameKind::Dead) {
            FrameKind::Try => {
                let dispatch = frame.dispatch.take();
                dispatch.map(|dispatch| {
                    let exception = self.begin_dispatch(&mut frame, dispatch);
                    let var = self.frame.declare(&mut self.b);
                    self.frame.set(&mut self.b, var, exception);
                    var
                })
            }
            FrameKind::Catch {
                exception,
                otherwise,
            } => otherwise.and_then(|otherwise| {
                self.jump_to_label(&mut frame);
                self.b.switch_to_block(otherwise);
                exception
            }),
            _ => return self.control.push(frame),
        };
        // Without exceptions the handler is dead code; the body's end may still be reached.
        if exception.is_none() {
            self.jump_to_label(&mut frame);
        }
        self.stack.truncate(frame.height);
        self.reachable = exception.is_some();
        let mut otherwise = None;
        let mut values = Vec::new();
        if let (Some(var), Some(tag)) = (exception, tag) {
            let exception = self.frame.value(&mut self.b, var);
            otherwise = Some(self.match_tag(exception, tag));
            values = self.load_payload(exception, tag);
        }
        frame.kind = FrameKind::Catch {
            exception,
            otherwise,
        };
        self.control.push(frame);
        for value in values {
            self.push(value);
        }
    }

    /// Ends a legacy `try` whose exceptions are handled from the frame at a depth outwards.
    fn delegate(&mut self, depth: u32) {
        let mut frame = self
            .control
            .pop()
            .expect("a validated `delegate` ends a `try`");
        if matches!(frame.kind, FrameKind::Try) {
            let depth = self.control.len().saturating_sub(depth as usize);
            self.end_try(&mut frame, depth);
            self.continue_after(frame);
        }
    }
}
