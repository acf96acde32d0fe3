//! Looking at the heap from outside: surveys, snapshots, why an object is alive.
//!
//! Safepoints: references are looked up in every root in place, frames of compiled code included. None
//! of it moves or changes anything.

use super::{Isolate, heap_context};
use crate::snapshot::{self, SnapshotError, SnapshotSummary};
use crate::survey::{Dependents, EdgeSlot, HeapObject, HeapSurvey, RootLists, View};
use crate::weak::WeakMap;
use crate::why::{self, RetainingPath};
use crate::{GcRef, Header, HeapError, ObjectRef, TypeId};
use std::io::Write;

impl Isolate {
    /// What the roots keep alive: every live object once, with type, size and references.
    ///
    /// Costs a trace, and memory of about a 32nd of the heap up to the last live object. Goes by
    /// references alone, so between collections it leaves out what is dead, and it works whatever the
    /// heap holds: see [`HeapSurvey::strays`].
    ///
    /// # Errors
    /// [`HeapError::CorruptStack`] where frames cannot be followed; [`HeapError::Reservation`] where
    /// there is no memory for the marks; what poisoned the heap.
    pub fn survey(&mut self) -> Result<HeapSurvey<'_>, HeapError> {
        let (roots, occupied_bytes) = self.root_lists()?;
        let dependents = self.dependents();
        HeapSurvey::new(self.view(dependents), roots, occupied_bytes)
    }

    /// Shows every live object, in address order.
    ///
    /// # Errors
    /// As [`Self::survey`].
    pub fn visit_objects(&mut self, visit: impl FnMut(HeapObject<'_>)) -> Result<(), HeapError> {
        self.survey()?.objects().for_each(visit);
        Ok(())
    }

    /// Shows every object that the heap holds, the dead that are not reclaimed included, with its type
    /// and bytes.
    ///
    /// # Errors
    /// [`HeapError::Corrupt`] where the heap cannot be parsed, which poisons it; what poisoned it
    /// before.
    pub fn visit_allocated(
        &mut self,
        mut visit: impl FnMut(ObjectRef, TypeId, u64),
    ) -> Result<(), HeapError> {
        self.check()?;
        let context = heap_context!(self);
        let visited = self.heap.visit_objects(&context, &mut |object, bytes| {
            let type_id = Header::read(context.memory, object).type_id();
            visit(object, type_id, bytes);
        });
        if let Err(error) = &visited {
            self.poison(error.clone());
        }
        visited
    }

    /// Writes what is alive as a heap snapshot that Chrome's DevTools load: a file named
    /// `*.heapsnapshot`, JSON.
    ///
    /// Types and fields go by the names that the registry has for them; roots are grouped by kind. A
    /// collection before is not needed, for the dead are left out. Takes the time of four traces and
    /// about 40 bytes of output for each object and reference; nothing is kept but the survey's marks.
    ///
    /// # Errors
    /// [`SnapshotError::Write`] where `out` refuses; otherwise as [`Self::survey`].
    pub fn write_snapshot(
        &mut self,
        out: &mut dyn Write,
    ) -> Result<SnapshotSummary, SnapshotError> {
        let survey = self.survey()?;
        Ok(snapshot::write(&survey, out)?)
    }

    /// The shortest path from a root to `object`, or `None` if nothing keeps it alive: it is garbage
    /// that waits for a collection, or no object. A handle of the object itself, such as who asks may
    /// have, is the answer only where there is no other.
    ///
    /// Costs a trace that ends when the object is found, and about 20 bytes for each object looked at.
    /// Of paths of one length, one from the kind of root declared first.
    ///
    /// # Errors
    /// [`HeapError::CorruptStack`] where frames cannot be followed; what poisoned the heap.
    pub fn why_alive(&mut self, object: ObjectRef) -> Result<Option<RetainingPath>, HeapError> {
        let (roots, occupied_bytes) = self.root_lists()?;
        let dependents = self.dependents();
        Ok(why::shortest_path(
            &self.view(dependents),
            &roots,
            occupied_bytes,
            object,
        ))
    }

    fn view(&self, dependents: Dependents) -> View<'_> {
        View::new(&self.memory, &self.tables, &self.config.types, dependents)
    }

    /// What traced host values and weak maps keep alive as long as an object is: the host value's, the
    /// entry's key. Linear in these.
    fn dependents(&mut self) -> Dependents {
        let mut dependents = Dependents::new();
        let (id, epoch) = (self.id, self.weak.epoch);
        self.host_data.for_each_traced(|_, owner, value| {
            let mut index = 0;
            value.trace(&mut |cell| {
                if let Some(target) = cell.held_for(id, epoch).and_then(GcRef::as_object) {
                    let slot = EdgeSlot::HostCell(index);
                    dependents.entry(owner).or_default().push((slot, target));
                }
                index += 1;
            });
        });
        self.weak.maps.drop_unowned();
        for (key, value) in self.weak.maps.iter().flat_map(WeakMap::entries) {
            if let Some(target) = value.as_object() {
                let slot = EdgeSlot::WeakMapValue;
                dependents.entry(key).or_default().push((slot, target));
            }
        }
        dependents
    }

    /// What every root holds, and how much all objects take.
    fn root_lists(&mut self) -> Result<(RootLists, u64), HeapError> {
        self.check()?;
        let mut roots = RootLists::default();
        if let Err(error) = self.visit_roots(&mut roots) {
            self.poison(error.clone());
            return Err(error);
        }
        let occupied_bytes = self.heap.usage(&heap_context!(self)).occupied_bytes;
        Ok((roots, occupied_bytes))
    }
}
