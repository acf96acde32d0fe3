//! A run on wasmtime, as its defaults have it: optimising compiler, memory guarded by the system.

use super::Failure;
use super::preview1::{self, Context};
use super::stopwatch::Stopwatch;
use crate::job::{Done, Job, Work};
use std::path::Path;
use wasmtime::{Collector, Config, Engine, Instance, Linker, Module, Store, Val};

/// Runs a job with a collector; the stack is that of this thread.
pub(super) fn run(collector: Collector, job: &Job, stack_bytes: usize) -> Result<Done, Failure> {
    let mut config = Config::new();
    config
        .collector(collector)
        .max_wasm_stack(stack_bytes)
        // Unused, but not to be smaller.
        .async_stack_size(stack_bytes)
        .wasm_function_references(true)
        .wasm_gc(true)
        .wasm_exceptions(true)
        .wasm_tail_call(true);
    let engine = Engine::new(&config).map_err(Failure::refused)?;
    if let Work::Call {
        javascript: true, ..
    } = job.work
    {
        return Err(Failure::refused(
            "compiled for a JavaScript host, whose strings wasmtime does not have",
        ));
    }
    let module = Module::from_file(&engine, &job.file).map_err(refused)?;
    match &job.work {
        Work::Call { export, args, .. } => call(&engine, &module, export, args),
        Work::Command { directory } => command(&engine, &module, directory),
    }
}

fn call(engine: &Engine, module: &Module, export: &str, args: &[i32]) -> Result<Done, Failure> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).map_err(refused)?;
    let func = instance
        .get_func(&mut store, export)
        .ok_or_else(|| Failure::refused(format!("no function {export} is exported")))?;
    let args: Vec<Val> = args.iter().copied().map(Val::I32).collect();
    let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
    let watch = Stopwatch::default();
    watch.start(None);
    let ended = func.call(&mut store, &args, &mut results);
    watch.end(|| None);
    ended.map_err(trap)?;
    watch.done(match results.first() {
        None => String::new(),
        Some(Val::I32(value)) => value.to_string(),
        Some(Val::I64(value)) => value.to_string(),
        Some(Val::F64(bits)) => f64::from_bits(*bits).to_string(),
        Some(other) => format!("{other:?}"),
    })
}

fn command(engine: &Engine, module: &Module, directory: &Path) -> Result<Done, Failure> {
    let watch = Stopwatch::default();
    let mut linker = Linker::new(engine);
    let (start, end) = (watch.clone(), watch.clone());
    linker
        .func_wrap("bench", "start", move || start.start(None))
        .map_err(refused)?;
    linker
        .func_wrap("bench", "end", move || end.end(|| None))
        .map_err(refused)?;
    preview1::add_to_linker(&mut linker).map_err(refused)?;
    let mut store = Store::new(engine, Context::new(directory));
    let instance = linker.instantiate(&mut store, module).map_err(refused)?;
    let start = instance
        .get_typed_func::<(), ()>(&mut store, "_start")
        .map_err(refused)?;
    start.call(&mut store, ()).map_err(trap)?;
    watch.done(store.data().printed())
}

fn refused(error: wasmtime::Error) -> Failure {
    Failure::refused(format!("{error:#}"))
}

/// The reason alone: where in the program it was is of no use here.
fn trap(error: wasmtime::Error) -> Failure {
    Failure::trap(error.root_cause())
}
