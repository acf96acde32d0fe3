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
fn without_a_host_there_are_none() {
    let file = TempFile::new("strings.wat", PROGRAM);
    run(file.path(), "--invoke run").refused("\"four\" is missing");
}
