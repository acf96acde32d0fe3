//! How much room a heap gets: as much as its collector wants, or so many times the smallest.
//!
//! Sizes are multiples of one size for each program, that of the smallest heap in which windrow's
//! default collector runs it, whichever collectors are compared: the same multiple is the same memory
//! for all of them, and for reports made at other times. (The smallest heap of each collector would
//! hide what one needs more than another.) It is searched for by bisection. A heap counts as too small
//! also if the program takes more than ten times as long in it as with all the room it wants: a size in
//! which a program does little but collect is no starting point, and searching would take all day.

use super::process::{Ended, Launcher, Limits, Sample};
use super::program::Program;
use crate::error::Failure;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use windrow::{CollectorKind, Config};

/// How much slower than with all the room it wants a program may be in its smallest heap.
const SLOWDOWN: u32 = 10;

/// The precision of the search: this part of the size, or this many bytes.
const PART: u64 = 32;
const GRAIN_BYTES: u64 = 16 << 10;

/// The largest heap there is.
const LARGEST_BYTES: u64 = 4 << 30;

/// How large a heap may grow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Room {
    /// As the collector sizes it, up to the largest there is.
    Auto,
    /// This many times the smallest heap the program works with, all of it used.
    Times(f64),
}

impl FromStr for Room {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse()
            .ok()
            .filter(|times| (1.0..=1000.0).contains(times))
            .map(Self::Times)
            .ok_or("write `auto`, or a multiple of the smallest heap from 1 to 1000, such as 1.3")
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Times(times) => write!(f, "{times}x"),
        }
    }
}

impl Room {
    /// The limit it sets on a heap, if it sets one, in bytes.
    pub(crate) fn limit_bytes(self, smallest_bytes: u64) -> Option<u64> {
        match self {
            Self::Auto => None,
            Self::Times(times) => {
                #[expect(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a size of less than 2^53 bytes, times a positive number"
                )]
                let bytes = (smallest_bytes as f64 * times).round() as u64;
                Some(bytes.min(LARGEST_BYTES))
            }
        }
    }
}

/// The collector whose smallest heap counts.
pub(crate) fn reference() -> CollectorKind {
    let name = Config::new().chosen_collector().name();
    name.parse().expect("the default is built in")
}

/// The size of the smallest heap in which the default collector runs a program that took `with_room`
/// with all the room it wanted, in bytes; `None` if there is no such size.
///
/// # Errors
/// [`Failure::Input`] where no process can be started.
pub(crate) fn smallest(
    launcher: &Launcher<'_>,
    program: &Program,
    with_room: &Sample,
) -> Result<Option<u64>, Failure> {
    let usual = Duration::from_secs_f64(with_room.load_seconds + with_room.run_seconds);
    let longest = usual * SLOWDOWN + Duration::from_secs(1);
    let works = |bytes| {
        let limits = Limits {
            heap_bytes: Some(bytes),
            time: Some(longest),
        };
        match launcher.run(program, reference(), limits, None)? {
            Ended::Returned(_) => Ok(true),
            // With a size that any collector can live in, it is the command line that is refused.
            Ended::Refused(message) if bytes == LARGEST_BYTES => Err(Failure::input(message)),
            _ => Ok(false),
        }
    };
    let mut enough = with_room.peak_committed_bytes.max(GRAIN_BYTES);
    while !works(enough)? {
        if enough == LARGEST_BYTES {
            return Ok(None);
        }
        enough = (enough * 2).min(LARGEST_BYTES);
    }
    let mut too_little = 0;
    while enough - too_little > (enough / PART).max(GRAIN_BYTES) {
        let middle = too_little + (enough - too_little) / 2;
        if works(middle)? {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    Ok(Some(enough))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_automatic_or_a_multiple() {
        assert_eq!("auto".parse(), Ok(Room::Auto));
        assert_eq!("1.3".parse(), Ok(Room::Times(1.3)));
        assert_eq!(Room::Times(1.3).to_string(), "1.3x");
        assert_eq!(Room::Times(2.0).to_string(), "2x");
        assert_eq!(Room::Times(1.5).limit_bytes(1000), Some(1500));
        assert_eq!(Room::Auto.limit_bytes(1000), None);
        assert_eq!(Room::Times(1000.0).limit_bytes(1 << 30), Some(4 << 30));
        for text in ["0.9", "nan", "inf", "2x", "", "-3"] {
            assert!(text.parse::<Room>().is_err(), "{text}");
        }
    }
}
