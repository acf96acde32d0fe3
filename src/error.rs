//! What can go wrong in a store.

use crate::{UnknownCollector, UnknownMemory};
use windrow_core::{HeapError, TypeError};

/// An error of a store or its configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The heap is full, corrupt, or could not be had.
    #[error(transparent)]
    Heap(#[from] HeapError),
    /// A type definition is not valid.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// No collector has this name.
    #[error(transparent)]
    Collector(#[from] UnknownCollector),
    /// No memory has this name.
    #[error(transparent)]
    Memory(#[from] UnknownMemory),
    /// A reference belongs to another store.
    #[error("this reference belongs to another store")]
    ForeignReference,
    /// A reference leads to an object of another kind than the operation needs.
    #[error("expected {expected}, found {found}")]
    WrongKind {
        /// What the operation needs.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
}
