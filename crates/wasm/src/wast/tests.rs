//! The runner must notice what is wrong, or the suite proves nothing.

use super::*;
use windrow::Zeal;

const MODULE: &str = r#"
    (module $m
        (table 2 funcref)
        (func (export "one") (result i32) (i32.const 1))
        (func (export "nan") (result f32) (f32.const nan:0x1))
        (func (export "trap") (unreachable))
        (func (export "call") (call_indirect (i32.const 0)))
        (func (export "beyond") (call_indirect (i32.const 9)))
        (func (export "i31") (result anyref) (ref.i31 (i32.const 7)))
        (func (export "array") (result anyref) (array.new_default $bytes (i32.const 3)))
        (func (export "no-func") (result funcref) (ref.null func))
        (func (export "in") (param externref) (result anyref) (any.convert_extern (local.get 0)))
        (func (export "is-null") (param funcref) (result i32) (ref.is_null (local.get 0)))
        (type $bytes (array (mut i8)))
        (global (export "g") i64 (i64.const 5)))
"#;

/// The line after the module.
fn first_line() -> usize {
    MODULE.lines().count() + 1
}

fn report(directives: &str) -> ScriptReport {
    let config = Config::new().zeal(Zeal::every(1));
    run_script(&config, "test.wast", &format!("{MODULE}{directives}")).unwrap()
}

#[track_caller]
fn passes(directive: &str) {
    let report = report(directive);
    assert_eq!(
        (report.passed, &*report.failed, &*report.skipped),
        (2, &[][..], &[][..]),
        "{directive}"
    );
}

#[track_caller]
fn fails(directive: &str, message: &str) {
    let report = report(directive);
    assert_eq!(
        (report.passed, &*report.skipped),
        (1, &[][..]),
        "{directive}"
    );
    let [finding] = &*report.failed else {
        panic!("{directive}: {report:?}")
    };
    assert!(finding.message.contains(message), "{finding}");
    assert_eq!(finding.line, first_line());
}

#[test]
fn results() {
    passes(r#"(assert_return (invoke "one") (i32.const 1))"#);
    passes(r#"(assert_return (invoke $m "one") (either (i32.const 0) (i32.const 1)))"#);
    passes(r#"(assert_return (get "g") (i64.const 5))"#);
    fails(
        r#"(assert_return (invoke "one") (i32.const 2))"#,
        "result 0 is I32(1)",
    );
    fails(
        r#"(assert_return (invoke "one") (i64.const 1))"#,
        "result 0 is I32(1)",
    );
    fails(
        r#"(assert_return (invoke "one"))"#,
        "0 results expected, 1 returned",
    );
    fails(
        r#"(assert_return (invoke "one") (either (i32.const 0) (i32.const 2)))"#,
        "result 0",
    );
    fails(
        r#"(assert_return (invoke "nan") (f32.const nan:canonical))"#,
        "0x7f800001",
    );
    fails(r#"(assert_return (invoke "trap"))"#, "unreachable");
    fails(
        r#"(assert_return (invoke "two"))"#,
        "exports no function \"two\"",
    );
    fails(
        r#"(assert_return (get "one"))"#,
        "exports no global \"one\"",
    );
    fails(r#"(assert_return (invoke $n "one"))"#, "names nothing");
}

#[test]
fn references() {
    for name in ["any", "eq", "i31"] {
        passes(&format!(r#"(assert_return (invoke "i31") (ref.{name}))"#));
    }
    for name in ["any", "eq", "array"] {
        passes(&format!(r#"(assert_return (invoke "array") (ref.{name}))"#));
    }
    for name in ["struct", "null", "func", "host 7", "array"] {
        fails(
            &format!(r#"(assert_return (invoke "i31") (ref.{name}))"#),
            "Ref(I31(7))",
        );
    }
    for name in ["struct", "i31", "null any"] {
        fails(
            &format!(r#"(assert_return (invoke "array") (ref.{name}))"#),
            "an object of type",
        );
    }
    passes(r#"(assert_return (invoke "no-func") (ref.null func))"#);
    passes(r#"(assert_return (invoke "no-func") (ref.null))"#);
    fails(
        r#"(assert_return (invoke "no-func") (ref.null any))"#,
        "Func",
    );
    fails(r#"(assert_return (invoke "no-func") (ref.func))"#, "Func");
    passes(r#"(assert_return (invoke "is-null" (ref.null func)) (i32.const 1))"#);
}

#[test]
fn host_values_go_through_the_heap() {
    passes(r#"(assert_return (invoke "in" (ref.extern 7)) (ref.host 7))"#);
    passes(r#"(assert_return (invoke "in" (ref.extern 7)) (ref.extern))"#);
    passes(r#"(assert_return (invoke "in" (ref.null extern)) (ref.null any))"#);
    fails(
        r#"(assert_return (invoke "in" (ref.extern 7)) (ref.host 8))"#,
        "the host value 7",
    );
    fails(
        r#"(assert_return (invoke "in" (ref.extern 7)) (ref.eq))"#,
        "the host value 7",
    );
    fails(
        r#"(assert_return (invoke "in" (ref.null extern)) (ref.host 7))"#,
        "Null",
    );
    assert!(report(r#"(invoke "in" (ref.extern 7))"#).collections > 0);
}

#[test]
fn traps() {
    passes(r#"(assert_trap (invoke "trap") "unreachable")"#);
    passes(r#"(assert_trap (invoke "call") "uninitialized element 0")"#);
    passes(r#"(assert_trap (invoke "beyond") "undefined element")"#);
    passes(r#"(assert_trap (module (func unreachable) (start 0)) "unreachable")"#);
    fails(
        r#"(assert_trap (invoke "trap") "out of bounds memory access")"#,
        "trap: unreachable",
    );
    fails(
        r#"(assert_trap (invoke "trap") "unreachable code")"#,
        "trap: unreachable",
    );
    fails(r#"(assert_trap (invoke "one") "unreachable")"#, "no trap");
    fails(
        r#"(assert_exhaustion (invoke "trap") "call stack exhausted")"#,
        "trap: unreachable",
    );
}

#[test]
fn refusals() {
    passes(r#"(assert_invalid (module (func (result i32))) "type mismatch")"#);
    passes(r#"(assert_malformed (module quote "(func") "unexpected end")"#);
    passes(r#"(assert_malformed (module binary "\00asm") "unexpected end")"#);
    passes(r#"(assert_unlinkable (module (import "a" "b" (func))) "unknown import")"#);
    passes(
        r#"(assert_unlinkable (module (import "spectest" "memory" (func))) "incompatible import type")"#,
    );
    fails(
        r#"(assert_invalid (module (func)) "type mismatch")"#,
        "accepted",
    );
    fails(
        r#"(assert_malformed (module quote "(func)") "unexpected end")"#,
        "accepted",
    );
    fails(r#"(assert_unlinkable (module) "unknown import")"#, "linked");
    fails(
        r#"(assert_unlinkable (module (import "a" "b" (func))) "incompatible import type")"#,
        "unknown import, expected",
    );
}

#[test]
fn what_depends_on_something_missing_is_skipped_with_it() {
    let report = report(
        r#"(module $s (func (export "f") (i64.mul_wide_s (i64.const 1) (i64.const 2)) (drop) (drop)))
        (assert_return (invoke "f"))
        (register "s" $s)
        (module (import "s" "f" (func)))
        (assert_return (invoke $m "one") (i32.const 1))
        (assert_invalid (module (func (result i64) (i64.mul_wide_s (i64.const 1) (i64.const 2)) drop drop)) "type mismatch")"#,
    );
    assert_eq!((report.passed, &*report.failed), (2, &[][..]));
    let missing: Vec<_> = report
        .skipped
        .iter()
        .map(|skipped| (skipped.line - first_line(), &*skipped.message))
        .collect();
    assert_eq!(
        missing,
        [
            (0, "wide arithmetic"),
            (1, "wide arithmetic"),
            (2, "wide arithmetic"),
            (3, "wide arithmetic"),
            (5, "wide arithmetic")
        ]
    );
}

#[test]
fn a_script_that_cannot_be_read_is_an_error() {
    let error = run_script(&Config::new(), "broken.wast", "(module\n(assert_return").unwrap_err();
    assert!(error.to_string().contains("broken.wast:2"), "{error}");
}
