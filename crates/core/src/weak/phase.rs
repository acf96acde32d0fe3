//! The weak phase: what hangs on whether objects are alive, in order.
//!
//! 1. **Dependents.** The cells of a traced host value are shown if its object is alive, the value of a
//!    weak map's entry if its key is; what they lead to is traced; and again, until nothing new is
//!    found.
//! 2. Weak references to dead objects lead nowhere, entries with dead keys are gone: judged before
//!    any finalizer brings an object back.
//! 3. Registered objects that are dead are queued, and live again, with all they lead to: dependents
//!    once more.
//! 4. Host values of what is dead now are taken out.
//!
//! **Cost.** Everything is looked at once. What could not be decided then is looked at once more after
//! the first trace; if that found something, there may be a long chain of them, each alive only through
//! the one before. From then on the undecided are filed by the object they wait for, and the heap names
//! the [watched](crate::Watched) objects that it reaches, so that each is looked at when its object is
//! reached and a chain of `n` costs `n` steps, whatever the order. For a heap that names none,
//! it costs a look at the undecided for each link.

use super::WeakTables;
use crate::host_data::HostData;
use crate::{GcRef, HeapError, HostValue, IsolateId, ObjectRef, RootKind, RootVisitor, WeakPhase};
use hashbrown::{HashMap, HashSet};

/// The isolate's side of a weak phase.
pub(crate) struct Phase<'a> {
    pub(crate) tables: &'a mut WeakTables,
    pub(crate) host_data: &'a mut HostData,
    pub(crate) id: IsolateId,
    /// Host values of the dead.
    pub(crate) dead: &'a mut Vec<HostValue>,
    /// Roots shown, by kind.
    pub(crate) counts: &'a mut [u64; RootKind::ALL.len()],
}

/// What is shown if an object is alive.
#[derive(Clone, Copy, Debug)]
enum Dependent {
    /// The cells of the host value with this id.
    Host(u32),
    /// The value of an entry: the map's number and the entry's.
    Entry(usize, usize),
}

/// A dependent that waits for its object to be alive.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    dependent: Dependent,
    object: ObjectRef,
    is_kept: bool,
    /// Another that waits for the same object.
    next: Option<usize>,
}

/// The heap, with what is shown to it counted.
struct Shown<'a, 'h> {
    heap: &'h mut dyn WeakPhase,
    counts: &'a mut [u64; RootKind::ALL.len()],
}

impl RootVisitor for Shown<'_, '_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count += 1;
        }
        self.heap.visit(kind, slot);
    }
}

impl Phase<'_> {
    /// Does all of it.
    pub(crate) fn run(&mut self, heap: &mut dyn WeakPhase) -> Result<(), HeapError> {
        self.tables.maps.drop_unowned();
        let mut seen = HashSet::new();
        let mut waiting = self.keep_or_wait(heap, &mut seen);
        let mut reached = Vec::new();
        heap.trace(&mut reached)?;
        self.keep_waiting(heap, &mut waiting, &mut seen)?;
        heap.settle(self.tables.finalizers.is_none_registered())?;
        for left in &waiting {
            if let Dependent::Entry(map, index) = left.dependent
                && let Some(entry) = self.tables.maps.entry(map, index)
            {
                entry.key = None;
            }
        }
        waiting.retain(|left| matches!(left.dependent, Dependent::Host(_)));
        self.tables.references.process(heap);
        self.tables.maps.process(heap);
        let revived = self.tables.finalizers.queue_dead(heap);
        if revived > 0 {
            let mut shown = Shown {
                heap: &mut *heap,
                counts: self.counts,
            };
            self.tables.finalizers.visit_last(revived, &mut shown);
            heap.trace(&mut reached)?;
            self.keep_waiting(heap, &mut waiting, &mut seen)?;
        }
        self.host_data
            .process(&mut |object| heap.survivor(object), self.dead);
        Ok(())
    }

    /// Shows what depends on live objects, and takes down what depends on others.
    fn keep_or_wait(
        &mut self,
        heap: &mut dyn WeakPhase,
        seen: &mut HashSet<usize>,
    ) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        let mut wait = |dependent, object| {
            waiting.push(Waiting {
                dependent,
                object,
                is_kept: false,
                next: None,
            });
        };
        let (id, epoch) = (self.id, self.tables.epoch);
        let (host_data, counts) = (&mut *self.host_data, &mut *self.counts);
        host_data.for_each_traced(|number, owner, value| {
            if heap.survivor(owner).is_none() {
                wait(Dependent::Host(number), owner);
                return;
            }
            let heap = &mut *heap;
            let counts = &mut *counts;
            trace_value(value, id, epoch, &mut Shown { heap, counts }, seen);
        });
        for (map, table) in self.tables.maps.iter_mut() {
            for (index, entry) in table.slots.iter_mut().enumerate() {
                let Some(key) = entry.key else { continue };
                if heap.survivor(key).is_none() {
                    wait(Dependent::Entry(map, index), key);
                    continue;
                }
                let heap = &mut *heap;
                let counts = &mut *counts;
                Shown { heap, counts }.visit(RootKind::WeakMapValue, &mut entry.value);
            }
        }
        waiting
    }

    /// Shows of what waits all that comes to depend on live objects, to the last; the rest waits on.
    fn keep_waiting(
        &mut self,
        heap: &mut dyn WeakPhase,
        waiting: &mut Vec<Waiting>,
        seen: &mut HashSet<usize>,
    ) -> Result<(), HeapError> {
        let mut reached = Vec::new();
        if self.keep_survivors(heap, waiting, seen) {
            waiting.retain(|waits| !waits.is_kept);
            heap.trace(&mut reached)?;
            self.keep_reached(heap, waiting, &mut reached, seen)?;
        }
        waiting.retain(|waits| !waits.is_kept);
        Ok(())
    }

    /// As [`Self::keep_waiting`], with what waits filed by its object, and the objects that were
    /// `reached` to begin with.
    fn keep_reached(
        &mut self,
        heap: &mut dyn WeakPhase,
        waiting: &mut [Waiting],
        reached: &mut Vec<ObjectRef>,
        seen: &mut HashSet<usize>,
    ) -> Result<(), HeapError> {
        let mut by_object: HashMap<ObjectRef, usize> = HashMap::with_capacity(waiting.len());
        for (index, waits) in waiting.iter_mut().enumerate() {
            waits.next = by_object.insert(waits.object, index);
        }
        while !waiting.is_empty() {
            let mut is_anything_new = false;
            while let Some(object) = reached.pop() {
                let mut next = by_object.remove(&object);
                while let Some(waits) = next.and_then(|index| waiting.get_mut(index)) {
                    next = waits.next;
                    is_anything_new |= self.keep(heap, waits, seen);
                }
            }
            // What the heap did not name is asked for.
            if is_anything_new || self.keep_survivors(heap, waiting, seen) {
                heap.trace(reached)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Shows of what waits all that depends on live objects; whether there was any.
    fn keep_survivors(
        &mut self,
        heap: &mut dyn WeakPhase,
        waiting: &mut [Waiting],
        seen: &mut HashSet<usize>,
    ) -> bool {
        let mut is_anything_new = false;
        for waits in waiting {
            if !waits.is_kept && heap.survivor(waits.object).is_some() {
                is_anything_new |= self.keep(heap, waits, seen);
            }
        }
        is_anything_new
    }

    /// Shows a dependent, if it was not.
    fn keep(
        &mut self,
        heap: &mut dyn WeakPhase,
        waits: &mut Waiting,
        seen: &mut HashSet<usize>,
    ) -> bool {
        if std::mem::replace(&mut waits.is_kept, true) {
            return false;
        }
        let mut shown = Shown {
            heap,
            counts: self.counts,
        };
        match waits.dependent {
            Dependent::Host(number) => {
                if let Some(value) = self.host_data.value_of(number) {
                    trace_value(value, self.id, self.tables.epoch, &mut shown, seen);
                }
            }
            Dependent::Entry(map, index) => {
                if let Some(entry) = self.tables.maps.entry(map, index) {
                    shown.visit(RootKind::WeakMapValue, &mut entry.value);
                }
            }
        }
        true
    }
}

/// Shows the cells of a value, unless another box of it was `seen`.
fn trace_value(
    value: &HostValue,
    id: IsolateId,
    epoch: u32,
    shown: &mut Shown<'_, '_>,
    seen: &mut HashSet<usize>,
) {
    // The only box is borrowed, so no other can come up.
    if value.count() > 1 && !seen.insert(value.address()) {
        return;
    }
    value.trace(&mut |cell| cell.visit(id, epoch, shown));
}

#[cfg(test)]
mod tests;
