//! What the kit says of a collector that is wrong.

use crate::case::{Step, TestCase};
use std::fmt;

/// A difference between a heap and the model: at which step it showed, and what it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Failure {
    /// Index of the step after which it was found; `None` before the first and when the heap is
    /// dropped.
    pub step: Option<usize>,
    /// That step.
    pub during: Option<Step>,
    /// What differs, with the path from a root where there is one.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.step, &self.during) {
            (Some(index), Some(step)) => write!(f, "after step {index} ({step:?}): {}", self.what),
            _ => f.write_str(&self.what),
        }
    }
}

/// A case that shows a collector wrong, as small as it could be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{failure}\nin the case {case:#?}")]
pub struct Counterexample<C: fmt::Debug = TestCase> {
    /// The case.
    pub case: C,
    /// What it shows.
    pub failure: Failure,
}
