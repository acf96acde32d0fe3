//! Which objects something outside the heap goes by: a bit for each eight bytes.
//!
//! The referents of weak references, the keys of weak maps, objects with finalizers and those of
//! traced host values are watched. A heap that reclaims objects between collections leaves them to
//! the next one (see [`dies_in_collections_only`](crate::dies_in_collections_only)); in the weak phase
//! a heap tells which of them it reached. The table is trusted, lies beside the heap and is made anew
//! after each collection. Costs nothing until something is watched, and then the bits, a 64th of the
//! heap as far as watched objects reach, and a list of the objects.

use crate::{ObjectRef, SideTable};

/// Bytes that a byte of bits stands for.
const BYTES_PER_ENTRY: u32 = 64;

/// The objects watched in one heap.
#[derive(Debug, Default)]
pub struct Watched {
    bits: SideTable<u8, { BYTES_PER_ENTRY.ilog2() }>,
    /// Each object with its bit set, once.
    objects: Vec<ObjectRef>,
    /// Whether there was no memory for the bits: then every object counts as watched.
    is_everything: bool,
}

const fn mask(object: ObjectRef) -> u8 {
    1 << (object.offset() >> 3 & 7)
}

impl Watched {
    /// Whether no object is watched.
    #[must_use]
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.objects.is_empty() && !self.is_everything
    }

    /// Whether an object is watched. One that died and another that lies there now are told apart only
    /// after a collection.
    #[must_use]
    #[inline(always)]
    pub fn contains(&self, object: ObjectRef) -> bool {
        self.bits.at(object.offset()) & mask(object) != 0 || self.is_everything
    }

    /// Watches an object, until [`Self::clear`].
    pub(crate) fn insert(&mut self, object: ObjectRef) {
        let offset = object.offset();
        if self.bits.cover(u64::from(offset) + 8).is_err() {
            self.is_everything = true;
            return;
        }
        let bits = self.bits.at(offset);
        if bits & mask(object) == 0 {
            self.bits.set(offset, bits | mask(object));
            self.objects.push(object);
        }
    }

    /// Watches nothing any more. Linear in the objects watched.
    pub(crate) fn clear(&mut self) {
        for object in self.objects.drain(..) {
            self.bits.set(object.offset(), 0);
        }
        self.is_everything = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_told_apart_and_forgotten() {
        let mut watched = Watched::default();
        let at = |offset| ObjectRef::from_offset(offset).unwrap();
        assert!(watched.is_empty() && !watched.contains(at(4096)));
        for offset in [4096, 4112, 4096, 0xfff0_0000] {
            watched.insert(at(offset));
        }
        let found =
            [4096, 4104, 4112, 4120, 0xfff0_0000].map(|offset| watched.contains(at(offset)));
        assert_eq!(found, [true, false, true, false, true]);
        assert_eq!(watched.objects.len(), 3);
        watched.clear();
        assert!(watched.is_empty() && !watched.contains(at(4112)));
    }
}
