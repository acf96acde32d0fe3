//! One run: a process, its report or how it failed to give one.

use crate::contestant::Contestant;
use crate::error::Error;
use crate::job::{Done, Job, Kind, Report};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a process is looked after.
const TICK: Duration = Duration::from_millis(5);

/// Why a run has no time.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

/// Runs a job in a process of its own.
///
/// # Errors
/// [`Error::System`] where no process can be started. What happens in it is no error.
pub(crate) fn run(
    contestant: &Contestant,
    job: &Job,
    timeout: Duration,
) -> Result<Result<Done, Failure>, Error> {
    let mut command = contestant.command(job)?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, timeout)?;
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    let Some(status) = status else {
        return Ok(Err(Failure {
            kind: Kind::Timeout,
            message: format!("no result after {} s", timeout.as_secs()),
        }));
    };
    Ok(match serde_json::from_slice(&stdout) {
        Ok(Report::Done(done)) => Ok(done),
        Ok(Report::Failed { kind, message }) => Err(Failure { kind, message }),
        Err(_) => Err(Failure {
            kind: Kind::Crash,
            message: last_words(status, &stderr),
        }),
    })
}

/// Waits for a process, and ends it when its time is over, which is `None`.
fn wait(child: &mut Child, timeout: Duration) -> Result<Option<ExitStatus>, Error> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > timeout {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(TICK);
    }
}

/// Reads a stream to its end, so that no process waits for a reader.
fn drain(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is still worth reading.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// How a process ended, and what it complained of.
fn last_words(status: ExitStatus, stderr: &[u8]) -> String {
    let ended = match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    };
    let text = String::from_utf8_lossy(stderr);
    let complaint = text
        .lines()
        .map(str::trim)
        .find(|line| line.to_lowercase().contains("error") || line.contains("panicked"))
        .or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    match complaint {
        Some(complaint) => format!("{ended}: {complaint}"),
        None => ended,
    }
}
