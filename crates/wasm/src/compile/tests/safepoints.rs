//! Stack maps name exactly the references that live across a call.

use super::*;

/// The number of references each safepoint of the last function names, in code order.
fn slots(text: &str, abi: CodeAbi) -> Vec<usize> {
    let functions = compile_all(text, abi).unwrap();
    functions
        .last()
        .unwrap()
        .safepoints
        .iter()
        .map(|point| point.locations.len())
        .collect()
}

const IMPORTS: &str = r#"(import "" "f" (func $f)) (import "" "g" (func $g (result anyref)))"#;

fn body(params: &str, body: &str) -> Vec<usize> {
    slots(
        &format!("(module {IMPORTS} (func {params} {body}))"),
        bump_abi(),
    )
}

#[test]
fn a_dead_local_is_in_no_map() {
    assert_eq!(body("(param anyref)", "(call $f)"), [0]);
}

#[test]
fn a_live_local_is_in_the_map() {
    assert_eq!(
        body("(param anyref) (result anyref)", "(call $f) (local.get 0)"),
        [1]
    );
}

#[test]
fn a_local_written_before_its_next_read_is_dead() {
    let text = "(call $f) (local.set 0 (ref.null any)) (call $f) (local.get 0)";
    assert_eq!(body("(param anyref) (result anyref)", text), [0, 0]);
}

#[test]
fn operands_are_in_the_map() {
    let text = "(local.get 0) (call $g) (call $g) (drop) (drop)";
    assert_eq!(body("(param anyref) (result anyref)", text), [1, 2]);
}

#[test]
fn functions_and_numbers_are_in_no_map() {
    let text = "(local.get 0) (local.get 1) (call $f) (drop) (drop)";
    assert_eq!(body("(param funcref i32)", text), [0]);
}

#[test]
fn operands_below_a_frame_survive_calls_in_it() {
    let text = "(local.get 0) (if (local.get 1) (then (call $f)) (else (call $f) (call $f)))";
    assert_eq!(body("(param anyref i32) (result anyref)", text), [1, 1, 1]);
}

#[test]
fn a_loop_carries_references() {
    let text =
        "(loop $l (param anyref) (call $f) (drop) (local.get 0) (br_if $l (local.get 1)) (drop))";
    assert_eq!(
        body("(param anyref i32)", &format!("(local.get 0) {text}")),
        [2]
    );
}

#[test]
fn operands_of_an_allocation_survive_it() {
    let text = r#"(module (type $p (struct (field anyref) (field anyref)))
        (func (param anyref anyref) (result anyref) (struct.new $p (local.get 0) (local.get 1))))"#;
    assert_eq!(slots(text, bump_abi()), [2]);
    assert_eq!(slots(text, call_abi()), [2]);
}

#[test]
fn references_are_read_again_after_a_call_only_if_objects_move() {
    let text =
        format!("(module {IMPORTS} (func (param anyref) (result anyref) (call $f) (local.get 0)))");
    let reloads = |abi| {
        let clif = clif(&text, abi);
        let after_call = clif[0].split("call_indirect").nth(1).unwrap();
        after_call.matches("load.i32").count()
    };
    assert_eq!((reloads(bump_abi()), reloads(call_abi())), (1, 0));
}
