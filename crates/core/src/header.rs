//! The eight-byte header every object starts with.
//!
//! ```text
//!  bytes 0..4   type id (24 bits) | flags (8 bits, the collector's)
//!  bytes 4..8   the collector's word (a forwarding offset, a count, an epoch)
//!  bytes 8..12  arrays only: the length in elements
//! ```
//! Struct fields start at byte 8, array elements at byte 12 or, where they are eight bytes or
//! wider, at byte 16. There is no size word: a struct's size comes from its trusted shape, an
//! array's from its length.

use crate::{GcRef, Memory, ObjectRef};

/// Bytes of the header.
pub const HEADER_BYTES: u32 = 8;

/// Offset of an array's length, a `u32` in elements.
pub const ARRAY_LENGTH_OFFSET: u32 = 8;

/// Offset of the number of an exception's tag, a `u32`.
pub const EXN_TAG_OFFSET: u32 = HEADER_BYTES;

/// Offset of the reference to the struct of an exception's arguments.
pub const EXN_PAYLOAD_OFFSET: u32 = HEADER_BYTES + 4;

/// Every object starts at, and has a size that is, a multiple of this many bytes.
pub const OBJECT_ALIGN: u32 = 8;

/// Bits of the first header word that hold the type id.
pub const TYPE_ID_BITS: u32 = 24;

/// Offset of the collector's own header word.
pub const GC_WORD_OFFSET: u32 = 4;

/// A canonical type: a small dense integer, unique and never reused in its registry's family.
///
/// Zero is never a type, so that memory never written reads as corruption.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[repr(transparent)]
pub struct TypeId(u32);

impl TypeId {
    /// Not a type: what zeroed memory holds.
    pub const INVALID: Self = Self(0);
    /// The type of the objects that stand for host values (`externref` boxes).
    pub const EXTERN: Self = Self(1);
    /// The type of exception objects.
    pub const EXN: Self = Self(2);
    /// The first id the registry hands out.
    pub const FIRST_DECLARED: u32 = 3;
    /// The largest id there can be.
    pub const MAX: u32 = (1 << TYPE_ID_BITS) - 1;

    /// The id with this number; only the low 24 bits count.
    #[must_use]
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & Self::MAX)
    }

    /// The number compiled code embeds.
    #[must_use]
    #[inline(always)]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// A decoded header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Header(u64);

impl Header {
    /// The header with these bits.
    #[must_use]
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, as the heap holds them.
    #[must_use]
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The type id. Untrusted: look it up with a masking table.
    #[must_use]
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low word is what is wanted"
    )]
    pub const fn type_id(self) -> TypeId {
        TypeId::from_bits(self.0 as u32)
    }

    /// The collector's flag byte.
    #[must_use]
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "one byte is what is wanted"
    )]
    pub const fn flags(self) -> u8 {
        (self.0 >> TYPE_ID_BITS) as u8
    }

    /// The collector's word.
    #[must_use]
    #[inline(always)]
    pub const fn gc_word(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Reads the header of `object`.
    #[must_use]
    #[inline(always)]
    pub fn read<M: Memory + ?Sized>(memory: &M, object: ObjectRef) -> Self {
        Self(memory.load_u64(object.offset()))
    }
}

/// Reads the reference in the slot at `offset`.
#[must_use]
#[inline(always)]
pub fn load_ref<M: Memory + ?Sized>(memory: &M, offset: u32) -> GcRef {
    GcRef::from_bits(memory.load_u32(offset))
}
