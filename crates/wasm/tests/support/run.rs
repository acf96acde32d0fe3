//! Runs a program's export to its end, in a store of its own.

#[path = "unwinders.rs"]
pub(crate) mod unwinders;

use std::path::Path;
use windrow::{Config, Statistics, Store, Val};
use windrow_wasm::{Engine, EngineOptions, Error, Linker, Module};

/// How a program ended.
pub(crate) struct Outcome {
    pub(crate) results: Result<Vec<Val>, Error>,
    pub(crate) stats: Statistics,
    /// What it leaves.
    pub(crate) store: Store,
}

/// Calls an export of a module, which imports nothing.
pub(crate) fn run(
    config: &Config,
    options: EngineOptions,
    module: &Path,
    export: &str,
    args: &[Val],
) -> Outcome {
    let engine = Engine::with_options(config, options).expect("an engine");
    let bytes = std::fs::read(module).expect("the program is there");
    let module = Module::new(&engine, &bytes).expect("the program is valid");
    let mut store = engine.new_store().expect("a store");
    let instance = Linker::new(&engine)
        .instantiate(&mut store, &module)
        .expect("it imports nothing");
    let func = instance
        .func(&mut store, export)
        .expect("it exports the function");
    let results = func.call(&mut store, args).map(|results| results.to_vec());
    Outcome {
        results,
        stats: store.stats(),
        store,
    }
}

/// What a configuration is called in messages.
pub(crate) fn name(config: &Config) -> String {
    format!(
        "{}, {:?}",
        config.chosen_collector().name(),
        config.chosen_memory()
    )
}
