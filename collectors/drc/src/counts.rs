//! The count table: a trusted byte for each eight bytes of the heap.
//!
//! ```text
//! bit 7       an object ends with these eight bytes
//! bit 6       a root held the object when the last epoch began
//! bit 5       the object is on a list of those without references
//! bits 0..5   0: no counted object starts here; n + 1: one with n references from counted objects;
//!             31: one with so many that they are not counted any more
//! ```
//! What is not here is young or free: nothing is written for an object until it survives its first
//! epoch. Where an object ends is kept as well, so that what it takes is never read from the heap.
//! A large object has a byte at its start only.

use windrow_core::{HeapError, OBJECT_ALIGN, ObjectRef, SideTable};

const END: u8 = 1 << 7;
const ROOTED: u8 = 1 << 6;
const LISTED: u8 = 1 << 5;
const COUNT: u8 = LISTED - 1;

/// The byte at the start of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u8);

impl Entry {
    /// Whether a counted object starts here.
    #[inline(always)]
    pub(crate) const fn is_counted(self) -> bool {
        self.0 & COUNT != 0
    }

    /// Whether a counted object without references starts here.
    #[inline(always)]
    pub(crate) const fn is_unreferenced(self) -> bool {
        self.0 & COUNT == 1
    }

    /// Whether its references are not counted any more.
    #[inline(always)]
    pub(crate) const fn is_sticky(self) -> bool {
        self.0 & COUNT == COUNT
    }

    #[inline(always)]
    pub(crate) const fn is_rooted(self) -> bool {
        self.0 & ROOTED != 0
    }

    #[inline(always)]
    pub(crate) const fn is_listed(self) -> bool {
        self.0 & LISTED != 0
    }

    /// References, for an object whose are counted.
    pub(crate) const fn references(self) -> u32 {
        (self.0 & COUNT).saturating_sub(1) as u32
    }
}

/// What a change of a count makes of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Released {
    /// It has other references, or they are not counted.
    Held,
    /// It has none left, and was not known to.
    Unreferenced(Entry),
    /// It had none, or is no object.
    Unknown,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Counts(SideTable<u8, { OBJECT_ALIGN.ilog2() }>);

impl Counts {
    pub(crate) fn new() -> Self {
        Self(SideTable::new())
    }

    /// Makes room for objects below `end`.
    pub(crate) fn cover(&mut self, end: u32) -> Result<(), HeapError> {
        self.0.cover(end.into())
    }

    #[inline(always)]
    pub(crate) fn at(&self, object: ObjectRef) -> Entry {
        Entry(self.0.at(object.offset()))
    }

    /// Starts to load an object's byte into the cache.
    #[inline(always)]
    pub(crate) fn prefetch(&self, object: ObjectRef) {
        self.0.prefetch(object.offset());
    }

    /// Enters an object of `bytes` with no references; `false` where something else lies.
    #[inline(always)]
    pub(crate) fn enter(&mut self, object: ObjectRef, bytes: u32) -> bool {
        let granules = self.0.range_mut(object.offset(), bytes);
        if granules.iter().any(|granule| *granule != 0) {
            return false;
        }
        if let Some(last) = granules.last_mut() {
            *last = END;
        }
        if let Some(first) = granules.first_mut() {
            *first |= 1;
        }
        true
    }

    /// Enters a large object, or any whose end is kept elsewhere, with no references.
    pub(crate) fn enter_start(&mut self, object: ObjectRef) {
        self.0.set(object.offset(), 1);
    }

    /// Bytes of a counted object that is not large; `most` if it ends nowhere.
    #[inline(always)]
    pub(crate) fn bytes_of(&self, object: ObjectRef, most: u32) -> u32 {
        (OBJECT_ALIGN..)
            .step_by(OBJECT_ALIGN as usize)
            .zip(self.0.range(object.offset(), most))
            .find(|(_, granule)| **granule & END != 0)
            .map_or(most, |(bytes, _)| bytes)
    }

    /// Whether no counted object starts or ends in a range.
    pub(crate) fn is_clear(&self, offset: u32, bytes: u32) -> bool {
        let mut granules = self.0.range(offset, bytes).iter();
        granules.all(|granule| *granule == 0)
    }

    /// Forgets everything that lies in a range.
    #[inline(always)]
    pub(crate) fn clear(&mut self, offset: u32, bytes: u32) {
        self.0.set_range(offset, bytes, 0);
    }

    /// Counts one more reference to an object with this entry.
    #[inline(always)]
    pub(crate) fn retain(&mut self, object: ObjectRef, entry: Entry) {
        if !entry.is_sticky() {
            self.0.set(object.offset(), entry.0 + 1);
        }
    }

    /// Counts one reference less.
    #[inline(always)]
    pub(crate) fn release(&mut self, object: ObjectRef) -> Released {
        let entry = self.at(object);
        match entry.0 & COUNT {
            0 | 1 => Released::Unknown,
            COUNT => Released::Held,
            _ => {
                let after = Entry(entry.0 - 1);
                self.0.set(object.offset(), after.0);
                if after.is_unreferenced() && !after.is_listed() {
                    Released::Unreferenced(after)
                } else {
                    Released::Held
                }
            }
        }
    }

    /// Notes whether a root holds the object.
    #[inline(always)]
    pub(crate) fn set_rooted(&mut self, object: ObjectRef, is_rooted: bool) {
        self.set_flag(object, ROOTED, is_rooted);
    }

    /// Notes whether the object is on a list of those without references.
    #[inline(always)]
    pub(crate) fn set_listed(&mut self, object: ObjectRef, is_listed: bool) {
        self.set_flag(object, LISTED, is_listed);
    }

    #[inline(always)]
    fn set_flag(&mut self, object: ObjectRef, flag: u8, is_set: bool) {
        let byte = self.0.at(object.offset());
        let byte = if is_set { byte | flag } else { byte & !flag };
        self.0.set(object.offset(), byte);
    }

    /// Calls `visit` with the start and end of each object in a block, in address order.
    pub(crate) fn visit(&self, block: u32, bytes: u32, mut visit: impl FnMut(u32, u32)) {
        let mut start = None;
        let granules = (block..).step_by(OBJECT_ALIGN as usize);
        for (at, granule) in granules.zip(self.0.range(block, bytes)) {
            if start.is_none() && granule & COUNT != 0 {
                start = Some(at);
            }
            if granule & END != 0
                && let Some(start) = start.take()
            {
                visit(start, at + OBJECT_ALIGN);
            }
        }
    }
}
