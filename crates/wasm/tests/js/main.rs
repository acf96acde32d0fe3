//! Programs for a JavaScript host: strings, their builtins and constants, what J2CL imports.

#![allow(clippy::unwrap_used, reason = "tests")]

mod box2d;
mod builtins;
mod constants;
mod exceptions;
mod j2cl;
mod strings;
#[path = "../support/unwinders.rs"]
mod unwinders;

use windrow::{CollectorKind, Config, MemoryKind, Ref, Store, Val};
use windrow_wasm::{Error, Instance, Module, TrapKind, js};

/// Every memory.
const MEMORIES: [MemoryKind; 2] = [MemoryKind::Guarded, MemoryKind::Checked];

/// Every collector on every memory.
fn configs() -> Vec<Config> {
    let mut configs = Vec::new();
    for &collector in CollectorKind::ALL {
        for memory in MEMORIES {
            configs.push(Config::new().collector(collector).memory(memory));
        }
    }
    configs
}

/// What a configuration is called in messages.
fn name(config: &Config) -> String {
    let collector = config.chosen_collector().name();
    format!("{collector}, {}", config.chosen_memory())
}

/// An instance with a JavaScript host, alone in a store.
struct Program {
    store: Store,
    instance: Instance,
}

impl Program {
    fn new(config: &Config, module: &[u8]) -> Result<Self, Error> {
        let engine = unwinders::engine(config)?;
        let module = Module::new(&engine, module)?;
        let mut store = engine.new_store().unwrap();
        let instance = js::linker(&engine)?.instantiate(&mut store, &module)?;
        Ok(Self { store, instance })
    }

    fn of(module: &str) -> Self {
        Self::new(&Config::new(), module.as_bytes()).unwrap()
    }

    fn string(&mut self, text: &str) -> Val {
        Val::Ref(js::new_string(&mut self.store, text).unwrap())
    }

    fn call(&mut self, export: &str, args: &[Val]) -> Result<Val, Error> {
        let func = self.instance.func(&mut self.store, export).unwrap();
        let results = func.call(&mut self.store, args)?;
        Ok(results.into_iter().next().unwrap_or(Val::I32(0)))
    }

    fn i32(&mut self, export: &str, args: &[Val]) -> i32 {
        match self.call(export, args) {
            Ok(Val::I32(value)) => value,
            other => panic!("{export}: {other:?}"),
        }
    }

    /// The units of the string that a call returns.
    fn units(&mut self, export: &str, args: &[Val]) -> Vec<u16> {
        match self.call(export, args) {
            Ok(Val::Ref(reference)) => {
                let string = js::string(&self.store, &reference).unwrap();
                string.expect("a string").units()
            }
            other => panic!("{export}: {other:?}"),
        }
    }

    fn text(&mut self, export: &str, args: &[Val]) -> String {
        String::from_utf16(&self.units(export, args)).unwrap()
    }

    fn trap(&mut self, export: &str, args: &[Val]) -> TrapKind {
        match self.call(export, args) {
            Err(Error::Trap(trap)) => trap.kind,
            other => panic!("{export}: {other:?}"),
        }
    }
}

const NULL: Val = Val::Ref(Ref::Null);
