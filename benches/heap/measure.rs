//! How an operation is measured: in rounds, by the processor time of the thread.
//!
//! Processor time, the system's part included, is less disturbed by other processes than the clock on the
//! wall. Reading it costs a fraction of a microsecond, which a round has to outweigh.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use windrow::{CollectorKind, Error};

pub(crate) type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// Processor time of this thread so far.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("it counts up from zero");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("less than a second");
    Duration::new(seconds, nanoseconds)
}

/// Processor time that some work takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<Duration, Error> {
    let start = processor_time();
    let done = work();
    let time = processor_time() - start;
    // What was made is dropped after the clock was read.
    done.map(|_| time)
}

/// Reports what one operation takes, of rounds of so many; a round says how long it took.
///
/// # Panics
/// If a round fails.
pub(crate) fn operation(
    group: &mut Group<'_>,
    what: &str,
    kind: CollectorKind,
    operations: u32,
    mut round: impl FnMut() -> Result<Duration, Error>,
) {
    group.bench_function(BenchmarkId::new(what, kind), |bencher| {
        bencher.iter_custom(|wanted| {
            let rounds = wanted.div_ceil(u64::from(operations)).max(1);
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                time += round().expect("the heap has room and is whole");
            }
            time.mul_f64(wanted as f64 / (rounds as f64 * f64::from(operations)))
        });
    });
}
