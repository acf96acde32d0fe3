//! Roots: every kind alone keeps an object alive; a source that panics; roots that hold no object.

use super::scene::{MEMORIES, Scene};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use windrow_core::{
    ActivationList, CollectionKind, Collector, GcRef, HeapError, HostValue, RootKind, RootSource,
    RootVisitor, Zeal,
};

/// A list of 100 nodes held by one root of each kind in turn, or by a handle, or in flight, is
/// whole after two collections, and gone after one without the root.
///
/// # Panics
/// Where it is not.
pub fn every_root_kind_keeps_alive(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        for kind in RootKind::ALL {
            let mut scene = Scene::new(collector, memory);
            let list = list(&mut scene, 100);
            let mut in_flight = [GcRef::NULL];
            let mut handles = (None, None);
            match kind {
                RootKind::InFlight => in_flight[0] = list,
                RootKind::ScopedHandle => {
                    handles.0 = Some(scene.isolate.handles_mut().push(list));
                }
                RootKind::OwnedHandle => handles.1 = Some(scene.isolate.handles_mut().own(list)),
                _ => scene.slots.lock().push((kind, list)),
            }
            for collection in [CollectionKind::Automatic, CollectionKind::Full] {
                scene
                    .isolate
                    .collect_with(collection, &mut in_flight)
                    .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                let held = match (&handles, kind) {
                    ((Some(handle), _), _) => scene.isolate.handles().scoped(*handle),
                    ((_, Some(handle)), _) => scene.isolate.handles().owned(handle),
                    (_, RootKind::InFlight) => Some(in_flight[0]),
                    _ => Some(scene.held(0)),
                };
                let held = held.unwrap_or_else(|| panic!("{kind:?}: the handle lost its object"));
                scene.check_list(held, 99);
            }
            scene.slots.lock().clear();
            if let Some(handle) = handles.1 {
                scene.isolate.handles_mut().release(handle);
                scene.collect();
            }
            if kind != RootKind::ScopedHandle {
                scene.collect();
                let live = scene.isolate.stats().live_bytes;
                assert!(
                    live == 0 || !collector.properties().collects,
                    "{kind:?}: {live} bytes are alive with no root"
                );
            }
        }
    }
}

/// A list of nodes numbered downwards to zero.
fn list(scene: &mut Scene, length: u64) -> GcRef {
    let mut head = GcRef::NULL;
    for number in 0..length {
        head = scene.node(head, number).expect("there is room").to_ref();
    }
    head
}

struct Panics;

impl RootSource for Panics {
    fn visit_roots(
        &mut self,
        _: ActivationList<'_>,
        _: &mut dyn RootVisitor,
    ) -> Result<u64, HeapError> {
        panic!("a root source of the test's");
    }
}

/// A panic in a root source ends the collection; the heap says so from then on, drops its host
/// values once, and the next store works.
///
/// # Panics
/// Where it is not so.
pub fn a_panicking_root_source_poisons(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let value = Arc::new(());
        let mut scene = Scene::new(collector, memory);
        let held = HostValue::new(Arc::clone(&value));
        let held = scene.isolate.alloc_extern(held, &mut []).expect("room");
        scene.root(held.to_ref());
        scene.isolate.add_root_source(Box::new(Panics));
        let ended = catch_unwind(AssertUnwindSafe(|| {
            scene.isolate.collect(CollectionKind::Full)
        }));
        assert!(ended.is_err(), "the panic is passed on");
        for again in [
            scene.isolate.collect(CollectionKind::Full),
            scene.isolate.alloc_struct(scene.node, &mut []).map(drop),
        ] {
            assert_eq!(again, Err(HeapError::CollectionCutShort));
        }
        drop(scene);
        assert_eq!(Arc::strong_count(&value), 1, "the host value is dropped");
        let mut next = Scene::new(collector, memory);
        let node = next.node(GcRef::NULL, 3).expect("the next heap works");
        let root = next.root(node.to_ref());
        next.collect();
        let node = next.object(root);
        assert_eq!(next.isolate.load_u64(node, next.number), 3);
    }
}

/// Under zeal a root that is neither null, an `i31` nor the start of an object is told of before
/// the collection, and the heap is poisoned: what holds it is at fault, and not the collector.
///
/// # Panics
/// Where it is not so.
pub fn stray_roots_are_told(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        for (distance, is_in_flight) in [(0, false), (8, false), (4, false), (1 << 20, true)] {
            let verify = Zeal {
                verify: true,
                ..Zeal::OFF
            };
            let mut scene = Scene::try_new(collector, memory, |config| config.zeal = verify)
                .expect("an isolate");
            let node = scene.node(GcRef::NULL, 3).expect("there is room").to_ref();
            let stray = GcRef::from_bits(node.bits() + distance);
            scene.root(node);
            scene.root(GcRef::NULL);
            scene.root(GcRef::from_i31(-5));
            let mut in_flight = [GcRef::NULL];
            if is_in_flight {
                in_flight[0] = stray;
            } else {
                scene.root(stray);
            }
            let collected = scene
                .isolate
                .collect_with(CollectionKind::Full, &mut in_flight);
            if distance == 0 {
                assert_eq!(collected, Ok(()), "every root holds what it may");
                continue;
            }
            let told = matches!(&collected, Err(HeapError::StrayRoots { count: 1, .. }));
            assert!(told, "{distance} bytes beside an object: {collected:?}");
            let again = scene.isolate.collect(CollectionKind::Full);
            assert_eq!(again, collected, "the heap is poisoned");
        }
    }
}
