//! Programs that would not end by themselves: stopped by another thread, or for want of fuel.

use crate::harness::Program;
use crate::unwinders;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use windrow::{CollectorKind, Config, FuncType, MemoryKind, Val, ValType, Zeal};
use windrow_wasm::{Engine, Error, Linker, Module, Trap, TrapKind};

/// Every export runs for ever, but `answer` and `count`.
const ENDLESS: &str = r#"(module
    (type $bytes (array (mut i8)))
    (type $node (struct (field (mut (ref null $node)))))
    (memory 4)
    (table 1000 funcref)
    (func (export "spin") (param i32) (result i32) (loop $l (br $l)) (i32.const 0))
    (func (export "branch_table") (param i32) (result i32)
        (loop $l (br_table $l $l (local.get 0))) (i32.const 0))
    (func $fibonacci (export "fibonacci") (param i32) (result i32)
        (if (result i32) (i32.le_s (local.get 0) (i32.const 1))
            (then (local.get 0))
            (else (i32.add
                (call $fibonacci (i32.sub (local.get 0) (i32.const 1)))
                (call $fibonacci (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "allocate") (param i32) (result i32)
        (local $head (ref null $node))
        (loop $l
            (local.set $head (struct.new $node (ref.null $node)))
            (struct.set $node 0 (local.get $head) (struct.new $node (local.get $head)))
            (br $l))
        (i32.const 0))
    (func (export "fill_array") (param i32) (result i32)
        (local $array (ref $bytes))
        (local.set $array (array.new_default $bytes (i32.const 1000000)))
        (loop $l
            (array.fill $bytes (local.get $array)
                (i32.const 0) (i32.const 1) (i32.const 1000000))
            (br $l))
        (i32.const 0))
    (func (export "fill_memory") (param i32) (result i32)
        (loop $l
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x40000))
            (table.fill (i32.const 0) (ref.null func) (i32.const 1000))
            (br $l))
        (i32.const 0))
    (func (export "count") (param $n i32) (result i32)
        (local $i i32)
        (loop $l
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
        (local.get $i))
    (func (export "answer") (param i32) (result i32) (i32.const 42))
    ;; Recursion in constant stack.
    (type $f (func (param i32) (result i32)))
    (table $tails funcref (elem $tail_table))
    (elem declare func $tail_ref)
    (func $tail (export "tail") (type $f) (return_call $tail (local.get 0)))
    (func $tail_table (export "tail_table") (type $f)
        (return_call_indirect $tails (type $f) (local.get 0) (i32.const 0)))
    (func $tail_ref (export "tail_ref") (type $f)
        (return_call_ref $f (local.get 0) (ref.func $tail_ref)))
    ;; Handlers of everything, around a loop of the same function and one of another.
    (func $forever (loop $l (br $l)))
    (func (export "catch_all") (type $f)
        (block $caught (try_table (catch_all $caught) (loop $l (br $l))))
        (i32.const 1))
    (func (export "catch_all_called") (type $f)
        (block $caught (try_table (catch_all $caught) (call $forever)))
        (i32.const 1))
    (func (export "catch_all_ref") (type $f)
        (drop (block $caught (result exnref)
            (try_table (catch_all_ref $caught) (call $forever)) (ref.null exn)))
        (i32.const 1))
    (func (export "legacy") (type $f) try (loop $l (br $l)) catch_all end (i32.const 1))
    (func (export "legacy_called") (type $f)
        try try (call $forever) delegate 0 catch_all end (i32.const 1)))"#;

const LOOPS: [&str; 14] = [
    "spin",
    "branch_table",
    "fibonacci",
    "allocate",
    "fill_array",
    "fill_memory",
    "tail",
    "tail_table",
    "tail_ref",
    "catch_all",
    "catch_all_called",
    "catch_all_ref",
    "legacy",
    "legacy_called",
];

/// The configurations whose code differs.
fn configs() -> [Config; 3] {
    let copying = Config::new().collector(CollectorKind::Copying);
    let checked = copying.clone().memory(MemoryKind::Checked);
    [copying.clone(), checked, copying.zeal(Zeal::every(64))]
}

fn interruptible(config: &Config) -> Engine {
    Engine::with_options(config, unwinders::options().interruptible(true)).unwrap()
}

fn metered(config: &Config) -> Engine {
    Engine::with_options(config, unwinders::options().fuel(true)).unwrap()
}

#[test]
fn another_thread_stops_any_loop_and_the_store_stays_usable() {
    for config in configs() {
        let engine = interruptible(&config);
        let mut program = Program::new(&engine, ENDLESS);
        let handle = engine.interrupt_handle(&mut program.store).unwrap();
        for name in LOOPS {
            let (started, stop) = (Arc::new(AtomicBool::new(false)), handle.clone());
            let waiting = Arc::clone(&started);
            let other = std::thread::spawn(move || {
                while !waiting.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                stop.interrupt();
            });
            started.store(true, Ordering::Release);
            // A program stopped at once would prove nothing of its loops: the deadlines below do.
            let trap = program.trap(name, &[60]);
            assert_eq!(trap.kind, TrapKind::Interrupted, "{name}");
            other.join().unwrap();
            assert!(!handle.is_requested(), "the request is used up");
            assert_eq!(program.call("answer", &[0]).unwrap(), 42);
            program.store.verify().unwrap();
        }
    }
}

#[test]
fn a_deadline_stops_a_program_that_is_under_way() {
    for config in configs() {
        let engine = interruptible(&config);
        let mut program = Program::new(&engine, ENDLESS);
        let handle = engine.interrupt_handle(&mut program.store).unwrap();
        for name in LOOPS {
            let deadline = handle.deadline(Duration::from_millis(20)).unwrap();
            let trap = program.trap(name, &[60]);
            assert!(deadline.is_over());
            assert_eq!(trap.kind, TrapKind::Interrupted, "{name}");
            assert!(trap.to_string().starts_with("interrupted"), "{trap}");
            assert!(!trap.frames.is_empty());
        }
    }
}

#[test]
fn a_deadline_that_is_met_leaves_no_trace() {
    let engine = interruptible(&Config::new());
    let mut program = Program::new(&engine, ENDLESS);
    let handle = engine.interrupt_handle(&mut program.store).unwrap();
    let deadline = handle.deadline(Duration::from_secs(3600)).unwrap();
    assert_eq!(program.call("count", &[1000]).unwrap(), 1000);
    assert!(!deadline.is_over());
    drop(deadline);
    let late = handle.deadline(Duration::ZERO).unwrap();
    while !late.is_over() {
        std::thread::yield_now();
    }
    drop(late);
    assert_eq!(program.call("count", &[1000]).unwrap(), 1000);
    handle.interrupt();
    assert!(handle.is_requested());
    handle.clear();
    assert_eq!(program.call("count", &[1000]).unwrap(), 1000);
    handle.interrupt();
    assert_eq!(program.trap("count", &[1]).kind, TrapKind::Interrupted);
    drop(program);
    handle.interrupt();
}

/// A host function that calls back into its store and goes on whatever comes of it.
#[test]
fn a_host_function_in_between_cannot_swallow_an_interruption() {
    let engine = interruptible(&Config::new());
    let text = r#"(module
        (import "host" "nested" (func $nested))
        (func (export "outer") (loop $l (call $nested) (br $l)))
        (func (export "inner") (loop $l (br $l))))"#;
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_func(
        "host",
        "nested",
        FuncType::new([], []),
        |mut caller, _, _| {
            let Some(windrow_wasm::Extern::Func(inner)) = caller.export("inner") else {
                panic!("it is exported")
            };
            let engine = caller.engine().clone();
            let handle = engine.interrupt_handle(caller.store())?;
            handle.interrupt();
            let error = inner.call(caller.store(), &[]).unwrap_err();
            assert_eq!(error.as_trap().unwrap().kind, TrapKind::Interrupted);
            assert!(handle.is_requested(), "the outer call is still to stop");
            Ok(())
        },
    );
    let mut store = engine.new_store().unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance.func(&mut store, "outer").unwrap();
    let error = outer.call(&mut store, &[]).unwrap_err();
    assert_eq!(error.as_trap().unwrap().kind, TrapKind::Interrupted);
    let handle = engine.interrupt_handle(&mut store).unwrap();
    assert!(!handle.is_requested());
}

#[test]
fn a_start_function_is_stopped_too() {
    let engine = interruptible(&Config::new());
    let text = "(module (func $spin (loop $l (br $l))) (start $spin))";
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let handle = engine.interrupt_handle(&mut store).unwrap();
    let _deadline = handle.deadline(Duration::from_millis(5)).unwrap();
    let error = Linker::new(&engine)
        .instantiate(&mut store, &module)
        .unwrap_err();
    assert_eq!(error.as_trap().unwrap().kind, TrapKind::Interrupted);
}

#[test]
fn fuel_runs_out_at_the_same_place_each_time() {
    for config in configs() {
        let engine = metered(&config);
        let mut program = Program::new(&engine, ENDLESS);
        let mut run = |name: &str, fuel| -> (Trap, u64) {
            engine.set_fuel(&mut program.store, fuel).unwrap();
            let trap = program.trap(name, &[60]);
            (trap, engine.fuel(&mut program.store).unwrap())
        };
        for name in LOOPS {
            let (trap, left) = run(name, 20_000);
            assert_eq!((&trap.kind, left), (&TrapKind::OutOfFuel, 0), "{name}");
            assert_eq!(run(name, 20_000).0, trap, "{name}");
        }
    }
}

#[test]
fn fuel_counts_entries_iterations_and_bulk() {
    let engine = metered(&Config::new());
    let mut program = Program::new(&engine, ENDLESS);
    let trap = program.trap("answer", &[0]);
    assert_eq!(trap.kind, TrapKind::OutOfFuel, "a store has none at first");
    engine.set_fuel(&mut program.store, 1000).unwrap();
    assert_eq!(program.call("answer", &[0]).unwrap(), 42);
    assert_eq!(engine.fuel(&mut program.store).unwrap(), 999);
    assert_eq!(program.call("count", &[100]).unwrap(), 100);
    assert_eq!(engine.fuel(&mut program.store).unwrap(), 898);
    engine.set_fuel(&mut program.store, 101).unwrap();
    assert_eq!(program.call("count", &[100]).unwrap(), 100);
    engine.set_fuel(&mut program.store, 100).unwrap();
    assert_eq!(program.trap("count", &[100]).kind, TrapKind::OutOfFuel);
    // An entry, an iteration, and a quarter of a megabyte in units of 64 bytes.
    engine.set_fuel(&mut program.store, 2 + 0x1000 - 1).unwrap();
    let trap = program.trap("fill_memory", &[0]);
    assert_eq!(trap.frames[0].function, "<module>!function 5");
    engine.set_fuel(&mut program.store, u64::MAX).unwrap();
    assert_eq!(program.call("count", &[100]).unwrap(), 100);
}

/// What a host function stops a program with is no exception, whatever catches those.
#[test]
fn no_handler_catches_what_the_host_stops_a_program_with() {
    let text = r#"(module
        (import "host" "stop" (func $stop (param i32)))
        (func (export "none") (param i32) (call $stop (local.get 0)))
        (func (export "catch_all") (param i32)
            (block $caught (try_table (catch_all $caught) (call $stop (local.get 0)))))
        (func (export "catch_all_ref") (param i32)
            (drop (block $caught (result exnref)
                (try_table (catch_all_ref $caught) (call $stop (local.get 0))) (ref.null exn))))
        (func (export "legacy") (param i32) try (call $stop (local.get 0)) catch_all end))"#;
    let stop = |n: i32| match n {
        0 => Error::from(Trap::new(TrapKind::Unreachable)),
        1 => Trap::new(TrapKind::Interrupted).into(),
        2 => Error::host("no more"),
        _ => Error::Exit(3),
    };
    for config in configs() {
        let engine = interruptible(&config);
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut linker = Linker::new(&engine);
        let ty = FuncType::new([ValType::I32], []);
        linker.define_func("host", "stop", ty, move |_, args, _| match args {
            [Val::I32(n)] => Err(stop(*n)),
            _ => panic!("one i32 expected"),
        });
        let mut store = engine.new_store().unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        for name in ["none", "catch_all", "catch_all_ref", "legacy"] {
            let func = instance.func(&mut store, name).unwrap();
            for n in 0..4 {
                let error = func.call(&mut store, &[Val::I32(n)]).unwrap_err();
                let (found, expected) = (error.to_string(), stop(n).to_string());
                assert!(found.starts_with(&expected), "{name} {n}: {found}");
            }
        }
        store.verify().unwrap();
    }
}

#[test]
fn what_an_engine_leaves_out_is_an_error() {
    let engine = unwinders::engine(&Config::new()).unwrap();
    let mut store = engine.new_store().unwrap();
    let error = engine.interrupt_handle(&mut store).unwrap_err();
    assert!(error.to_string().contains("EngineOptions::interruptible"));
    let error = engine.set_fuel(&mut store, 1).unwrap_err();
    assert!(error.to_string().contains("EngineOptions::fuel"), "{error}");
    let engine = interruptible(&Config::new());
    let mut store = engine.new_store().unwrap();
    let error = engine.fuel(&mut store).unwrap_err();
    assert!(matches!(error, Error::NotCompiledIn { .. }));
    let mut foreign = metered(&Config::new()).new_store().unwrap();
    assert!(matches!(
        engine.interrupt_handle(&mut foreign),
        Err(Error::WrongEngine)
    ));
    let both = unwinders::options().interruptible(true).fuel(true);
    let engine = Engine::with_options(&Config::new(), both).unwrap();
    let mut program = Program::new(&engine, ENDLESS);
    engine.set_fuel(&mut program.store, 1 << 40).unwrap();
    let handle = engine.interrupt_handle(&mut program.store).unwrap();
    let _deadline = handle.deadline(Duration::from_millis(5)).unwrap();
    assert_eq!(program.trap("spin", &[0]).kind, TrapKind::Interrupted);
}
