//! Tests go and outcomes stay.

mod random;

use super::optimise;
use crate::{IsaOptions, native_isa};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{Function, Opcode};
use cranelift_codegen::isa::OwnedTargetIsa;

fn isa() -> OwnedTargetIsa {
    native_isa(&IsaOptions::default()).unwrap()
}

fn optimised(func: &Function) -> Function {
    let isa = isa();
    let mut context = Context::for_function(func.clone());
    optimise(&mut context, &*isa).unwrap();
    context.verify(&*isa).unwrap();
    context.func
}

fn count(func: &Function, opcodes: &[Opcode]) -> usize {
    let blocks = func.layout.blocks();
    let insts = blocks.flat_map(|block| func.layout.block_insts(block));
    insts
        .filter(|inst| opcodes.contains(&func.dfg.insts[*inst].opcode()))
        .count()
}

const TESTS: &[Opcode] = &[Opcode::Trapz, Opcode::Trapnz, Opcode::Brif];

/// A function of three numbers, around blocks.
fn parse(blocks: &str) -> Function {
    let text = format!("function %f(i32, i32, i32) -> i32 tail {{\n{blocks}\n}}");
    let mut functions = cranelift_reader::parse_functions(&text).expect("it can be read");
    functions.pop().expect("there is one")
}

/// The tests in such a function, before and after.
fn tests(blocks: &str) -> (usize, usize) {
    let func = parse(blocks);
    (count(&func, TESTS), count(&optimised(&func), TESTS))
}

#[test]
fn a_test_asked_again_goes() {
    let repeated = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = icmp ult v0, v1
            trapz v3, user1
            v4 = icmp ule v1, v0
            trapnz v4, user2
            brif v2, block1, block2
        block1:
            trapz v2, user3
            v5 = iconst.i32 0
            v6 = icmp eq v2, v5
            brif v6, block2, block3
        block2:
            return v0
        block3:
            v7 = icmp uge v0, v1
            trapnz v7, user4
            return v1",
    );
    assert_eq!(repeated, (6, 2));
}

#[test]
fn what_is_masked_in_two_blocks_is_one_term() {
    let casts = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i32 1
            v4 = band v0, v3
            trapnz v4, user1
            brif v1, block1, block2
        block1:
            v5 = iconst.i32 1
            v6 = band v0, v5
            trapnz v6, user2
            return v6
        block2:
            return v0",
    );
    assert_eq!(casts, (3, 2));
}

#[test]
fn what_one_of_two_ways_tells_is_not_known_where_they_meet() {
    let meeting = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            brif v0, block1, block2
        block1:
            trapz v1, user1
            jump block3
        block2:
            trapz v2, user2
            jump block3
        block3:
            trapz v0, user3
            trapz v1, user4
            return v0",
    );
    assert_eq!(meeting, (5, 5));
}

#[test]
fn a_number_that_is_passed_may_be_negative() {
    let passed = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = icmp slt v0, v1
            brif v3, block1, block2
        block1:
            v4 = icmp ult v0, v1
            trapz v4, user1
            return v0
        block2:
            return v1",
    );
    assert_eq!(passed, (2, 2));
}

/// A loop that counts by `step` from `start` while less than a length, and checks the count against it.
fn counting(start: i32, step: i32, cond: &str) -> (usize, usize) {
    tests(&format!(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i32 {start}
            jump block1(v3)
        block1(v4: i32):
            v5 = icmp {cond} v4, v0
            brif v5, block2, block3
        block2:
            v6 = icmp ult v4, v0
            trapz v6, user3
            v7 = iconst.i32 {step}
            v8 = iadd v4, v7
            jump block1(v8)
        block3:
            return v4"
    ))
}

#[test]
fn an_index_counted_up_is_checked_by_the_loop() {
    assert_eq!(counting(0, 1, "slt"), (2, 1));
    assert_eq!(counting(7, 1, "slt"), (2, 1));
    assert_eq!(counting(0, 1, "ult"), (2, 1));
}

#[test]
fn an_index_that_may_be_negative_is_checked() {
    assert_eq!(counting(-1, 1, "slt"), (2, 2));
    assert_eq!(counting(0, 2, "slt"), (2, 2));
    assert_eq!(counting(0, -1, "slt"), (2, 2));
    assert_eq!(counting(0, 1, "sle"), (2, 2));
}

#[test]
fn a_type_test_leads_where_it_is_asked_for() {
    let cast = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i32 1
            v4 = iconst.i32 0
            brif v0, block1, block3(v4)
        block1:
            v5 = icmp eq v1, v2
            brif v5, block3(v3), block3(v4)
        block3(v6: i32):
            v7 = icmp eq v6, v4
            brif v7, block5, block4
        block4:
            trapz v0, user1
            v8 = icmp eq v1, v2
            trapz v8, user2
            return v1
        block5:
            return v0",
    );
    assert_eq!(cast, (5, 2));
}

#[test]
fn a_number_that_is_used_elsewhere_is_made() {
    let used = tests(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i32 1
            v4 = iconst.i32 0
            brif v0, block3(v3), block3(v4)
        block3(v6: i32):
            brif v6, block4, block5
        block4:
            return v1
        block5:
            return v6",
    );
    assert_eq!(used, (2, 2));
}

/// A test of a constant that is passed on, through so many comparisons, to a block that takes so much.
fn passed_on(comparisons: usize, arguments: usize) -> (usize, usize) {
    let chain: String = (0..comparisons)
        .map(|index| {
            format!(
                "v{} = icmp eq v{}, v{}\n",
                101 + index,
                100 + index,
                100 + index
            )
        })
        .collect();
    let list = |item: &dyn Fn(usize) -> String| {
        let items: Vec<String> = (0..arguments).map(item).collect();
        items.join(", ")
    };
    let passed = list(&|_| "v1".into());
    tests(&format!(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i8 1
            v4 = iconst.i8 0
            brif v0, block3(v3), block3(v4)
        block3(v100: i8):
            {chain}
            brif v{}, block4({passed}), block5({passed})
        block4({}):
            return v1
        block5({}):
            return v2",
        100 + comparisons,
        list(&|index| format!("v{}: i32", 1000 + index)),
        list(&|index| format!("v{}: i32", 2000 + index)),
    ))
}

#[test]
fn jumps_are_led_past_little() {
    assert_eq!(passed_on(0, 1), (2, 1));
    assert_eq!(passed_on(7, 8), (2, 1));
    assert_eq!(passed_on(0, 9), (2, 2));
    // Each doubles the work of who follows both operands.
    passed_on(100, 1);
}

#[test]
fn a_loop_is_entered_at_its_beginning() {
    let func = optimised(&parse(
        "block0(v0: i32, v1: i32, v2: i32):
            v3 = iconst.i32 1
            jump block1(v3)
        block1(v4: i32):
            brif v4, block2, block3
        block2:
            trapz v1, user1
            jump block1(v2)
        block3:
            return v0",
    ));
    let entry = func.layout.entry_block().unwrap();
    let enters = func.layout.last_inst(entry).unwrap();
    let to = func.dfg.insts[enters]
        .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables)[0];
    let test = func.layout.last_inst(to.block(&func.dfg.value_lists));
    assert_eq!(
        func.dfg.insts[test.unwrap()].opcode(),
        Opcode::Brif,
        "{func}"
    );
}
