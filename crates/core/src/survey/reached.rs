//! The set of objects a survey reached: a bit for every eight bytes, and each one's rank.

use crate::{HeapError, ObjectRef, SideTable};

/// Bytes of the heap that a word of bits stands for, as a power of two: 32 objects of eight bytes.
const WORD_SHIFT: u32 = 8;

/// Bits by place, and how many are set before each word once they are counted.
#[derive(Default)]
pub(super) struct Reached {
    bits: SideTable<u32, WORD_SHIFT>,
    before: SideTable<u32, WORD_SHIFT>,
    /// No bit is set at or beyond.
    end: u64,
}

const fn bit(object: ObjectRef) -> u32 {
    1 << (object.offset() >> 3 & 31)
}

impl Reached {
    pub(super) fn insert(&mut self, object: ObjectRef) -> Result<(), HeapError> {
        let at = object.offset();
        let end = u64::from(at) + 8;
        if end > self.end {
            self.bits.cover(end)?;
            self.end = end;
        }
        self.bits.set(at, self.bits.at(at) | bit(object));
        Ok(())
    }

    #[inline]
    pub(super) fn contains(&self, object: ObjectRef) -> bool {
        self.bits.at(object.offset()) & bit(object) != 0
    }

    /// Offsets of words that may have bits.
    fn words(&self) -> impl Iterator<Item = u32> + use<> {
        let end = u32::try_from(self.end).unwrap_or(u32::MAX);
        (0..end).step_by(1 << WORD_SHIFT)
    }

    /// Counts the bits, for [`Self::rank`].
    ///
    /// # Errors
    /// [`HeapError::Reservation`] where there is no room for the counts.
    pub(super) fn count(&mut self) -> Result<(), HeapError> {
        self.before.cover(self.end)?;
        let mut before = 0;
        for word in self.words() {
            self.before.set(word, before);
            before += self.bits.at(word).count_ones();
        }
        Ok(())
    }

    /// How many of the set lie before one of it.
    pub(super) fn rank(&self, object: ObjectRef) -> Option<u32> {
        let bits = self.bits.at(object.offset());
        let lower = bits & (bit(object) - 1);
        (bits & bit(object) != 0).then(|| self.before.at(object.offset()) + lower.count_ones())
    }

    /// The set, in address order.
    pub(super) fn iter(&self) -> impl Iterator<Item = ObjectRef> {
        self.words().flat_map(|word| {
            let mut bits = self.bits.at(word);
            std::iter::from_fn(move || {
                let first = bits.checked_ilog2().map(|_| bits.trailing_zeros())?;
                bits &= bits - 1;
                Some(word + first * 8)
            })
            .filter_map(ObjectRef::from_offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranks_follow_the_order_of_addresses(offsets in prop::collection::btree_set(512_u32..40_000, 0..300)) {
            let objects: BTreeSet<_> =
                offsets.iter().filter_map(|at| ObjectRef::from_offset(at * 8)).collect();
            let mut reached = Reached::default();
            for object in objects.iter().rev() {
                reached.insert(*object).unwrap();
            }
            reached.count().unwrap();
            prop_assert!(reached.iter().eq(objects.iter().copied()));
            for (rank, object) in (0..).zip(&objects) {
                prop_assert_eq!(reached.rank(*object), Some(rank));
            }
            for at in (512..40_000).filter(|at| !offsets.contains(at)) {
                let object = ObjectRef::from_offset(at * 8).unwrap();
                prop_assert!(!reached.contains(object) && reached.rank(object).is_none());
            }
        }
    }
}
