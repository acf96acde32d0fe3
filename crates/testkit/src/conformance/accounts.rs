//! Accounts: host values, statistics, and what a collection looks at.

use super::scene::{ELEMENTS, MEMORIES, NODE_BYTES, Scene, is_exact};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use windrow_core::{CollectionKind, Collector, GcRef, HostValue, MemoryKind, ObjectRef};

/// A host value that counts its drops, and panics in them if asked to.
struct Counted {
    drops: Arc<AtomicU32>,
    panics: bool,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "a host value of the test's");
    }
}

/// Of a thousand host values those whose objects died are dropped by a collection, once each, and
/// the rest with the heap, even where every drop panics.
///
/// # Panics
/// Where it is not so.
pub fn host_values_drop_once(collector: &Arc<dyn Collector>) {
    const VALUES: u32 = 1000;
    for memory in MEMORIES {
        for panics in [false, true] {
            let drops = Arc::new(AtomicU32::new(0));
            let mut scene = Scene::new(collector, memory);
            for index in 0..VALUES {
                let drops = Arc::clone(&drops);
                let value = HostValue::new(Counted { drops, panics });
                let object = scene.isolate.alloc_extern(value, &mut []).expect("room");
                if index % 4 == 0 {
                    scene.root(object.to_ref());
                }
            }
            for _ in 0..2 {
                let ended = catch_unwind(AssertUnwindSafe(|| scene.collect()));
                assert!(ended.is_ok() || panics, "a collection panicked");
                scene.verify();
            }
            let dropped = drops.load(Ordering::Relaxed);
            let dead = if collector.properties().collects {
                VALUES / 4 * 3
            } else {
                0
            };
            assert_eq!(dropped, dead, "host values of dead objects are dropped");
            assert_eq!(scene.isolate.host_values(), (VALUES - dead) as usize);
            let held: Vec<GcRef> = scene.slots.lock().iter().map(|slot| slot.1).collect();
            for object in held {
                let object = object.as_object().expect("an object");
                let value = scene.isolate.host_value(object).expect("it is its own");
                assert!(value.is_some_and(|value| value.is::<Counted>()));
            }
            let ended = catch_unwind(AssertUnwindSafe(|| drop(scene)));
            assert_eq!(ended.is_err(), panics, "the panic of a drop is passed on");
            assert_eq!(
                drops.load(Ordering::Relaxed),
                VALUES,
                "each is dropped once"
            );
        }
    }
}

/// Bytes allocated, live and committed, collections and pauses are what was done.
///
/// # Panics
/// Where they are not.
pub fn statistics_add_up(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        let mut allocated = 0;
        for number in 0..5000 {
            let node = scene.node(GcRef::NULL, number).expect("room");
            allocated += NODE_BYTES;
            if number % 10 == 0 {
                scene.root(node.to_ref());
            }
        }
        let array = scene.isolate.alloc_array(scene.bytes, 100_000, &mut []);
        scene.root(array.expect("room").to_ref());
        let array_bytes = (u64::from(ELEMENTS) + 100_000).next_multiple_of(8);
        allocated += array_bytes;
        let before = scene.isolate.stats();
        assert_eq!(before.allocated_bytes, allocated);
        for kind in [
            CollectionKind::Automatic,
            CollectionKind::Full,
            CollectionKind::Full,
        ] {
            scene.isolate.collect(kind).expect("it collects");
        }
        let after = scene.isolate.stats();
        assert_eq!(after.allocated_bytes, allocated);
        assert_eq!(after.collections(), before.collections() + 3);
        assert_eq!(after.full_collections, before.full_collections + 2);
        assert_eq!(after.pauses.count(), after.collections());
        assert_eq!(after.roots_visited() - before.roots_visited(), 3 * 501);
        let live = if is_exact(collector) {
            500 * NODE_BYTES + array_bytes
        } else {
            after.live_bytes
        };
        assert_eq!(after.live_bytes, live);
        assert!(after.live_bytes <= after.committed_bytes);
        assert!(after.committed_bytes <= after.peak_committed_bytes);
        assert!(after.peak_committed_bytes <= scene.isolate.config().limits.max_bytes);
    }
}

/// A collection neither reads nor writes objects that are dead, however many there are (those with
/// host values excepted), where the memory can tell.
///
/// # Panics
/// Where it does.
pub fn dead_objects_are_not_touched(collector: &Arc<dyn Collector>) {
    let mut scene = Scene::new(collector, MemoryKind::Checked);
    // A first generation that survives, so that collections have something to look at.
    for number in 0..100 {
        let node = scene.node(GcRef::NULL, number).expect("room");
        scene.root(node.to_ref());
    }
    scene.collect();
    let mut dead: Vec<(ObjectRef, u32)> = Vec::new();
    for number in 0..2000_u32 {
        let (object, bytes) = if number % 50 == 0 {
            let array = scene.isolate.alloc_array(scene.refs, number, &mut []);
            (array.expect("room"), ELEMENTS + 4 * number)
        } else {
            (scene.node(GcRef::NULL, number.into()).expect("room"), 24)
        };
        if number % 20 == 1 {
            scene.root(object.to_ref());
        } else {
            dead.push((object, bytes));
        }
    }
    scene.isolate.watch_accesses();
    let result = scene.isolate.collect(CollectionKind::Full);
    result.expect("it collects");
    let touched = dead.iter().filter(|(object, bytes)| {
        // The space of the dead may be given to the copies of the living only in a later
        // collection, so what is touched here is touched for no reason.
        let accessed = scene.isolate.was_accessed(object.offset(), *bytes);
        accessed.expect("checked memory is watched")
    });
    let touched: Vec<_> = touched.take(3).collect();
    assert!(
        touched.is_empty(),
        "a collection touched dead objects: {touched:?}"
    );
    scene.verify();
}
