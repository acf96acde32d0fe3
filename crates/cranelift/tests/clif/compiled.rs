//! Operations and trampolines compile for this machine, with true records.

use crate::operations::ALL;
use crate::support::{ABIS, CALLEE, call, function, isa};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::CallConv;
use windrow_cranelift::{
    HeapTrap, check_stack, compile, entry_trampoline, exit_trampoline, host_trampoline,
    throw_trampoline,
};
use windrow_stack::{Place, Register};

#[test]
fn every_operation_compiles() {
    let isa = isa();
    for abi in ABIS {
        for operation in ALL {
            let function = function(abi.abi, operation.params, operation.emit);
            let mut context = Context::for_function(function);
            let compiled = compile(&mut context, &*isa).unwrap();
            for trap in &compiled.traps {
                assert!((trap.offset as usize) < compiled.code.len());
                assert!(
                    HeapTrap::from_number(trap.code.number()).is_some(),
                    "{}",
                    operation.name
                );
            }
        }
    }
}

#[test]
fn trampolines_compile() {
    let isa = isa();
    let mut signature = Signature::new(CallConv::Tail);
    signature
        .params
        .extend([types::I64, types::I32, types::F32, types::I8X16].map(AbiParam::new));
    signature
        .returns
        .extend([types::I32; 12].map(AbiParam::new));
    let mut system = Signature::new(CallConv::SystemV);
    system.params.extend([types::I64; 9].map(AbiParam::new));
    for function in [
        entry_trampoline(&*isa, &signature),
        host_trampoline(&*isa, &signature, 0x7000_0000_0000),
        throw_trampoline(&*isa, 0x7000_0000_0000, 0x7000_0000_1000),
        exit_trampoline(&*isa, &system, 0x7000_0000_0000),
    ] {
        let compiled = compile(&mut Context::for_function(function), &*isa).unwrap();
        assert!(!compiled.safepoints.is_empty());
        assert!(
            compiled
                .safepoints
                .iter()
                .all(|point| point.locations.is_empty())
        );
        assert!(compiled.handlers.is_empty());
        assert!(compiled.relocations.is_empty());
    }
}

#[test]
fn every_call_has_a_safepoint_with_its_live_homes() {
    let isa = isa();
    for abi in ABIS {
        let function = function(abi.abi, 2, |s| {
            let vars = [s.frame.declare(s.b), s.frame.declare(s.b)];
            for (var, param) in vars.iter().zip(&s.params) {
                s.frame.set(s.b, *var, *param);
            }
            for live in 0..=2 {
                s.frame
                    .call(s.b, &vars[..live], |b| call(b, CALLEE, &[], None));
            }
            vars.iter().map(|var| s.frame.value(s.b, *var)).collect()
        });
        let compiled = compile(&mut Context::for_function(function), &*isa).unwrap();
        let live: Vec<_> = compiled
            .safepoints
            .iter()
            .map(|point| point.locations.len())
            .collect();
        assert_eq!(live, [0, 1, 2]);
        let frame_bytes = compiled.safepoints[0].frame_bytes.unwrap();
        let points = compiled.safepoints.iter();
        for location in points.flat_map(|point| &point.locations) {
            let Place::Memory(Register::STACK_POINTER, offset) = location.place() else {
                panic!("{location:?}");
            };
            assert!(offset % 4 == 0 && offset.cast_unsigned() < frame_bytes);
        }
    }
}

#[test]
fn the_stack_check_traps() {
    let isa = isa();
    let mut function = function(ABIS[0].abi, 1, |s| {
        call(s.b, CALLEE, &[], None);
        vec![s.params[0]]
    });
    let context = AbiParam::special(
        types::I64,
        cranelift_codegen::ir::ArgumentPurpose::VMContext,
    );
    function.signature.params.insert(0, context);
    let block = function.layout.entry_block().unwrap();
    let param = function.dfg.block_params(block)[0];
    function.dfg.detach_block_params(block);
    function.dfg.append_block_param(block, types::I64);
    function.dfg.attach_block_param(block, param);
    check_stack(&mut function, 0);
    let compiled = compile(&mut Context::for_function(function), &*isa).unwrap();
    let overflow = cranelift_codegen::ir::TrapCode::STACK_OVERFLOW.as_raw();
    assert!(
        compiled
            .traps
            .iter()
            .any(|trap| trap.code.number() == overflow.get())
    );
}
