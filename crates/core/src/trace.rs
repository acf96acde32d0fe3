//! Size and reference slots of an object, from its trusted shape and its untrusted header.
//!
//! The one place that knows where references lie inside an object. Generic over the memory and
//! inlined into a collector's loop; nothing here is called through a vtable.

use crate::header::{ARRAY_LENGTH_OFFSET, HEADER_BYTES};
use crate::shape::{Shape, ShapeKind};
use crate::{Corruption, HEAP_END, Header, Memory, ObjectRef, TypeId, TypeTables, Watched};

/// Bytes of the object at `object`, a multiple of eight.
///
/// # Errors
/// [`Corruption::Header`] where the header names no type with objects, [`Corruption::Size`] where
/// an array's length would take it past the heap's end.
#[inline(always)]
pub fn object_bytes<M: Memory + ?Sized>(
    memory: &M,
    shape: &Shape,
    object: ObjectRef,
) -> Result<u32, Corruption> {
    match shape.kind {
        ShapeKind::Struct => Ok(shape.size_bytes),
        ShapeKind::Array => {
            let length = memory.load_u32(object.offset().wrapping_add(ARRAY_LENGTH_OFFSET));
            let bytes = shape.array_bytes(length);
            match u32::try_from(bytes) {
                Ok(small) if bytes <= u64::from(HEAP_END.saturating_sub(object.offset())) => {
                    Ok(small)
                }
                _ => Err(Corruption::Size {
                    offset: object.offset(),
                }),
            }
        }
        ShapeKind::Invalid | ShapeKind::Function => Err(Corruption::Header {
            offset: object.offset(),
        }),
    }
}

/// Calls `visit` with each of the objects that lie one after the other from `start` to `end`, and
/// its bytes.
///
/// # Errors
/// As [`object_bytes`], where one of them cannot be parsed, and [`Corruption::Size`] for one that
/// would lie beyond `end`.
pub fn visit_objects<M: Memory + ?Sized>(
    memory: &M,
    types: &TypeTables,
    start: u32,
    end: u32,
    visit: &mut dyn FnMut(ObjectRef, u64),
) -> Result<(), Corruption> {
    let mut at = start;
    while let Some(object) = ObjectRef::from_offset(at).filter(|_| at < end) {
        let shape = types.shape(Header::read(memory, object).type_id());
        let bytes = object_bytes(memory, shape, object)?;
        if bytes > end - at {
            return Err(Corruption::Size { offset: at });
        }
        visit(object, bytes.into());
        at = at.saturating_add(bytes);
    }
    Ok(())
}

/// The reference slots of one object.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'t> {
    /// Offset of the first word `words` speaks of, or of the first element.
    first: u32,
    /// References from `first` on, one after the other.
    elements: u32,
    /// Bit `i`: the word at `first + 4 * i` is a reference.
    words: u64,
    /// Further words, each for the next 64.
    wide: &'t [u64],
}

/// The reference slots of the object at `object`, which has `header`, `shape` and `bytes`
/// (what [`object_bytes`] answered): no slot lies beyond, whatever an array's length says by now.
#[must_use]
#[inline(always)]
pub fn slots<'t, M: Memory + ?Sized>(
    memory: &M,
    types: &'t TypeTables,
    header: Header,
    shape: &Shape,
    object: ObjectRef,
    bytes: u32,
) -> Slots<'t> {
    let start = object.offset();
    if shape.kind == ShapeKind::Array {
        let elements = if shape.element_is_ref {
            let length = memory.load_u32(start.wrapping_add(ARRAY_LENGTH_OFFSET));
            length.min(bytes.saturating_sub(shape.size_bytes) / 4)
        } else {
            0
        };
        return Slots {
            first: start.saturating_add(shape.size_bytes),
            elements,
            words: 0,
            wide: &[],
        };
    }
    let wide = if shape.is_wide {
        types.wide_refs(header.type_id())
    } else {
        &[]
    };
    Slots {
        first: start.wrapping_add(HEADER_BYTES),
        elements: 0,
        words: shape.ref_words,
        wide,
    }
}

/// The reference slots of an object that is known to have `bytes`, whatever it says of itself.
///
/// For heaps that keep sizes of their own: an object that claims another size may claim the whole
/// heap, and is not scanned.
///
/// # Errors
/// As [`object_bytes`], and [`Corruption::Size`] where the object claims another size.
pub fn slots_of_known_size<'t, M: Memory + ?Sized>(
    memory: &M,
    types: &'t TypeTables,
    object: ObjectRef,
    bytes: u32,
) -> Result<Slots<'t>, Corruption> {
    let header = Header::read(memory, object);
    let shape = types.shape(header.type_id());
    if object_bytes(memory, shape, object)? != bytes {
        return Err(Corruption::Size {
            offset: object.offset(),
        });
    }
    Ok(slots(memory, types, header, shape, object, bytes))
}

/// Whether an object, with this header, may be reclaimed only in a collection, after a weak phase
/// that it did not survive: something outside the heap goes by its offset. A heap that reclaims
/// objects between collections must leave these.
#[must_use]
#[inline(always)]
pub fn dies_in_collections_only(watched: &Watched, object: ObjectRef, header: Header) -> bool {
    header.type_id() == TypeId::EXTERN || watched.contains(object)
}

impl Slots<'_> {
    /// Calls `visit` with the offset of each slot, in address order.
    #[inline(always)]
    pub fn for_each(self, mut visit: impl FnMut(u32)) {
        for index in 0..self.elements {
            visit(self.first.wrapping_add(index * 4));
        }
        visit_words(self.words, self.first, &mut visit);
        let mut first = self.first;
        for word in self.wide {
            first = first.wrapping_add(64 * 4);
            visit_words(*word, first, &mut visit);
        }
    }
}

/// Visits the slots whose bits are set, bit `i` standing for the slot at `first + 4 * i`.
#[inline(always)]
fn visit_words(mut words: u64, first: u32, visit: &mut impl FnMut(u32)) {
    while words != 0 {
        visit(first.wrapping_add(words.trailing_zeros() * 4));
        words &= words - 1;
    }
}
