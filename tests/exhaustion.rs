//! Running out: one allocation of a compiled program after the other refused, address space and
//! memory that the system does not give.
//!
//! A refusal is a trap that names the bytes and the limit; the store is whole afterwards, the same
//! program runs to its end in it, and other stores never notice.

#[path = "../crates/wasm/tests/support/unwinders.rs"]
mod unwinders;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use windrow::{
    ArrayRef, Collector, CollectorKind, Config, HeapError, MemoryKind, Store, Val, Zeal,
};
use windrow_testkit::Failing;
use windrow_wasm::{Engine, Error, Func, Linker, Module, TrapKind};

/// Programs with an argument that takes a hundred allocations or more.
const PROGRAMS: [(&str, i32); 3] = [("binary-trees", 4), ("churn", 100), ("lists", 4)];

fn program(name: &str) -> String {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/wasm/programs");
    std::fs::read_to_string(programs.join(format!("{name}.wat"))).expect("readable")
}

/// A module that can be run in many stores.
struct Program {
    engine: Engine,
    module: Module,
}

impl Program {
    fn new(name: &str, config: &Config) -> Self {
        let engine = unwinders::engine(config).expect("an engine");
        let module = Module::new(&engine, program(name).as_bytes()).expect("it is valid");
        Self { engine, module }
    }

    fn instantiate(&self) -> Result<(Store, Func), Error> {
        let mut store = self.engine.new_store().map_err(Error::host)?;
        let instance = Linker::new(&self.engine).instantiate(&mut store, &self.module)?;
        let run = instance.func(&mut store, "run").expect("they export it");
        Ok((store, run))
    }
}

fn call(store: &mut Store, run: &Func, n: i32) -> Result<i64, Error> {
    match run.call(store, &[Val::I32(n)])?[..] {
        [Val::I64(result)] => Ok(result),
        ref other => panic!("{other:?}"),
    }
}

/// Whether an error is a full heap's, with bytes and a limit that make sense.
fn is_full(error: &Error) -> bool {
    let Error::Trap(trap) = error else {
        return false;
    };
    matches!(
        trap.kind,
        TrapKind::Heap(HeapError::HeapFull { needed_bytes, limit_bytes })
            if needed_bytes >= 8 && needed_bytes < limit_bytes
    )
}

#[test]
fn every_allocation_of_a_program_may_fail() {
    for kind in CollectorKind::ALL {
        for (memory, zeal) in [(MemoryKind::Guarded, 0), (MemoryKind::Checked, 100)] {
            for (name, n) in PROGRAMS {
                let config = |collector: Arc<dyn Collector>| {
                    Config::new()
                        .collector(collector)
                        .memory(memory)
                        .zeal(Zeal::every(zeal))
                };
                let plain = Program::new(name, &config(kind.instance()));
                let (mut store, run) = plain.instantiate().expect("it imports nothing");
                let expected = call(&mut store, &run, n).expect("it returns");
                let failing = Arc::new(Failing::new(kind.instance(), 0));
                let program = Program::new(name, &config(Arc::clone(&failing) as Arc<_>));
                let mut refused = 0;
                // The first ones one by one, then fewer: later failures are alike.
                for nth in (0..40).chain((40..400).step_by(23)) {
                    failing.refuse(nth);
                    let (mut store, run) = match program.instantiate() {
                        Ok(made) => made,
                        Err(error) if is_full(&error) => continue,
                        Err(error) => panic!("{name}, {nth}: {error}"),
                    };
                    match call(&mut store, &run, n) {
                        Ok(found) => assert_eq!(found, expected, "{name}, {nth}"),
                        Err(error) => {
                            refused += 1;
                            assert!(is_full(&error), "{name}, {nth}: {error}");
                            store.verify().expect("the heap is whole");
                            let again = call(&mut store, &run, n).expect("there is room again");
                            assert_eq!(again, expected, "{name} after the {nth}th failed");
                        }
                    }
                    store.verify().expect("the heap is whole");
                }
                assert!(refused > 20, "{name}: {refused} refusals");
            }
        }
    }
}

/// Runs a test of this file in a process of its own, which may have so much address space.
fn in_little_space(test: &str, kilobytes: u64) -> Output {
    let this = std::env::current_exe().expect("a path");
    let command = format!(
        "ulimit -v {kilobytes} && exec '{}' --exact {test} --nocapture",
        this.display()
    );
    Command::new("sh")
        .args(["-c", &command])
        .env("WINDROW_IN_LITTLE_SPACE", "1")
        .output()
        .expect("a shell")
}

/// Whether this is the process with little space.
fn has_little_space() -> bool {
    std::env::var_os("WINDROW_IN_LITTLE_SPACE").is_some()
}

fn assert_passed(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn address_space_that_is_refused_is_an_error() {
    if !has_little_space() {
        // Less than one reservation.
        assert_passed(&in_little_space(
            "address_space_that_is_refused_is_an_error",
            3 << 20,
        ));
        return;
    }
    for kind in CollectorKind::ALL {
        for _ in 0..3 {
            let error = Store::new(&Config::new().collector(*kind)).expect_err("no room");
            let text = error.to_string();
            assert!(
                text.contains("address space") && text.contains("checked memory"),
                "{text}"
            );
        }
        // What the message advises works.
        let config = Config::new().collector(*kind).memory(MemoryKind::Checked);
        let program = Program::new("lists", &config);
        let (mut store, run) = program.instantiate().expect("a checked heap is small");
        call(&mut store, &run, 4).expect("it returns");
    }
}

#[test]
fn memory_that_is_refused_makes_a_full_heap() {
    if !has_little_space() {
        assert_passed(&in_little_space(
            "memory_that_is_refused_makes_a_full_heap",
            700 << 10,
        ));
        return;
    }
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind).memory(MemoryKind::Checked);
        let mut store = Store::new(&config).expect("an empty heap is small");
        let array = windrow::ArrayType::new(windrow::FieldType::mutable(windrow::ValType::I64));
        let array = store.types().register_array(array).expect("a type");
        let mut scope = store.scope();
        let mut held = 0;
        let error = loop {
            match ArrayRef::new_default(&mut scope, array, 1 << 20) {
                Ok(_) => held += 1,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, windrow::Error::Heap(HeapError::HeapFull { .. })),
            "{error}"
        );
        assert!(held > 0, "there was room for some");
        scope.verify().expect("the heap is whole");
        drop(scope);
        if kind.instance().properties().collects {
            let mut scope = store.scope();
            ArrayRef::new_default(&mut scope, array, 1 << 10).expect("room again");
        }
    }
}
