//! Where fields lie.
//!
//! A struct extends its supertype's layout, so a field keeps its offset in every subtype. The
//! fields a type adds are placed by decreasing size, references before other words, each in the
//! lowest hole it fits or else at the end. In a type without a supertype this leaves no padding
//! but at the tail, and puts references next to each other, so that the reference map of a common
//! struct is one run of bits; in a subtype it also fills what padding the supertype left.
//! Sixteen-byte fields are aligned to eight: objects are no better aligned themselves.

use crate::header::{ARRAY_LENGTH_OFFSET, HEADER_BYTES, OBJECT_ALIGN};
use crate::shape::{Shape, ShapeKind};

/// The most fields a struct may have.
pub const MAX_STRUCT_FIELDS: usize = 10_000;

/// A field or element as far as layout is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    /// log2 of its bytes.
    pub(crate) bytes_log2: u8,
    /// Whether it is a reference into the heap.
    pub(crate) is_ref: bool,
}

impl Cell {
    const fn bytes(self) -> u32 {
        1 << self.bytes_log2
    }

    fn align(self) -> u32 {
        self.bytes().min(OBJECT_ALIGN)
    }
}

/// Offsets, size and reference map of a struct.
#[derive(Clone, Debug, Default)]
pub(crate) struct StructLayout {
    /// Offset of each field, supertype's first.
    pub(crate) offsets: Vec<u32>,
    /// Unused bytes before `end`, as ascending ranges.
    holes: Vec<(u32, u32)>,
    /// Just past the last field.
    end: u32,
    /// The reference map, 64 words of the body each.
    ref_words: Vec<u64>,
}

impl StructLayout {
    /// The layout of a struct that adds `cells` to `supertype`.
    pub(crate) fn extend(supertype: Option<&Self>, cells: &[Cell]) -> Self {
        let empty = Self {
            end: HEADER_BYTES,
            ..Self::default()
        };
        let mut layout = supertype.cloned().unwrap_or(empty);
        let first = layout.offsets.len();
        layout.offsets.resize(first + cells.len(), 0);
        let mut order: Vec<usize> = (0..cells.len()).collect();
        order.sort_by_key(|i| (u32::MAX - cells[*i].bytes(), !cells[*i].is_ref));
        for index in order {
            let cell = cells[index];
            let offset = layout.place(cell);
            layout.offsets[first + index] = offset;
            if cell.is_ref {
                layout.mark_ref(offset);
            }
        }
        layout
    }

    /// Finds room for a cell: the lowest hole that fits, or the end.
    fn place(&mut self, cell: Cell) -> u32 {
        let bytes = cell.bytes();
        for index in 0..self.holes.len() {
            let (start, end) = self.holes[index];
            let at = start.next_multiple_of(cell.align());
            if at + bytes <= end {
                let rest = [(start, at), (at + bytes, end)];
                self.holes
                    .splice(index..=index, rest.into_iter().filter(|(s, e)| s < e));
                return at;
            }
        }
        let at = self.end.next_multiple_of(cell.align());
        if at > self.end {
            self.holes.push((self.end, at));
        }
        self.end = at + bytes;
        at
    }

    fn mark_ref(&mut self, offset: u32) {
        let word = (offset - HEADER_BYTES) / 4;
        let index = (word / 64) as usize;
        if index >= self.ref_words.len() {
            self.ref_words.resize(index + 1, 0);
        }
        self.ref_words[index] |= 1 << (word % 64);
    }

    /// The shape of such structs, and the words of the reference map beyond the first.
    pub(crate) fn shape(&self) -> (Shape, Option<Box<[u64]>>) {
        let wide = self.ref_words.get(1..).filter(|words| !words.is_empty());
        let shape = Shape {
            kind: ShapeKind::Struct,
            element_log2: 0,
            element_is_ref: false,
            is_wide: wide.is_some(),
            size_bytes: self.end.next_multiple_of(OBJECT_ALIGN),
            ref_words: self.ref_words.first().copied().unwrap_or(0),
        };
        (shape, wide.map(Into::into))
    }
}

/// The shape of arrays of such elements.
pub(crate) fn array_shape(element: Cell) -> Shape {
    Shape {
        kind: ShapeKind::Array,
        element_log2: element.bytes_log2,
        element_is_ref: element.is_ref,
        is_wide: false,
        size_bytes: (ARRAY_LENGTH_OFFSET + 4).next_multiple_of(element.align()),
        ref_words: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let cell = prop_oneof![
            (0u8..5).prop_map(|bytes_log2| Cell {
                bytes_log2,
                is_ref: false
            }),
            Just(Cell {
                bytes_log2: 2,
                is_ref: true
            }),
        ];
        prop::collection::vec(cell, 0..150)
    }

    fn check(layout: &StructLayout, cells: &[Cell]) {
        let (shape, wide) = layout.shape();
        let mut used = vec![false; shape.size_bytes as usize];
        let mut refs = Vec::new();
        for (offset, cell) in layout.offsets.iter().zip(cells) {
            assert!(*offset >= HEADER_BYTES && offset % cell.align() == 0);
            for byte in *offset..*offset + cell.bytes() {
                assert!(
                    !std::mem::replace(&mut used[byte as usize], true),
                    "fields overlap"
                );
            }
            if cell.is_ref {
                refs.push(*offset);
            }
        }
        refs.sort_unstable();
        let words = std::iter::once(shape.ref_words).chain(wide.iter().flatten().copied());
        let mapped: Vec<u32> = (0..)
            .zip(words)
            .flat_map(|(i, word)| {
                (0..64)
                    .filter(move |bit| word >> bit & 1 == 1)
                    .map(move |bit| 8 + 4 * (64 * i + bit))
            })
            .collect();
        assert_eq!(mapped, refs);
        assert_eq!(shape.is_wide, wide.is_some());
    }

    proptest! {
        #[test]
        fn fields_are_apart_aligned_and_mapped(cells in cells()) {
            let layout = StructLayout::extend(None, &cells);
            check(&layout, &cells);
            let bytes: u32 = cells.iter().map(|cell| cell.bytes()).sum();
            prop_assert_eq!(layout.shape().0.size_bytes, (8 + bytes).next_multiple_of(8), "no padding but the tail's");
        }

        #[test]
        fn subtypes_keep_their_supertypes_fields(base in cells(), added in cells()) {
            let supertype = StructLayout::extend(None, &base);
            let layout = StructLayout::extend(Some(&supertype), &added);
            prop_assert_eq!(&layout.offsets[..base.len()], &supertype.offsets[..]);
            let all: Vec<Cell> = base.into_iter().chain(added).collect();
            check(&layout, &all);
        }
    }

    #[test]
    fn a_pair_of_references_is_sixteen_bytes() {
        let pair = [Cell {
            bytes_log2: 2,
            is_ref: true,
        }; 2];
        let (shape, wide) = StructLayout::extend(None, &pair).shape();
        assert_eq!((shape.size_bytes, shape.ref_words, wide), (16, 0b11, None));
    }
}
