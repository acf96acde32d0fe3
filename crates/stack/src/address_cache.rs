//! What was found out about addresses, kept as long as there is room.
//!
//! A direct-mapped table: an address has one place, and who comes later takes it. It doubles while
//! that happens often, so a program with few places keeps it small. A look costs a multiplication and
//! one load.

/// Places of the smallest table and of the largest.
const MIN_PLACES: usize = 64;
const MAX_PLACES: usize = 1 << 16;

/// A table from addresses other than zero to values.
#[derive(Debug)]
pub(crate) struct AddressCache<T> {
    /// None, or a power of two.
    places: Box<[(usize, T)]>,
    /// How often an address took another's place since the table last grew.
    taken: usize,
}

impl<T> Default for AddressCache<T> {
    fn default() -> Self {
        Self {
            places: Box::default(),
            taken: 0,
        }
    }
}

impl<T: Copy + Default> AddressCache<T> {
    /// What is known of an address; of zero, nothing or the default.
    #[inline(always)]
    pub(crate) fn get(&self, address: usize) -> Option<T> {
        let (key, value) = self.places.get(self.place(address))?;
        (*key == address).then_some(*value)
    }

    /// Keeps what is known of an address other than zero.
    pub(crate) fn insert(&mut self, address: usize, value: T) {
        if self.places.is_empty() {
            self.resize(MIN_PLACES);
        } else if self.taken > self.places.len() / 4 && self.places.len() < MAX_PLACES {
            self.resize(2 * self.places.len());
        }
        let place = self.place(address);
        if let Some(entry) = self.places.get_mut(place) {
            self.taken += usize::from(entry.0 != 0 && entry.0 != address);
            *entry = (address, value);
        }
    }

    /// Forgets everything, and gives the room back if it is much.
    pub(crate) fn clear(&mut self) {
        self.taken = 0;
        if self.places.len() > MIN_PLACES {
            self.places = Box::default();
        } else {
            self.places.fill((0, T::default()));
        }
    }

    fn resize(&mut self, places: usize) {
        let before = std::mem::take(&mut self.places);
        self.places = vec![(0, T::default()); places].into_boxed_slice();
        for (address, value) in before {
            let place = self.place(address);
            if address != 0
                && let Some(entry) = self.places.get_mut(place)
            {
                *entry = (address, value);
            }
        }
        self.taken = 0;
    }

    /// Where an address belongs: bits of the upper half of a product, which all its bits have a part in.
    #[inline(always)]
    fn place(&self, address: usize) -> usize {
        let product = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (product >> 32) as usize;
        mixed & self.places.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_and_nothing_else() {
        let mut cache = AddressCache::<u32>::default();
        assert_eq!(cache.get(8), None);
        for (value, address) in (1..).zip((0x40_0000..).step_by(7).take(1000)) {
            cache.insert(address, value);
            assert_eq!(cache.get(address), Some(value));
        }
        let found = (1..)
            .zip((0x40_0000..).step_by(7).take(1000))
            .filter(|(value, address)| match cache.get(*address) {
                Some(found) => {
                    assert_eq!(found, *value);
                    true
                }
                None => false,
            })
            .count();
        assert!(found > 700, "{found} of a thousand");
        assert!(cache.places.len() <= 4096);
        cache.clear();
        assert_eq!((cache.get(0x40_0000), cache.places.len()), (None, 0));
    }

    #[test]
    fn the_table_stops_to_grow() {
        let mut cache = AddressCache::<u32>::default();
        for address in (1..).step_by(13).take(4 * MAX_PLACES) {
            cache.insert(address, 1);
        }
        assert_eq!(cache.places.len(), MAX_PLACES);
    }
}
