//! `windrow run`: reads, compiles and runs a program, and reports on it.
//!
//! The program runs on a thread of its own, whose stack holds what `--stack-max` allows and enough
//! beside it for the engine, so that the program's allowance is what ends a deep recursion.

use crate::args::RunArgs;
use crate::call::{Call, call};
use crate::error::Failure;
use crate::stats::{Outcome, Report, Setup};
use crate::trace::Trace;
use crate::values;
use crate::{machine, preload, print, wasi};
use std::fs::File;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use windrow::{Bytes, Config, GrowthPolicy, HeapError, HeapLimits, SnapshotError, Store, Zeal};
use windrow_wasm::{Deadline, Engine, EngineOptions, Error, Module, Trap, TrapKind};

/// Stack for the engine and the collector, beside what the program may use.
const ENGINE_STACK_BYTES: u64 = 4 << 20;

/// What a 32-bit reference can address.
const LARGEST_HEAP_BYTES: u64 = 4 << 30;

/// Runs a program as the command line says.
///
/// # Errors
/// [`Failure::Trap`] if it was stopped, [`Failure::Exit`] if it exited with a code, [`Failure::Input`] for whatever cannot be used.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut config = config(args)?;
    let module = std::fs::read(&args.file).map_err(|error| cannot("read", &args.file, &error))?;
    let json = match &args.stats_json {
        Some(path) => Some((
            path,
            File::create(path).map_err(|error| cannot("write", path, &error))?,
        )),
        None => None,
    };
    let mut snapshot = match &args.snapshot {
        Some(path) => Some(File::create(path).map_err(|error| cannot("write", path, &error))?),
        None => None,
    };
    let trace = match &args.trace {
        Some(path) => {
            let program = args.file.display().to_string();
            let trace = Trace::create(path, &program);
            Some(trace.map_err(|error| cannot("write", path, &error))?)
        }
        None => None,
    };
    if let Some(trace) = &trace {
        config = config.listener(Arc::clone(trace) as _);
    }
    let trace = trace.as_deref();
    let finished = on_stack(args, || {
        execute(args, &config, &module, snapshot.as_mut(), trace)
    });
    if let (Some(path), Some(trace)) = (&args.trace, trace) {
        trace
            .finish()
            .map_err(|error| cannot("write", path, &error))?;
    }
    let finished = finished?;
    print(&finished.output)?;
    if args.stats {
        // Statistics are extra: with nobody reading them the results still stand.
        let _ = std::io::stderr().write_all(finished.report.table().as_bytes());
    }
    if let Some((path, mut file)) = json {
        let written = file.write_all(finished.report.json().as_bytes());
        written.map_err(|error| cannot("write", path, &error))?;
    }
    if let (Some(path), Err(error)) = (&args.snapshot, finished.snapshot) {
        return Err(Failure::input(format!("`{}`: {error}", path.display())));
    }
    finished.stopped.map_or(Ok(()), Err)
}

/// A run that came as far as running.
struct Finished {
    output: String,
    /// How the program ended, if it did not return.
    stopped: Option<Failure>,
    report: Report,
    /// Whether the snapshot was written, if one was asked for.
    snapshot: Result<(), SnapshotError>,
}

/// What to say of a file that the system refuses.
pub(crate) fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::IsADirectory => "; name a file",
        std::io::ErrorKind::NotFound => "; check the path",
        _ => "",
    };
    Failure::input(format!("cannot {what} `{}`: {error}{hint}", path.display()))
}

/// The store's configuration, its sizes checked against one another.
fn config(args: &RunArgs) -> Result<Config, Failure> {
    let mut config = Config::new()
        .memory(args.memory)
        .zeal(Zeal::every(args.zeal));
    if let Some(kind) = args.collector {
        config = config.collector(kind);
    }
    let HeapLimits {
        initial_bytes,
        max_bytes,
    } = config.limits();
    let max = args.heap_max.map_or(max_bytes, |size| size.bytes);
    if max > LARGEST_HEAP_BYTES {
        let message = format!(
            "--heap-max {} is more than references of 32 bits reach; give 4GiB or less",
            Bytes(max)
        );
        return Err(Failure::input(message));
    }
    if args.heap_fixed {
        let growth = GrowthPolicy {
            min_free_bytes: max,
            ..GrowthPolicy::default()
        };
        let config = config.growth(growth);
        return Ok(config.heap_initial_bytes(max).heap_max_bytes(max));
    }
    let initial = args
        .heap_initial
        .map_or(initial_bytes.min(max), |size| size.bytes);
    if initial > max {
        let (initial, max) = (Bytes(initial), Bytes(max));
        let message = format!(
            "--heap-initial {initial} is more than the limit of {max}; lower it, or raise --heap-max"
        );
        return Err(Failure::input(message));
    }
    Ok(config.heap_initial_bytes(initial).heap_max_bytes(max))
}

/// Runs `body` on a thread with the stack the arguments ask for.
fn on_stack<T: Send>(
    args: &RunArgs,
    body: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<T, Failure> {
    let size = args.stack_max;
    let refused = |reason: &dyn std::fmt::Display| {
        Failure::input(format!(
            "cannot have a stack of {size} ({reason}); give a smaller --stack-max"
        ))
    };
    let stack_bytes = size
        .bytes
        .checked_add(ENGINE_STACK_BYTES)
        .and_then(|bytes| usize::try_from(bytes).ok());
    let stack_bytes = stack_bytes.ok_or_else(|| refused(&"more than the address space"))?;
    thread::scope(|scope| {
        let builder = thread::Builder::new()
            .name("program".to_owned())
            .stack_size(stack_bytes);
        let thread = builder
            .spawn_scoped(scope, body)
            .map_err(|error| refused(&error))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Compiles and runs the program.
fn execute(
    args: &RunArgs,
    config: &Config,
    module: &[u8],
    snapshot: Option<&mut File>,
    trace: Option<&Trace>,
) -> Result<Finished, Failure> {
    let part = |name| trace.map(|trace| trace.part(name));
    let loading = part("load");
    let started = Instant::now();
    let stack_bytes = usize::try_from(args.stack_max.bytes).expect("a thread has this much stack");
    let options = EngineOptions::new()
        .stack_max_bytes(stack_bytes)
        .interruptible(args.timeout.is_some())
        .fuel(args.fuel.is_some())
        .unwinder(args.unwinder.unwinder())
        .perf_map(args.perf_map)
        .debugger(args.debugger);
    let engine =
        Engine::with_options(config, options).map_err(|error| Failure::input(error.to_string()))?;
    let unusable = |error: Error| {
        let hint = match &error {
            Error::MissingImport { module, .. } => args
                .host
                .advice(module)
                .unwrap_or(", or give a module that exports it with --preload"),
            _ => "",
        };
        Failure::input(format!("`{}`: {error}{hint}", args.file.display()))
    };
    let module = Module::new(&engine, module).map_err(unusable)?;
    let call = call(args, &module, config.types())?;
    let mut store = engine
        .new_store()
        .map_err(|error| Failure::input(error.to_string()))?;

    let mut linker = args.host.linker(&engine).map_err(unusable)?;
    let libraries = preload::compile(&engine, &args.preload)?;
    let _deadline = limit(args, &engine, &mut store)?;
    let marks = wasi::add_to_linker(&mut linker, args)?;
    preload::instantiate(libraries, args.host, &mut linker, &mut store)?;
    let instance = linker.instantiate(&mut store, &module);
    let load_time = started.elapsed();
    drop(loading);
    let running = part("run");
    let started = Instant::now();
    let ended = instance.and_then(|instance| match &call {
        Some(call) => call.make(&mut store, &instance),
        None => Ok(Vec::new()),
    });
    let run_time = started.elapsed();
    drop(running);

    let (results, stopped) = match ended {
        Ok(results) => (results, None),
        Err(Error::Exit(0)) => (Vec::new(), None),
        // A code that is too large for the system is no success either.
        Err(Error::Exit(code)) => {
            let code = u8::try_from(code).unwrap_or(u8::MAX);
            (Vec::new(), Some(Failure::Exit(code)))
        }
        Err(Error::Trap(trap)) => (Vec::new(), Some(Failure::Trap(trap))),
        Err(Error::Exception(exception)) => (Vec::new(), Some(Failure::Exception(exception))),
        // A module's own initialisers may ask for more than the heap has.
        Err(Error::Heap(error)) => {
            let trap = Trap::new(TrapKind::Heap(error));
            (Vec::new(), Some(Failure::Trap(trap)))
        }
        Err(error) => return Err(unusable(error)),
    };
    let output = results
        .iter()
        .map(|value| values::display(value, &store) + "\n")
        .collect();
    let setup = setup(args, config, call.as_ref());
    let report = Report {
        setup,
        outcome: outcome(stopped.as_ref()),
        load_time,
        run_time,
        marked: marks.marked(),
        statistics: store.stats(),
        peak_resident_bytes: machine::peak_resident_bytes(),
    };
    let snapshot = match snapshot {
        Some(file) => store.write_snapshot(file).map(|_| ()),
        None => Ok(()),
    };
    Ok(Finished {
        output,
        stopped,
        report,
        snapshot,
    })
}

/// How a program ended that was stopped by this, or by nothing.
fn outcome(stopped: Option<&Failure>) -> Outcome {
    match stopped {
        None | Some(Failure::Exit(_)) => Outcome::Returned,
        Some(Failure::Trap(trap)) => match &trap.kind {
            TrapKind::Heap(HeapError::HeapFull { .. }) => Outcome::OutOfMemory,
            _ => Outcome::Trap,
        },
        Some(_) => Outcome::Trap,
    }
}

/// Sets the limits of what the program may do. The time runs until the result is dropped.
fn limit(args: &RunArgs, engine: &Engine, store: &mut Store) -> Result<Option<Deadline>, Failure> {
    let refused = |error: Error| Failure::input(error.to_string());
    if let Some(fuel) = args.fuel {
        engine.set_fuel(store, fuel).map_err(refused)?;
    }
    let Some(timeout) = args.timeout else {
        return Ok(None);
    };
    let handle = engine.interrupt_handle(store).map_err(refused)?;
    handle.deadline(timeout).map(Some).map_err(refused)
}

fn setup(args: &RunArgs, config: &Config, call: Option<&Call>) -> Setup {
    Setup {
        program: args.file.display().to_string(),
        invoke: call.map(|call| call.export.clone()),
        args: args.args.clone(),
        collector: config.chosen_collector().name().to_owned(),
        memory: config.chosen_memory().to_string(),
        heap_initial_bytes: config.limits().initial_bytes,
        heap_max_bytes: config.limits().max_bytes,
        heap_fixed: args.heap_fixed,
        stack_max_bytes: args.stack_max.bytes,
        zeal: args.zeal,
        unwinder: args.unwinder.name(),
    }
}
