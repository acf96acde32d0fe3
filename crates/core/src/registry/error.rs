//! What can be wrong with a type.

use super::MAX_SUBTYPE_DEPTH;
use crate::HeapError;
use crate::layout::MAX_STRUCT_FIELDS;

/// What is wrong with a type definition.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TypeError {
    /// A definition names a type that is not there.
    #[error(
        "type {member} of the group refers to {reference}, which is not defined there or before"
    )]
    Unknown {
        /// Index in the group.
        member: u32,
        /// What it refers to.
        reference: String,
    },
    /// The declared supertype is final.
    #[error(
        "type {member} of the group extends {supertype}, which is final; declare that one open"
    )]
    FinalSupertype {
        /// Index in the group.
        member: u32,
        /// The supertype.
        supertype: String,
    },
    /// The type does not match its declared supertype.
    #[error("type {member} of the group does not match its supertype {supertype}: {reason}")]
    Mismatch {
        /// Index in the group.
        member: u32,
        /// The supertype.
        supertype: String,
        /// What differs.
        reason: &'static str,
    },
    /// The type lies too deep.
    #[error("type {member} of the group is more than {MAX_SUBTYPE_DEPTH} supertypes deep")]
    TooDeep {
        /// Index in the group.
        member: u32,
    },
    /// The struct has too many fields.
    #[error("type {member} of the group has {fields} fields; {MAX_STRUCT_FIELDS} is the most")]
    TooManyFields {
        /// Index in the group.
        member: u32,
        /// How many it has.
        fields: usize,
    },
    /// All ids are taken.
    #[error(transparent)]
    Exhausted(#[from] HeapError),
}
