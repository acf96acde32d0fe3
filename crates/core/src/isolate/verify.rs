//! The verifier: is the heap what it should be?
//!
//! Independent of how any collector found its way: it lists the objects the heap says it has,
//! then checks that every reference in them and in every root is null, an `i31` or the start of
//! one of them, of a type its slot may hold. Linear in the heap; under zeal it runs after each
//! collection. Before a collection the roots alone are checked, as the mutator left them at the
//! safepoint: what is wrong then is no collector's fault.

use super::{Isolate, heap_context};
use crate::collector::{GcHeap, Violation};
use crate::header::load_ref;
use crate::roots::{ActivationList, RootKind, RootVisitor};
use crate::trace::{object_bytes, slots};
use crate::weak::WeakMap;
use crate::{GcRef, Header, HeapError, ObjectRef, with_memory};
use hashbrown::HashMap;

/// Every object the heap says it has, with its bytes.
type Objects = HashMap<ObjectRef, u64>;

/// Collects faults: how many, and what the first was.
#[derive(Default)]
struct Faults {
    count: u64,
    first: Option<String>,
}

impl Faults {
    fn add(&mut self, fault: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(fault());
        }
    }

    fn result(self) -> Result<(), HeapError> {
        match self.first {
            Some(first) => Err(HeapError::VerifyFailed {
                faults: self.count,
                first,
            }),
            None => Ok(()),
        }
    }
}

/// Checks the roots against the set of objects.
struct RootChecker<'a> {
    objects: &'a Objects,
    faults: &'a mut Faults,
}

impl RootVisitor for RootChecker<'_> {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        let reference = *slot;
        if !is_valid(reference, self.objects) {
            self.faults
                .add(|| format!("a root of kind {kind:?} holds {reference:?}, which is no object"));
        }
    }
}

/// Takes down what roots refer to.
#[derive(Default)]
struct RootList {
    /// By object, the first root that refers to it, and how many do.
    objects: HashMap<ObjectRef, (RootKind, u64)>,
    /// References that no object can have.
    strays: Vec<(RootKind, GcRef)>,
}

impl RootVisitor for RootList {
    fn visit(&mut self, kind: RootKind, slot: &mut GcRef) {
        let reference = *slot;
        match reference.as_object() {
            Some(object) if object.to_ref() == reference => {
                self.objects.entry(object).or_insert((kind, 0)).1 += 1;
            }
            _ if reference.is_null() || reference.is_i31() => {}
            _ => self.strays.push((kind, reference)),
        }
    }
}

fn is_valid(reference: GcRef, objects: &Objects) -> bool {
    reference.is_null()
        || reference.is_i31()
        || reference
            .as_object()
            .is_some_and(|o| o.to_ref() == reference && objects.contains_key(&o))
}

impl Isolate {
    /// Checks the whole heap and every root.
    ///
    /// Linear in the heap, with a hash table of its objects: a testing aid.
    ///
    /// # Errors
    /// [`HeapError::VerifyFailed`] with the first fault found. What poisons the heap:
    /// [`HeapError::Corrupt`] where it cannot be parsed, [`HeapError::CorruptStack`] where frames
    /// cannot be followed; what poisoned it before.
    pub fn verify(&mut self) -> Result<(), HeapError> {
        self.check()?;
        let result = self.find_faults();
        if let Err(error @ (HeapError::Corrupt(_) | HeapError::CorruptStack { .. })) = &result {
            self.poison(error.clone());
        }
        result
    }

    fn find_faults(&mut self) -> Result<(), HeapError> {
        let mut faults = Faults::default();
        let mut objects = Objects::new();
        let mut occupied = 0;
        let context = heap_context!(self);
        self.heap.visit_objects(&context, &mut |object, bytes| {
            objects.insert(object, bytes);
            occupied += bytes;
        })?;
        let accounted = self.heap.usage(&context).occupied_bytes;
        if accounted != occupied {
            faults.add(|| {
                format!("{accounted} bytes are accounted for, the objects take {occupied}")
            });
        }
        GcHeap::verify(&*self.heap, &context, &mut |Violation(text)| {
            faults.add(|| text)
        });
        self.check_slots(&objects, &mut faults);
        self.check_roots(&objects, &mut faults)?;
        self.check_weak(&objects, &mut faults);
        faults.result()
    }

    /// Checks that every root, and what is in flight, is null, an `i31` or an object, before a
    /// collection. Costs a walk over the objects, with a map of those that roots refer to.
    ///
    /// # Errors
    /// [`HeapError::StrayRoots`], and where heap or stack cannot be followed, as [`Self::verify`].
    pub(super) fn check_roots_left(&mut self, in_flight: &mut [GcRef]) -> Result<(), HeapError> {
        let mut roots = RootList::default();
        for reference in in_flight {
            roots.visit(RootKind::InFlight, reference);
        }
        self.visit_roots(&mut roots)?;
        let RootList {
            mut objects,
            mut strays,
        } = roots;
        if !objects.is_empty() {
            let context = heap_context!(self);
            self.heap.visit_objects(&context, &mut |object, _| {
                objects.remove(&object);
            })?;
        }
        let mut count = strays.len() as u64;
        for (object, (kind, roots)) in objects {
            count += roots;
            strays.push((kind, object.to_ref()));
        }
        strays.first().map_or(Ok(()), |(kind, reference)| {
            Err(HeapError::StrayRoots {
                count,
                first: format!("a root of kind {kind:?} holds {reference:?}"),
            })
        })
    }

    fn check_slots(&mut self, objects: &Objects, faults: &mut Faults) {
        let tables = &self.tables;
        let registry = &self.config.types;
        with_memory!(&mut self.memory, memory => {
            for (object, given) in objects {
                let header = Header::read(memory, *object);
                let shape = tables.shape(header.type_id());
                let bytes = match object_bytes(memory, shape, *object) {
                    Ok(bytes) if u64::from(bytes) == *given => bytes,
                    // What it says of itself is not followed: it may claim the whole heap.
                    Ok(bytes) => {
                        faults.add(|| format!("{object:?} claims {bytes} bytes and has {given}"));
                        continue;
                    }
                    Err(corruption) => {
                        faults.add(|| corruption.to_string());
                        continue;
                    }
                };
                slots(memory, tables, header, shape, *object, bytes).for_each(|slot| {
                    let reference = load_ref(memory, slot);
                    if !is_valid(reference, objects) {
                        faults.add(|| format!("the slot {slot:#x} of {object:?} holds {reference:?}, which is no object"));
                    } else if !registry.slot_accepts(
                        header.type_id(),
                        slot.wrapping_sub(object.offset()),
                        reference,
                        reference.as_object().map(|o| Header::read(memory, o).type_id()),
                    ) {
                        faults.add(|| format!("the slot {slot:#x} of {object:?} holds {reference:?}, of a type it may not hold"));
                    }
                });
            }
        });
    }

    fn check_roots(&mut self, objects: &Objects, faults: &mut Faults) -> Result<(), HeapError> {
        self.visit_roots(&mut RootChecker { objects, faults })
    }

    /// Checks that what the weak phase keeps up to date, dead or alive, are objects.
    fn check_weak(&mut self, objects: &Objects, faults: &mut Faults) {
        let mut check = |what: &str, reference: GcRef| {
            if !is_valid(reference, objects) {
                faults.add(|| format!("{what} holds {reference:?}, which is no object"));
            }
        };
        for object in self.weak.references.objects() {
            check("a weak reference", object.to_ref());
        }
        for (key, value) in self.weak.maps.iter().flat_map(WeakMap::entries) {
            check("a key of a weak map", key.to_ref());
            check("a value of a weak map", value);
        }
        for (object, _) in self.weak.finalizers.registered() {
            check("the registration of a finalizer", object.to_ref());
        }
        for owner in self.host_data.owners() {
            check("the owner of a host value", owner.to_ref());
        }
        let (id, epoch) = (self.id, self.weak.epoch);
        self.host_data.for_each_traced(|_, _, value| {
            value.trace(&mut |cell| {
                if let Some(reference) = cell.held_for(id, epoch) {
                    check("a cell of a traced host value", reference);
                }
            });
        });
    }

    /// Shows every root, with nothing in flight.
    pub(super) fn visit_roots(&mut self, visitor: &mut dyn RootVisitor) -> Result<(), HeapError> {
        self.handles.visit(visitor);
        self.weak.finalizers.visit(visitor);
        let activations = ActivationList {
            current: self.state.activation,
            outer: &self.activations,
        };
        for source in &mut self.sources {
            source.visit_roots(activations, visitor)?;
        }
        Ok(())
    }
}
