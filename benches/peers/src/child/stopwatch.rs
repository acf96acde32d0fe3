//! Takes the time of one part of a run.

use super::Failure;
use crate::job::Done;
use rustix::time::{ClockId, clock_gettime};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Clones share what was taken, so that a program's imports can start and end it.
#[derive(Clone, Default)]
pub(super) struct Stopwatch(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: Option<Start>,
    lap: Option<Lap>,
}

/// The beginning of the part.
struct Start {
    before_bytes: Option<u64>,
    gc_time: Option<Duration>,
    processor: Duration,
    instant: Instant,
}

/// The part.
struct Lap {
    before_bytes: Option<u64>,
    gc_time: Option<Duration>,
    processor: Duration,
    time: Duration,
}

impl Stopwatch {
    /// Begins, anew if it had begun. `gc_time` says how much time went into collecting so far.
    pub(super) fn start(&self, gc_time: Option<Duration>) {
        let mut state = self.state();
        state.open = Some(Start {
            before_bytes: memory("VmRSS:"),
            gc_time,
            processor: processor_time(),
            instant: Instant::now(),
        });
    }

    /// Ends the part that was begun, if one was.
    pub(super) fn end(&self, gc_time: impl FnOnce() -> Option<Duration>) {
        let (now, processor) = (Instant::now(), processor_time());
        let mut state = self.state();
        if let Some(start) = state.open.take() {
            let both = gc_time().zip(start.gc_time);
            state.lap = Some(Lap {
                before_bytes: start.before_bytes,
                gc_time: both.map(|(after, before)| after.saturating_sub(before)),
                processor: processor.saturating_sub(start.processor),
                time: now.duration_since(start.instant),
            });
        }
    }

    /// The report on a run with this result.
    ///
    /// # Errors
    /// [`Failure`] if nothing was taken.
    pub(super) fn done(&self, result: String) -> Result<Done, Failure> {
        let lap = self.state().lap.take();
        let lap = lap.ok_or_else(|| Failure::trap("the program marked no part of its run"))?;
        Ok(Done {
            seconds: lap.time.as_secs_f64(),
            processor_seconds: Some(lap.processor.as_secs_f64()),
            gc_seconds: lap.gc_time.map(|time| time.as_secs_f64()),
            before_bytes: lap.before_bytes,
            peak_bytes: memory("VmHWM:"),
            result,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Processor time of this process, all threads together.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A line of `/proc/self/status`, in bytes.
fn memory(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let rest = status.lines().find_map(|at| at.strip_prefix(line))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}
