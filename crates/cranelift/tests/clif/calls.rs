//! Calls are where they are meant to be.

use crate::operations::ALL;
use crate::support::{ABIS, CALLEE, call, function};
use cranelift_codegen::ir::{Function, Inst, Opcode, types};
use windrow_core::TypeId;
use windrow_cranelift::{CastSource, CastTarget, Concrete, HeapType};

fn calls(function: &Function, in_cold_blocks: bool) -> Vec<Inst> {
    let blocks = function
        .layout
        .blocks()
        .filter(|block| function.layout.is_cold(*block) == in_cold_blocks);
    blocks
        .flat_map(|block| function.layout.block_insts(block))
        .filter(|inst| function.dfg.insts[*inst].opcode().is_call())
        .collect()
}

#[test]
fn calls_are_in_cold_blocks() {
    let in_line = ABIS.iter().filter(|abi| abi.name.ends_with("bump"));
    for abi in in_line {
        for operation in ALL.iter().filter(|operation| operation.is_call_free) {
            let function = function(abi.abi, operation.params, operation.emit);
            assert!(
                calls(&function, false).is_empty(),
                "{} under {} calls on its fast path:\n{function}",
                operation.name,
                abi.name
            );
        }
    }
}

#[test]
fn call_abis_call_on_the_fast_path() {
    // The check above would pass for a walk that finds no calls at all.
    for abi in ABIS.iter().filter(|abi| abi.name.ends_with("call")) {
        for name in [
            "struct_new",
            "array_new",
            "store_ref",
            "array_store_ref",
            "store_global",
        ] {
            let operation = ALL.iter().find(|operation| operation.name == name).unwrap();
            let function = function(abi.abi, operation.params, operation.emit);
            assert_eq!(
                calls(&function, false).len(),
                1,
                "{name} under {}:\n{function}",
                abi.name
            );
        }
    }
}

#[test]
fn only_safepoints_have_stack_maps() {
    for abi in ABIS {
        let function = function(abi.abi, 1, |s| {
            let var = s.frame.declare(s.b);
            s.frame.set(s.b, var, s.params[0]);
            let concrete = Concrete {
                type_id: TypeId::from_bits(9),
                depth: 8,
                is_final: false,
            };
            let target = CastTarget {
                nullable: false,
                heap_type: HeapType::Object(concrete),
            };
            let passes = s
                .emitter
                .ref_test(s.b, &mut s.slow, s.params[0], CastSource::ANY, target);
            s.emitter.store_barrier(s.b, &mut s.slow, s.params[0]);
            s.frame.call(s.b, &[var], |b| call(b, CALLEE, &[], None));
            vec![passes, s.frame.value(s.b, var)]
        });
        let all = [calls(&function, false), calls(&function, true)].concat();
        let mapped = all
            .iter()
            .filter(|call| function.dfg.user_stack_map_entries(**call).is_some());
        assert_eq!(mapped.count(), 1, "{}:\n{function}", abi.name);
    }
}

#[test]
fn constants_need_no_home() {
    for abi in ABIS {
        let function = function(abi.abi, 0, |s| {
            let (null, small) = (s.frame.declare(s.b), s.frame.declare(s.b));
            s.frame.kill(s.b, null);
            let one = cranelift_codegen::ir::InstBuilder::iconst(s.b.ins(), types::I32, 3);
            s.frame.set(s.b, small, one);
            s.frame
                .call(s.b, &[null, small], |b| call(b, CALLEE, &[], None));
            vec![]
        });
        assert!(
            function.sized_stack_slots.is_empty(),
            "{}:\n{function}",
            abi.name
        );
    }
}

#[test]
fn a_home_is_stored_once() {
    for abi in ABIS {
        let function = function(abi.abi, 1, |s| {
            let var = s.frame.declare(s.b);
            s.frame.set(s.b, var, s.params[0]);
            for _ in 0..10 {
                s.frame.call(s.b, &[var], |b| call(b, CALLEE, &[], None));
            }
            vec![s.frame.value(s.b, var)]
        });
        let insts = function
            .layout
            .blocks()
            .flat_map(|block| function.layout.block_insts(block));
        let stores = insts.filter(|inst| function.dfg.insts[*inst].opcode() == Opcode::Store);
        assert_eq!(stores.count(), 1, "{}:\n{function}", abi.name);
        assert_eq!(calls(&function, false).len(), 10);
    }
}
