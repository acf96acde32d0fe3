//! Programs that are stopped by `--timeout` and `--fuel`, and those given libraries.

use crate::process::{TempFile, run};

const PROGRAM: &str = r#"
(module $endless
  (func (export "forever") (loop $l (br $l)))
  (func (export "count") (param $n i32) (result i32)
    (local $i i32)
    (loop $l
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $i)))
"#;

#[test]
fn a_timeout_stops_a_program_and_says_where() {
    let file = TempFile::new("endless.wat", PROGRAM);
    let stopped = run(file.path(), "--invoke forever --timeout 0.1");
    let (message, backtrace) = stopped.trapped();
    assert_eq!(message, "interrupted by the host");
    assert!(backtrace[0].contains("endless!"), "{stopped:?}");
    let both = run(
        file.path(),
        "--invoke forever --timeout 0.1 --fuel 1000000000000000",
    );
    assert_eq!(both.trapped().0, "interrupted by the host");
    let line = "--invoke count 1000 --timeout 3600";
    assert_eq!(run(file.path(), line).returned(), "1000\n");
}

#[test]
fn a_timeout_covers_start_functions() {
    let file = TempFile::new(
        "start.wat",
        "(module (func $spin (loop $l (br $l))) (start $spin))",
    );
    let stopped = run(file.path(), "--timeout 0.05");
    assert_eq!(stopped.trapped().0, "interrupted by the host");
    let program = TempFile::new("empty.wat", "(module)");
    let line = format!("--timeout 0.05 --preload lib={}", file.path().display());
    assert_eq!(
        run(program.path(), &line).trapped().0,
        "interrupted by the host"
    );
}

#[test]
fn a_timeout_ends_a_sleep() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 31536000000000000))
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    let file = TempFile::new("sleep.wat", text);
    let stopped = run(file.path(), "--timeout 0.1");
    assert_eq!(stopped.trapped().0, "interrupted by the host");
}

#[test]
fn fuel_is_exact() {
    let file = TempFile::new("endless.wat", PROGRAM);
    let line = "--invoke count 1000 --fuel 1001";
    assert_eq!(run(file.path(), line).returned(), "1000\n");
    let stopped = run(file.path(), "--invoke count 1000 --fuel 1000");
    assert_eq!(stopped.trapped().0, "all fuel consumed");
    let stopped = run(file.path(), "--invoke forever --fuel 1000000");
    assert_eq!(stopped.trapped().0, "all fuel consumed");
}

#[test]
fn a_program_imports_from_what_was_preloaded() {
    let types = r#"(type $node (struct (field i32) (field (ref null $node))))"#;
    let base = TempFile::new(
        "base.wat",
        format!(
            r#"(module $base {types}
            (global (export "head") (mut (ref null $node)) (ref.null $node))
            (table (export "functions") 4 funcref)
            (memory (export "memory") 1))"#
        ),
    );
    let list = TempFile::new(
        "list.wat",
        format!(
            r#"(module $list {types}
            (import "base" "head" (global $head (mut (ref null $node))))
            (func (export "push") (param i32)
                (global.set $head (struct.new $node (local.get 0) (global.get $head)))))"#
        ),
    );
    let main = TempFile::new(
        "main.wat",
        format!(
            r#"(module $main {types}
            (import "list" "push" (func $push (param i32)))
            (import "base" "head" (global $head (mut (ref null $node))))
            (func (export "sum") (param $n i32) (result i32)
                (local $sum i32) (local $node (ref null $node))
                (loop $l
                    (call $push (local.get $n))
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $l (local.get $n)))
                (local.set $node (global.get $head))
                (loop $l
                    (local.set $sum
                        (i32.add (local.get $sum) (struct.get $node 0 (local.get $node))))
                    (local.set $node (struct.get $node 1 (local.get $node)))
                    (br_if $l (i32.eqz (ref.is_null (local.get $node)))))
                (local.get $sum)))"#
        ),
    );
    let base = format!("--preload base={}", base.path().display());
    let list = format!("--preload list={}", list.path().display());
    for collector in ["null", "copying --zeal 1"] {
        for memory in ["guarded", "checked"] {
            let options = format!("--collector {collector} --memory {memory}");
            let line = format!("--invoke sum 100 {base} {list} {options}");
            assert_eq!(run(main.path(), &line).returned(), "5050\n");
        }
    }
    run(main.path(), "--invoke sum 1").refused("with --preload");
    let order = format!("--invoke sum 1 {list} {base}");
    run(main.path(), &order).refused("preload a module that exports it before this one");
}

#[test]
fn libraries_that_cannot_be_used_are_refused() {
    let main = TempFile::new("main.wat", "(module)");
    run(main.path(), "--preload lib=no/such.wasm").refused("no/such.wasm");
    let garbage = TempFile::new("garbage.wasm", "\0asm\x01\0\0\0\x01");
    let line = format!("--preload lib={}", garbage.path().display());
    run(main.path(), &line).refused("garbage.wasm");
    let traps = TempFile::new("traps.wat", "(module (func $f unreachable) (start $f))");
    let line = format!("--preload lib={}", traps.path().display());
    assert_eq!(run(main.path(), &line).trapped().0, "unreachable");
}
