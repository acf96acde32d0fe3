//! What passes between the contest and the processes that run programs: one line of JSON each way.
//! `peer.mjs` speaks the same.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a process is to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// A module in binary form.
    pub(crate) file: PathBuf,
    pub(crate) work: Work,
    /// How much stack the program needs, where the defaults are too small.
    pub(crate) stack_bytes: Option<u64>,
}

/// What to do with the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Call an export; the call is timed.
    Call {
        export: String,
        args: Vec<i32>,
        /// Whether it was compiled for a JavaScript host.
        javascript: bool,
    },
    /// Run a WASI command of preview 1; what it marks itself is timed.
    Command {
        /// What it may read.
        directory: PathBuf,
    },
}

/// What a process says when the program has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    Done(Done),
    Failed { kind: Kind, message: String },
}

/// A run that came to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// Time in the timed part.
    pub(crate) seconds: f64,
    /// Processor time of the whole process in the timed part, all threads together.
    pub(crate) processor_seconds: Option<f64>,
    /// How much of the time went into collecting, where the engine says.
    #[serde(default)]
    pub(crate) gc_seconds: Option<f64>,
    /// Resident memory of the process before the timed part.
    pub(crate) before_bytes: Option<u64>,
    /// Its peak.
    pub(crate) peak_bytes: Option<u64>,
    /// What the call returned, or the command printed.
    pub(crate) result: String,
}

/// How a run failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The engine does not have what the program needs.
    Refused,
    /// The program was stopped.
    Trap,
    /// The process ended without a report.
    Crash,
    /// It took longer than it may.
    Timeout,
    /// It computed something else than the others.
    WrongResult,
}

impl Kind {
    /// As a cell of a table.
    pub(crate) const fn cell(self) -> &'static str {
        match self {
            Self::Refused => "cannot run",
            Self::Trap => "trap",
            Self::Crash => "crash",
            Self::Timeout => "timeout",
            Self::WrongResult => "wrong result",
        }
    }
}
