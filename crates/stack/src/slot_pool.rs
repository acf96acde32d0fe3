//! Slot lists shared by all safepoints that have the same one.
//!
//! Most safepoints of real code hold few references in the same few places, so a safepoint stores
//! the number of a list and the list counts its users. Adding and removing cost O(list).

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// The number of a list of slots in a [`SlotPool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotListId(u32);

impl SlotListId {
    /// The list of no slots, which is never counted.
    const EMPTY: Self = Self(0);
}

#[derive(Debug)]
struct SlotList {
    users: u64,
    offsets: SmallVec<[u32; 8]>,
}

/// Lists of slot offsets, each kept once.
#[derive(Debug, Default)]
pub(crate) struct SlotPool {
    /// List `id` is at `id - 1`.
    lists: Vec<SlotList>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl SlotPool {
    /// The list with these offsets; adds a user to it.
    ///
    /// # Panics
    /// If four billion different lists are in use.
    pub(crate) fn add(&mut self, offsets: &[u32]) -> SlotListId {
        if offsets.is_empty() {
            return SlotListId::EMPTY;
        }
        let hash = self.hasher.hash_one(offsets);
        let lists = &mut self.lists;
        if let Some(&id) = self
            .index
            .find(hash, |&id| lists[id as usize - 1].offsets[..] == *offsets)
        {
            lists[id as usize - 1].users += 1;
            return SlotListId(id);
        }
        let list = SlotList {
            users: 1,
            offsets: SmallVec::from_slice(offsets),
        };
        let id = if let Some(id) = self.free.pop() {
            lists[id as usize - 1] = list;
            id
        } else {
            lists.push(list);
            u32::try_from(lists.len()).expect("four billion lists do not fit in memory")
        };
        let hasher = &self.hasher;
        self.index.insert_unique(hash, id, |&id| {
            hasher.hash_one(&lists[id as usize - 1].offsets[..])
        });
        SlotListId(id)
    }

    /// Takes a user from a list; the last one takes the list along.
    pub(crate) fn remove(&mut self, SlotListId(id): SlotListId) {
        let Some(list) = (id as usize)
            .checked_sub(1)
            .and_then(|index| self.lists.get_mut(index))
        else {
            return;
        };
        list.users -= 1;
        if list.users > 0 {
            return;
        }
        let hash = self.hasher.hash_one(&list.offsets[..]);
        list.offsets = SmallVec::new();
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
        if self.index.is_empty() {
            *self = Self::default();
        }
    }

    /// The offsets of a list, ascending.
    #[inline]
    pub(crate) fn offsets(&self, SlotListId(id): SlotListId) -> &[u32] {
        match (id as usize).checked_sub(1) {
            Some(index) => &self.lists[index].offsets,
            None => &[],
        }
    }

    /// How many lists are in use.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_are_one_and_the_last_user_frees_it() {
        let mut pool = SlotPool::default();
        let a = pool.add(&[0, 8]);
        let b = pool.add(&[0, 8]);
        let c = pool.add(&[4]);
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(pool.len(), 2);
        pool.remove(a);
        assert_eq!(pool.offsets(b), [0, 8]);
        pool.remove(b);
        assert_eq!(pool.len(), 1);
        let d = pool.add(&[16, 20, 24]);
        assert_eq!(pool.offsets(c), [4]);
        assert_eq!(pool.offsets(d), [16, 20, 24]);
        pool.remove(c);
        pool.remove(d);
        assert_eq!(
            (pool.len(), pool.lists.capacity(), pool.free.capacity()),
            (0, 0, 0)
        );
    }

    #[test]
    fn the_empty_list_needs_no_room() {
        let mut pool = SlotPool::default();
        let empty = pool.add(&[]);
        assert_eq!(pool.offsets(empty), [0_u32; 0]);
        pool.remove(empty);
        assert_eq!(pool.len(), 0);
    }
}
