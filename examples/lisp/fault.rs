//! Errors: what went wrong, where in the source, and on the way to what.

use std::fmt;
use std::rc::Rc;
use windrow::{Error, HeapError};

/// A place in a source file, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// As a source pair holds it.
    pub(crate) fn bits(self) -> i64 {
        i64::from(self.line) << 32 | i64::from(self.column)
    }

    pub(crate) fn from_bits(bits: i64) -> Self {
        let [line, column] = [bits >> 32, bits & 0xffff_ffff];
        Self {
            line: u32::try_from(line).unwrap_or(0),
            column: u32::try_from(column).unwrap_or(0),
        }
    }
}

/// What went wrong, in a program or while reading one.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) place: Option<(Rc<str>, Place)>,
    /// Whether more text might make it right.
    pub(crate) is_incomplete: bool,
    /// Who called whom, the innermost first.
    pub(crate) callers: Vec<String>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            is_incomplete: false,
            callers: Vec::new(),
        }
    }

    /// The same, of a place, unless it has one.
    pub(crate) fn at(mut self, file: &Rc<str>, place: Place) -> Self {
        self.place.get_or_insert((Rc::clone(file), place));
        self
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Heap(error) => error.into(),
            error => Self::new(error.to_string()),
        }
    }
}

impl From<HeapError> for Fault {
    fn from(error: HeapError) -> Self {
        match error {
            HeapError::HeapFull { .. } => Self::new(format!("out of memory: {error}")),
            error => Self::new(error.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, place)) = &self.place {
            write!(f, "{file}:{}:{}: ", place.line, place.column)?;
        }
        f.write_str(&self.message)?;
        for caller in &self.callers {
            write!(f, "\n  {caller}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
