//! Lists of locations, shared by all safepoints that have the same one.
//!
//! Most safepoints of real code hold few references in the same few places, so a safepoint stores
//! the number of a list and the list counts its users. Adding and removing cost O(list).

use crate::location::Location;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// The number of a list in a [`LocationPool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocationListId(u32);

impl LocationListId {
    /// The list of no locations, which is never counted.
    pub(crate) const EMPTY: Self = Self(0);
}

#[derive(Debug)]
struct LocationList {
    users: u64,
    locations: Box<[Location]>,
}

/// Lists of locations, each kept once.
#[derive(Debug, Default)]
pub(crate) struct LocationPool {
    /// List `id` is at `id - 1`.
    lists: Vec<LocationList>,
    index: HashTable<u32>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl LocationPool {
    /// The list of these locations; adds a user to it.
    ///
    /// # Panics
    /// If four billion different lists are in use.
    pub(crate) fn add(&mut self, locations: &[Location]) -> LocationListId {
        if locations.is_empty() {
            return LocationListId::EMPTY;
        }
        let hash = self.hasher.hash_one(locations);
        let lists = &mut self.lists;
        if let Some(&id) = self.index.find(hash, |&id| {
            lists[id as usize - 1].locations[..] == *locations
        }) {
            lists[id as usize - 1].users += 1;
            return LocationListId(id);
        }
        let list = LocationList {
            users: 1,
            locations: locations.into(),
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
            hasher.hash_one(&lists[id as usize - 1].locations[..])
        });
        LocationListId(id)
    }

    /// Takes a user from a list; the last one takes the list along.
    pub(crate) fn remove(&mut self, LocationListId(id): LocationListId) {
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
        let hash = self.hasher.hash_one(&list.locations[..]);
        list.locations = Box::default();
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free.push(id);
        if self.index.is_empty() {
            *self = Self::default();
        }
    }

    /// The locations of a list.
    #[inline]
    pub(crate) fn locations(&self, LocationListId(id): LocationListId) -> &[Location] {
        match (id as usize).checked_sub(1) {
            Some(index) => &self.lists[index].locations,
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

    fn slots<const N: usize>(offsets: [i32; N]) -> [Location; N] {
        offsets.map(Location::slot)
    }

    #[test]
    fn equal_lists_are_one_and_the_last_user_frees_it() {
        let mut pool = LocationPool::default();
        let a = pool.add(&slots([0, 8]));
        let b = pool.add(&slots([0, 8]));
        let c = pool.add(&slots([4]));
        assert_eq!(a, b);
        assert_ne!(a, c);
        assert_eq!(pool.len(), 2);
        pool.remove(a);
        assert_eq!(pool.locations(b), slots([0, 8]));
        pool.remove(b);
        assert_eq!(pool.len(), 1);
        let d = pool.add(&slots([16, 20, 24]));
        assert_eq!(pool.locations(c), slots([4]));
        assert_eq!(pool.locations(d), slots([16, 20, 24]));
        pool.remove(c);
        pool.remove(d);
        assert_eq!(
            (pool.len(), pool.lists.capacity(), pool.free.capacity()),
            (0, 0, 0)
        );
    }

    #[test]
    fn the_empty_list_needs_no_room() {
        let mut pool = LocationPool::default();
        let empty = pool.add(&[]);
        assert!(pool.locations(empty).is_empty());
        pool.remove(empty);
        assert_eq!(pool.len(), 0);
    }
}
