//! Limits: sizes kept, running out, every allocation failing in turn, depth, cycles.

use super::scene::{ELEMENTS, MEMORIES, NODE_BYTES, Scene};
use crate::failing::Failing;
use std::sync::Arc;
use windrow_core::{CollectionKind, Collector, GcRef, HeapError, HostValue};

/// Nodes of the deep structures: far more than a recursive collector has stack for.
const DEEP: u64 = 300_000;

/// Heaps with limits from nothing to a mebibyte never commit more, and what they refuse names the
/// bytes needed and the limit.
///
/// # Panics
/// Where it is not so.
pub fn limits_are_kept(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        for limit in [0, 8, 24, 25, 48, 4096, 10_000, 65_536, 200_000, 1 << 20] {
            let made = Scene::try_new(collector, memory, |config| {
                config.limits.max_bytes = limit;
                config.limits.initial_bytes = limit / 2;
            });
            let mut scene = match made {
                Ok(scene) => scene,
                Err(HeapError::HeapFull { .. }) => continue,
                Err(error) => panic!("a heap of {limit} bytes: {error}"),
            };
            let list = scene.root(GcRef::NULL);
            let error = loop {
                match scene.node(scene.held(list), 0) {
                    Ok(node) => scene.set_root(list, node.to_ref()),
                    Err(error) => break error,
                }
                let committed = scene.isolate.stats().committed_bytes;
                assert!(
                    committed <= limit,
                    "{committed} bytes are committed of {limit}"
                );
            };
            let expected = HeapError::HeapFull {
                needed_bytes: NODE_BYTES,
                limit_bytes: limit,
            };
            assert_eq!(error, expected);
            let peak = scene.isolate.stats().peak_committed_bytes;
            assert!(peak <= limit, "{peak} bytes were committed of {limit}");
            scene.verify();
        }
    }
}

/// A full heap answers with an error, is whole, and goes on where something is given up.
///
/// # Panics
/// Where it is not so.
pub fn out_of_memory_is_an_answer(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::try_new(collector, memory, |config| {
            config.limits.max_bytes = 1 << 20;
        })
        .expect("a heap of 1 MiB");
        let list = scene.root(GcRef::NULL);
        let mut length = 0;
        while let Ok(node) = scene.node(scene.held(list), length) {
            scene.set_root(list, node.to_ref());
            length += 1;
        }
        assert!(
            length * NODE_BYTES > 100_000,
            "it was full after {length} nodes"
        );
        scene.check_list(scene.held(list), length - 1);
        for absurd in [100_000_000, u32::MAX] {
            let refused = scene.isolate.alloc_array(scene.refs, absurd, &mut []);
            let Err(HeapError::HeapFull { needed_bytes, .. }) = refused else {
                panic!("an array of {absurd} elements: {refused:?}");
            };
            let needed = (u64::from(ELEMENTS) + 4 * u64::from(absurd)).next_multiple_of(8);
            assert_eq!(needed_bytes, needed);
        }
        scene.verify();
        scene.check_list(scene.held(list), length - 1);
        scene.set_root(list, GcRef::NULL);
        if collector.properties().collects {
            for number in 0..length / 2 {
                let node = scene.node(scene.held(list), number).expect("room again");
                scene.set_root(list, node.to_ref());
            }
            scene.check_list(scene.held(list), length / 2 - 1);
        }
        scene.verify();
    }
}

/// One allocation after the other fails, each in a run of its own: it is refused, nothing else is
/// lost, and the program goes on.
///
/// # Panics
/// Where it is not so.
pub fn every_allocation_may_fail(collector: &Arc<dyn Collector>) {
    const ALLOCATIONS: u64 = 40;
    for memory in MEMORIES {
        for nth in 0..ALLOCATIONS {
            let failing: Arc<dyn Collector> = Arc::new(Failing::new(Arc::clone(collector), nth));
            let mut scene = Scene::new(&failing, memory);
            let list = scene.root(GcRef::NULL);
            let (mut length, mut refused, mut values) = (0, 0, Vec::new());
            for step in 0..ALLOCATIONS {
                let result = match step % 4 {
                    0 => {
                        let value = Arc::new(());
                        values.push(Arc::clone(&value));
                        let made = scene.isolate.alloc_extern(HostValue::new(value), &mut []);
                        made.map_err(|refused| {
                            assert!(refused.value.is::<Arc<()>>(), "the value is handed back");
                            refused.error
                        })
                    }
                    1 => scene.isolate.alloc_array(scene.refs, 20, &mut []),
                    _ => scene.node(scene.held(list), length).inspect(|node| {
                        scene.slots.lock()[list].1 = node.to_ref();
                        length += 1;
                    }),
                };
                match result {
                    Ok(_) => {}
                    Err(HeapError::HeapFull { .. }) => refused += 1,
                    Err(error) => panic!("the {nth}th allocation failed with {error}"),
                }
                if length > 0 {
                    scene.check_list(scene.held(list), length - 1);
                }
                scene.verify();
            }
            assert_eq!(refused, 1, "the {nth}th allocation was to fail");
            drop(scene);
            let kept = values.iter().filter(|value| Arc::strong_count(value) > 1);
            assert_eq!(kept.count(), 0, "host values of a heap that is gone");
        }
    }
}

/// Rings of nodes that nothing refers to die where the collector says that it reclaims cycles.
///
/// # Panics
/// Where they do not.
pub fn cycles_die_as_declared(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        let value = Arc::new(());
        for length in 1..50 {
            let last = scene.node(GcRef::NULL, 0).expect("room");
            let (first_root, root) = (scene.root(last.to_ref()), scene.root(last.to_ref()));
            for number in 1..length {
                let node = scene.node(scene.held(root), number).expect("room");
                scene.set_root(root, node.to_ref());
            }
            let held = scene
                .isolate
                .alloc_extern(HostValue::new(Arc::clone(&value)), &mut [])
                .expect("room");
            let middle = scene.node(held.to_ref(), 0).expect("room");
            let _ = middle;
            let (last, first) = (scene.object(first_root), scene.held(root));
            scene.isolate.write_ref(last, scene.next, first);
            if length % 2 == 0 {
                scene.collect();
            }
            scene.slots.lock().clear();
        }
        scene.collect();
        let properties = collector.properties();
        if properties.reclaims_cycles {
            assert_eq!(scene.isolate.stats().live_bytes, 0, "cycles are alive");
            assert_eq!(Arc::strong_count(&value), 1);
        }
    }
}

/// A list and a tree of lists far deeper than the stack is collected, kept, and let go.
///
/// # Panics
/// Where it is not; a collector that recurses overflows the stack.
pub fn deep_structures_are_collected(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        let list = scene.root(GcRef::NULL);
        for number in 0..DEEP {
            let node = scene.node(scene.held(list), number).expect("room");
            scene.set_root(list, node.to_ref());
        }
        scene
            .isolate
            .collect(CollectionKind::Full)
            .expect("it collects");
        scene.check_list(scene.held(list), DEEP - 1);
        scene.set_root(list, GcRef::NULL);
        scene
            .isolate
            .collect(CollectionKind::Full)
            .expect("it collects");
        if collector.properties().collects {
            assert_eq!(scene.isolate.stats().live_bytes, 0);
        }
    }
}
