//! Clocks.

use super::errno::Errno;
use super::guest::Guest;
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};
use std::time::Duration;

/// The clock behind a program's number for it.
pub(super) fn clock(id: u32) -> Result<ClockId, Errno> {
    Ok(match id {
        0 => ClockId::Realtime,
        1 => ClockId::Monotonic,
        2 => ClockId::ProcessCPUTime,
        3 => ClockId::ThreadCPUTime,
        _ => return Err(Errno::Inval),
    })
}

/// What a clock shows; a time before its zero counts as zero.
pub(super) fn now(clock: ClockId) -> Duration {
    duration(clock_gettime(clock))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Nanoseconds, as programs count time.
pub(super) fn nanoseconds(time: Duration) -> Result<u64, Errno> {
    u64::try_from(time.as_nanos()).map_err(|_| Errno::Overflow)
}

pub(super) fn res_get(guest: &mut Guest<'_>, id: u32, resolution: u32) -> Result<(), Errno> {
    let nanoseconds = nanoseconds(duration(clock_getres(clock(id)?)))?;
    guest.memory.write_u64(resolution, nanoseconds)
}

pub(super) fn time_get(
    guest: &mut Guest<'_>,
    id: u32,
    _precision: u64,
    time: u32,
) -> Result<(), Errno> {
    let nanoseconds = nanoseconds(now(clock(id)?))?;
    guest.memory.write_u64(time, nanoseconds)
}
