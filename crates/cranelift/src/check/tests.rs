//! Functions that lose a reference in every way there is, and those that do not, as text.

use super::*;
use cranelift_codegen::ir::{ExternalName, InstructionData, ValueDef, types};

/// Parameters of 32 bits are references, others are numbers; results of calls are as their types
/// too. Functions named `%leaf` do not collect.
struct ByType {
    moves_objects: bool,
    survivors: Vec<Value>,
}

impl GroundTruth for ByType {
    fn moves_objects(&self) -> bool {
        self.moves_objects
    }

    fn claim(&self, func: &Function, value: Value) -> Option<Claim> {
        let is_known = match func.dfg.value_def(value) {
            ValueDef::Param(block, _) => func.layout.entry_block() == Some(block),
            ValueDef::Result(inst, _) => func.dfg.insts[inst].opcode().is_call(),
            ValueDef::Union(..) => false,
        };
        let is_word = func.dfg.value_type(value) == types::I32;
        is_known.then_some(if is_word {
            Claim::Reference
        } else {
            Claim::Number
        })
    }

    fn may_collect(&self, func: &Function, call: Inst) -> bool {
        let InstructionData::Call { func_ref, .. } = func.dfg.insts[call] else {
            return true;
        };
        let name = &func.dfg.ext_funcs[func_ref].name;
        !matches!(name, ExternalName::TestCase(name) if name.raw() == b"leaf")
    }

    fn surviving(&self, _: &Function, _: Inst) -> &[Value] {
        &self.survivors
    }
}

/// A function of a reference and a number that returns a reference, around blocks.
fn function(blocks: &str) -> Function {
    let text = format!(
        "function %f(i32, i64) -> i32 {{
            ss0 = explicit_slot 4, align = 4
            ss1 = explicit_slot 4, align = 4
            sig0 = ()
            sig1 = () -> i32
            fn0 = %collect sig0
            fn1 = %leaf sig0
            fn2 = %allocate sig1
            {blocks}
        }}"
    );
    let mut functions = cranelift_reader::parse_functions(&text).expect("it can be read");
    functions.pop().expect("there is one")
}

fn problem_with(blocks: &str, moves_objects: bool, survivors: &[u32]) -> Option<Problem> {
    let func = function(blocks);
    let truth = ByType {
        moves_objects,
        survivors: survivors
            .iter()
            .map(|value| Value::from_u32(*value))
            .collect(),
    };
    let violation = check_safepoints(&func, &truth).err()?;
    assert!(!violation.instruction.is_empty());
    Some(violation.problem)
}

/// What is wrong where objects move.
fn moving(blocks: &str) -> Option<Problem> {
    problem_with(blocks, true, &[])
}

/// What is wrong where they stay.
fn staying(blocks: &str) -> Option<Problem> {
    problem_with(blocks, false, &[])
}

const SPILLED: &str = "block0(v0: i32, v1: i64):
    v2 = stack_addr.i64 ss0
    store v0, v2
    call fn0(), stack_map=[i32 @ ss0+0]
    v3 = stack_addr.i64 ss0
    v4 = load.i32 v3
    return v4";

#[test]
fn a_reference_stored_named_and_loaded_again_is_safe() {
    assert_eq!(moving(SPILLED), None);
    assert_eq!(staying(SPILLED), None);
    assert_eq!(problem_with(SPILLED, true, &[0]), None);
}

#[test]
fn no_safepoint_asks_for_nothing() {
    let text = "block0(v0: i32, v1: i64):
        call fn1()
        return v0";
    assert_eq!(moving(text), None);
    assert_eq!(staying(text), None);
}

#[test]
fn a_reference_that_no_map_names_is_missing() {
    let text = "block0(v0: i32, v1: i64):
        call fn0()
        return v0";
    let value = Value::from_u32(0);
    assert_eq!(moving(text), Some(Problem::LivesAcross { value }));
    assert_eq!(staying(text), Some(Problem::Missing { value }));
    let unused = "block0(v0: i32, v1: i64):
        call fn0()
        v2 = iconst.i32 0
        return v2";
    assert_eq!(moving(unused), None);
    let wanted = problem_with(unused, true, &[0]);
    assert_eq!(wanted, Some(Problem::Missing { value }));
}

#[test]
fn a_reference_used_as_it_was_before_is_stale() {
    let text = SPILLED.replace("return v4", "return v0");
    let value = Value::from_u32(0);
    assert_eq!(moving(&text), Some(Problem::LivesAcross { value }));
    assert_eq!(staying(&text), None);
}

#[test]
fn a_slot_named_without_a_store_is_found() {
    let slot = function(SPILLED).sized_stack_slots.keys().next();
    let slot = slot.expect("there are two");
    let unset = Some(Problem::Unset { slot });
    let never = SPILLED.replace("store v0, v2", "");
    assert_eq!(moving(&never), unset);
    assert_eq!(staying(&never), unset);
    let on_one_path = "block0(v0: i32, v1: i64):
        v2 = stack_addr.i64 ss0
        brif v1, block1, block2
    block1:
        store v0, v2
        jump block2
    block2:
        call fn0(), stack_map=[i32 @ ss0+0]
        v3 = iconst.i32 0
        return v3";
    assert_eq!(moving(on_one_path), unset);
    assert_eq!(staying(on_one_path), unset);
}

#[test]
fn a_slot_loaded_after_a_call_that_does_not_name_it_is_stale() {
    let slot = function(SPILLED).sized_stack_slots.keys().next();
    let slot = slot.expect("there are two");
    let text = SPILLED.replace(", stack_map=[i32 @ ss0+0]", "");
    let loaded = text.replace(
        "return v4",
        "call fn0(), stack_map=[i32 @ ss0+0]
        return v4",
    );
    assert_eq!(moving(&loaded), Some(Problem::Stale { slot }));
    assert_eq!(staying(&loaded), Some(Problem::Stale { slot }));
    let unnamed = SPILLED.replace(", stack_map=[i32 @ ss0+0]", "");
    assert_eq!(moving(&unnamed), Some(Problem::Stale { slot }));
    // Another slot keeps the object alive, where it stays.
    let twice = "block0(v0: i32, v1: i64):
        v2 = stack_addr.i64 ss0
        v3 = stack_addr.i64 ss1
        store v0, v2
        store v0, v3
        call fn0(), stack_map=[i32 @ ss1+0]
        call fn0(), stack_map=[i32 @ ss0+0]
        return v0";
    assert_eq!(staying(twice), None);
    assert_eq!(moving(twice), Some(Problem::Stale { slot }));
}

#[test]
fn an_address_that_lives_across_is_found_wherever_objects_are() {
    let text = "block0(v0: i32, v1: i64):
        v2 = stack_addr.i64 ss0
        store v0, v2
        v5 = uextend.i64 v0
        v6 = iadd v1, v5
        call fn0(), stack_map=[i32 @ ss0+0]
        v7 = load.i32 v6
        v3 = stack_addr.i64 ss0
        v4 = load.i32 v3
        return v4";
    let value = Value::from_u32(6);
    let problem = Some(Problem::DerivedLivesAcross { value });
    assert_eq!(moving(text), problem);
    assert_eq!(staying(text), problem);
    let again = text.replace("v7 = load.i32 v6", "").replace(
        "return v4",
        "v8 = uextend.i64 v4\n v9 = iadd v1, v8\n v10 = load.i32 v9\n return v4",
    );
    assert_eq!(moving(&again), None);
}

#[test]
fn what_was_read_or_compared_may_live_across() {
    let text = "block0(v0: i32, v1: i64):
        v5 = uextend.i64 v0
        v6 = iadd v1, v5
        v7 = load.i64 v6
        v8 = icmp eq v0, v0
        call fn0()
        brif v8, block1(v7), block1(v1)
    block1(v9: i64):
        v10 = iconst.i32 0
        return v10";
    assert_eq!(moving(text), None);
}

#[test]
fn a_number_in_a_named_slot_is_found() {
    let slot = function(SPILLED).sized_stack_slots.keys().next();
    let slot = slot.expect("there are two");
    let number = |make: &str| SPILLED.replace("store v0, v2", &format!("{make}\n store v9, v2"));
    let value = Value::from_u32(9);
    let foreign = Some(Problem::NotReference { slot, value });
    for make in [
        "v9 = ireduce.i32 v1",
        "v9 = iconst.i32 24",
        "v9 = iadd v0, v0",
    ] {
        assert_eq!(moving(&number(make)), foreign, "{make}");
        assert_eq!(staying(&number(make)), foreign, "{make}");
    }
    for make in [
        "v9 = iconst.i32 0",
        "v9 = iconst.i32 25",
        "v9 = select v1, v0, v0",
    ] {
        assert_eq!(moving(&number(make)), None, "{make}");
    }
}

#[test]
fn copies_are_references_too() {
    let select = "block0(v0: i32, v1: i64):
        v2 = iconst.i32 0
        v3 = select v1, v0, v2
        call fn0()
        return v3";
    let value = Value::from_u32(3);
    assert_eq!(moving(select), Some(Problem::LivesAcross { value }));
    assert_eq!(staying(select), Some(Problem::Missing { value }));
    let param = "block0(v0: i32, v1: i64):
        v2 = iconst.i32 0
        brif v1, block1(v0), block1(v2)
    block1(v3: i32):
        call fn0()
        brif v1, block1(v3), block2
    block2:
        v4 = iconst.i32 0
        return v4";
    assert_eq!(moving(param), Some(Problem::LivesAcross { value }));
    assert_eq!(staying(param), Some(Problem::Missing { value }));
}

#[test]
fn nulls_that_meet_are_references() {
    let text = "block0(v0: i32, v1: i64):
        v2 = iconst.i32 0
        v3 = iconst.i32 0
        brif v1, block1(v2), block1(v3)
    block1(v4: i32):
        v5 = stack_addr.i64 ss0
        store v4, v5
        call fn0(), stack_map=[i32 @ ss0+0]
        v6 = stack_addr.i64 ss0
        v7 = load.i32 v6
        return v7";
    assert_eq!(moving(text), None);
    let slot = function(text).sized_stack_slots.keys().next();
    let slot = slot.expect("there are two");
    let value = Value::from_u32(4);
    let other = text.replace("v3 = iconst.i32 0", "v3 = iconst.i32 8");
    assert_eq!(moving(&other), Some(Problem::NotReference { slot, value }));
}

#[test]
fn a_call_in_a_loop_is_crossed_by_what_is_defined_before_it() {
    let text = "block0(v0: i32, v1: i64):
        jump block1
    block1:
        v2 = uextend.i64 v0
        call fn0()
        brif v1, block1, block2
    block2:
        v3 = iconst.i32 0
        return v3";
    let value = Value::from_u32(0);
    assert_eq!(moving(text), Some(Problem::LivesAcross { value }));
}

#[test]
fn handlers_of_exceptions_follow_their_call() {
    let caught = |landing: &str| {
        format!(
            "block0(v0: i32, v1: i64):
            v2 = stack_addr.i64 ss0
            store v0, v2
            try_call fn0(), sig0, block1, [ default: block2(exn0) ], stack_map=[i32 @ ss0+0]
        block1:
            v3 = iconst.i32 0
            return v3
        block2(v4: i64):
            v5 = stack_addr.i64 ss0
            v6 = load.i32 v5
            return {landing}"
        )
    };
    assert_eq!(moving(&caught("v6")), None);
    let value = Value::from_u32(0);
    assert_eq!(moving(&caught("v0")), Some(Problem::LivesAcross { value }));
    assert_eq!(staying(&caught("v0")), None);
    let unstored = caught("v0")
        .replace("store v0, v2", "")
        .replace("v6 = load.i32 v5", "")
        .replace(", stack_map=[i32 @ ss0+0]", "");
    assert_eq!(staying(&unstored), Some(Problem::Missing { value }));
}

#[test]
fn a_home_whose_address_goes_elsewhere_is_refused() {
    let text = SPILLED.replace("call fn0()", "v9 = iadd v2, v1\n call fn0()");
    assert!(matches!(moving(&text), Some(Problem::Escapes { .. })));
}

#[test]
fn a_result_is_a_reference_after_its_call_only() {
    let text = "block0(v0: i32, v1: i64):
        v2 = call fn2()
        return v2";
    assert_eq!(moving(text), None);
    let twice = text.replace("return v2", "v3 = call fn2()\n return v2");
    let value = Value::from_u32(2);
    assert_eq!(moving(&twice), Some(Problem::LivesAcross { value }));
}

#[test]
fn a_value_that_stands_for_a_dead_one_has_no_use() {
    struct Dead;
    impl GroundTruth for Dead {
        fn moves_objects(&self) -> bool {
            true
        }

        fn claim(&self, _: &Function, value: Value) -> Option<Claim> {
            (value == Value::from_u32(2)).then_some(Claim::Dead)
        }

        fn may_collect(&self, _: &Function, _: Inst) -> bool {
            true
        }
    }
    let text = "block0(v0: i32, v1: i64):
        v2 = iconst.i32 0
        brif v1, block1(v2), block1(v0)
    block1(v3: i32):
        return v3";
    let value = Value::from_u32(2);
    let found = check_safepoints(&function(text), &Dead).err();
    let found = found.map(|violation| violation.problem);
    assert_eq!(found, Some(Problem::UsesDead { value }));
    let unused = text.replace("block1(v2)", "block1(v0)");
    assert_eq!(check_safepoints(&function(&unused), &Dead), Ok(()));
}
