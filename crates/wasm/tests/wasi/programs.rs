//! Whole programs: commands that run from `_start` to an exit.

use crate::unwinders;
use std::time::Duration;
use windrow::{Config, Val};
use windrow_wasm::wasi::{self, Captured, WasiBuilder};
use windrow_wasm::{Engine, Error, Instance, Linker, Module, TrapKind};

/// Runs `_start` of a program.
fn run(text: &str, builder: WasiBuilder) -> Result<(), Error> {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, builder.build().unwrap());
    let mut store = engine.new_store().unwrap();
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.func(&mut store, "_start").unwrap();
    start.call(&mut store, &[]).map(drop)
}

/// Copies its input to its output, and exits with the number of bytes.
const COPY: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func $copy (param $total i32)
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (i32.const 7))
        (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
        (if (i32.eqz (i32.load (i32.const 8))) (then (call $exit (local.get $total)) (unreachable)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)) (then (unreachable)))
        (call $copy (i32.add (local.get $total) (i32.load (i32.const 12)))))
    (func (export "_start") (call $copy (i32.const 0))))"#;

#[test]
fn a_command_copies_and_exits_from_deep_inside() {
    for (input, code) in [("", 0), ("hello, world", 12)] {
        let output = Captured::default();
        let builder = WasiBuilder::new().stdin(input).stdout(&output);
        let ended = run(COPY, builder);
        assert!(
            matches!(ended, Err(Error::Exit(found)) if found == code),
            "{ended:?}"
        );
        assert_eq!(output.contents(), input.as_bytes());
    }
}

/// Sleeps for a year, whatever comes of it, and exits.
const SLEEP: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 31536000000000000))
        (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
        (call $exit (i32.const 0))))"#;

#[test]
fn a_program_that_sleeps_can_be_interrupted() {
    let options = unwinders::options().interruptible(true);
    let engine = Engine::with_options(&Config::new(), options).unwrap();
    let module = Module::new(&engine, SLEEP.as_bytes()).unwrap();
    let mut linker = Linker::new(&engine);
    wasi::add_to_linker(&mut linker, WasiBuilder::new().build().unwrap());
    let mut store = engine.new_store().unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let start = instance.func(&mut store, "_start").unwrap();
    let handle = engine.interrupt_handle(&mut store).unwrap();
    for _ in 0..2 {
        let _deadline = handle.deadline(Duration::from_millis(20)).unwrap();
        let error = start.call(&mut store, &[]).unwrap_err();
        let kind = error.as_trap().map(|trap| trap.kind.clone());
        assert_eq!(kind, Some(TrapKind::Interrupted), "{error}");
        assert!(!handle.is_requested(), "the request is used up");
    }
}

#[test]
fn a_start_function_can_call_while_the_module_is_instantiated() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\05\00\00\00early")
        (func $first
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))
        (start $first)
        (func (export "_start")))"#;
    let output = Captured::default();
    run(text, WasiBuilder::new().stdout(&output)).unwrap();
    assert_eq!(output.contents(), b"early");
}

#[test]
fn a_program_without_a_memory_is_told_so() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (func (export "_start") (drop (call $yield))))"#;
    let error = run(text, WasiBuilder::new()).unwrap_err();
    assert!(
        error.to_string().contains("export it as \"memory\""),
        "{error}"
    );
}

#[test]
fn each_instance_uses_its_own_memory() {
    let text = |byte: char| {
        format!(
            r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\08\00\00\00\01\00\00\00{byte}")
            (func (export "run") (result i32)
                (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))))"#
        )
    };
    let engine = unwinders::engine(&Config::new()).unwrap();
    let output = Captured::default();
    let mut linker = Linker::new(&engine);
    let ctx = WasiBuilder::new().stdout(&output).build().unwrap();
    wasi::add_to_linker(&mut linker, ctx);
    let mut store = engine.new_store().unwrap();
    let instances: Vec<Instance> = ['a', 'b']
        .into_iter()
        .map(|byte| {
            let module = Module::new(&engine, text(byte).as_bytes()).unwrap();
            linker.instantiate(&mut store, &module).unwrap()
        })
        .collect();
    for instance in [&instances[1], &instances[0], &instances[1]] {
        let run = instance.func(&mut store, "run").unwrap();
        let results = run.call(&mut store, &[]).unwrap();
        assert!(matches!(results[..], [Val::I32(0)]));
    }
    assert_eq!(output.contents(), b"bab");
}
