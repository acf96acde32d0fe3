//! The mutator's weak references, weak maps, finalizers and traced host values.

use super::Mutator;
use crate::case::CELLS;
use crate::ledger::Probe;
use windrow_core::{
    GcRef, HeapCell, HeapError, HostValue, ObjectRef, TraceHost, WeakHandle, WeakMapHandle,
};

/// A host value with cells.
pub(super) struct TracedProbe {
    pub(super) probe: Probe,
    cells: [HeapCell; CELLS],
}

impl TraceHost for TracedProbe {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        self.cells.iter().for_each(visitor);
    }
}

/// Handles, each under the number it has in the model.
#[derive(Default)]
pub(super) struct WeakHandles {
    references: Vec<WeakHandle>,
    maps: Vec<Map>,
}

/// A weak map, and a weak reference to each key: what tells whether it was found dead.
struct Map {
    handle: WeakMapHandle,
    keys: Vec<WeakHandle>,
}

impl Mutator {
    /// Allocates the stand-in of the host value `tag`, which has cells.
    pub(crate) fn allocate_traced(&mut self, tag: usize) -> Result<ObjectRef, HeapError> {
        let probe = HostValue::new_traced(TracedProbe {
            probe: self.ledger.probe(tag),
            cells: [const { HeapCell::new() }; CELLS],
        });
        let object = self.allocate_host_value(tag, probe)?;
        for cell in 0..CELLS {
            // From the first store on it is this heap's, and shown by each collection.
            self.write_cell(object, cell, GcRef::NULL);
        }
        Ok(object)
    }

    fn cell(&self, holder: ObjectRef, cell: usize) -> Option<&HeapCell> {
        let value = self.isolate.host_value(holder).ok()??;
        Some(&value.downcast_ref::<TracedProbe>()?.cells[cell])
    }

    /// What a cell holds; `None` where the object stands for no value with cells.
    pub(crate) fn read_cell(&self, holder: ObjectRef, cell: usize) -> Option<GcRef> {
        self.cell(holder, cell)?.get(&self.isolate).ok()
    }

    /// Stores into a cell; whether there is one.
    pub(crate) fn write_cell(&self, holder: ObjectRef, cell: usize, value: GcRef) -> bool {
        self.cell(holder, cell)
            .is_some_and(|cell| cell.set(&self.isolate, value).is_ok())
    }

    pub(crate) fn refer(&mut self, object: ObjectRef) -> Result<(), HeapError> {
        let handle = self.isolate.new_weak(object)?;
        self.weak.references.push(handle);
        Ok(())
    }

    /// The object of a weak reference.
    pub(crate) fn follow(&self, weak: usize) -> Result<Option<ObjectRef>, HeapError> {
        self.isolate.weak(&self.weak.references[weak])
    }

    pub(crate) fn drop_weak(&mut self, weak: usize) {
        self.weak.references.remove(weak);
    }

    pub(crate) fn new_map(&mut self) {
        let handle = self.isolate.new_weak_map();
        self.weak.maps.push(Map {
            handle,
            keys: Vec::new(),
        });
    }

    pub(crate) fn drop_map(&mut self, map: usize) {
        self.weak.maps.remove(map);
    }

    /// Sets an entry, the last one if it is new; what was there before.
    pub(crate) fn map_insert(
        &mut self,
        map: usize,
        key: ObjectRef,
        value: GcRef,
    ) -> Result<Option<GcRef>, HeapError> {
        let of = &mut self.weak.maps[map];
        let before = self.isolate.weak_map_insert(&of.handle, key, value)?;
        if before.is_none() {
            of.keys.push(self.isolate.new_weak(key)?);
        }
        Ok(before)
    }

    pub(crate) fn map_get(&self, map: usize, key: ObjectRef) -> Result<Option<GcRef>, HeapError> {
        self.isolate.weak_map_get(&self.weak.maps[map].handle, key)
    }

    /// Removes a key; what was there.
    pub(crate) fn map_remove(
        &mut self,
        map: usize,
        key: ObjectRef,
    ) -> Result<Option<GcRef>, HeapError> {
        self.isolate
            .weak_map_remove(&self.weak.maps[map].handle, key)
    }

    /// Forgets the weak reference to the key of an entry.
    pub(crate) fn forget_key(&mut self, map: usize, entry: usize) {
        self.weak.maps[map].keys.remove(entry);
    }

    /// The key of an entry, if it was not found dead.
    pub(crate) fn map_key(&self, map: usize, entry: usize) -> Result<Option<ObjectRef>, HeapError> {
        self.isolate.weak(&self.weak.maps[map].keys[entry])
    }

    pub(crate) fn map_len(&self, map: usize) -> Result<usize, HeapError> {
        self.isolate.weak_map_len(&self.weak.maps[map].handle)
    }
}
