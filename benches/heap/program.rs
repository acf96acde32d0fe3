//! Roots of a program: its frames, a table, globals; each adds to a collection that finds nothing else.

use crate::measure::{Group, operation, timed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use windrow::{CollectionKind, CollectorKind, Config, FuncType, Store, Val};
use windrow_wasm::{Engine, EngineOptions, Error, Instance, Linker, Module};

const FRAMES: u32 = 100_000;
const ELEMENTS: u32 = 100_000;
const GLOBALS: u32 = 10_000;

pub(crate) fn bench(group: &mut Group<'_>) {
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind);
        let mut program = Program::new(&config).expect("there is room for the program");
        operation(group, "frame with a reference", *kind, FRAMES, || {
            let depth = i32::try_from(FRAMES).expect("it is small");
            program.call("down", &[Val::I32(depth)]);
            Ok(*program.collecting.lock().expect("no round failed"))
        });
        for (filled, what, count) in [
            ("fill_table", "element of a table", ELEMENTS),
            ("fill_globals", "global", GLOBALS),
        ] {
            program.call(filled, &[]);
            operation(group, what, *kind, count, || {
                timed(|| program.store.gc(CollectionKind::Full))
            });
            program.call("empty_table", &[]);
        }
    }
}

struct Program {
    store: Store,
    instance: Instance,
    /// What the last collection from within the program took.
    collecting: Arc<Mutex<Duration>>,
}

impl Program {
    fn new(config: &Config) -> Result<Self, Error> {
        // A frame for each call.
        let options = EngineOptions::new()
            .stack_max_bytes(64 << 20)
            .inlining(false);
        let engine = Engine::with_options(config, options)?;
        let module = Module::new(&engine, text().as_bytes())?;
        let mut store = engine.new_store().expect("there is address space");
        let collecting: Arc<Mutex<Duration>> = Arc::default();
        let noted = Arc::clone(&collecting);
        let mut linker = Linker::new(&engine);
        let ty = FuncType::new([], []);
        linker.define_func("host", "collect", ty, move |mut caller, _, _| {
            let time = timed(|| caller.store().gc(CollectionKind::Full));
            *noted.lock().expect("no round failed") = time.expect("the heap is whole");
            Ok(())
        });
        let instance = linker.instantiate(&mut store, &module)?;
        Ok(Self {
            store,
            instance,
            collecting,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Val]) {
        let function = self.instance.func(&mut self.store, name);
        let function = function.expect("the program exports it");
        let called = function.call(&mut self.store, arguments);
        called.expect("the program neither traps nor runs out of stack");
    }
}

/// Tables and globals are null at first, and all lead to one node once they are filled.
fn text() -> String {
    let globals: String = (0..GLOBALS)
        .map(|index| format!("(global $g{index} (mut (ref null $node)) (ref.null $node))"))
        .collect();
    let sets: String = (0..GLOBALS)
        .map(|index| format!("(global.set $g{index} (local.get $node))"))
        .collect();
    format!(
        r#"(module
            (type $node (struct (field i32)))
            (import "host" "collect" (func $collect))
            (table $table {ELEMENTS} (ref null $node))
            {globals}
            (func $deep (param $n i32) (param $node (ref $node)) (result i32)
              (if (result i32) (local.get $n)
                (then
                  (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $node))
                  (i32.add (struct.get $node 0 (local.get $node))))
                (else (call $collect) (i32.const 0))))
            (func (export "down") (param $n i32)
              (drop (call $deep (local.get $n) (struct.new $node (i32.const 1)))))
            (func (export "fill_table")
              (table.fill $table (i32.const 0) (struct.new $node (i32.const 1)) (i32.const {ELEMENTS})))
            (func (export "empty_table")
              (table.fill $table (i32.const 0) (ref.null $node) (i32.const {ELEMENTS})))
            (func (export "fill_globals") (local $node (ref $node))
              (local.set $node (struct.new $node (i32.const 1)))
              {sets}))"#
    )
}
