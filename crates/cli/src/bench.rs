//! `windrow bench`: compares collectors on programs, over sizes of the heap.
//!
//! Every run is a process of its own ([`process`]); configurations take turns ([`measure`]); sizes are
//! multiples of the smallest heap a program works with ([`room`]); costs are told as overheads over a
//! lower bound ([`summary`]). A configuration that runs out of memory, traps or takes too long is a cell
//! of the table. The report is a table, JSON, and a page with plots that needs nothing but itself.

mod program;
mod process;
mod room;
mod measure;
mod timeline;
mod summary;
mod report;
mod chart;
mod plots;
mod page;

use crate::args::seconds;
use crate::error::Failure;
use crate::print;
use crate::progress::Progress;
use crate::run::cannot;
use measure::{Measured, measure};
use process::Launcher;
use program::Program;
use report::Report;
use room::Room;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use windrow::CollectorKind;

pub(crate) const BENCH_NOTES: &str = "\
A program is FILE:ARG,ARG: a .wasm or .wat file, of which --invoke is called with these arguments; or
FILE alone, a WASI command. What follows `--` is for every `windrow run`: its options, and arguments of
commands. Without programs, those of crates/wasm/programs/expected.json run in their largest sizes.

Heaps are multiples of the smallest heap in which the default collector runs the program, which is
searched for (a heap is too small also where the program takes ten times as long as with room); the
whole heap is used. `auto` is the collector's own sizing. Collectors that never collect run with that
only. Results that expected.json knows are checked.

Figures are medians of the runs' times in the call, which neither loads nor compiles. `overhead` is the
lower-bound overhead (Cai et al., ISPASS 2022): time over the least time that any configuration spends
outside collections. `resident` is the whole process at its peak, compiler and code included.

A configuration that traps, runs out of memory or takes too long says so in its row, and is no error.
Exit codes: 0 when everything ran, 2 for input that cannot be used.

Examples:
  windrow bench --html report.html
  windrow bench churn.wat:1000000 trees.wat:16 --collectors drc,copying --heaps 2,4 --runs 11
  windrow bench command.wasm --json report.json -- --dir data::/ input.txt";

/// The arguments of `windrow bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Programs: FILE:ARG,ARG, or FILE for a WASI command.
    #[arg(value_name = "PROGRAMS")]
    programs: Vec<Program>,

    /// Options and arguments for `windrow run`, for every program.
    #[arg(last = true, value_name = "RUN ARGS")]
    run_args: Vec<OsString>,

    /// Collectors by name, separated by commas [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    collectors: Vec<CollectorKind>,

    /// Sizes of heaps, separated by commas: multiples of the smallest that works, or `auto`.
    #[arg(
        long,
        value_name = "SIZES",
        value_delimiter = ',',
        default_value = "auto,1.3,2,3,6"
    )]
    heaps: Vec<Room>,

    /// How often each configuration runs.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// The exported function that programs with arguments are called by.
    #[arg(long, value_name = "EXPORT", default_value = "run")]
    invoke: String,

    /// Stop a run that takes longer than this.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    timeout: Duration,

    /// Write all figures to a file, as JSON.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,

    /// Write a report with plots to a file, as one page of HTML.
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
}

impl BenchArgs {
    /// The collectors asked for.
    fn collectors(&self) -> impl Iterator<Item = CollectorKind> {
        let collectors = match &self.collectors[..] {
            [] => CollectorKind::ALL,
            some => some,
        };
        collectors.iter().copied()
    }
}

/// Measures and reports as the command line says.
///
/// # Errors
/// [`Failure::Input`] for a program that cannot be run at all, and files that cannot be written.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Failure> {
    let programs = match &args.programs[..] {
        [] => Program::standard()?,
        some => some.to_vec(),
    };
    // Told before the work, not after it.
    let json = create(args.json.as_deref())?;
    let html = create(args.html.as_deref())?;
    let launcher = Launcher::new(args)?;
    let report = Report::begin(args);
    let progress = Progress::new(programs.len() * measure::runs(args));
    let measure = |program| measure(args, &launcher, program, &progress);
    let measured: Vec<Measured> = programs.iter().map(measure).collect::<Result<_, _>>()?;
    drop(progress);
    let report = report.end(&measured);
    print(&report.text())?;
    if let Some((path, file)) = json {
        write(path, file, &report.json())?;
    }
    if let Some((path, file)) = html {
        write(path, file, &page::page(&report, &measured))?;
    }
    Ok(())
}

fn create(path: Option<&Path>) -> Result<Option<(&Path, File)>, Failure> {
    path.map(|path| {
        let file = File::create(path).map_err(|error| cannot("write", path, &error))?;
        Ok((path, file))
    })
    .transpose()
}

fn write(path: &Path, mut file: File, text: &str) -> Result<(), Failure> {
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| cannot("write", path, &error))
}

/// What to say where the system lets no process run.
fn cannot_run(error: &std::io::Error) -> Failure {
    Failure::input(format!(
        "cannot run another process of this command: {error}"
    ))
}
