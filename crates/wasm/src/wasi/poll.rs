//! Waiting: for times, and for streams and files, which count as ready at once.

use super::clock::{clock, now};
use super::descriptors::{Descriptor, Descriptors};
use super::errno::Errno;
use super::guest::{Guest, GuestMemory};
use crate::interrupt::sleep;
use rustix::time::ClockId;
use std::io::Seek;
use std::time::Duration;

/// The most that can be waited for at once.
const MAX_SUBSCRIPTIONS: u32 = 4096;

const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;

/// Kinds of subscriptions and events.
mod kind {
    pub(super) const CLOCK: u8 = 0;
    pub(super) const READ: u8 = 1;
    pub(super) const WRITE: u8 = 2;
}

/// The flag for a point in time, rather than a time from now.
const ABSOLUTE: u16 = 1;

/// What a program waits for.
enum Wanted {
    /// This long from now on.
    Clock(Duration),
    Read(u32),
    Write(u32),
    /// Something that cannot be.
    Nothing(Errno),
}

/// One thing a program waits for.
struct Subscription {
    userdata: u64,
    kind: u8,
    wanted: Wanted,
}

/// Something that came about.
struct Event {
    userdata: u64,
    kind: u8,
    /// How many bytes can be read at least, or why nothing can be.
    outcome: Result<u64, Errno>,
}

fn subscription(bytes: [u8; SUBSCRIPTION_BYTES]) -> Result<Subscription, Errno> {
    let word = |at: usize| {
        let word = bytes[at..at + 8].try_into();
        u64::from_le_bytes(word.expect("eight bytes were taken"))
    };
    let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    let (userdata, kind, subject) = (word(0), bytes[8], low(word(16)));
    let wanted = match kind {
        kind::CLOCK => time(
            subject,
            word(24),
            u16::from_le_bytes([bytes[40], bytes[41]]),
        ),
        kind::READ => Wanted::Read(subject),
        kind::WRITE => Wanted::Write(subject),
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription {
        userdata,
        kind,
        wanted,
    })
}

/// What waiting for a clock means. The clocks of processor time stand still while one waits.
fn time(id: u32, nanoseconds: u64, flags: u16) -> Wanted {
    let clock = match clock(id) {
        Ok(clock @ (ClockId::Realtime | ClockId::Monotonic)) => clock,
        Ok(_) => return Wanted::Nothing(Errno::Notsup),
        Err(errno) => return Wanted::Nothing(errno),
    };
    let time = Duration::from_nanos(nanoseconds);
    match flags {
        0 => Wanted::Clock(time),
        ABSOLUTE => Wanted::Clock(time.saturating_sub(now(clock))),
        _ => Wanted::Nothing(Errno::Inval),
    }
}

fn subscriptions(
    memory: &GuestMemory<'_>,
    address: u32,
    count: u32,
) -> Result<Vec<Subscription>, Errno> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval);
    }
    let at = |index: u64| u64::from(address) + index * SUBSCRIPTION_BYTES as u64;
    (0..u64::from(count))
        .map(|index| subscription(memory.array(at(index))?))
        .collect()
}

/// How much can be read at least: what is left of a file, and something of a stream.
fn readable(descriptors: &mut Descriptors, fd: u32) -> Result<u64, Errno> {
    match descriptors.any(fd)? {
        Descriptor::Input(_) => Ok(1),
        Descriptor::File(file) if file.readable => {
            let size = file.file.metadata()?.len();
            // What has no position has something to read, as far as is known.
            let position = file.file.stream_position();
            Ok(position.map_or(1, |position| size.saturating_sub(position)))
        }
        _ => Err(Errno::Badf),
    }
}

fn writable(descriptors: &mut Descriptors, fd: u32) -> Result<u64, Errno> {
    match descriptors.any(fd)? {
        Descriptor::Output(_) => Ok(0),
        Descriptor::File(file) if file.writable => Ok(0),
        _ => Err(Errno::Badf),
    }
}

impl Event {
    fn write(&self, memory: &mut GuestMemory<'_>, address: u64) -> Result<(), Errno> {
        let (errno, bytes_ready) = match self.outcome {
            Ok(bytes) => (0, bytes),
            Err(errno) => (errno as u16, 0),
        };
        let mut bytes = [0; EVENT_BYTES];
        bytes[..8].copy_from_slice(&self.userdata.to_le_bytes());
        bytes[8..10].copy_from_slice(&errno.to_le_bytes());
        bytes[10] = self.kind;
        bytes[16..24].copy_from_slice(&bytes_ready.to_le_bytes());
        memory.write(address, &bytes)
    }
}

/// Waits until at least one thing has come about. The call lasts as long as the program says, unless
/// that is interrupted.
pub(super) fn oneoff(
    guest: &mut Guest<'_>,
    subscribed: u32,
    events: u32,
    count: u32,
    occurred: u32,
) -> Result<(), Errno> {
    let Guest { ctx, memory } = guest;
    let subscriptions = subscriptions(memory, subscribed, count)?;
    memory.range(occurred, 4)?;
    let event_bytes = u32::try_from(EVENT_BYTES * subscriptions.len()).unwrap_or(u32::MAX);
    let events = memory.range(events, event_bytes)?;

    let delays = subscriptions
        .iter()
        .map(|subscription| match subscription.wanted {
            Wanted::Clock(delay) => delay,
            Wanted::Read(_) | Wanted::Write(_) | Wanted::Nothing(_) => Duration::ZERO,
        });
    let waited = delays.min().unwrap_or_default();
    if !waited.is_zero() {
        sleep(memory.store(), waited);
    }
    let mut written = 0_u32;
    for Subscription {
        userdata,
        kind,
        wanted,
    } in subscriptions
    {
        let outcome = match wanted {
            Wanted::Clock(delay) if delay > waited => continue,
            Wanted::Clock(_) => Ok(0),
            Wanted::Read(fd) => readable(&mut ctx.descriptors, fd),
            Wanted::Write(fd) => writable(&mut ctx.descriptors, fd),
            Wanted::Nothing(errno) => Err(errno),
        };
        let event = Event {
            userdata,
            kind,
            outcome,
        };
        let at = events.address + u64::from(written) * EVENT_BYTES as u64;
        event.write(memory, at)?;
        written += 1;
    }
    memory.write_u32(occurred, written)
}
