//! Input that cannot be used: exit code 2 and one line that says what to do, never a panic.

use crate::process::{TempFile, program, run, windrow};
use std::path::Path;
use windrow::CollectorKind;

const ADD: &str = r#"
(module
  (memory (export "memory") 1)
  (func (export "add") (param i32 f64) (result i32) (local.get 0))
  (func (export "other")))
"#;

/// A module in binary that uses most sections.
fn binary() -> Vec<u8> {
    wat::parse_file(program("churn")).unwrap()
}

#[test]
fn an_empty_file() {
    for name in ["empty.wasm", "empty.wat"] {
        let file = TempFile::new(name, "");
        run(file.path(), "--invoke run 1").refused("empty");
    }
}

#[test]
fn a_truncated_module() {
    let binary = binary();
    for len in (1..binary.len()).step_by(binary.len() / 25) {
        let file = TempFile::new("truncated.wasm", &binary[..len]);
        run(file.path(), "--invoke run 1").refused("");
    }
}

#[test]
fn a_module_with_a_byte_changed_is_refused_or_runs() {
    // A changed constant gives another program; whatever it is, it runs, traps or is refused.
    let binary = binary();
    for at in (8..binary.len()).step_by(binary.len() / 40) {
        let mut changed = binary.clone();
        changed[at] ^= 0x15;
        let file = TempFile::new("changed.wasm", changed);
        let run = run(file.path(), "--invoke run 1 --heap-max 16MiB");
        assert!(matches!(run.code, Some(0..=2)), "byte {at}: {run:?}");
        assert!(!run.stderr.contains("panicked"), "byte {at}: {run:?}");
        if run.code == Some(2) {
            run.refused("");
        }
    }
}

#[test]
fn random_bytes() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..12_usize {
        let mut bytes = if round % 2 == 0 {
            b"\0asm\x01\0\0\0".to_vec()
        } else {
            Vec::new()
        };
        for _ in 0..(1 << round) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state.to_le_bytes()[3]);
        }
        let name = if round % 3 == 0 {
            "random.wat"
        } else {
            "random.wasm"
        };
        let file = TempFile::new(name, bytes);
        run(file.path(), "--invoke run").refused("");
    }
}

#[test]
fn text_that_is_no_module() {
    let cases = [
        ("(module (func (export \"run\")", "line 1"),
        (
            "(module\n  (func (export \"run\") (i32.frobnicate)))",
            "line 2",
        ),
        ("hello", "line 1"),
        (
            "(module (func (result i32) (i64.const 1)))",
            "type mismatch",
        ),
        ("(module (func (export \"run\") (local.get 3)))", "local"),
    ];
    for (text, part) in cases {
        let file = TempFile::new("bad.wat", text);
        run(file.path(), "--invoke run").refused(part);
    }
}

#[test]
fn features_the_engine_has_not_are_named() {
    let cases = [
        (
            "(module (func (export \"run\") (drop (drop (i64.mul_wide_s (i64.const 1) (i64.const 2))))))",
            "wide arithmetic",
        ),
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1 1 shared))", "threads"),
    ];
    for (text, part) in cases {
        let file = TempFile::new("feature.wat", text);
        run(file.path(), "").refused(part);
    }
}

#[test]
fn a_missing_import_is_named() {
    let text = r#"(module (import "env" "now" (func (result i64))) (func (export "run")))"#;
    let file = TempFile::new("import.wat", text);
    let run = run(file.path(), "--invoke run");
    run.refused("env");
    run.refused("now");
}

#[test]
fn a_missing_export_lists_those_there_are() {
    let file = TempFile::new("add.wat", ADD);
    let missing = run(file.path(), "--invoke substract");
    missing.refused("substract");
    missing.refused("add, other");
    run(file.path(), "--invoke memory").refused("not a function");
    run(file.path(), "").refused("--invoke");
    let file = TempFile::new("none.wat", "(module)");
    run(file.path(), "--invoke run").refused("exports no functions");
}

#[test]
fn wrong_arguments_are_told_the_signature() {
    let file = TempFile::new("add.wat", ADD);
    for args in ["", "1", "1 2 3"] {
        let run = run(file.path(), &format!("--invoke add {args}"));
        run.refused("2 arguments");
        run.refused("(param i32 f64)");
    }
    run(file.path(), "--invoke add one 2").refused("`one` is not an i32");
    run(file.path(), "--invoke add 4294967296 2").refused("from -2147483648 to 4294967295");
    run(file.path(), "--invoke add 1 two").refused("argument 2");
    run(file.path(), "1 2").refused("--invoke");
}

#[test]
fn paths_that_cannot_be_read() {
    run(Path::new("no/such/file.wat"), "--invoke run").refused("no/such/file.wat");
    run(Path::new(env!("CARGO_MANIFEST_DIR")), "--invoke run").refused("directory");
    let file = TempFile::new("file.wat", "(module)");
    run(&file.path().join("inside.wat"), "").refused("cannot read");
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let name = OsStr::from_bytes(b"caf\xe9\n.wat");
    windrow([OsStr::new("run"), name]).refused("cannot read");
    windrow([OsStr::new("run"), OsStr::new("p.wat"), name]).refused("UTF-8");
}

#[test]
fn options_that_mean_nothing() {
    let file = program("alloc");
    let unknown = run(&file, "--invoke run 1 --collector marksweep");
    unknown.refused("unknown collector `marksweep`");
    for kind in CollectorKind::ALL {
        unknown.refused(&kind.to_string());
    }
    let cases = [
        ("--memory mapped", "known: guarded, checked"),
        ("--heap-max 64k", "write 64KiB"),
        ("--heap-max lots", "64KiB"),
        ("--heap-max -1", "--heap-max"),
        ("--heap-max 99999999999GiB", "64 bits"),
        ("--heap-max 5GiB", "4GiB"),
        ("--heap-max 1MiB --heap-initial 2MiB", "--heap-initial"),
        ("--heap-max", "--heap-max"),
        ("--stack-max 1.5MiB", "whole number"),
        ("--stack-max 16000000TiB", "--stack-max"),
        ("--zeal often", "--zeal"),
        ("--zeal -1", "--zeal"),
        ("--colector copying", "--collector"),
        ("-z", "-z"),
        (
            "--stats-json /no/such/folder/stats.json",
            "/no/such/folder/stats.json",
        ),
    ];
    for (line, part) in cases {
        run(&file, &format!("--invoke run 1 {line}")).refused(part);
    }
    windrow(["run"]).refused("<FILE>");
    windrow::<&str>([]).refused("subcommand");
    windrow(["walk"]).refused("walk");
}
