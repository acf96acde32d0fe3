//! WASI commands: arguments, environment, directories and exit codes.

use crate::process::{Run, TempFile, run, windrow};
use std::ffi::OsStr;
use std::path::Path;

/// Exits with the number of arguments, times a hundred where there are more than two.
const COUNT: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 2))
            (then (call $exit (i32.mul (i32.load (i32.const 0)) (i32.const 100)))))
        (call $exit (i32.sub (i32.load (i32.const 0)) (i32.const 1))))
    (func (export "none") (result i32) (i32.const 5)))"#;

#[test]
fn the_exit_code_is_the_programs() {
    let file = TempFile::new("count.wat", COUNT);
    for (args, code) in [("", 0), ("one", 1), ("one two", 255), ("-- --zeal -x", 255)] {
        let run = run(file.path(), args);
        assert_eq!(run.code, Some(code), "{args}: {run:?}");
        assert_eq!((&*run.stdout, &*run.stderr), ("", ""), "{args}");
    }
    assert_eq!(run(file.path(), "--invoke none").returned(), "5\n");
    run(file.path(), "--invoke none 1").refused("takes 0 arguments");
    let stats = run(file.path(), "one --stats");
    assert_eq!(stats.code, Some(1));
    assert!(stats.stderr.contains("collector"), "{stats:?}");
}

/// Prints its `args` or its `environ`, each string ended by a zero.
fn printer(what: &str) -> TempFile {
    let text = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "{what}_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "{what}_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "bench" "start" (func $start))
        (import "bench" "end" (func $end))
        (memory (export "memory") 1)
        (func (export "_start")
            (call $start)
            (drop (call $sizes (i32.const 8) (i32.const 4)))
            (i32.store (i32.const 0) (i32.const 4096))
            (drop (call $get (i32.const 1024) (i32.const 4096)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $end)))"#
    );
    TempFile::new(&format!("{what}.wat"), text)
}

#[test]
fn arguments_and_environment_are_the_programs() {
    let args = printer("args");
    let name = args.path().file_name().unwrap().to_str().unwrap();
    let printed = run(args.path(), "1 --zeal 1 two -- --three -4");
    assert_eq!(
        printed.returned(),
        format!("{name}\x001\0two\0--three\0-4\0")
    );
    let environ = printer("environ");
    let printed = run(environ.path(), "--env A=1 --env=B=c=d");
    assert_eq!(printed.returned(), "A=1\0B=c=d\0");
    assert_eq!(run(environ.path(), "").returned(), "");
}

/// Prints the start of a file in the first directory.
const CAT: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "message")
    (func $check (param i32)
        (if (local.get 0) (then (call $exit (local.get 0)))))
    (func (export "_start")
        (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 7)
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 64))
        (call $check (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 4)))
        (call $check (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

#[test]
fn directories_are_given_on_the_command_line() {
    let file = TempFile::new("cat.wat", CAT);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasi-given");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("message"), "hello\n").unwrap();
    let given = |option: &str| -> Run {
        let options = [OsStr::new("run"), file.path().as_os_str(), "--dir".as_ref()];
        windrow(options.into_iter().chain([OsStr::new(option)]))
    };
    let directory = directory.to_str().unwrap();
    for option in [directory.to_owned(), format!("{directory}::/")] {
        assert_eq!(given(&option).returned(), "hello\n");
    }
    const BADF: i32 = 8;
    assert_eq!(run(file.path(), "").code, Some(BADF));
    given("/no/such::/").refused("the directory `/no/such` cannot be opened");
    given("::/").refused("write PATH or HOST::GUEST");
    run(file.path(), "--env novalue").refused("write NAME=VALUE");
}

#[test]
fn a_trap_of_a_command_is_a_trap() {
    let text = r#"(module (func (export "_start") (unreachable)))"#;
    let file = TempFile::new("trap.wat", text);
    assert_eq!(run(file.path(), "any arguments").trapped().0, "unreachable");
}
