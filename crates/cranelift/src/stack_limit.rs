//! The stack check of a function's prologue.

use crate::Region;
use cranelift_codegen::ir::{Function, GlobalValueData, types};
use windrow_core::MutatorState;

/// Makes `func` compare its stack pointer with the state's limit when it is entered, and trap with
/// Cranelift's `STACK_OVERFLOW` when it would fall below.
///
/// `func` has a parameter of purpose `VMContext`, and the state pointer lies `state_offset` bytes
/// into the context. (A prologue cannot name the pinned register.)
pub fn check_stack(func: &mut Function, state_offset: i32) {
    let flags = Region::Tables.trusted(func).with_readonly();
    let flags = func.dfg.mem_flags.insert_unchecked(flags);
    let context = func.create_global_value(GlobalValueData::VMContext);
    let state = func.create_global_value(GlobalValueData::Load {
        base: context,
        offset: state_offset.into(),
        global_type: types::I64,
        flags,
    });
    let limit = func.create_global_value(GlobalValueData::Load {
        base: state,
        offset: MutatorState::STACK_LIMIT.into(),
        global_type: types::I64,
        flags,
    });
    func.stack_limit = Some(limit);
}
