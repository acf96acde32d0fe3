//! Exceptions and backtraces are the same whichever way stacks are walked, on every collector, whether
//! small functions are inlined or not.
//!
//! One program goes down through frames of several shapes: with references, with arguments on the
//! stack, after tail calls that make and free room for some, and through the host. At the bottom it
//! returns, throws or traps, in each way a trap comes about.

use crate::harness::Program;
use std::sync::{Arc, OnceLock};
use windrow::{CollectorKind, Config, FuncType, MemoryKind, ValType, Zeal};
use windrow_wasm::{Engine, EngineOptions, Error, Func, Linker, Module, TrapKind, Unwinder};

const PROGRAM: &str = r#"(module $m
    (type $box (struct (field (mut i32))))
    (import "host" "again" (func $again (param i32 i32) (result i32)))
    (memory 1)
    (tag $t (param (ref $box)))
    (func $new (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
    (func $forever (param i32) (result i32)
        (i32.add (call $forever (struct.get $box 0 (call $new (local.get 0)))) (i32.const 1)))
    (func $end (param $how i32) (result i32)
        (block $forever (block $null (block $memory (block $divide (block $trap (block $throw (block $return
            (br_table $return $throw $trap $divide $memory $null $forever (local.get $how)))
            (return (i32.const 5)))
            (throw $t (call $new (i32.const 7))))
            (unreachable))
            (return (i32.div_u (i32.const 1) (i32.eqz (local.get $how)))))
            (return (i32.load (i32.const 0xfffffff0))))
            (return (struct.get $box 0 (ref.null $box))))
        (call $forever (i32.const 1)))
    (func $down (export "down") (param $n i32) (param $how i32) (result i32)
        (local $kept (ref null $box))
        (if (i32.eqz (local.get $n)) (then (return_call $end (local.get $how))))
        (local.set $kept (call $new (local.get $n)))
        (block $host (block $grows (block $many
            (br_table $many $grows $host (i32.rem_u (local.get $n) (i32.const 4))))
            (return (i32.add (struct.get $box 0 (local.get $kept))
                (call $many (local.get $n) (local.get $how) (i32.const 1) (i32.const 2) (i32.const 3)
                    (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7) (local.get $kept)))))
            (return (i32.add (struct.get $box 0 (local.get $kept))
                (call $grows (local.get $n) (local.get $how) (local.get $kept)))))
        (i32.add (struct.get $box 0 (local.get $kept))
            (call $again (i32.sub (local.get $n) (i32.const 1)) (local.get $how))))
    (func $many (param $n i32) (param $how i32) (param i32 i32 i32 i32 i32 i32 i32)
        (param $kept (ref null $box)) (result i32)
        (if (i32.and (local.get $n) (i32.const 4)) (then (return_call $shrinks (local.get $n) (local.get $how))))
        (i32.add (struct.get $box 0 (local.get $kept)) (i32.add (local.get 8)
            (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $how)))))
    (func $grows (param $n i32) (param $how i32) (param $kept (ref null $box)) (result i32)
        (return_call $many (i32.and (local.get $n) (i32.const -5)) (local.get $how) (i32.const 1)
            (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7)
            (local.get $kept)))
    (func $shrinks (param $n i32) (param $how i32) (result i32)
        (i32.add (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $how)) (i32.const 1)))
    (func (export "catch") (param $n i32) (param $how i32) (result i32)
        (local $kept (ref null $box))
        (local.set $kept (call $new (i32.const 1000)))
        (block $caught (result (ref $box))
            (try_table (catch $t $caught) (return (call $down (local.get $n) (local.get $how))))
            (unreachable))
        (i32.add (struct.get $box 0) (struct.get $box 0 (local.get $kept)))))"#;

/// Levels the program goes down: through every shape of frame, and twice through the host.
const LEVELS: i32 = 13;

/// What it returns from there.
const RETURNED: i32 = 5;

const THROWS: i32 = 1;

/// What the program ends in when told that.
const TRAPS: [(i32, TrapKind); 5] = [
    (2, TrapKind::Unreachable),
    (3, TrapKind::DivisionByZero),
    (4, TrapKind::MemoryOutOfBounds),
    (5, TrapKind::NullStruct),
    (6, TrapKind::StackExhausted),
];

fn program(config: &Config, options: EngineOptions) -> Program {
    let engine = Engine::with_options(config, options).unwrap();
    let module = Module::new(&engine, PROGRAM.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let mut linker = Linker::new(&engine);
    let down: Arc<OnceLock<Func>> = Arc::default();
    let callee = Arc::clone(&down);
    let ty = FuncType::new([ValType::I32, ValType::I32], [ValType::I32]);
    linker.define_func("host", "again", ty, move |mut caller, args, results| {
        let down = callee.get().expect("set before the first call");
        let inner = down.call(caller.store(), args);
        let collected = caller.store().gc(windrow::CollectionKind::Full);
        collected.map_err(Error::host)?;
        results[0] = inner?[0].clone();
        Ok(())
    });
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let func = instance.func(&mut store, "down").unwrap();
    assert!(down.set(func).is_ok());
    Program { store, instance }
}

/// What a call ended in: a number, or the kind of its trap or exception with all that is known of the
/// frames.
fn ended(program: &mut Program, name: &str, how: i32) -> Result<i32, String> {
    let result = program.call(name, &[LEVELS, how]);
    program.store.verify().unwrap();
    result.map_err(|error| match error {
        Error::Trap(trap) => format!("{trap:?}"),
        Error::Exception(exception) => {
            let (frames, omitted) = (&exception.frames, exception.omitted_frames);
            format!("{frames:?}, and {omitted}")
        }
        other => panic!("{other}"),
    })
}

/// Calls with a program compiled this way: one for each way to end.
fn all_ends(config: &Config, zeal: Zeal, options: EngineOptions) -> Vec<Result<i32, String>> {
    let mut program = program(&config.clone().zeal(zeal), options);
    let mut ends = Vec::new();
    // Thousands of frames that allocate take too long if each looks at all others.
    let is_quick = |(_, kind): &(i32, TrapKind)| !zeal.is_on() || *kind != TrapKind::StackExhausted;
    for (how, kind) in TRAPS.into_iter().filter(is_quick) {
        let trap = program.trap("down", &[LEVELS, how]);
        assert_eq!(trap.kind, kind);
        let is_deep = trap.omitted_frames > 1000;
        assert_eq!(is_deep, kind == TrapKind::StackExhausted, "{trap}");
        let innermost = match kind {
            TrapKind::StackExhausted => "m!forever",
            _ => "m!end",
        };
        // In the stack overflow, what is at its limit may be the call of a function that allocates.
        let is_there = trap.frames[..2]
            .iter()
            .any(|frame| frame.function == innermost);
        assert!(is_there, "{trap}");
        let hosts = trap
            .frames
            .iter()
            .filter(|frame| frame.function == "m!down");
        assert!(hosts.count() >= 2, "{trap}");
        ends.push(ended(&mut program, "catch", how));
        ends.push(ended(&mut program, "down", how));
    }
    ends.push(ended(&mut program, "down", THROWS));
    let caught = ended(&mut program, "catch", THROWS);
    assert_eq!(caught, Ok(1007));
    let returned = [0, 0].map(|how| ended(&mut program, "catch", how));
    assert!(matches!(returned[0], Ok(sum) if sum > RETURNED));
    ends.extend(returned);
    ends
}

#[test]
fn both_unwinders_lead_to_the_same_handlers_and_backtraces() {
    for &collector in CollectorKind::ALL {
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            for zeal in [Zeal::OFF, Zeal::every(7)] {
                let config = Config::new().collector(collector).memory(memory);
                let ends = |unwinder, inlining| {
                    let options = EngineOptions::new().unwinder(unwinder).inlining(inlining);
                    all_ends(&config, zeal, options)
                };
                let by_frame_pointers = ends(Unwinder::FramePointers, true);
                let by_tables = ends(Unwinder::Dwarf, true);
                assert_eq!(
                    by_frame_pointers, by_tables,
                    "{collector}, {memory}, {zeal:?}"
                );
                // Where the stack overflows, so many frames were made.
                if zeal.is_on() {
                    let called = ends(Unwinder::FramePointers, false);
                    assert_eq!(called, by_frame_pointers, "{collector}, {memory}");
                }
            }
        }
    }
}
