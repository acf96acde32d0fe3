//! Functions between compiled code and the host, as CLIF.
//!
//! All three read the state pointer from the pinned register. Arguments and results that cross in
//! memory lie in slots of [`SLOT_BYTES`] each, the first at the lowest address.

use crate::{HeapTrap, Region};
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, StackSlotData, StackSlotKind,
    UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use windrow_core::MutatorState;

/// Bytes of an argument or result in memory: enough for a vector.
pub const SLOT_BYTES: u32 = 16;

/// What an entry trampoline is called with: `(code, context, slots)`, each a pointer, in the
/// system's convention.
#[must_use]
pub fn entry_signature() -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 3]);
    signature
}

/// A function of [`entry_signature`] that calls `code`, of signature `callee`, with `context` as
/// its first argument and the others from `slots`, and leaves the results in `slots`.
///
/// # Panics
/// If `callee` has no parameter for the context.
#[must_use]
pub fn entry_trampoline(isa: &dyn TargetIsa, callee: &Signature) -> Function {
    build(isa, entry_signature(), |b, params| {
        let &[code, context, slots] = params else {
            unreachable!("three parameters")
        };
        let (_, parameters) = callee
            .params
            .split_first()
            .expect("the context is the first parameter");
        let mut arguments = vec![context];
        for (parameter, offset) in parameters.iter().zip(slot_offsets()) {
            arguments.push(
                b.ins()
                    .load(parameter.value_type, slot_flags(), slots, offset),
            );
        }
        let signature = b.import_signature(callee.clone());
        let call = b.ins().call_indirect(signature, code, &arguments);
        let results = b.inst_results(call).to_vec();
        store_slots(b, &results, slots);
        b.ins().return_(&[]);
    })
}

/// A function of `signature` that records where compiled code was left, calls the host function
/// at address `target`, of the same signature in the system's convention, and returns its results.
///
/// `signature` is in the system's convention too: compiled code calls it like the host function.
#[must_use]
pub fn exit_trampoline(isa: &dyn TargetIsa, signature: &Signature, target: usize) -> Function {
    build(isa, signature.clone(), |b, params| {
        record_exit(b);
        let target = b.ins().iconst(types::I64, target as i64);
        let callee = b.import_signature(Signature {
            call_conv: CallConv::SystemV,
            ..signature.clone()
        });
        let call = b.ins().call_indirect(callee, target, params);
        let results = b.inst_results(call).to_vec();
        b.ins().return_(&results);
    })
}

/// A function of `signature` that forwards to a host function with arguments in memory.
///
/// The first parameter is the context, which starts with the host function's address. That
/// function is called in the system's convention as `(context, state pointer, slots) -> i32` with
/// the other arguments in `slots`, and leaves the results there. A status other than zero traps
/// with [`HeapTrap::Host`]: the host recorded why.
///
/// # Panics
/// If `signature` has no parameter for the context.
#[must_use]
pub fn host_trampoline(isa: &dyn TargetIsa, signature: &Signature) -> Function {
    build(isa, signature.clone(), |b, params| {
        let (&context, arguments) = params
            .split_first()
            .expect("the context is the first parameter");
        let state = record_exit(b);
        let count = arguments.len().max(signature.returns.len()).max(1);
        let bytes = u32::try_from(count).expect("a signature's length") * SLOT_BYTES;
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4);
        let slot = b.create_sized_stack_slot(slot);
        let slots = b.ins().stack_addr(types::I64, slot, 0);
        store_slots(b, arguments, slots);

        let mut callee = entry_signature();
        callee.returns.push(AbiParam::new(types::I32));
        let callee = b.import_signature(callee);
        let code = b
            .ins()
            .load(types::I64, MemFlagsData::trusted(), context, 0);
        let call = b
            .ins()
            .call_indirect(callee, code, &[context, state, slots]);
        let status = b.func.dfg.first_result(call);
        b.ins().trapnz(status, HeapTrap::Host);
        let mut results = Vec::new();
        for (result, offset) in signature.returns.iter().zip(slot_offsets()) {
            results.push(b.ins().load(result.value_type, slot_flags(), slots, offset));
        }
        b.ins().return_(&results);
    })
}

/// Records that compiled code is left through the function being built: its caller's frame and
/// the address it returns to. Yields the state pointer.
fn record_exit(b: &mut FunctionBuilder<'_>) -> Value {
    let state = b.ins().get_pinned_reg(types::I64);
    let fp = b.ins().get_frame_pointer(types::I64);
    let caller_fp = b.ins().load(types::I64, MemFlagsData::trusted(), fp, 0);
    let return_address = b.ins().get_return_address(types::I64);
    let flags = Region::Activation.trusted(b.func);
    b.ins()
        .store(flags, caller_fp, state, MutatorState::EXIT_FP);
    b.ins()
        .store(flags, return_address, state, MutatorState::EXIT_PC);
    state
}

fn build(
    isa: &dyn TargetIsa,
    signature: Signature,
    body: impl FnOnce(&mut FunctionBuilder<'_>, &[Value]),
) -> Function {
    let mut function = Function::with_name_signature(UserFuncName::default(), signature);
    let mut context = FunctionBuilderContext::new();
    let mut b = FunctionBuilder::new(&mut function, &mut context);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.seal_block(block);
    let params = b.block_params(block).to_vec();
    body(&mut b, &params);
    b.finalize(isa.frontend_config());
    function
}

fn slot_offsets() -> impl Iterator<Item = i32> {
    (0..).step_by(SLOT_BYTES as usize)
}

/// Slots are the host's memory or the trampoline's own: accessible, but aligned to eight bytes.
fn slot_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

fn store_slots(b: &mut FunctionBuilder<'_>, values: &[Value], slots: Value) {
    for (value, offset) in values.iter().zip(slot_offsets()) {
        b.ins().store(slot_flags(), *value, slots, offset);
    }
}
