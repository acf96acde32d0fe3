//! Functions between compiled code and the host, as CLIF.
//!
//! All read the state pointer from the pinned register. Arguments and results that cross in
//! memory lie in slots of [`SLOT_BYTES`] each, the first at the lowest address.

use crate::{HeapTrap, Region};
use cranelift_codegen::ir::condcodes::IntCC;
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
/// `signature` is in the system's convention too: compiled code calls it like the host function. Or it
/// preserves all registers, and has no results: then the host function has an `i32` for one, which is
/// left in the [state](MutatorState::SLOW_RESULT).
#[must_use]
pub fn exit_trampoline(isa: &dyn TargetIsa, signature: &Signature, target: usize) -> Function {
    build(isa, signature.clone(), |b, params| {
        record_exit(b);
        let target = b.ins().iconst(types::I64, target as i64);
        let mut callee = signature.clone();
        callee.call_conv = CallConv::SystemV;
        let preserves = signature.call_conv == CallConv::PreserveAll;
        callee
            .returns
            .extend(preserves.then(|| AbiParam::new(types::I32)));
        let callee = b.import_signature(callee);
        let call = b.ins().call_indirect(callee, target, params);
        let results = b.inst_results(call).to_vec();
        if preserves {
            let state = b.ins().get_pinned_reg(types::I64);
            let flags = Region::Activation.trusted(b.func);
            b.ins()
                .store(flags, results[0], state, MutatorState::SLOW_RESULT);
            b.ins().return_(&[]);
        } else {
            b.ins().return_(&results);
        }
    })
}

/// What a host function of [`host_trampoline`] and [`throw_trampoline`] returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum HostStatus {
    /// It returned; its results are in the slots.
    Returned = 0,
    /// It failed, and recorded why: the trampoline traps with [`HeapTrap::Host`].
    Failed = 1,
    /// It ended in an exception that this activation handles. The first two slots hold four words:
    /// handler, stack pointer, frame pointer, exception.
    Threw = 2,
}

/// A function of `signature` that forwards to a host function with arguments in memory.
///
/// The first parameter is the context, which starts with the host function's address. That
/// function is called in the system's convention as `(context, state pointer, slots) -> i32` with
/// the other arguments in `slots`, two at least, and leaves the results there and returns a
/// [`HostStatus`]. `landing` is the address of the code that lands exceptions.
///
/// # Panics
/// If `signature` has no parameter for the context.
#[must_use]
pub fn host_trampoline(isa: &dyn TargetIsa, signature: &Signature, landing: usize) -> Function {
    build(isa, signature.clone(), |b, params| {
        let (&context, arguments) = params
            .split_first()
            .expect("the context is the first parameter");
        let state = record_exit(b);
        let slots = make_slots(b, arguments.len().max(signature.returns.len()).max(2));
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
        let (returned, ended) = (b.create_block(), b.create_block());
        b.set_cold_block(ended);
        b.ins().brif(status, ended, &[], returned, &[]);
        b.seal_block(returned);
        b.seal_block(ended);

        b.switch_to_block(ended);
        land(b, status, slots, landing);

        b.switch_to_block(returned);
        let mut results = Vec::new();
        for (result, offset) in signature.returns.iter().zip(slot_offsets()) {
            results.push(b.ins().load(result.value_type, slot_flags(), slots, offset));
        }
        b.ins().return_(&results);
    })
}

/// A function `(context, exception: i32)` in the system's convention that throws an exception, and
/// does not return.
///
/// It records where compiled code was left and calls the host function at address `target` in the
/// system's convention as `(context, exception, slots) -> i32`, with two slots; see [`HostStatus`].
#[must_use]
pub fn throw_trampoline(isa: &dyn TargetIsa, target: usize, landing: usize) -> Function {
    let mut signature = Signature::new(CallConv::SystemV);
    let params = [types::I64, types::I32].map(AbiParam::new);
    signature.params.extend(params);
    build(isa, signature.clone(), |b, params| {
        record_exit(b);
        let slots = make_slots(b, 2);
        let mut callee = signature.clone();
        callee.params.push(AbiParam::new(types::I64));
        callee.returns.push(AbiParam::new(types::I32));
        let callee = b.import_signature(callee);
        let target = b.ins().iconst(types::I64, target as i64);
        let arguments = [params, &[slots]].concat();
        let call = b.ins().call_indirect(callee, target, &arguments);
        let status = b.func.dfg.first_result(call);
        land(b, status, slots, landing);
    })
}

/// Ends the block: lands the exception described in `slots`, or traps if the status is another.
fn land(b: &mut FunctionBuilder<'_>, status: Value, slots: Value, landing: usize) {
    let threw = b
        .ins()
        .icmp_imm_u(IntCC::Equal, status, HostStatus::Threw as i64);
    b.ins().trapz(threw, HeapTrap::Host);
    let words: [Value; 4] = std::array::from_fn(|index| {
        let offset = i32::try_from(8 * index).expect("four words");
        b.ins().load(types::I64, slot_flags(), slots, offset)
    });
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64); 4]);
    let signature = b.import_signature(signature);
    let landing = b.ins().iconst(types::I64, landing as i64);
    b.ins().call_indirect(signature, landing, &words);
    b.ins().trap(HeapTrap::Host);
}

fn make_slots(b: &mut FunctionBuilder<'_>, count: usize) -> Value {
    let bytes = u32::try_from(count).expect("a signature's length") * SLOT_BYTES;
    let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4);
    let slot = b.create_sized_stack_slot(slot);
    b.ins().stack_addr(types::I64, slot, 0)
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
