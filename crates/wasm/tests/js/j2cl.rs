//! What J2CL's modules import beside strings.

use super::{NULL, Program};
use windrow::Val::{self, F32, F64, I32};
use windrow_wasm::{Error, TrapKind};

fn program() -> Program {
    Program::of(
        r#"(module
            (import "imports" "Number.prototype.toString.call$1"
                (func $f64 (param f64) (result externref)))
            (import "imports" "Number.prototype.toString.call$1"
                (func $f32 (param f32) (result externref)))
            (import "imports" "Number.prototype.toString.call$2"
                (func $i32 (param i32 i32) (result externref)))
            (import "imports" "Math.sin" (func $sin (param f64) (result f64)))
            (import "imports" "Math.pow" (func $pow (param f64 f64) (result f64)))
            (import "imports" "performance.now" (func $now (result f64)))
            (import "imports" "gc" (func $gc))
            (import "imports" "Error" (func $error (param externref) (result externref)))
            (import "imports" "RegExp.constructor$2"
                (func $regexp (param externref externref) (result externref)))
            (import "imports" "string.replace$2"
                (func $replace (param externref externref externref) (result externref)))
            (import "imports" "string.indexOf$2"
                (func $index (param externref externref i32) (result i32)))
            (import "imports" "string.lastIndexOf$2"
                (func $last (param externref externref i32) (result i32)))
            (import "imports" "j2wasm.StringUtils.generateClassName"
                (func $name (result externref)))
            (export "f64" (func $f64)) (export "f32" (func $f32)) (export "i32" (func $i32))
            (export "sin" (func $sin)) (export "pow" (func $pow)) (export "now" (func $now))
            (export "gc" (func $gc)) (export "error" (func $error))
            (export "regexp" (func $regexp)) (export "replace" (func $replace))
            (export "index" (func $index)) (export "last" (func $last))
            (export "name" (func $name)))"#,
    )
}

fn f64(program: &mut Program, export: &str, args: &[f64]) -> f64 {
    let args: Vec<Val> = args.iter().map(|arg| F64(arg.to_bits())).collect();
    match program.call(export, &args) {
        Ok(F64(bits)) => f64::from_bits(bits),
        other => panic!("{export}: {other:?}"),
    }
}

#[test]
fn numbers() {
    let mut program = program();
    assert_eq!(program.text("f64", &[F64(0.1_f64.to_bits())]), "0.1");
    assert_eq!(program.text("f32", &[F32(0.5_f32.to_bits())]), "0.5");
    assert_eq!(program.text("i32", &[I32(-26), I32(16)]), "-1a");
    let error = program.call("i32", &[I32(1), I32(40)]).unwrap_err();
    assert!(matches!(error, Error::Host(_)), "{error}");
    assert_eq!(f64(&mut program, "sin", &[1.5]), 1.5_f64.sin());
    assert_eq!(f64(&mut program, "pow", &[2.0, 0.5]), 2.0_f64.powf(0.5));
    let (now, later) = (f64(&mut program, "now", &[]), f64(&mut program, "now", &[]));
    assert!((0.0..=later).contains(&now));
}

#[test]
fn strings_are_searched_and_replaced() {
    let mut program = program();
    let (text, part) = (program.string("a%sb%s"), program.string("%s"));
    for (export, from, index) in [
        ("index", 0, 1),
        ("index", -5, 1),
        ("index", 2, 4),
        ("index", i32::MAX, -1),
        ("last", i32::MAX, 4),
        ("last", 3, 1),
        ("last", -5, -1),
    ] {
        let args = [text.clone(), part.clone(), I32(from)];
        assert_eq!(program.i32(export, &args), index, "{export} {from}");
    }
    let (with, none, global) = (
        program.string("[$&]"),
        program.string(""),
        program.string("g"),
    );
    let args = [text.clone(), part.clone(), with.clone()];
    assert_eq!(program.text("replace", &args), "a[%s]b%s");
    for (flags, replaced) in [(&none, "a[%s]b%s"), (&global, "a[%s]b[%s]")] {
        let regexp = program
            .call("regexp", &[part.clone(), flags.clone()])
            .unwrap();
        let args = [text.clone(), regexp, with.clone()];
        assert_eq!(program.text("replace", &args), replaced);
    }
    let kind = program.trap("replace", &[text.clone(), NULL, with]);
    assert_eq!(kind, TrapKind::NullReference);
    let bad = program.string("(");
    let error = program.call("regexp", &[bad, none]).unwrap_err();
    assert!(
        error.to_string().contains("no regular expression"),
        "{error}"
    );
}

#[test]
fn errors_names_and_collections() {
    let mut program = program();
    let message = program.string("message");
    for message in [message, NULL] {
        let error = program.call("error", &[message]).unwrap();
        assert!(matches!(error, Val::Ref(reference) if !reference.is_null()));
    }
    assert_ne!(program.text("name", &[]), program.text("name", &[]));
    let before = program.store.stats().full_collections;
    program.call("gc", &[]).unwrap();
    assert_eq!(program.store.stats().full_collections, before + 1);
}
