//! Trusted shapes: what a collector and compiled code know about an object from its type id alone.
//!
//! A [`TypeTables`] is an immutable snapshot of a registry, shared through an `Arc`. Every table
//! in it has a power-of-two length and is indexed by `id & mask`, so an id read from the heap is
//! in range whatever its bits; unused entries are invalid.

use crate::{TypeId, TypeInfo};
use std::sync::Arc;

/// Which kind of object a type id names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum ShapeKind {
    /// No object has this id.
    #[default]
    Invalid,
    /// A struct of a constant size.
    Struct,
    /// An array: its length is in the object.
    Array,
    /// A function signature: a type with an id, but no objects.
    Function,
}

/// Size and reference map of the objects of one type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// What the objects are.
    pub kind: ShapeKind,
    /// Arrays: log2 of an element's bytes.
    pub element_log2: u8,
    /// Arrays: whether elements are references.
    pub element_is_ref: bool,
    /// Structs: whether the reference map continues in [`TypeTables::wide_refs`].
    pub is_wide: bool,
    /// Structs: bytes of the object, header included, a multiple of eight.
    /// Arrays: offset of the first element.
    pub size_bytes: u32,
    /// Structs: bit `i` says that the word at byte `8 + 4 * i` holds a reference, for the first 64
    /// words of the body.
    pub ref_words: u64,
}

impl Shape {
    /// Bytes of an array of `length` elements, rounded up to the object alignment.
    ///
    /// At most about 2^36, so it does not fit a heap offset for absurd lengths: compare first.
    #[must_use]
    #[inline(always)]
    pub const fn array_bytes(&self, length: u32) -> u64 {
        (self.size_bytes as u64 + ((length as u64) << self.element_log2) + 7) & !7
    }

    /// Whether objects of this shape can hold references.
    #[must_use]
    #[inline(always)]
    pub const fn has_refs(&self) -> bool {
        self.element_is_ref || self.ref_words != 0 || self.is_wide
    }
}

/// Depth of the ancestors kept in line for compiled casts; deeper types take the slow path.
pub const DISPLAY_DEPTH: usize = 8;

/// The ancestors of one type by depth: entry `d` is the ancestor declared at depth `d`, the type
/// itself at its own depth, zero beyond.
pub type Display = [u32; DISPLAY_DEPTH];

/// An immutable snapshot of the shapes and displays of every type registered so far.
#[derive(Debug)]
pub struct TypeTables {
    shapes: Box<[Shape]>,
    displays: Box<[Display]>,
    kinds: Box<[u8]>,
    wide: Box<[Option<Box<[u64]>>]>,
    infos: Box<[Arc<TypeInfo>]>,
    mask: u32,
    len: u32,
}

static INVALID_SHAPE: Shape = Shape {
    kind: ShapeKind::Invalid,
    element_log2: 0,
    element_is_ref: false,
    is_wide: false,
    size_bytes: 0,
    ref_words: 0,
};

/// Objects of built-in types (boxed host values, exceptions) are neither structs nor arrays to a
/// program, whatever shape they are kept in.
fn cast_kind(shape: &Shape, id: u32) -> u8 {
    if id < TypeId::FIRST_DECLARED {
        ShapeKind::Invalid as u8
    } else {
        shape.kind as u8
    }
}

impl TypeTables {
    /// Builds tables from parallel lists, one entry a type id from zero up.
    ///
    /// `wide[i]` holds the words of a reference map beyond the first 64 fields, present exactly
    /// where `shapes[i].is_wide`.
    ///
    /// # Panics
    /// If the lists differ in length.
    #[must_use]
    pub fn new(
        mut shapes: Vec<Shape>,
        mut displays: Vec<Display>,
        mut wide: Vec<Option<Box<[u64]>>>,
    ) -> Self {
        assert!(
            shapes.len() == displays.len() && shapes.len() == wide.len(),
            "one entry a type in each table"
        );
        let len = u32::try_from(shapes.len()).expect("type ids are 24 bits");
        let slots = shapes.len().next_power_of_two().max(4);
        shapes.resize(slots, Shape::default());
        displays.resize(slots, [0; DISPLAY_DEPTH]);
        wide.resize(slots, None);
        let mask = u32::try_from(slots - 1).expect("type ids are 24 bits");
        let kinds = shapes
            .iter()
            .zip(0..)
            .map(|(shape, id)| cast_kind(shape, id))
            .collect();
        Self {
            shapes: shapes.into(),
            displays: displays.into(),
            kinds,
            wide: wide.into(),
            infos: Box::default(),
            mask,
            len,
        }
    }

    /// The same tables with the definitions of the declared types, in order of their ids.
    pub(crate) fn with_infos(mut self, infos: impl Into<Box<[Arc<TypeInfo>]>>) -> Self {
        self.infos = infos.into();
        self
    }

    /// The definition of `id`, or `None` for the built-in types and ids never registered.
    #[must_use]
    #[inline]
    pub fn info(&self, id: TypeId) -> Option<&TypeInfo> {
        let index = id.bits().checked_sub(TypeId::FIRST_DECLARED)?;
        self.infos.get(index as usize).map(|info| &**info)
    }

    /// The shape of `id`: the invalid one for an id never registered, whatever its bits.
    #[must_use]
    #[inline(always)]
    pub fn shape(&self, id: TypeId) -> &Shape {
        self.shapes
            .get((id.bits() & self.mask) as usize)
            .unwrap_or(&INVALID_SHAPE)
    }

    /// The reference map of a wide struct beyond the first 64 words of its body.
    #[must_use]
    pub fn wide_refs(&self, id: TypeId) -> &[u64] {
        self.wide
            .get((id.bits() & self.mask) as usize)
            .and_then(|w| w.as_deref())
            .unwrap_or(&[])
    }

    /// The display of `id`.
    #[must_use]
    pub fn display(&self, id: TypeId) -> &Display {
        const NONE: Display = [0; DISPLAY_DEPTH];
        self.displays
            .get((id.bits() & self.mask) as usize)
            .unwrap_or(&NONE)
    }

    /// How many ids, from zero up, the snapshot covers.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether no type is covered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The mask an untrusted id is combined with before it indexes a table.
    #[must_use]
    pub const fn mask(&self) -> u32 {
        self.mask
    }

    /// Address of one byte a type id: the [`ShapeKind`] that a cast to an abstract type sees, which
    /// is `Invalid` for the built-in types. Valid while the snapshot lives.
    #[must_use]
    pub fn kinds_address(&self) -> usize {
        self.kinds.as_ptr().addr()
    }

    /// Address of the first display, for compiled casts. Valid while the snapshot lives.
    #[must_use]
    pub fn displays_address(&self) -> usize {
        self.displays.as_ptr().addr()
    }
}
