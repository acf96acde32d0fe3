//! `--host`: what programs can import.

use crate::process::{TempFile, run};

const PROGRAM: &str = r#"(module
    (import "'" "four" (global $four (ref extern)))
    (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
    (func (export "run") (result i32) (call $length (global.get $four))))"#;

#[test]
fn a_javascript_host_has_strings() {
    let file = TempFile::new("strings.wat", PROGRAM);
    let run = run(file.path(), "--host js --invoke run");
    assert_eq!(run.returned(), "4\n");
}

#[test]
fn an_import_that_is_missing_says_how_it_could_be_there() {
    let file = TempFile::new("strings.wat", PROGRAM);
    let missing = run(file.path(), "--invoke run");
    missing.refused("\"four\" is missing");
    missing.refused("--host js");
    let program = TempFile::new("program.wat", "(module)");
    let line = format!("--preload lib={}", file.path().display());
    run(program.path(), &line).refused("--host js");
    let unknown = r#"(module (import "wasm:js-string" "reverse" (func)))"#;
    let file = TempFile::new("reverse.wat", unknown);
    run(file.path(), "--host js").refused("with --preload");
    for module in ["wasi_unstable", "wasi:cli/stdout@0.2.0"] {
        let text = format!(r#"(module (import "{module}" "write" (func)))"#);
        let file = TempFile::new("later.wat", text);
        run(file.path(), "").refused("wasm32-wasip1");
    }
}
