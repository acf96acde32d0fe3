//! The process of one run: windrow's and wasmtime's are this program itself.

mod stopwatch;
mod windrow;
mod wasmtime;
mod preview1;

use crate::contestant::Engine;
use crate::error::Error;
use crate::job::{Done, Job, Kind, Report};
use std::io::{Write, stdout};
use std::thread;

/// Stack that a program may use unless it needs more.
const DEFAULT_STACK_BYTES: u64 = 8 << 20;

/// Stack for the engine, beside what the program may use.
const ENGINE_STACK_BYTES: u64 = 4 << 20;

/// Why a run has no time.
#[derive(Debug)]
struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// The engine does not take the program.
    fn refused(reason: impl ToString) -> Self {
        Self {
            kind: Kind::Refused,
            message: reason.to_string(),
        }
    }

    /// The program was stopped.
    fn trap(reason: impl ToString) -> Self {
        Self {
            kind: Kind::Trap,
            message: reason.to_string(),
        }
    }
}

/// Runs the job of the command line as its contestant, and prints the report.
pub(crate) fn run(child: &[String]) -> Result<(), Error> {
    let [contestant, job] = child else {
        unreachable!("the command line takes two values");
    };
    let job: Job = serde_json::from_str(job)?;
    let report = match ended(contestant, &job)? {
        Ok(done) => Report::Done(done),
        Err(Failure { kind, message }) => Report::Failed { kind, message },
    };
    let mut line = serde_json::to_vec(&report)?;
    line.push(b'\n');
    Ok(stdout().lock().write_all(&line)?)
}

/// Runs the program on a thread whose stack has room for it.
fn ended(contestant: &str, job: &Job) -> Result<Result<Done, Failure>, Error> {
    let stack_bytes = job.stack_bytes.unwrap_or(DEFAULT_STACK_BYTES);
    let Ok(stack_bytes) = usize::try_from(stack_bytes + ENGINE_STACK_BYTES) else {
        return Ok(Err(Failure::refused("there is no such stack")));
    };
    let program_bytes = stack_bytes - usize::try_from(ENGINE_STACK_BYTES).unwrap_or(0);
    let body = || match Engine::of_child(contestant) {
        Some(Engine::Windrow(collector)) => windrow::run(collector, job, program_bytes),
        Some(Engine::Wasmtime(collector)) => wasmtime::run(collector, job, program_bytes),
        _ => Err(Failure::refused(format!("no contestant {contestant}"))),
    };
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(stack_bytes);
        let thread = builder.spawn_scoped(scope, body)?;
        Ok(thread
            .join()
            .unwrap_or_else(|_| Err(Failure::trap("the engine panicked"))))
    })
}
