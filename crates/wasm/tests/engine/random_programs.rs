//! Random programs give the same result on every collector and memory, and in an interpreter.
//!
//! A program keeps references in locals, on the operand stack across nested control, in block and
//! loop parameters, in exceptions, tables, globals, arrays and objects, sends them through calls of
//! every kind and through the host, allocates all the time, and folds what it sees into a checksum.
//! Under zeal every allocation moves every object, so a reference that a stack map misses is stale
//! at its next use; one taken for dead is null, which only the interpreter can tell. Both unwinders walk
//! before each collection and have to agree; the one or the other finds the references. Recorders around
//! the collectors tell of a missed barrier. In builds with debug assertions every function passes the
//! checker of safepoints on the way.
//!
//! The cases are the same each time unless `WINDROW_PROPTEST_CASES` asks for another number.

mod oracle;
mod program;
mod ways;
mod writer;

use crate::unwinders;
use program::statements;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use std::sync::Arc;
use windrow::{
    CollectionKind, Collector, CollectorKind, Config, FuncType, HeapType, MemoryKind, RefType, Val,
    ValType, Zeal,
};
use windrow_testkit::{Effort, Recorder};
use windrow_wasm::{Engine, Error, Linker, Module, Unwinder};

/// Cases where the environment asks for no other number.
const CASES: u32 = 128;

/// The result of a program, whose host functions collect.
fn run(config: &Config, unwinder: Unwinder, text: &str) -> i32 {
    let options = unwinders::options_with(unwinder);
    let engine = Engine::with_options(config, options).unwrap();
    let module = Module::new(&engine, text.as_bytes()).unwrap();
    let mut store = engine.new_store().unwrap();
    let mut linker = Linker::new(&engine);
    let any = ValType::Ref(RefType {
        nullable: true,
        heap_type: HeapType::Any,
    });
    linker.define_func(
        "host",
        "pass",
        FuncType::new([any], [any]),
        |mut caller, args, results| {
            let collected = caller.store().gc(CollectionKind::Full);
            results[0] = args[0].clone();
            collected.map_err(Error::host)
        },
    );
    let nothing = FuncType::new([], []);
    linker.define_func("host", "collect", nothing, |mut caller, _, _| {
        let collected = caller.store().gc(CollectionKind::Full);
        collected.map_err(Error::host)
    });
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let results = instance
        .func(&mut store, "run")
        .unwrap()
        .call(&mut store, &[]);
    store.gc(CollectionKind::Full).unwrap();
    store.verify().unwrap();
    match results.unwrap()[..] {
        [Val::I32(result)] => result,
        ref other => panic!("one i32 expected, not {other:?}"),
    }
}

/// Every collector on both memories, collecting all the time, and with its barriers watched.
fn configs() -> Vec<(String, Config)> {
    let mut configs = Vec::new();
    for kind in CollectorKind::ALL {
        let watched: Arc<dyn Collector> = Arc::new(Recorder::new(kind.instance()));
        for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
            let config = Config::new().memory(memory).zeal(Zeal::every(1));
            let name = format!("{kind}, {memory:?}");
            configs.push((
                format!("watched {name}"),
                config.clone().collector(Arc::clone(&watched)),
            ));
            configs.push((name, config.collector(*kind)));
        }
    }
    configs
}

#[test]
fn compiled_code_does_what_an_interpreter_does() {
    let effort = Effort::from_environment(CASES);
    let config = ProptestConfig {
        cases: effort.cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(effort.seed),
        ..ProptestConfig::default()
    };
    let (configs, unwinders) = (configs(), unwinders::each());
    let cases = (statements(), 0..configs.len(), 0..unwinders.len());
    let outcome = TestRunner::new(config).run(&cases, |(statements, index, unwinder)| {
        let (text, expected) = (writer::module(&statements), oracle::run(&statements));
        let ((name, config), unwinder) = (&configs[index], unwinders[unwinder]);
        let found = run(config, unwinder, &text);
        prop_assert_eq!(found, expected, "{}, {:?}, in\n{}", name, unwinder, text);
        Ok(())
    });
    outcome.unwrap();
}

/// Each way is gone, whatever random programs go.
#[test]
fn every_way_ends_with_the_same_reference() {
    let new = program::Statement::New {
        to: 1,
        next: 0,
        value: 8,
    };
    let through = (0..ways::WAYS.len()).flat_map(|way| {
        let there = program::Statement::Through {
            to: 0,
            from: 1,
            way,
        };
        let null = program::Statement::Through {
            to: 2,
            from: 3,
            way,
        };
        let seen = [0, 2].map(program::Statement::Fold);
        [there, null].into_iter().chain(seen)
    });
    let statements: Vec<_> = [new].into_iter().chain(through).collect();
    let (text, expected) = (writer::module(&statements), oracle::run(&statements));
    for (name, config) in configs() {
        for unwinder in unwinders::each() {
            let found = run(&config, unwinder, &text);
            assert_eq!(found, expected, "{name}, {unwinder:?}");
        }
    }
}
