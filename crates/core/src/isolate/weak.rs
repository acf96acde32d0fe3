//! Weak references, weak maps and finalizers, as the host uses them.
//!
//! All of them are looked at in the weak phase of each collection, at a cost linear in their number.
//! What an automatic collection finds dead is the collector's choice; a full one, of a collector that
//! reclaims cycles, finds all of it.

use super::Isolate;
use crate::weak::WeakMap;
use crate::{GcRef, HeapError, ObjectRef, WeakHandle, WeakMapHandle};

const FOREIGN_MAP: HeapError = HeapError::Foreign { what: "weak map" };

impl Isolate {
    /// Makes a weak reference to `object`.
    ///
    /// Constant time, amortised.
    ///
    /// # Errors
    /// What poisoned the heap.
    pub fn new_weak(&mut self, object: ObjectRef) -> Result<WeakHandle, HeapError> {
        self.check()?;
        self.watched.insert(object);
        Ok(self.weak.references.insert(object))
    }

    /// The object of a weak reference, valid until the next safepoint; `None` after the collection that
    /// found it dead, even if a finalizer brings it back.
    ///
    /// # Errors
    /// [`HeapError::Foreign`] for another isolate's; what poisoned the heap.
    pub fn weak(&self, handle: &WeakHandle) -> Result<Option<ObjectRef>, HeapError> {
        self.check()?;
        self.weak.references.get(handle).ok_or(HeapError::Foreign {
            what: "weak reference",
        })
    }

    /// Makes an empty weak map, which lasts until the last clone of its handle is dropped.
    pub fn new_weak_map(&mut self) -> WeakMapHandle {
        self.weak.maps.insert()
    }

    fn map(&self, map: &WeakMapHandle) -> Result<&WeakMap, HeapError> {
        self.check()?;
        self.weak.maps.get(map).ok_or(FOREIGN_MAP)
    }

    fn map_mut(&mut self, map: &WeakMapHandle) -> Result<&mut WeakMap, HeapError> {
        self.check()?;
        self.weak.maps.get_mut(map).ok_or(FOREIGN_MAP)
    }

    /// Sets the value of `key`, and returns the one before.
    ///
    /// The value lives as long as the key and the map, and longer only if something else keeps it.
    /// That it leads to the key does not keep the key alive. Constant time, amortised.
    ///
    /// # Errors
    /// [`HeapError::Foreign`] for another isolate's map; what poisoned the heap.
    pub fn weak_map_insert(
        &mut self,
        map: &WeakMapHandle,
        key: ObjectRef,
        value: GcRef,
    ) -> Result<Option<GcRef>, HeapError> {
        let before = self.map_mut(map)?.insert(key, value);
        self.watched.insert(key);
        Ok(before)
    }

    /// The value of `key`, valid until the next safepoint. Constant time.
    ///
    /// # Errors
    /// As [`Self::weak_map_insert`].
    pub fn weak_map_get(
        &self,
        map: &WeakMapHandle,
        key: ObjectRef,
    ) -> Result<Option<GcRef>, HeapError> {
        Ok(self.map(map)?.get(key))
    }

    /// Whether `key` has a value. Constant time.
    ///
    /// # Errors
    /// As [`Self::weak_map_insert`].
    pub fn weak_map_contains(
        &self,
        map: &WeakMapHandle,
        key: ObjectRef,
    ) -> Result<bool, HeapError> {
        Ok(self.map(map)?.get(key).is_some())
    }

    /// Takes `key` and its value out of the map. Constant time.
    ///
    /// # Errors
    /// As [`Self::weak_map_insert`].
    pub fn weak_map_remove(
        &mut self,
        map: &WeakMapHandle,
        key: ObjectRef,
    ) -> Result<Option<GcRef>, HeapError> {
        Ok(self.map_mut(map)?.remove(key))
    }

    /// How many entries there are: those whose keys no collection found dead.
    ///
    /// # Errors
    /// As [`Self::weak_map_insert`].
    pub fn weak_map_len(&self, map: &WeakMapHandle) -> Result<usize, HeapError> {
        Ok(self.map(map)?.len())
    }

    /// The entries, in the order they were made unless one was removed. Keys that are dead, and that no
    /// collection found dead, are among them: whoever takes one out brings it back.
    ///
    /// # Errors
    /// As [`Self::weak_map_insert`].
    pub fn weak_map_entries(
        &self,
        map: &WeakMapHandle,
    ) -> Result<impl Iterator<Item = (ObjectRef, GcRef)> + '_, HeapError> {
        Ok(self.map(map)?.entries())
    }

    /// Has the first collection that finds `object` dead queue it, with `tag`, for
    /// [`Self::next_finalizable`]. An object registered twice is queued twice.
    ///
    /// Constant time, amortised; each collection looks at every registration.
    ///
    /// # Errors
    /// What poisoned the heap.
    pub fn register_finalizer(&mut self, object: ObjectRef, tag: u64) -> Result<(), HeapError> {
        self.check()?;
        self.watched.insert(object);
        self.weak.finalizers.register(object, tag);
        Ok(())
    }

    /// The next object that a collection found dead, with its tag: once, in the order of registration
    /// for those that died together.
    ///
    /// The object lives again, and all it leads to. Until it is handed out it is a root; from then on
    /// the caller keeps it, before the next safepoint, or lets it die. It may be registered again. Weak
    /// references to it lead nowhere, and entries of weak maps with it as a key are gone.
    ///
    /// # Errors
    /// What poisoned the heap.
    pub fn next_finalizable(&mut self) -> Result<Option<(ObjectRef, u64)>, HeapError> {
        self.check()?;
        Ok(self.weak.finalizers.next())
    }

    /// The objects that wait to be handed out by [`Self::next_finalizable`], with their tags, the next one
    /// first.
    pub fn finalizable(&self) -> impl ExactSizeIterator<Item = (GcRef, u64)> + '_ {
        self.weak.finalizers.queued()
    }

    /// Collections there were, as cells of host values count them.
    pub(crate) const fn epoch(&self) -> u32 {
        self.weak.epoch
    }

    /// Watches what is to be watched after a collection. Linear in that.
    pub(super) fn watch_anew(&mut self) {
        self.watched.clear();
        self.weak.watch(&mut self.watched);
        let watched = &mut self.watched;
        self.host_data
            .for_each_traced(|_, owner, _| watched.insert(owner));
    }
}
