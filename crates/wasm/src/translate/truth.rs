//! What the checker of safepoints is told of a function: see `windrow_cranelift::check_safepoints`.
//!
//! Which values are references is the validator's word, taken down as operands are pushed. Which
//! calls collect is read off the CLIF: a call of code that was loaded from the builtin table is
//! that builtin, one of the byte operations is known by its address, anything else may collect.
//! What survives a safepoint is what the validator has on its stack below the results.
//! Builds without debug assertions take nothing down and check nothing.

use super::{Translator, bytes};
use crate::builtins::{Builtin, THROW_TABLE_OFFSET};
use crate::vmctx::VmOffsets;
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, SourceLoc, Value};
use hashbrown::HashMap;
use wasmparser::{
    AbstractHeapType, FuncValidator, HeapType, Operator, ValType, ValidatorResources,
    WasmModuleResources,
};
use windrow::jit::MutatorState;
use windrow_cranelift::{Claim, GroundTruth, RefVar, Violation, check_safepoints};

/// What was taken down of one function.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    moves_objects: bool,
    claims: HashMap<Value, Claim>,
    /// The survivors of the safepoints of each operator, in the order of their emission.
    survivors: HashMap<SourceLoc, Vec<Vec<Value>>>,
    /// The operands, from the bottom, that survive the operator at hand.
    surviving: u32,
}

impl Truth {
    pub(super) fn new(moves_objects: bool) -> Self {
        Self {
            moves_objects,
            ..Self::default()
        }
    }

    /// Takes down the validator's type of a value.
    pub(super) fn note(
        &mut self,
        validator: &FuncValidator<ValidatorResources>,
        value: Value,
        ty: Option<ValType>,
    ) {
        if cfg!(debug_assertions)
            && let Some(ty) = ty
        {
            let claim = if is_collected(validator, ty) {
                Claim::Reference
            } else {
                Claim::Number
            };
            self.claims.insert(value, claim);
        }
    }

    /// Takes down that a value is a caught exception.
    pub(super) fn note_exception(&mut self, value: Value) {
        if cfg!(debug_assertions) {
            self.claims.insert(value, Claim::Reference);
        }
    }

    /// Takes down that a value takes the place of dead locals.
    pub(super) fn note_dead(&mut self, value: Value) {
        if cfg!(debug_assertions) {
            self.claims.insert(value, Claim::Dead);
        }
    }

    /// What the safepoints of the finished function are to be checked against.
    ///
    /// # Panics
    /// If one value was taken down as a reference and as a number.
    pub(crate) fn settle(self, func: &Function) -> Settled {
        Settled::new(self, func)
    }
}

/// Whether values of a type are collected references.
fn is_collected(validator: &FuncValidator<ValidatorResources>, ty: ValType) -> bool {
    let ValType::Ref(ty) = ty else { return false };
    let top = validator.resources().top_type(&ty.heap_type());
    !matches!(
        top,
        HeapType::Abstract {
            ty: AbstractHeapType::Func,
            ..
        }
    )
}

impl Translator<'_> {
    /// Takes down how many operands survive an operator that is a safepoint, just validated.
    pub(super) fn note_height(&mut self, op: &Operator<'_>) {
        let results = match *op {
            Operator::Call { function_index } => {
                self.env.function_signature(function_index).results().len()
            }
            Operator::CallIndirect { type_index, .. } | Operator::CallRef { type_index } => {
                self.env.signature(type_index).results().len()
            }
            Operator::Throw { .. } => 0,
            _ => 1,
        };
        let height = self.validator.operand_stack_height() as usize;
        let below = height.saturating_sub(results);
        self.truth.surviving = u32::try_from(below).unwrap_or(0);
    }

    /// Takes down the references that survive the safepoint about to be emitted: the operands that
    /// the validator knows of, those that the operator has taken but still needs, and what `others`
    /// hold. A local that is missing there reads as a dead value if it is read after all.
    pub(super) fn note_survivors(&mut self, others: &[RefVar]) {
        let height = self.validator.operand_stack_height();
        let taken = self.stack.homes(self.truth.surviving as usize);
        let vars = taken.chain(others.iter().copied());
        let values = vars.map(|var| self.frame.value(&mut self.b, var));
        let mut survivors: Vec<Value> = values.collect();
        for index in 0..self.truth.surviving {
            let from_top = (height - 1 - index) as usize;
            let ty = self.validator.get_operand_type(from_top).flatten();
            if ty.is_some_and(|ty| is_collected(self.validator, ty)) {
                let distance = self.stack.len() - 1 - index as usize;
                survivors.push(self.stack.peek(&mut self.b, distance));
            }
        }
        survivors.retain(|value| !is_no_object(self.b.func, *value));
        let location = self.b.srcloc();
        let of_operator = self.truth.survivors.entry(location).or_default();
        of_operator.push(survivors);
    }
}

/// What a call leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Called {
    Builtin(Builtin),
    /// An operation on bytes, or the throwing of an exception, which does not return.
    Leaf,
    /// Compiled code, or a host function.
    Code,
}

/// Whether a value is known to be null or an `i31` already, so that it needs no home.
fn is_no_object(func: &Function, value: Value) -> bool {
    let value = func.dfg.resolve_aliases(value);
    let inst = func.dfg.value_def(value).inst();
    inst.is_some_and(|inst| match func.dfg.insts[inst] {
        InstructionData::UnaryImm { imm, .. } => imm.bits() == 0 || imm.bits() & 1 == 1,
        _ => false,
    })
}

/// Whether a value is what a slow path left in the state.
fn is_slow_result(func: &Function, value: Value) -> bool {
    load(func, value).is_some_and(|(from, at)| {
        let inst = func.dfg.value_def(from).inst();
        let is_state = |inst| func.dfg.insts[inst].opcode() == Opcode::GetPinnedReg;
        at == MutatorState::SLOW_RESULT && inst.is_some_and(is_state)
    })
}

/// The load that yields a value: where from, and at which offset.
fn load(func: &Function, value: Value) -> Option<(Value, i32)> {
    let value = func.dfg.resolve_aliases(value);
    match func.dfg.insts[func.dfg.value_def(value).inst()?] {
        InstructionData::Load { arg, offset, .. } => {
            Some((func.dfg.resolve_aliases(arg), offset.into()))
        }
        _ => None,
    }
}

fn called(func: &Function, call: Inst) -> Called {
    let dfg = &func.dfg;
    if dfg.insts[call].opcode() != Opcode::CallIndirect {
        return Called::Code;
    }
    let callee = dfg.resolve_aliases(dfg.inst_args(call)[0]);
    if let Some(inst) = dfg.value_def(callee).inst()
        && let InstructionData::UnaryImm { imm, .. } = dfg.insts[inst]
    {
        let leaves = [bytes::move_bytes_address(), bytes::set_bytes_address()];
        let is_leaf = leaves.iter().any(|leaf| *leaf as i64 == imm.bits());
        return if is_leaf { Called::Leaf } else { Called::Code };
    }
    let entry = func.layout.entry_block().expect("functions have an entry");
    let Some((table, at)) = load(func, callee) else {
        return Called::Code;
    };
    if load(func, table) != Some((dfg.block_params(entry)[0], VmOffsets::BUILTINS)) {
        return Called::Code;
    }
    if at == THROW_TABLE_OFFSET {
        return Called::Leaf;
    }
    let builtin = Builtin::ALL
        .iter()
        .find(|builtin| builtin.table_offset() == at);
    builtin.map_or(Called::Code, |builtin| Called::Builtin(*builtin))
}

/// What was taken down, in terms of the finished function.
#[derive(Debug)]
pub(crate) struct Settled {
    moves_objects: bool,
    claims: HashMap<Value, Claim>,
    survivors: HashMap<Inst, Vec<Value>>,
}

impl Settled {
    /// Checks the safepoints of the function that all this is about.
    ///
    /// # Errors
    /// The first defect of the code.
    pub(crate) fn check(&self, func: &Function) -> Result<(), Violation> {
        check_safepoints(func, self)
    }

    fn new(truth: Truth, func: &Function) -> Self {
        let mut settled = Self {
            moves_objects: truth.moves_objects,
            claims: HashMap::with_capacity(truth.claims.len()),
            survivors: HashMap::new(),
        };
        for (value, claim) in truth.claims {
            let value = func.dfg.resolve_aliases(value);
            let def = func.dfg.value_def(value).inst();
            let is_constant =
                def.is_some_and(|inst| func.dfg.insts[inst].opcode() == Opcode::Iconst);
            if is_constant && claim != Claim::Dead {
                continue;
            }
            let before = settled.claims.insert(value, claim);
            assert!(
                before.is_none_or(|before| before == claim),
                "{value} is a reference to the validator, and a number"
            );
        }
        let blocks = func.layout.blocks();
        let insts = blocks.flat_map(|block| func.layout.block_insts(block));
        let mut calls: Vec<Inst> = insts
            .filter(|inst| func.dfg.insts[*inst].opcode().is_call())
            .filter(|inst| settled.may_collect(func, *inst))
            .collect();
        // Calls are numbered in the order in which they were emitted.
        calls.sort_unstable();
        let mut survivors: HashMap<_, _> = truth
            .survivors
            .into_iter()
            .map(|(location, survivors)| (location, survivors.into_iter()))
            .collect();
        for call in calls {
            let of_operator = survivors.get_mut(&func.srcloc(call));
            if let Some(values) = of_operator.and_then(Iterator::next) {
                settled.survivors.insert(call, values);
            }
        }
        let forgotten = survivors
            .values()
            .map(ExactSizeIterator::len)
            .sum::<usize>();
        assert_eq!(forgotten, 0, "a safepoint was announced, but not emitted");
        settled
    }
}

impl GroundTruth for Settled {
    fn moves_objects(&self) -> bool {
        self.moves_objects
    }

    fn claim(&self, func: &Function, value: Value) -> Option<Claim> {
        let claim = self.claims.get(&value).copied();
        claim.or_else(|| {
            let call = func.dfg.value_def(value).inst()?;
            if is_slow_result(func, value) {
                return Some(Claim::Reference);
            }
            if !func.dfg.insts[call].opcode().is_call() {
                return None;
            }
            match called(func, call) {
                Called::Builtin(builtin) if builtin.returns_reference() => Some(Claim::Reference),
                Called::Builtin(_) => Some(Claim::Number),
                _ => None,
            }
        })
    }

    fn may_collect(&self, func: &Function, call: Inst) -> bool {
        match called(func, call) {
            Called::Builtin(builtin) => builtin.may_collect(),
            Called::Leaf => false,
            Called::Code => true,
        }
    }

    fn surviving(&self, _: &Function, call: Inst) -> &[Value] {
        self.survivors.get(&call).map_or(&[], Vec::as_slice)
    }
}
