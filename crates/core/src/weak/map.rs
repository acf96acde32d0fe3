//! Weak maps: tables of ephemerons, by the identity of objects that move.
//!
//! Entries lie one after the other in the order they were made, and a hash table of their numbers
//! finds them by the key's offset. Where a collection moved or found dead any key, it makes the hash
//! table anew; else it leaves it alone.

use crate::{GcRef, ObjectRef, WeakPhase};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// A weak map: an entry's value lives as long as its key, and keeps nothing of the key alive.
///
/// Clones are one map, which is gone after the last was dropped, from the next collection on.
#[derive(Clone, Debug)]
pub struct WeakMapHandle {
    index: usize,
    token: Arc<()>,
}

/// A key and what it leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// `None` inside a collection, for a key found dead.
    pub(crate) key: Option<ObjectRef>,
    pub(crate) value: GcRef,
}

/// One map.
#[derive(Debug, Default)]
pub(crate) struct WeakMap {
    pub(crate) slots: Vec<Entry>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl WeakMap {
    /// The most entries there can be: fewer than objects.
    fn number(index: usize) -> u32 {
        u32::try_from(index).expect("a heap has fewer objects than 2^32")
    }

    fn find(&self, key: ObjectRef) -> Option<usize> {
        let slots = &self.slots;
        let is_it = |number: &u32| {
            slots
                .get(*number as usize)
                .is_some_and(|e| e.key == Some(key))
        };
        let found = self.index.find(self.hasher.hash_one(key), is_it);
        found.map(|number| *number as usize)
    }

    /// Puts the number of the entry at `index` into the hash table.
    fn file(&mut self, index: usize, key: ObjectRef) {
        let Self {
            slots,
            index: table,
            hasher,
        } = self;
        let hash_of = |number: &u32| {
            let key = slots.get(*number as usize).and_then(|entry| entry.key);
            key.map_or(0, |key| hasher.hash_one(key))
        };
        table.insert_unique(hasher.hash_one(key), Self::number(index), hash_of);
    }

    /// Takes the number of the entry at `index` out of the hash table.
    fn unfile(&mut self, index: usize, key: ObjectRef) {
        let number = Self::number(index);
        let hash = self.hasher.hash_one(key);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == number) {
            found.remove();
        }
    }

    /// Sets a key's value; returns the one before.
    pub(crate) fn insert(&mut self, key: ObjectRef, value: GcRef) -> Option<GcRef> {
        if let Some(entry) = self.find(key).and_then(|index| self.slots.get_mut(index)) {
            return Some(std::mem::replace(&mut entry.value, value));
        }
        self.slots.push(Entry {
            key: Some(key),
            value,
        });
        self.file(self.slots.len() - 1, key);
        None
    }

    pub(crate) fn get(&self, key: ObjectRef) -> Option<GcRef> {
        self.find(key)
            .and_then(|index| self.slots.get(index))
            .map(|entry| entry.value)
    }

    pub(crate) fn remove(&mut self, key: ObjectRef) -> Option<GcRef> {
        let index = self.find(key)?;
        self.unfile(index, key);
        let last = self.slots.len() - 1;
        if let Some(moved) = self.slots.last().and_then(|entry| entry.key)
            && index != last
        {
            self.unfile(last, moved);
            let value = self.slots.swap_remove(index).value;
            self.file(index, moved);
            return Some(value);
        }
        self.slots.pop().map(|entry| entry.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Every key with its value, in the order they were made where none was removed.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (ObjectRef, GcRef)> + '_ {
        self.slots
            .iter()
            .filter_map(|entry| Some((entry.key?, entry.value)))
    }

    /// Moves keys along and forgets the entries of dead ones.
    fn process(&mut self, heap: &mut dyn WeakPhase) {
        let mut is_changed = false;
        self.slots.retain_mut(|entry| {
            let now = entry.key.and_then(|key| heap.survivor(key));
            is_changed |= now != entry.key || now.is_none();
            entry.key = now;
            now.is_some()
        });
        if !is_changed {
            return;
        }
        self.index.clear();
        for index in 0..self.slots.len() {
            if let Some(key) = self.slots.get(index).and_then(|entry| entry.key) {
                self.file(index, key);
            }
        }
    }
}

#[derive(Debug)]
struct Owned {
    /// `None` while free.
    map: Option<WeakMap>,
    token: Arc<()>,
}

/// The weak maps of one isolate.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    maps: Vec<Owned>,
    free: Vec<usize>,
}

impl Maps {
    pub(crate) fn insert(&mut self) -> WeakMapHandle {
        if let Some(index) = self.free.pop()
            && let Some(owned) = self.maps.get_mut(index)
        {
            owned.map = Some(WeakMap::default());
            let token = Arc::clone(&owned.token);
            return WeakMapHandle { index, token };
        }
        let token = Arc::new(());
        self.maps.push(Owned {
            map: Some(WeakMap::default()),
            token: Arc::clone(&token),
        });
        WeakMapHandle {
            index: self.maps.len() - 1,
            token,
        }
    }

    /// The map of a handle; `None` for another isolate's.
    pub(crate) fn get(&self, handle: &WeakMapHandle) -> Option<&WeakMap> {
        let owned = self.maps.get(handle.index)?;
        let map = owned.map.as_ref()?;
        Arc::ptr_eq(&owned.token, &handle.token).then_some(map)
    }

    /// The map of a handle; `None` for another isolate's.
    pub(crate) fn get_mut(&mut self, handle: &WeakMapHandle) -> Option<&mut WeakMap> {
        let owned = self.maps.get_mut(handle.index)?;
        let map = owned.map.as_mut()?;
        Arc::ptr_eq(&owned.token, &handle.token).then_some(map)
    }

    /// Drops the maps whose tokens are gone.
    pub(crate) fn drop_unowned(&mut self) {
        for (index, owned) in self.maps.iter_mut().enumerate() {
            if owned.map.is_some() && Arc::strong_count(&owned.token) == 1 {
                owned.map = None;
                self.free.push(index);
            }
        }
    }

    /// Every map.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &WeakMap> + '_ {
        self.maps.iter().filter_map(|owned| owned.map.as_ref())
    }

    /// Every map, with its number.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut WeakMap)> + '_ {
        let maps = self.maps.iter_mut().enumerate();
        maps.filter_map(|(number, owned)| Some((number, owned.map.as_mut()?)))
    }

    /// An entry by its map's number and its own.
    pub(crate) fn entry(&mut self, map: usize, index: usize) -> Option<&mut Entry> {
        self.maps.get_mut(map)?.map.as_mut()?.slots.get_mut(index)
    }

    /// Moves keys along and forgets the entries of dead ones.
    pub(crate) fn process(&mut self, heap: &mut dyn WeakPhase) {
        for (_, map) in self.iter_mut() {
            map.process(heap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn a_map_is_what_a_map_is(steps in prop::collection::vec((0u32..20, any::<bool>(), -100i32..100), 1..200)) {
            let (mut map, mut model) = (WeakMap::default(), HashMap::new());
            for (key, inserts, value) in steps {
                let key = ObjectRef::from_offset(4096 + 8 * key).unwrap();
                let value = GcRef::from_i31(value);
                if inserts {
                    prop_assert_eq!(map.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(key), model.remove(&key));
                }
                prop_assert_eq!(map.len(), model.len());
                for (key, value) in &model {
                    prop_assert_eq!(map.get(*key), Some(*value));
                }
            }
        }
    }
}
