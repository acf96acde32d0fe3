//! Programs that are stopped: exit code 1, the reason, and where.

use crate::process::{TempFile, program, run};

const TRAPS: &str = r#"
(module $traps
  (type $pair (struct (field i32)))
  (type $other (struct (field i64)))
  (type $array (array (mut i32)))
  (table 3 funcref)
  (memory 1)
  (tag $tag (param i32))
  (func (export "throw") (throw $tag (i32.const 1)))
  (func (export "unreachable") unreachable)
  (func (export "divide") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func (export "overflow") (result i32) (i32.div_s (i32.const 0x80000000) (i32.const -1)))
  (func (export "convert") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func (export "memory") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "array") (param i32) (result i32)
    (array.get $array (array.new $array (i32.const 7) (i32.const 3)) (local.get 0)))
  (func (export "null") (result i32) (struct.get $pair 0 (ref.null $pair)))
  (func (export "cast") (result i32)
    (struct.get $pair 0 (ref.cast (ref $pair) (struct.new $other (i64.const 1)))))
  (func (export "table") (param i32) (call_indirect (local.get 0)))
  (func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
  (func $middle (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
  (func $outer (export "outer") (param i32) (result i32)
    (i32.add (call $middle (local.get 0)) (i32.const 1)))
  (func $forever (export "forever") (result i32) (i32.add (call $forever) (i32.const 1))))
"#;

#[test]
fn every_kind_of_trap_says_what_happened() {
    let file = TempFile::new("traps.wat", TRAPS);
    let cases = [
        ("unreachable", "unreachable"),
        ("throw", "uncaught exception"),
        ("divide 0", "integer divide by zero"),
        ("overflow", "integer overflow"),
        ("convert nan", "invalid conversion to integer"),
        ("convert -1e10", "integer overflow"),
        ("memory 65533", "out of bounds memory access"),
        ("memory -1", "out of bounds memory access"),
        ("array 3", "out of bounds array access"),
        ("array -1", "out of bounds array access"),
        ("null", "null"),
        ("cast", "cast failure"),
        ("table 0", "uninitialized element"),
        ("table 3", "table"),
        ("forever", "call stack exhausted"),
    ];
    for memory in ["guarded", "checked"] {
        for (line, message) in cases {
            let run = run(file.path(), &format!("--invoke {line} --memory {memory}"));
            let (found, backtrace) = run.trapped();
            assert!(found.contains(message), "{line}: {found}");
            assert!(!backtrace.is_empty(), "{line}: {run:?}");
        }
    }
}

#[test]
fn the_backtrace_names_functions_innermost_first() {
    let file = TempFile::new("traps.wat", TRAPS);
    let run = run(file.path(), "--invoke outer 0");
    let (message, backtrace) = run.trapped();
    assert_eq!(message, "integer divide by zero");
    assert_eq!(backtrace.len(), 3, "{run:?}");
    for (line, name) in backtrace.iter().zip(["inner", "middle", "outer"]) {
        assert!(line.contains(&format!("traps!{name}")), "{run:?}");
    }
}

#[test]
fn a_trapping_start_function_is_a_trap() {
    let file = TempFile::new(
        "start.wat",
        "(module (func $init unreachable) (start $init))",
    );
    let run = run(file.path(), "");
    let (message, backtrace) = run.trapped();
    assert_eq!(message, "unreachable");
    assert!(backtrace[0].contains("init"), "{run:?}");
}

#[test]
fn a_deep_recursion_ends_cleanly_or_takes_the_stack_it_is_given() {
    let deep = program("deep");
    for memory in ["guarded", "checked"] {
        let exhausted = run(&deep, &format!("--invoke run 1000000 --memory {memory}"));
        let (message, backtrace) = exhausted.trapped();
        assert_eq!(message, "call stack exhausted");
        assert!(backtrace[0].contains("deep!descend"), "{exhausted:?}");
        assert!(backtrace.last().unwrap().contains("more"), "{exhausted:?}");
    }
    let line = "--invoke run 1000000 --stack-max 1GiB";
    assert_eq!(run(&deep, line).returned(), "7447095562185374438\n");
    let small = run(&deep, "--invoke run 1000 --stack-max 16KiB");
    assert_eq!(small.trapped().0, "call stack exhausted");
}

#[test]
fn a_full_heap_names_the_bytes_and_the_limit() {
    for memory in ["guarded", "checked"] {
        let line = format!("--invoke run 20 --collector copying --heap-max 8MiB --memory {memory}");
        let full = run(&program("binary-trees"), &line);
        let (message, backtrace) = full.trapped();
        assert!(
            message.contains("16 bytes") && message.contains("8 MiB"),
            "{message}"
        );
        assert!(backtrace[0].contains("binary_trees!bottom_up"), "{full:?}");
    }
}

#[test]
fn short_lived_data_of_any_volume_fits_a_small_heap() {
    let line = "--invoke run 10000000 --collector copying --heap-max 8MiB";
    assert_eq!(
        run(&program("alloc"), line).returned(),
        "2445797779441627919\n"
    );
    let line = "--invoke run 10000000 --collector null --heap-max 8MiB";
    assert!(run(&program("alloc"), line).trapped().0.contains("8 MiB"));
}
