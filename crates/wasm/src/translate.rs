//! From a function body to CLIF, one operator at a time, validated on the way.
//!
//! ```text
//! control    blocks and labels;  branch: branches to them
//! variable   locals, globals, constants, select
//! numeric    integers and floats
//! memory     linear memories
//! table      tables
//! simd       vectors
//! call       calls, function references
//! exception  throwing and catching
//! object     structs, i31, casts;  folding: structs allocated at once
//! array      arrays;  heap_types: layouts and cast targets
//! host       calls of builtins, the slow paths of windrow-cranelift
//! interrupt  looking whether to stop
//! stack      the operand stack;  locals: the locals;  liveness: which of them live
//! error      why a body is refused;  truth: what its safepoints are checked against
//! ```
//! References across safepoints: see `windrow_cranelift::RefFrame`. Which operands and locals are
//! references is the validator's word, never the translator's own bookkeeping.

mod array;
mod branch;
#[expect(
    unsafe_code,
    reason = "the two byte operations that bulk array code calls"
)]
mod bytes;
mod call;
mod control;
mod error;
mod exception;
mod folding;
mod heap_types;
mod host;
mod interrupt;
mod liveness;
mod locals;
mod memory;
mod numeric;
mod object;
mod simd;
mod stack;
mod table;
mod truth;
mod variable;

use crate::env::{ModuleEnv, Repr};
use crate::vmctx::VmOffsets;
use bumpalo::Bump;
use control::ControlFrame;
use cranelift_codegen::ir::{
    self, AbiParam, ArgumentPurpose, FuncRef, InstBuilder, MemFlagsData, SigRef, Signature,
    SourceLoc, Type, UserExternalName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use error::{MAX_SPILLS, proposal};
use hashbrown::HashMap;
use host::Host;
use liveness::{Liveness, LivenessBuilder, Step};
use locals::Locals;
use simd::VectorUnit;
use smallvec::SmallVec;
use stack::{OperandStack, OperandType};
use std::sync::Arc;
use wasmparser::{
    FuncType, FuncValidator, FunctionBody, Operator, OperatorsReader, ValType, ValidatorResources,
};
use windrow::TypeInfo;
use windrow_cranelift::{Emitter, InlinedCalls, RefFrame, RefVar, check_stack};

pub(crate) use error::TranslateError;
pub(crate) use host::builtin_signature;
pub(crate) use truth::Truth;

/// The namespace in which a direct call names a function of the same module by its index.
pub(crate) const FUNCTION_NAMESPACE: u32 = 0;

/// What direct calls call a function of the same module.
pub(crate) const fn function_name(index: u32) -> UserExternalName {
    UserExternalName {
        namespace: FUNCTION_NAMESPACE,
        index,
    }
}

/// The CLIF type of a representation.
pub(crate) const fn clif_type(repr: Repr) -> Type {
    match repr {
        Repr::I32 | Repr::Gc | Repr::Func => types::I32,
        Repr::I64 => types::I64,
        Repr::F32 => types::F32,
        Repr::F64 => types::F64,
        Repr::V128 => types::I8X16,
    }
}

/// The signature of compiled code for a function type: the context, then the parameters.
pub(crate) fn clif_signature(env: &ModuleEnv, ty: &FuncType) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature
        .params
        .push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    let param = |ty: &ValType| AbiParam::new(clif_type(env.repr(*ty)));
    signature.params.extend(ty.params().iter().map(param));
    signature.returns.extend(ty.results().iter().map(param));
    signature
}

/// Validates the body of a function and fills `func`, which is empty, with its CLIF. Yields what its
/// safepoints can be checked against.
///
/// # Errors
/// [`TranslateError::Invalid`], [`TranslateError::Unsupported`].
pub(crate) fn translate<'a>(
    env: &'a ModuleEnv,
    isa: &dyn TargetIsa,
    validator: &'a mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'a>,
    builder: &'a mut FunctionBuilderContext,
    func: &'a mut ir::Function,
) -> Result<Truth, TranslateError> {
    let ty = env.function_signature(validator.index());
    func.signature = clif_signature(env, ty);
    check_stack(func, VmOffsets::STATE);
    let mut locals_reader = body.get_binary_reader();
    validator.read_locals(&mut locals_reader)?;
    let b = FunctionBuilder::new(func, builder);
    let reader = body.get_operators_reader()?;
    let mut translator = Translator::new(env, VectorUnit::of(isa), validator, reader, b);
    translator.b.set_srcloc(source_location(body.range().start));
    translator.begin(ty);
    translator.liveness = translator.analyse(body)?;
    translator.body()?;
    translator.b.seal_all_blocks();
    translator.b.finalize(isa.frontend_config());
    Ok(translator.truth)
}

/// The state of one function's translation.
struct Translator<'a> {
    env: &'a ModuleEnv,
    offsets: VmOffsets,
    vector_unit: VectorUnit,
    validator: &'a mut FuncValidator<ValidatorResources>,
    b: FunctionBuilder<'a>,
    emitter: Emitter,
    frame: RefFrame,
    host: Host,
    stack: OperandStack,
    control: Vec<ControlFrame>,
    /// Whether control can reach the operator at hand.
    reachable: bool,
    locals: Locals,
    liveness: Liveness,
    /// Safepoints met so far, in unreachable code too.
    safepoints: usize,
    /// References that survived them, counted once each.
    spills: usize,
    truth: Truth,
    /// Structs that are allocated but not made yet, the next one last.
    allocated: SmallVec<[Value; 1]>,
    /// Past the operator at hand.
    reader: OperatorsReader<'a>,
    functions: HashMap<u32, FuncRef>,
    signatures: HashMap<u32, SigRef>,
    types: HashMap<u32, Arc<TypeInfo>>,
}

impl<'a> Translator<'a> {
    fn new(
        env: &'a ModuleEnv,
        vector_unit: VectorUnit,
        validator: &'a mut FuncValidator<ValidatorResources>,
        reader: OperatorsReader<'a>,
        b: FunctionBuilder<'a>,
    ) -> Self {
        Self {
            env,
            offsets: VmOffsets::new(env),
            vector_unit,
            validator,
            b,
            emitter: Emitter::new(env.abi),
            frame: RefFrame::new(&env.abi),
            host: Host::default(),
            stack: OperandStack::default(),
            control: Vec::new(),
            reachable: true,
            locals: Locals::default(),
            liveness: LivenessBuilder::new(&Bump::new(), 0).finish(),
            safepoints: 0,
            spills: 0,
            truth: Truth::new(env.abi.mutator.moves_objects),
            allocated: SmallVec::new(),
            reader,
            functions: HashMap::new(),
            signatures: HashMap::new(),
            types: HashMap::new(),
        }
    }

    /// The entry block: parameters and zeroed locals.
    fn begin(&mut self, ty: &FuncType) {
        let entry = self.b.create_block();
        self.b.append_block_params_for_function_params(entry);
        self.b.switch_to_block(entry);
        self.b.seal_block(entry);
        let params = self.b.block_params(entry).to_vec();
        let (&context, params) = params
            .split_first()
            .expect("the context is the first parameter");
        self.host.set_context(context);
        let null = self.b.ins().iconst(types::I32, 0);
        self.locals = Locals::new(null);
        self.truth.note_dead(null);
        for index in 0..self.validator.len_locals() {
            let ty = self
                .validator
                .get_local_type(index)
                .expect("a local of the function");
            let repr = self.env.repr(ty);
            let value = match params.get(index as usize) {
                Some(value) => {
                    self.truth.note(self.validator, *value, Some(ty));
                    *value
                }
                None => zero(&mut self.b, repr),
            };
            self.locals
                .declare(&mut self.b, &mut self.frame, repr, value);
        }
        self.push_function_frame(ty);
        self.check_stop();
    }

    /// Runs the liveness analysis over the whole body.
    fn analyse(&self, body: &FunctionBody<'_>) -> Result<Liveness, TranslateError> {
        let arena = Bump::new();
        let mut liveness = LivenessBuilder::new(&arena, self.locals.refs());
        if self.locals.refs() > 0 {
            let mut reader = body.get_operators_reader()?;
            while !reader.eof() {
                let op = reader.read()?;
                if let Some(step) = Step::of(&op, |local| self.locals.ref_index(local)) {
                    liveness.step(step);
                }
            }
        }
        Ok(liveness.finish())
    }

    fn body(&mut self) -> Result<(), TranslateError> {
        while !self.reader.eof() {
            let (op, offset) = self.reader.read_with_offset()?;
            self.validator.op(offset, &op)?;
            self.b.set_srcloc(source_location(offset));
            if cfg!(debug_assertions) && liveness::is_safepoint(&op) {
                self.note_height(&op);
            }
            self.operator(&op, offset)?;
            let (env, validator, truth) = (self.env, &*self.validator, &mut self.truth);
            self.stack.set_types(|distance, value| {
                let ty = validator.get_operand_type(distance).flatten();
                truth.note(validator, value, ty);
                operand_type(env, ty)
            });
        }
        self.reader.finish()?;
        Ok(())
    }

    fn operator(&mut self, op: &Operator<'_>, offset: u64) -> Result<(), TranslateError> {
        if self.control_operator(op)? {
            return Ok(());
        }
        if self.reachable {
            self.check_stop_before(op);
            let known = self.variable_operator(op)
                || self.numeric_operator(op)
                || self.object_operator(op)
                || self.array_operator(op)
                || self.call_operator(op)
                || self.throw_operator(op)
                || self.memory_operator(op)
                || self.table_operator(op)
                || self.simd_operator(op, offset)?;
            if !known {
                return Err(TranslateError::Unsupported {
                    proposal: proposal(op),
                    offset,
                });
            }
        }
        if liveness::is_safepoint(op) {
            if self.reachable {
                self.kill_dead_locals();
            }
            self.safepoints += 1;
        }
        if self.spills > MAX_SPILLS {
            return Err(TranslateError::TooManyReferences);
        }
        Ok(())
    }

    /// The variables that survive the safepoint at hand: live locals and the whole operand stack.
    /// Operands are moved to their homes first; those that do not survive must be popped before.
    fn live_refs(&mut self) -> Vec<RefVar> {
        let from = self
            .control
            .last()
            .map_or(0, ControlFrame::settled_operands);
        let to = self.stack.len();
        self.stack
            .move_to_homes(&mut self.b, &mut self.frame, from, to);
        let mut live: Vec<RefVar> = self.stack.homes(0).collect();
        let operands = live.len();
        live.extend(self.caught_exceptions());
        live.extend(self.locals.live(&self.liveness, self.safepoints));
        self.spills += live.len();
        if cfg!(debug_assertions) {
            self.note_survivors(&live[operands..]);
        }
        live
    }

    /// Makes null of the locals that do not survive the safepoint just emitted.
    fn kill_dead_locals(&mut self) {
        self.locals.kill_dead(
            &mut self.b,
            &mut self.frame,
            &self.liveness,
            self.safepoints,
        );
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn pop(&mut self) -> Value {
        self.stack.pop(&mut self.b)
    }

    /// Loads a word of the context, which never changes.
    fn load_context(&mut self, ty: Type, offset: i32) -> Value {
        self.host.load_context(&mut self.b, ty, offset)
    }
}

/// What code needs to know of an operand's type. None for those in dead code.
fn operand_type(env: &ModuleEnv, ty: Option<ValType>) -> OperandType {
    let Some(ValType::Ref(ty)) = ty else {
        return OperandType::default();
    };
    OperandType {
        is_ref: env.ref_repr(ty) == Repr::Gc,
        nullable: ty.is_nullable(),
        may_be_i31: heap_types::may_be_i31(ty.heap_type()),
    }
}

/// Flags of a load whose result is the same for the whole life of an instance.
fn constant_load() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// The default value of a representation.
fn zero(b: &mut FunctionBuilder<'_>, repr: Repr) -> Value {
    match repr {
        Repr::F32 => b.ins().f32const(0.0),
        Repr::F64 => b.ins().f64const(0.0),
        Repr::V128 => simd::constant(b, types::I8X16, [0; 16]),
        _ => b.ins().iconst(clif_type(repr), 0),
    }
}

/// Source locations are module offsets below those of inlined places; the all-ones pattern means none.
fn source_location(offset: u64) -> SourceLoc {
    let offset = u32::try_from(offset).unwrap_or(u32::MAX);
    SourceLoc::new(match offset < InlinedCalls::FIRST {
        true => offset,
        false => u32::MAX,
    })
}
