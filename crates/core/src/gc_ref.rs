//! References as the heap, compiled code and the host see them: one untrusted `u32`.
//!
//! `0` is null; an odd value is an `i31` (the integer in the upper 31 bits); anything else is a
//! byte offset from the heap's base, a multiple of eight, at least [`FIRST_OBJECT_OFFSET`] and
//! below [`HEAP_END`]. A reference is data: whatever its bits, using it is safe, and
//! [`GcRef::as_object`] is the one way from bits to an offset that may be dereferenced.

use crate::HEAP_END;
use std::fmt;
use std::num::NonZeroU32;

/// The lowest offset at which an object can lie, in bytes.
///
/// The page below it is never accessible in guarded memory, so that compiled code may let the
/// hardware find a null dereference.
pub const FIRST_OBJECT_OFFSET: u32 = 4096;

/// The smallest integer an `i31` holds.
pub const I31_MIN: i32 = -(1 << 30);

/// The largest integer an `i31` holds.
pub const I31_MAX: i32 = (1 << 30) - 1;

/// An untrusted reference: null, an `i31`, or an object's offset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct GcRef(u32);

impl GcRef {
    /// The null reference.
    pub const NULL: Self = Self(0);

    /// The reference with these bits, whatever they are.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits of this reference, as compiled code and the heap hold them.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// An `i31` holding the low 31 bits of `value`.
    #[must_use]
    #[inline]
    pub const fn from_i31(value: i32) -> Self {
        Self((value.cast_unsigned() << 1) | 1)
    }

    /// Whether this is the null reference.
    #[must_use]
    #[inline]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Whether this is an `i31`.
    #[must_use]
    #[inline]
    pub const fn is_i31(self) -> bool {
        self.0 & 1 == 1
    }

    /// The integer of an `i31`, sign-extended, or `None` for null and objects.
    #[must_use]
    #[inline]
    pub const fn as_i31(self) -> Option<i32> {
        if self.is_i31() {
            Some(self.0.cast_signed() >> 1)
        } else {
            None
        }
    }

    /// The object this refers to, or `None` for null, an `i31` and offsets where no object can lie:
    /// in the first page, and from [`HEAP_END`] on.
    ///
    /// The low three bits of a forged reference are dropped, so the result is always aligned.
    /// That an object really starts there is for its header to show.
    #[must_use]
    #[inline(always)]
    pub const fn as_object(self) -> Option<ObjectRef> {
        if self.0 & 1 == 0 {
            ObjectRef::from_offset(self.0 & !7)
        } else {
            None
        }
    }
}

impl fmt::Debug for GcRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_i31() {
            Some(value) => write!(f, "i31({value})"),
            None if self.is_null() => write!(f, "null"),
            None => write!(f, "@{:#x}", self.0),
        }
    }
}

/// The offset of an object: a multiple of eight, at least [`FIRST_OBJECT_OFFSET`], below
/// [`HEAP_END`].
///
/// The bound above keeps the header, the length and every field of a struct below 4 GiB: adding
/// their offsets never wraps to the first page, which must not be touched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ObjectRef(NonZeroU32);

impl ObjectRef {
    /// The object at `offset`, or `None` where no object can lie.
    #[must_use]
    #[inline(always)]
    pub const fn from_offset(offset: u32) -> Option<Self> {
        const ROOM: u32 = HEAP_END - FIRST_OBJECT_OFFSET;
        if offset.wrapping_sub(FIRST_OBJECT_OFFSET) >= ROOM || !offset.is_multiple_of(8) {
            return None;
        }
        match NonZeroU32::new(offset) {
            Some(offset) => Some(Self(offset)),
            None => None,
        }
    }

    /// The byte offset from the heap's base.
    #[must_use]
    #[inline(always)]
    pub const fn offset(self) -> u32 {
        self.0.get()
    }

    /// This object as a reference.
    #[must_use]
    #[inline(always)]
    pub const fn to_ref(self) -> GcRef {
        GcRef(self.0.get())
    }
}

impl From<ObjectRef> for GcRef {
    fn from(object: ObjectRef) -> Self {
        object.to_ref()
    }
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_bit_pattern_is_one_of_three(bits: u32) {
            let r = GcRef::from_bits(bits);
            let kinds = u8::from(r.is_null()) + u8::from(r.is_i31()) + u8::from(r.as_object().is_some());
            let room = FIRST_OBJECT_OFFSET..HEAP_END;
            prop_assert!(kinds == 1 || (kinds == 0 && !room.contains(&bits)));
            if let Some(object) = r.as_object() {
                prop_assert!(object.offset() % 8 == 0 && room.contains(&object.offset()));
            }
        }

        #[test]
        fn nothing_at_the_ends_is_an_object(distance in 0u32..300_000) {
            let object = |offset| GcRef::from_bits(offset).as_object();
            prop_assert_eq!(object(distance & !1).is_some(), distance >= FIRST_OBJECT_OFFSET);
            let above = HEAP_END.wrapping_sub(8).wrapping_add(distance & !7);
            prop_assert_eq!(object(above).is_some(), (FIRST_OBJECT_OFFSET..HEAP_END).contains(&above));
        }

        #[test]
        fn i31_keeps_its_integer(value in I31_MIN..=I31_MAX) {
            prop_assert_eq!(GcRef::from_i31(value).as_i31(), Some(value));
        }
    }
}
