//! What can go wrong in a store.

use crate::{UnknownCollector, UnknownMemory};
use windrow_core::{Bytes, HeapError, TypeError, TypeId};

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
    /// No type of the store's family has this id.
    #[error("type {type_id} is not registered in this store's family; use `Store::types`")]
    UnknownType {
        /// The id.
        type_id: TypeId,
    },
    /// A type is of another kind than the operation needs.
    #[error("type {type_id} is not {expected}")]
    WrongType {
        /// What the operation needs.
        expected: &'static str,
        /// What it was given.
        type_id: TypeId,
    },
    /// An object is of a type that has not the field asked for, or not the elements.
    #[error("expected an object of type {expected} or a subtype, found one of type {found}")]
    WrongObject {
        /// The type that has the field.
        expected: TypeId,
        /// The object's.
        found: TypeId,
    },
    /// A struct type has fewer fields than an index says.
    #[error("type {type_id} has {count} fields, so none of index {field}")]
    NoSuchField {
        /// The type.
        type_id: TypeId,
        /// The index.
        field: u32,
        /// How many fields there are.
        count: usize,
    },
    /// A struct was given too many values, or too few.
    #[error("a struct of type {type_id} has {expected} fields, {found} were given")]
    FieldCount {
        /// The type.
        type_id: TypeId,
        /// How many fields there are.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A field is looked up as something it does not hold.
    #[error("field {field} of type {type_id} holds {found}, which is not read as {expected}")]
    WrongField {
        /// The type.
        type_id: TypeId,
        /// The field's index.
        field: u32,
        /// What was asked for.
        expected: &'static str,
        /// What the field holds.
        found: String,
    },
    /// An array is used as one of other elements.
    #[error("arrays of type {type_id} hold {found}, which is not read as {expected}")]
    WrongElements {
        /// The type.
        type_id: TypeId,
        /// What was asked for.
        expected: &'static str,
        /// What the elements are.
        found: String,
    },
    /// A value is none of the type that a field, an element or a parameter has.
    #[error("expected a value of type {expected}, found {found}")]
    WrongValue {
        /// The type.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A field or element is written only when its object is made.
    #[error("field {field} of type {type_id} is immutable")]
    Immutable {
        /// The type.
        type_id: TypeId,
        /// The field's index; zero for an array.
        field: u32,
    },
    /// A field or element has no default value.
    #[error("field {field} of type {type_id} cannot be null; give it a value")]
    NotDefaultable {
        /// The type.
        type_id: TypeId,
        /// The field's index; zero for an array.
        field: usize,
    },
    /// Elements lie beyond an array's end.
    #[error("elements {start}..{} are beyond the array's {length}", u64::from(*start) + u64::from(*count))]
    OutOfBounds {
        /// The first element.
        start: u32,
        /// How many.
        count: u32,
        /// How many there are.
        length: u32,
    },
    /// An array cannot be as long.
    #[error("{elements} elements take {}, more than any heap has", Bytes(*bytes))]
    TooLong {
        /// How many elements.
        elements: u64,
        /// What they would take.
        bytes: u64,
    },
    /// Elements cannot be borrowed in place, since the host wants them better aligned.
    #[error(
        "elements read as {element} must be aligned to {align_bytes} bytes to be borrowed; copy them with `read_slice`"
    )]
    Unaligned {
        /// What they are read as.
        element: &'static str,
        /// The alignment.
        align_bytes: usize,
    },
}
