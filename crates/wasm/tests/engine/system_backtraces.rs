//! What the system's unwinder sees from a host function: the program's frames, and the host's below.

#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use crate::unwinders;
use std::backtrace::Backtrace;
use std::sync::{Arc, Mutex};
use windrow::{Config, FuncType, Store, Val, ValType};
use windrow_wasm::{Engine, Func, Linker, Module};

/// Calls the host from under frames with and without arguments on the stack, and after a tail call
/// that takes more room for them than its caller's caller made.
const PROGRAM: &str = r#"(module
    (import "host" "look" (func $look (param i32) (result i32)))
    (func $leaf (param i32) (result i32) (i32.add (call $look (local.get 0)) (i32.const 1)))
    (func $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (i32.add (call $leaf (local.get 0)) (local.get 11)))
    (func $grows (param i32) (result i32)
        (return_call $many (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
            (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10)
            (i32.const 11)))
    (func (export "f") (param i32) (result i32)
        (i32.add (call $grows (local.get 0)) (local.get 0))))"#;

struct Program {
    store: Store,
    f: Func,
    seen: Arc<Mutex<Vec<String>>>,
}

/// An engine that makes a frame for each call.
fn engine() -> Engine {
    Engine::with_options(&Config::new(), unwinders::options().inlining(false)).unwrap()
}

/// The program, whose host function notes the stack it sees, and calls it again if asked with 1.
fn program(engine: &Engine) -> Program {
    let module = Module::new(engine, PROGRAM.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let mut linker = Linker::new(engine);
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let again: Arc<Mutex<Option<Func>>> = Arc::default();
    let (noted, callee) = (Arc::clone(&seen), Arc::clone(&again));
    let ty = FuncType::new([ValType::I32], [ValType::I32]);
    linker.define_func("host", "look", ty, move |mut caller, args, results| {
        results[0] = args[0].clone();
        if let Val::I32(1) = args[0] {
            let f = callee.lock().unwrap().clone().unwrap();
            results[0] = enter_from_a_host_function(&f, caller.store());
        }
        noted
            .lock()
            .unwrap()
            .push(Backtrace::force_capture().to_string());
        Ok(())
    });
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let f = instance.func(&mut store, "f").unwrap();
    *again.lock().unwrap() = Some(f.clone());
    Program { store, f, seen }
}

#[inline(never)]
fn enter_from_the_test(program: &mut Program, argument: i32) -> i32 {
    match program
        .f
        .call(&mut program.store, &[Val::I32(argument)])
        .unwrap()[0]
    {
        Val::I32(result) => std::hint::black_box(result),
        _ => panic!("the type says otherwise"),
    }
}

#[inline(never)]
fn enter_from_a_host_function(f: &Func, store: &mut Store) -> Val {
    std::hint::black_box(f.call(store, &[Val::I32(0)]).unwrap()[0].clone())
}

/// How often each of these is named, and how many frames have no name, as compiled code's.
fn counts(trace: &str) -> [usize; 4] {
    [
        "enter_compiled",
        "enter_from_the_test",
        "enter_from_a_host_function",
        "<unknown>",
    ]
    .map(|name| {
        trace
            .lines()
            .filter(|line| line.ends_with(name) || line.contains(&format!("::{name}")))
            .count()
    })
}

#[test]
fn a_host_functions_backtrace_shows_who_called_the_program() {
    let engine = engine();
    let mut program = program(&engine);
    assert_eq!(enter_from_the_test(&mut program, 7), 7 + 1 + 11 + 7);
    let seen = program.seen.lock().unwrap();
    // The program's three frames, and its trampolines in and out.
    assert_eq!(counts(&seen[0]), [1, 1, 0, 5], "{}", seen[0]);
}

#[test]
fn nested_entries_are_seen_through() {
    let engine = engine();
    let mut program = program(&engine);
    assert_eq!(enter_from_the_test(&mut program, 1), 12 + 1 + 11 + 1);
    let seen = program.seen.lock().unwrap();
    assert_eq!(counts(&seen[0]), [2, 1, 1, 10], "{}", seen[0]);
    assert_eq!(counts(&seen[1]), [1, 1, 0, 5], "{}", seen[1]);
}

#[test]
fn modules_come_and_go_while_others_look() {
    let engine = engine();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut program = program(&engine);
                    enter_from_the_test(&mut program, 7);
                    let seen = program.seen.lock().unwrap();
                    assert_eq!(counts(&seen[0]), [1, 1, 0, 5], "{}", seen[0]);
                }
            });
        }
    });
}
