//! A run on windrow.

use super::Failure;
use super::stopwatch::Stopwatch;
use crate::job::{Done, Job, Work};
use std::path::Path;
use windrow::{CollectorKind, Config, FuncType, Store, Val};
use windrow_wasm::wasi::{self, Captured, WasiBuilder};
use windrow_wasm::{Engine, EngineOptions, Error, Linker, Module, js};

/// Runs a job with a collector; the stack is that of this thread.
pub(super) fn run(
    collector: CollectorKind,
    job: &Job,
    stack_bytes: usize,
) -> Result<Done, Failure> {
    let config = Config::new().collector(collector);
    let options = EngineOptions::new().stack_max_bytes(stack_bytes);
    let engine = Engine::with_options(&config, options).map_err(Failure::refused)?;
    let bytes = std::fs::read(&job.file).map_err(Failure::refused)?;
    let module = Module::new(&engine, &bytes).map_err(Failure::refused)?;
    let mut store = engine.new_store().map_err(Failure::refused)?;
    match &job.work {
        Work::Call {
            export,
            args,
            javascript,
        } => {
            let linker = match javascript {
                true => js::linker(&engine).map_err(Failure::refused)?,
                false => Linker::new(&engine),
            };
            call(&linker, &mut store, &module, export, args)
        }
        Work::Command { directory } => command(&engine, &mut store, &module, directory),
    }
}

fn call(
    linker: &Linker,
    store: &mut Store,
    module: &Module,
    export: &str,
    args: &[i32],
) -> Result<Done, Failure> {
    let instance = linker
        .instantiate(store, module)
        .map_err(Failure::refused)?;
    let func = instance
        .func(store, export)
        .ok_or_else(|| Failure::refused(format!("no function {export} is exported")))?;
    let args: Vec<Val> = args.iter().copied().map(Val::I32).collect();
    let watch = Stopwatch::default();
    watch.start(Some(store.stats().gc_time));
    let results = func.call(store, &args);
    watch.end(|| Some(store.stats().gc_time));
    let results = results.map_err(Failure::trap)?;
    watch.done(match results.first() {
        None => String::new(),
        Some(Val::I32(value)) => value.to_string(),
        Some(Val::I64(value)) => value.to_string(),
        Some(Val::F64(bits)) => f64::from_bits(*bits).to_string(),
        Some(other) => format!("{other:?}"),
    })
}

fn command(
    engine: &Engine,
    store: &mut Store,
    module: &Module,
    directory: &Path,
) -> Result<Done, Failure> {
    let printed = Captured::default();
    let context = WasiBuilder::new()
        .args(["program"])
        .directory(directory, ".")
        .stdout(&printed)
        .build()
        .map_err(Failure::refused)?;
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker, context);
    let watch = Stopwatch::default();
    let marker = || FuncType::new([], []);
    let (start, end) = (watch.clone(), watch.clone());
    linker.define_func("bench", "start", marker(), move |mut caller, _, _| {
        start.start(Some(caller.store().stats().gc_time));
        Ok(())
    });
    linker.define_func("bench", "end", marker(), move |mut caller, _, _| {
        end.end(|| Some(caller.store().stats().gc_time));
        Ok(())
    });
    let instance = linker
        .instantiate(store, module)
        .map_err(Failure::refused)?;
    let start = instance
        .func(store, "_start")
        .ok_or_else(|| Failure::refused("no function _start is exported"))?;
    match start.call(store, &[]) {
        Ok(_) | Err(Error::Exit(0)) => {}
        Err(error) => return Err(Failure::trap(error)),
    }
    watch.done(String::from_utf8_lossy(&printed.contents()).into_owned())
}
