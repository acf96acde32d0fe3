//! Sizes as people write them: `64KiB`, `8MiB`, `1GiB`, or a plain number of bytes.

use std::fmt;
use std::str::FromStr;

/// The units a size may have, and how far each shifts its number.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// A size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Size {
    /// How many bytes.
    pub(crate) bytes: u64,
}

/// What is wrong with the text of a size, and how to write it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum SizeError {
    /// There is no number at the front.
    #[error("a size is a whole number of bytes, or one with a unit: 64KiB, 8MiB, 1GiB")]
    NoNumber,
    /// The number has a fraction.
    #[error(
        "a size is a whole number: write {} for a fraction of a {unit}",
        smaller_unit(unit)
    )]
    Fraction {
        /// The unit that was to be divided.
        unit: &'static str,
    },
    /// The unit is none, but looks like one.
    #[error("unknown unit `{unit}`; write {number}{meant}")]
    NearUnit {
        /// What followed the number.
        unit: String,
        /// The number.
        number: String,
        /// The unit it was probably meant to be.
        meant: &'static str,
    },
    /// The unit is none.
    #[error("unknown unit `{unit}`; the units are KiB, MiB, GiB and TiB, and none means bytes")]
    UnknownUnit {
        /// What followed the number.
        unit: String,
    },
    /// More bytes than 64 bits count.
    #[error("that is more than 64 bits can count; the largest heap is 4GiB")]
    TooLarge,
}

fn smaller_unit(unit: &str) -> &'static str {
    let place = UNITS
        .iter()
        .position(|(name, _)| *name == unit)
        .unwrap_or(0);
    place
        .checked_sub(1)
        .and_then(|smaller| UNITS.get(smaller))
        .map_or("bytes", |(name, _)| name)
}

/// The unit that a near miss (`k`, `MB`, `gib`) was probably meant to be.
fn unit_meant(text: &str) -> Option<&'static str> {
    UNITS.iter().map(|(name, _)| *name).find(|name| {
        let initial = &name[..1];
        [
            initial,
            &format!("{initial}B"),
            &format!("{initial}i"),
            name,
        ]
        .into_iter()
        .any(|spelling| text.eq_ignore_ascii_case(spelling))
    })
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits);
        if number.is_empty() {
            return Err(SizeError::NoNumber);
        }
        if let Some(fraction) = rest.strip_prefix('.') {
            let after = fraction
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .trim_start();
            let unit = unit_meant(after).ok_or(SizeError::NoNumber)?;
            return Err(SizeError::Fraction { unit });
        }
        let shift = match UNITS.iter().find(|(name, _)| *name == rest) {
            Some((_, shift)) => *shift,
            None if rest.is_empty() => 0,
            None => {
                let unit = rest.trim_start().to_owned();
                return Err(match unit_meant(&unit) {
                    Some(meant) => SizeError::NearUnit {
                        unit,
                        number: number.to_owned(),
                        meant,
                    },
                    None => SizeError::UnknownUnit { unit },
                });
            }
        };
        let number = number.parse::<u64>().map_err(|_| SizeError::TooLarge)?;
        let bytes = number.checked_mul(1 << shift).ok_or(SizeError::TooLarge)?;
        Ok(Self { bytes })
    }
}

impl fmt::Display for Size {
    /// The shortest way to write the size that reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact =
            |(_, shift): &&(&str, u32)| self.bytes > 0 && self.bytes.is_multiple_of(1 << shift);
        match UNITS.iter().rev().find(exact) {
            Some((name, shift)) => write!(f, "{}{name}", self.bytes >> shift),
            None => write!(f, "{}", self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, String> {
        text.parse::<Size>()
            .map(|size| size.bytes)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_and_units() {
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("64KiB"), Ok(64 << 10));
        assert_eq!(bytes("8MiB"), Ok(8 << 20));
        assert_eq!(bytes("1GiB"), Ok(1 << 30));
        assert_eq!(bytes("16777215TiB"), Ok(16_777_215 << 40));
        assert_eq!(bytes("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn near_misses_are_told_what_to_write() {
        assert_eq!(
            bytes("64k"),
            Err("unknown unit `k`; write 64KiB".to_owned())
        );
        assert_eq!(
            bytes("64KB"),
            Err("unknown unit `KB`; write 64KiB".to_owned())
        );
        assert_eq!(
            bytes("8 MiB"),
            Err("unknown unit `MiB`; write 8MiB".to_owned())
        );
        assert_eq!(
            bytes("1gib"),
            Err("unknown unit `gib`; write 1GiB".to_owned())
        );
        let error = bytes("1.5GiB").unwrap_err();
        assert_eq!(
            error,
            "a size is a whole number: write MiB for a fraction of a GiB"
        );
        let error = bytes("0.5k").unwrap_err();
        assert_eq!(
            error,
            "a size is a whole number: write bytes for a fraction of a KiB"
        );
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "KiB", "-1", "+1", " 1", "0x10", "big", "1.5", "1.5.5GiB", "١KiB", "1 ",
        ] {
            assert!(bytes(text).is_err(), "{text:?} was taken for a size");
        }
        assert!(
            bytes("5parsecs")
                .unwrap_err()
                .contains("unknown unit `parsecs`")
        );
        for text in [
            "18446744073709551616",
            "16777216TiB",
            "99999999999999999999GiB",
        ] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::TooLarge));
        }
    }

    #[test]
    fn sizes_read_back_as_they_are_written() {
        for (bytes, text) in [
            (0, "0"),
            (1000, "1000"),
            (8 << 20, "8MiB"),
            (1536 << 20, "1536MiB"),
            (4 << 30, "4GiB"),
        ] {
            let size = Size { bytes };
            assert_eq!(size.to_string(), text);
            assert_eq!(text.parse(), Ok(size));
        }
    }
}
