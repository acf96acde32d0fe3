//! One run, in a process of its own: this command again, as `windrow run`.
//!
//! No run finds a warm allocator, cache of code or torn memory of another, and the peak of resident
//! memory is the run's own. What the run did comes back as the file `--stats-json` writes.

use super::program::Program;
use super::{BenchArgs, cannot_run};
use crate::error::Failure;
use crate::stats::Outcome;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use windrow::CollectorKind;

/// What a run took: a part of what `--stats-json` writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    outcome: Outcome,
    /// Time to read, compile and instantiate the program.
    pub(crate) load_seconds: f64,
    /// Time in the call.
    pub(crate) run_seconds: f64,
    /// The part of it spent in collections.
    pub(crate) gc_seconds: f64,
    /// Collections of less than everything.
    pub(crate) automatic_collections: u64,
    /// Collections of everything.
    pub(crate) full_collections: u64,
    /// Bytes allocated.
    pub(crate) allocated_bytes: u64,
    /// Bytes copied by collections.
    pub(crate) copied_bytes: u64,
    /// The most the heap ever had, reserve for copying included.
    pub(crate) peak_committed_bytes: u64,
    /// The most memory the process ever had in use.
    pub(crate) peak_resident_bytes: Option<u64>,
    /// How long collections were.
    pub(crate) pauses: Pauses,
}

/// The lengths of a run's pauses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pauses {
    /// How many there were.
    pub(crate) count: u64,
    /// What half of them do not exceed.
    pub(crate) median_seconds: f64,
    /// What 99 of 100 do not exceed.
    pub(crate) p99_seconds: f64,
    /// The longest.
    pub(crate) max_seconds: f64,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// It returned, and took this.
    Returned(Sample),
    /// The heap was full.
    OutOfMemory,
    /// It was stopped after this time.
    TimedOut(Duration),
    /// It returned, but not what it should have.
    OtherResult,
    /// It did not begin, and said this is wrong with what was asked for.
    Refused(String),
    /// It failed, and said this.
    Failed(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(_) => f.write_str("returned"),
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::TimedOut(time) => write!(f, "more than {} s", time.as_secs_f64()),
            Self::OtherResult => f.write_str("another result"),
            Self::Refused(message) | Self::Failed(message) => f.write_str(message),
        }
    }
}

/// What a run may use.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// The size of the heap, all of it used; as the collector sizes it if there is none.
    pub(crate) heap_bytes: Option<u64>,
    /// When to stop it, if that is sooner than for all runs.
    pub(crate) time: Option<Duration>,
}

/// Starts runs.
#[derive(Debug)]
pub(crate) struct Launcher<'a> {
    args: &'a BenchArgs,
    executable: PathBuf,
    directory: TempDir,
}

impl<'a> Launcher<'a> {
    /// A launcher of this executable, with a directory for what runs leave.
    ///
    /// # Errors
    /// [`Failure::Input`] where the system has neither.
    pub(crate) fn new(args: &'a BenchArgs) -> Result<Self, Failure> {
        let executable = std::env::current_exe().map_err(|error| cannot_run(&error))?;
        let directory = TempDir::with_prefix("windrow-bench-").map_err(|error| {
            Failure::input(format!(
                "cannot make a temporary directory: {error}; set TMPDIR"
            ))
        })?;
        Ok(Self {
            args,
            executable,
            directory,
        })
    }

    /// Where runs write traces.
    pub(crate) fn trace_path(&self) -> PathBuf {
        self.directory.path().join("trace.json")
    }

    /// The arguments of `windrow run` for a run that leaves no files.
    pub(crate) fn command_line(
        &self,
        program: &Program,
        collector: CollectorKind,
        heap_bytes: Option<u64>,
    ) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec!["run".into(), program.file.clone().into()];
        let mut option = |name: &str, value: &str| line.push(format!("--{name}={value}").into());
        option("collector", &collector.to_string());
        if let Some(bytes) = heap_bytes {
            option("heap-max", &bytes.to_string());
        }
        if let Some(stack_max) = &program.stack_max {
            option("stack-max", stack_max);
        }
        if program.args.is_some() {
            option("invoke", &self.args.invoke);
        }
        if heap_bytes.is_some() {
            line.push("--heap-fixed".into());
        }
        line.extend(self.args.run_args.iter().cloned());
        if let Some(args) = &program.args {
            line.push("--".into());
            line.extend(args.iter().map(OsString::from));
        }
        line
    }

    /// Runs a program once.
    ///
    /// # Errors
    /// [`Failure::Input`] for what no collector and no size could run.
    pub(crate) fn run(
        &self,
        program: &Program,
        collector: CollectorKind,
        limits: Limits,
        trace: Option<&Path>,
    ) -> Result<Ended, Failure> {
        let stats = self.directory.path().join("stats.json");
        // What the last run left tells nothing of this one.
        let _ = fs::remove_file(&stats);
        let mut line = self.command_line(program, collector, limits.heap_bytes);
        let mut file = |name: &str, path: &Path| {
            let mut option = OsString::from(name);
            option.push(path);
            line.insert(2, option);
        };
        file("--stats-json=", &stats);
        if let Some(path) = trace {
            file("--trace=", path);
        }
        let child = Command::new(&self.executable)
            .args(line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| cannot_run(&error))?;
        let time = self.args.timeout.min(limits.time.unwrap_or(Duration::MAX));
        let Some(output) = wait(child, time).map_err(|error| cannot_run(&error))? else {
            return Ok(Ended::TimedOut(time));
        };
        let sample = fs::read(&stats).ok();
        let sample = sample.and_then(|bytes| serde_json::from_slice::<Sample>(&bytes).ok());
        Ok(match (sample, output.status.success()) {
            (Some(sample), true) => match &program.result {
                Some(result) if output.stdout.trim_end() != result => Ended::OtherResult,
                _ => Ended::Returned(sample),
            },
            (Some(sample), false) if sample.outcome == Outcome::OutOfMemory => Ended::OutOfMemory,
            (Some(_), false) => Ended::Failed(output.complaint()),
            (None, _) => {
                let complaint = output.complaint();
                match complaint.strip_prefix("error: ") {
                    Some(message) => Ended::Refused(message.to_owned()),
                    None => Ended::Failed(complaint),
                }
            }
        })
    }
}

/// What a process left.
struct Output {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Output {
    /// Why it failed, in a line.
    fn complaint(&self) -> String {
        match self.stderr.lines().next() {
            Some(line) => line.to_owned(),
            None => self.status.to_string(),
        }
    }
}

/// Waits for a process to close its output and end; kills it, and returns nothing, after `time`.
fn wait(mut child: Child, time: Duration) -> std::io::Result<Option<Output>> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (sender, receiver) = mpsc::channel();
    let readers = [
        thread::spawn(move || read(&mut stdout)),
        thread::spawn(move || read(&mut stderr)),
    ];
    let joiner = thread::spawn(move || {
        let texts = readers.map(|reader| reader.join().unwrap_or_default());
        // Nobody listens to one that came too late.
        let _ = sender.send(texts);
    });
    let texts = receiver.recv_timeout(time);
    if texts.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let _ = joiner.join();
    Ok(texts.ok().map(|[stdout, stderr]| Output {
        status,
        stdout,
        stderr,
    }))
}

/// All that comes out of a pipe, as text.
fn read(pipe: &mut Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before a failure counts.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
