//! `windrow wast`: runs scripts of WebAssembly's test suite and reports what passed.

use crate::args::{Collectors, WastArgs};
use crate::error::Failure;
use crate::print;
use crate::progress::Progress;
use crate::run::cannot;
use crate::table::Table;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;
use windrow::{CollectorKind, Config, Zeal};
use windrow_wasm::EngineOptions;
use windrow_wasm::wast::{Finding, ScriptReport, run_script_with};

/// Failures listed of each script; the rest are counted.
const LISTED: usize = 5;

/// Stack for the engine, its programs, and a parser that recurses.
const STACK_BYTES: usize = 16 << 20;

/// A script on one collector.
struct Outcome<'a> {
    script: &'a Path,
    collector: String,
    report: ScriptReport,
}

/// Runs scripts as the command line says.
///
/// # Errors
/// [`Failure::Input`] for a script that cannot be read, before any runs, or parsed;
/// [`Failure::Scripts`] if a directive failed.
pub(crate) fn run(args: &WastArgs) -> Result<(), Failure> {
    let scripts = read(args)?;
    let outcomes = on_stack(|| run_all(args, &scripts))?;
    print(&table(&outcomes))?;
    let failed: usize = outcomes
        .iter()
        .map(|outcome| outcome.report.failed.len())
        .sum();
    if failed == 0 {
        return Ok(());
    }
    // The exit code tells as well, if nobody reads this.
    let _ = std::io::stderr().write_all(listing(&outcomes).as_bytes());
    Err(Failure::Scripts(failed))
}

/// Runs `body` on a thread with a large stack.
fn on_stack<T: Send>(body: impl FnOnce() -> Result<T, Failure> + Send) -> Result<T, Failure> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, body)
            .map_err(|error| Failure::input(format!("cannot start a thread: {error}")))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The texts of all scripts.
fn read(args: &WastArgs) -> Result<Vec<(&Path, String)>, Failure> {
    let read = |path: &'_ std::path::PathBuf| {
        std::fs::read_to_string(path).map_err(|error| cannot("read", path, &error))
    };
    args.files
        .iter()
        .map(|path| Ok((path.as_path(), read(path)?)))
        .collect()
}

/// Runs every script on every collector asked for.
fn run_all<'a>(
    args: &WastArgs,
    scripts: &[(&'a Path, String)],
) -> Result<Vec<Outcome<'a>>, Failure> {
    let configs = configs(args);
    let options = EngineOptions::new().unwinder(args.unwinder.unwinder());
    let total = scripts.len() * configs.len();
    let mut outcomes = Vec::with_capacity(total);
    let progress = Progress::new(total);
    for (script, text) in scripts {
        for config in &configs {
            let collector = config.chosen_collector().name().to_owned();
            progress.begin(format!("{} {collector}", script.display()));
            let name = script.display().to_string();
            let report = run_script_with(config, options, &name, text)
                .map_err(|error| Failure::input(format!("`{name}`: {error}")))?;
            outcomes.push(Outcome {
                script,
                collector,
                report,
            });
            progress.end(1);
        }
    }
    Ok(outcomes)
}

/// What to run scripts with, one after the other.
fn configs(args: &WastArgs) -> Vec<Config> {
    let config = Config::new()
        .memory(args.memory)
        .zeal(Zeal::every(args.zeal));
    let with = |kind: &CollectorKind| config.clone().collector(*kind);
    match args.collector {
        None => vec![config],
        Some(Collectors::One(kind)) => vec![with(&kind)],
        Some(Collectors::All) => CollectorKind::ALL.iter().map(with).collect(),
    }
}

/// A row for each script and collector, and the sums for more than one.
fn table(outcomes: &[Outcome<'_>]) -> String {
    let mut table = Table::new(&[
        "script",
        "collector",
        "passed",
        "failed",
        "skipped",
        "collections",
    ]);
    let mut sums = [0_u64; 4];
    for outcome in outcomes {
        let report = &outcome.report;
        let counts = [
            report.passed,
            report.failed.len() as u64,
            report.skipped.len() as u64,
            report.collections,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
        table.row(&row(
            outcome.script.display().to_string(),
            &outcome.collector,
            counts,
        ));
    }
    if outcomes.len() > 1 {
        table.row(&row(format!("{} runs", outcomes.len()), "", sums));
    }
    table.to_string()
}

fn row(script: String, collector: &str, counts: [u64; 4]) -> [String; 6] {
    let [passed, failed, skipped, collections] = counts.map(|count| count.to_string());
    let collector = collector.to_owned();
    [script, collector, passed, failed, skipped, collections]
}

/// The first failures of each run.
fn listing(outcomes: &[Outcome<'_>]) -> String {
    let mut text = String::new();
    for Outcome {
        script,
        collector,
        report,
    } in outcomes
    {
        let line = |finding: &Finding| {
            let Finding {
                line,
                directive,
                message,
            } = finding;
            let message = message.lines().next().unwrap_or_default();
            format!(
                "{}:{line}: {collector}: {directive}: {message}\n",
                script.display()
            )
        };
        text.extend(report.failed.iter().take(LISTED).map(line));
        if let Some(more) = report.failed.len().checked_sub(LISTED + 1) {
            text.push_str(&format!(
                "{}: {collector}: {} more\n",
                script.display(),
                more + 1
            ));
        }
    }
    text
}
