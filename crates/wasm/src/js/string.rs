//! Strings of UTF-16 code units, as JavaScript has them: surrogates need not be paired.
//!
//! Short strings hold their units themselves. Long ones are parts of a buffer with others, so that
//! a long part of one costs no copy. The concatenation of a long string leaves room behind it, and
//! whoever first appends to that very string finds it: appending piece by piece costs linear time
//! in all. Buffers never grow, and a part much shorter than its buffer is copied instead, so what a
//! string keeps alive is a fixed multiple of its own length.

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Strings longer than this, in units, are parts of a buffer.
const SHORT_MAX: usize = 64;

/// A part of a buffer is shared if the buffer is at most this many times as long.
const SHARED_MAX_RATIO: usize = 8;

/// An immutable string of UTF-16 code units. Clones are cheap.
#[derive(Clone)]
pub struct JsString(Repr);

#[derive(Clone)]
enum Repr {
    Short(SmallVec<[u16; 12]>),
    Long(Part),
}

/// A part of a buffer. Units of the buffer are added, and never changed.
#[derive(Clone)]
struct Part {
    buffer: Arc<Mutex<Vec<u16>>>,
    start: usize,
    len: usize,
}

impl Part {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u16>> {
        // Units are added in one step, so a panic elsewhere leaves the buffer whole.
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, f: impl FnOnce(&[u16]) -> R) -> R {
        f(&self.lock()[self.range()])
    }

    /// Adds units right behind this part, if it ends the buffer's used units and there is room.
    /// A part that does not begin its buffer is not continued: the buffer would fill up with what
    /// lies before it.
    fn append(&self, units: &[u16]) -> Option<Self> {
        let mut buffer = self.lock();
        let fits = self.start == 0
            && buffer.len() == self.len
            && buffer.capacity() - buffer.len() >= units.len();
        if !fits {
            return None;
        }
        buffer.extend_from_slice(units);
        Some(Self {
            buffer: Arc::clone(&self.buffer),
            start: 0,
            len: self.len + units.len(),
        })
    }
}

impl JsString {
    /// The most units a string may have.
    pub const MAX_UNITS: usize = (1 << 29) - 24;

    /// What a string costs beside its units, about, in bytes.
    const OVERHEAD_BYTES: usize = size_of::<Self>() + 48;

    /// A string of these units.
    ///
    /// # Panics
    /// If there are more than [`Self::MAX_UNITS`].
    #[must_use]
    pub fn from_units(units: &[u16]) -> Self {
        assert!(
            units.len() <= Self::MAX_UNITS,
            "{} units are more than a string may have",
            units.len()
        );
        if units.len() <= SHORT_MAX {
            return Self(Repr::Short(SmallVec::from_slice(units)));
        }
        Self::in_buffer(units.to_vec())
    }

    fn in_buffer(units: Vec<u16>) -> Self {
        let len = units.len();
        Self(Repr::Long(Part {
            buffer: Arc::new(Mutex::new(units)),
            start: 0,
            len,
        }))
    }

    /// The string of one code point, or `None` above U+10FFFF. A surrogate stands for itself.
    #[must_use]
    pub fn from_code_point(code_point: u32) -> Option<Self> {
        if let Ok(unit) = u16::try_from(code_point) {
            return Some(Self::from_units(&[unit]));
        }
        let mut units = [0; 2];
        char::from_u32(code_point)?.encode_utf16(&mut units);
        Some(Self::from_units(&units))
    }

    /// How many units it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Short(units) => units.len(),
            Repr::Long(part) => part.len,
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends its units. Not to be used on other strings inside: buffers are locked meanwhile.
    pub(super) fn with_units<R>(&self, f: impl FnOnce(&[u16]) -> R) -> R {
        match &self.0 {
            Repr::Short(units) => f(units),
            Repr::Long(part) => part.with(f),
        }
    }

    /// Its units, copied.
    #[must_use]
    pub fn units(&self) -> Vec<u16> {
        self.with_units(<[u16]>::to_vec)
    }

    /// The unit at an index.
    #[must_use]
    pub fn unit(&self, index: usize) -> Option<u16> {
        self.with_units(|units| units.get(index).copied())
    }

    /// The code point that begins at an index: that of a pair of surrogates, else the unit there.
    #[must_use]
    pub fn code_point(&self, index: usize) -> Option<u32> {
        self.with_units(|units| {
            let rest = units.get(index..)?;
            let unit = *rest.first()?;
            let pair = &rest[..rest.len().min(2)];
            Some(match char::decode_utf16(pair.iter().copied()).next() {
                Some(Ok(decoded)) => decoded.into(),
                _ => unit.into(),
            })
        })
    }

    /// This string and another behind it, or `None` if that is too long.
    #[must_use]
    pub fn concat(&self, other: &Self) -> Option<Self> {
        let total = self.len() + other.len();
        if total > Self::MAX_UNITS {
            return None;
        }
        if other.is_empty() {
            return Some(self.clone());
        }
        if self.is_empty() {
            return Some(other.clone());
        }
        let copied;
        let tail = match &other.0 {
            Repr::Short(units) => &**units,
            Repr::Long(part) => {
                // Two buffers are never locked at once.
                copied = part.with(<[u16]>::to_vec);
                &*copied
            }
        };
        Some(match &self.0 {
            Repr::Short(units) if total <= SHORT_MAX => {
                let mut both = SmallVec::with_capacity(total);
                both.extend_from_slice(units);
                both.extend_from_slice(tail);
                Self(Repr::Short(both))
            }
            Repr::Short(units) => {
                let mut both = Vec::with_capacity(total);
                both.extend_from_slice(units);
                both.extend_from_slice(tail);
                Self::in_buffer(both)
            }
            Repr::Long(part) => Self::extend(part, tail, total),
        })
    }

    /// A long string and units behind it.
    fn extend(part: &Part, tail: &[u16], total: usize) -> Self {
        if let Some(longer) = part.append(tail) {
            return Self(Repr::Long(longer));
        }
        let mut both = Vec::with_capacity((2 * total).min(Self::MAX_UNITS));
        part.with(|units| both.extend_from_slice(units));
        both.extend_from_slice(tail);
        Self::in_buffer(both)
    }

    /// The part in a range, whose ends are brought into bounds; empty where they cross.
    #[must_use]
    pub fn substring(&self, start: usize, end: usize) -> Self {
        let end = end.min(self.len());
        if start >= end {
            return Self(Repr::Short(SmallVec::new()));
        }
        match &self.0 {
            Repr::Short(units) => Self(Repr::Short(SmallVec::from_slice(&units[start..end]))),
            Repr::Long(part) => {
                let len = end - start;
                let buffer = part.lock();
                if len > SHORT_MAX && len * SHARED_MAX_RATIO >= buffer.capacity() {
                    return Self(Repr::Long(Part {
                        buffer: Arc::clone(&part.buffer),
                        start: part.start + start,
                        len,
                    }));
                }
                Self::from_units(&buffer[part.start + start..part.start + end])
            }
        }
    }

    /// What it takes outside the heap, about, in bytes. Where units are shared, who made the buffer
    /// is charged for it.
    pub(super) fn bytes(&self) -> u32 {
        let units = match &self.0 {
            Repr::Short(units) if units.spilled() => units.capacity(),
            Repr::Short(_) => 0,
            Repr::Long(part) if Arc::strong_count(&part.buffer) > 1 => 0,
            Repr::Long(part) => part.lock().capacity(),
        };
        u32::try_from(Self::OVERHEAD_BYTES + 2 * units).unwrap_or(u32::MAX)
    }

    fn with_both<R>(&self, other: &Self, f: impl FnOnce(&[u16], &[u16]) -> R) -> R {
        match (&self.0, &other.0) {
            (Repr::Short(units), _) => other.with_units(|others| f(units, others)),
            (_, Repr::Short(others)) => self.with_units(|units| f(units, others)),
            (Repr::Long(part), Repr::Long(other)) => {
                if Arc::ptr_eq(&part.buffer, &other.buffer) {
                    let buffer = part.lock();
                    return f(&buffer[part.range()], &buffer[other.range()]);
                }
                // Always in the same order, or two threads could wait for each other.
                let (units, others);
                if Arc::as_ptr(&part.buffer) < Arc::as_ptr(&other.buffer) {
                    units = part.lock();
                    others = other.lock();
                } else {
                    others = other.lock();
                    units = part.lock();
                }
                f(&units[part.range()], &others[other.range()])
            }
        }
    }
}

impl From<&str> for JsString {
    fn from(text: &str) -> Self {
        let units: SmallVec<[u16; SHORT_MAX]> = text.encode_utf16().collect();
        Self::from_units(&units)
    }
}

impl PartialEq for JsString {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.with_both(other, |a, b| a == b)
    }
}

impl Eq for JsString {}

/// By code units, which is not the order of code points.
impl Ord for JsString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.with_both(other, <[u16]>::cmp)
    }
}

impl PartialOrd for JsString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As text, with replacement characters for surrogates without partners.
impl fmt::Display for JsString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.units()))
    }
}

impl fmt::Debug for JsString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf16_lossy(&self.units()), f)
    }
}

#[cfg(test)]
mod tests;
