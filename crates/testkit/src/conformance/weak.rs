//! The weak phase: weak references, weak maps, finalizers.

use super::scene::{MEMORIES, Scene, is_exact};
use std::sync::Arc;
use windrow_core::{
    CollectionKind, Collector, GcRef, HeapError, HostValue, MemoryKind, ObjectRef, WeakHandle,
    WeakMapHandle, Zeal,
};

/// Links of the chains: enough to show a wrong order, few enough for a heap that names no objects.
const LINKS: u64 = 200;

/// A scene that collects and verifies at every allocation, or only when asked.
fn scenes(collector: &Arc<dyn Collector>) -> impl Iterator<Item = Scene> {
    let settings = [Zeal::OFF, Zeal::every(1)];
    let all = MEMORIES
        .into_iter()
        .flat_map(move |memory| settings.map(|zeal| (memory, zeal)));
    all.map(|(memory, zeal)| {
        Scene::try_new(collector, memory, |config| config.zeal = zeal).expect("an isolate")
    })
}

fn weak(scene: &mut Scene, object: ObjectRef) -> WeakHandle {
    scene.isolate.new_weak(object).expect("the heap is well")
}

/// The number of the node a weak reference leads to.
fn number_of(scene: &Scene, handle: &WeakHandle) -> Option<u64> {
    let object = scene.isolate.weak(handle).expect("its own handle")?;
    Some(scene.isolate.load_u64(object, scene.number))
}

/// Weak references lead to their objects, small and large, wherever these go, keep none of them alive,
/// and lead nowhere once a collection found them dead: a full one of a collector that reclaims
/// everything finds all. Those of another isolate are refused.
///
/// # Panics
/// Where it is not so.
pub fn weak_references_lead_to_the_living(collector: &Arc<dyn Collector>) {
    for mut scene in scenes(collector) {
        let mut handles = Vec::new();
        for number in 0..100 {
            let node = scene.node(GcRef::NULL, number).expect("room");
            let root = scene.root(node.to_ref());
            handles.push((root, weak(&mut scene, node)));
        }
        let large = scene.isolate.alloc_array(scene.refs, 50_000, &mut []);
        let large = large.expect("room");
        let (large_root, large_handle) = (scene.root(large.to_ref()), weak(&mut scene, large));
        for kind in [
            CollectionKind::Automatic,
            CollectionKind::Full,
            CollectionKind::Automatic,
        ] {
            scene.isolate.collect(kind).expect("it collects");
            for (number, (root, handle)) in (0..).zip(&handles) {
                let held = scene.isolate.weak(handle).expect("its own handle");
                assert_eq!(held, Some(scene.object(*root)), "node {number}");
                assert_eq!(number_of(&scene, handle), Some(number));
            }
            assert_eq!(
                scene.isolate.weak(&large_handle),
                Ok(Some(scene.object(large_root)))
            );
        }
        for (root, _) in handles.iter().step_by(2) {
            scene.set_root(*root, GcRef::NULL);
        }
        scene.set_root(large_root, GcRef::NULL);
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            scene.isolate.collect(kind).expect("it collects");
            scene.verify();
            for (number, (root, handle)) in (0..).zip(&handles) {
                let found = number_of(&scene, handle);
                if !scene.held(*root).is_null() {
                    assert_eq!(found, Some(number), "it is alive");
                } else if kind == CollectionKind::Full && is_exact(collector) {
                    assert_eq!(found, None, "node {number} is dead");
                }
            }
        }
        if is_exact(collector) {
            assert_eq!(scene.isolate.weak(&large_handle), Ok(None));
            assert_eq!(
                scene.isolate.stats().live_bytes,
                50 * super::scene::NODE_BYTES
            );
        }
        let mut other = Scene::new(collector, MemoryKind::Checked);
        let node = other.node(GcRef::NULL, 0).expect("room");
        let foreign = weak(&mut other, node);
        let refused = scene.isolate.weak(&foreign);
        assert!(
            matches!(refused, Err(HeapError::Foreign { .. })),
            "{refused:?}"
        );
        // Entries whose handles are gone are used again.
        drop(handles);
        scene.collect();
        let node = scene.node(GcRef::NULL, 7).expect("room");
        let again = weak(&mut scene, node);
        assert_eq!(number_of(&scene, &again), Some(7));
    }
}

/// The orders in which the links of a chain are entered in a map: as they follow each other, the
/// other way round, and mixed.
fn orders() -> [Vec<u64>; 3] {
    let mixed = (0..LINKS).map(|link| link * 77 % LINKS).collect();
    [(0..LINKS).collect(), (0..LINKS).rev().collect(), mixed]
}

/// A map whose entries lead from one key to the next, directly or by an object in between; the root
/// that holds the first key.
fn chain(scene: &mut Scene, order: &[u64], is_direct: bool) -> (WeakMapHandle, usize) {
    let map = scene.isolate.new_weak_map();
    let first = scene.slots.lock().len();
    for number in 0..LINKS {
        let node = scene.node(GcRef::NULL, number).expect("room");
        scene.root(node.to_ref());
    }
    let key = |link: u64| first + usize::try_from(link).expect("few links");
    for link in order {
        let mut value = GcRef::NULL;
        if link + 1 < LINKS {
            value = scene.held(key(link + 1));
            if !is_direct {
                value = scene.node(value, 1000).expect("room").to_ref();
            }
        }
        let key = scene.object(key(*link));
        let before = scene.isolate.weak_map_insert(&map, key, value);
        assert_eq!(before, Ok(None), "it is new");
    }
    scene.slots.lock().truncate(first + 1);
    (map, first)
}

/// Follows a chain; how many keys there are.
fn follow(scene: &Scene, map: &WeakMapHandle, first: GcRef, is_direct: bool) -> u64 {
    let (mut at, mut links) = (first, 0);
    while let Some(key) = at.as_object() {
        assert_eq!(
            scene.isolate.load_u64(key, scene.number),
            links,
            "the number of a key"
        );
        let value = scene.isolate.weak_map_get(map, key).expect("its own map");
        at = value.unwrap_or_else(|| panic!("key {links} has no entry"));
        if !is_direct && let Some(between) = at.as_object() {
            at = scene.isolate.load_ref(between, scene.next);
        }
        links += 1;
    }
    links
}

/// A weak map keeps a value as long as its key is alive, through chains of entries in any order, and
/// does not keep a key that only its own value leads to.
///
/// # Panics
/// Where it is not so.
pub fn weak_maps_hold_ephemerons(collector: &Arc<dyn Collector>) {
    for order in orders() {
        for is_direct in [true, false] {
            for memory in MEMORIES {
                let mut scene = Scene::new(collector, memory);
                let (map, root) = chain(&mut scene, &order, is_direct);
                for kind in [CollectionKind::Automatic, CollectionKind::Full] {
                    scene.isolate.collect(kind).expect("it collects");
                    scene.verify();
                    let links = follow(&scene, &map, scene.held(root), is_direct);
                    assert_eq!(links, LINKS, "links of the chain, in {memory:?}");
                }
                scene.set_root(root, GcRef::NULL);
                scene.collect();
                if is_exact(collector) {
                    assert_eq!(scene.isolate.weak_map_len(&map), Ok(0), "no key is alive");
                    assert_eq!(scene.isolate.stats().live_bytes, 0);
                }
            }
        }
    }
    for mut scene in scenes(collector) {
        self_referring(collector, &mut scene);
        entries(collector, &mut scene);
    }
}

/// An entry whose value leads to its key, alone and with another that leads to both.
fn self_referring(collector: &Arc<dyn Collector>, scene: &mut Scene) {
    let map = scene.isolate.new_weak_map();
    let key = scene.node(GcRef::NULL, 1).expect("room");
    let root = scene.root(key.to_ref());
    let value = scene.node(scene.held(root), 2).expect("room");
    let value = value.to_ref();
    let key = scene.object(root);
    scene
        .isolate
        .weak_map_insert(&map, key, value)
        .expect("well");
    scene.collect();
    let key = scene.object(root);
    let value = scene.isolate.weak_map_get(&map, key).expect("its own map");
    let value = value.and_then(GcRef::as_object).expect("its key is alive");
    assert_eq!(scene.isolate.load_ref(value, scene.next), key.to_ref());
    scene.set_root(root, GcRef::NULL);
    scene.collect();
    let expected = usize::from(!is_exact(collector));
    assert_eq!(scene.isolate.weak_map_len(&map), Ok(expected));
}

/// Keys by identity, wherever they go; removal; a map without a handle.
fn entries(collector: &Arc<dyn Collector>, scene: &mut Scene) {
    let map = scene.isolate.new_weak_map();
    let first = scene.slots.lock().len();
    for number in 0..50 {
        let key = scene.node(GcRef::NULL, 7).expect("room");
        let root = scene.root(key.to_ref());
        let value = scene.node(GcRef::NULL, number).expect("room");
        let key = scene.object(root);
        let inserted = scene.isolate.weak_map_insert(&map, key, value.to_ref());
        assert_eq!(inserted, Ok(None));
    }
    scene
        .isolate
        .collect(CollectionKind::Automatic)
        .expect("it collects");
    for number in (0..50_u32).step_by(3) {
        let key = scene.object(first + number as usize);
        let removed = scene
            .isolate
            .weak_map_remove(&map, key)
            .expect("its own map");
        assert!(removed.is_some_and(|value| !value.is_null()));
        assert_eq!(scene.isolate.weak_map_contains(&map, key), Ok(false));
    }
    scene.collect();
    assert_eq!(scene.isolate.weak_map_len(&map), Ok(33));
    for number in 0..50_u32 {
        let key = scene.object(first + number as usize);
        let found = scene.isolate.weak_map_get(&map, key).expect("its own map");
        let found = found.and_then(GcRef::as_object);
        let found = found.map(|value| scene.isolate.load_u64(value, scene.number));
        let expected = (number % 3 != 0).then_some(number.into());
        assert_eq!(found, expected, "the value of key {number}");
    }
    scene.slots.lock().truncate(first + 2);
    scene.collect();
    if is_exact(collector) {
        let key = scene.object(first + 1);
        let left = scene.isolate.weak_map_entries(&map).expect("its own map");
        assert_eq!(left.map(|(key, _)| key).collect::<Vec<_>>(), [key]);
    }
    let foreign = Scene::new(collector, MemoryKind::Checked)
        .isolate
        .new_weak_map();
    let refused = scene.isolate.weak_map_len(&foreign);
    assert!(
        matches!(refused, Err(HeapError::Foreign { .. })),
        "{refused:?}"
    );
    drop(map);
    scene.collect();
    if is_exact(collector) {
        let nodes = scene
            .slots
            .lock()
            .iter()
            .filter(|(_, held)| !held.is_null())
            .count() as u64;
        let live = scene.isolate.stats().live_bytes;
        assert_eq!(live, nodes * super::scene::NODE_BYTES, "the map is gone");
    }
    scene.slots.lock().clear();
}

/// An object with a finalizer is handed out once when it died, with its tag and with all it led to,
/// host values included; weak references to it are cleared before. It may be registered again.
///
/// # Panics
/// Where it is not so.
pub fn finalizers_are_handed_out_once(collector: &Arc<dyn Collector>) {
    for mut scene in scenes(collector) {
        let exact = is_exact(collector);
        let value = Arc::new(());
        let map = scene.isolate.new_weak_map();
        let held = HostValue::new(Arc::clone(&value));
        let held = scene.isolate.alloc_extern(held, &mut []).expect("room");
        let root = scene.root(held.to_ref());
        for number in 0..20 {
            let node = scene.node(scene.held(root), number).expect("room");
            scene.set_root(root, node.to_ref());
        }
        let node = scene.object(root);
        for tag in [7, 8] {
            scene
                .isolate
                .register_finalizer(node, tag)
                .expect("the heap is well");
        }
        let handle = weak(&mut scene, node);
        scene
            .isolate
            .weak_map_insert(&map, node, GcRef::from_i31(1))
            .expect("well");
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            scene.isolate.collect(kind).expect("it collects");
            assert_eq!(scene.isolate.next_finalizable(), Ok(None), "it is alive");
        }
        scene.set_root(root, GcRef::NULL);
        scene.collect();
        if !exact {
            continue;
        }
        assert_eq!(scene.isolate.weak(&handle), Ok(None), "it died");
        assert_eq!(scene.isolate.weak_map_len(&map), Ok(0), "it died");
        assert_eq!(scene.isolate.finalizable().len(), 2);
        // The queue keeps it, whatever happens meanwhile.
        scene.collect();
        scene
            .isolate
            .collect(CollectionKind::Automatic)
            .expect("it collects");
        assert_eq!(Arc::strong_count(&value), 2, "a host value it leads to");
        let mut found = Vec::new();
        while let Some((object, tag)) = scene.isolate.next_finalizable().expect("well") {
            found.push((object, tag));
        }
        let object = found[0].0;
        assert_eq!(found, [(object, 7), (object, 8)], "in order, and once each");
        scene.set_root(root, object.to_ref());
        scene.collect();
        let mut at = scene.held(root);
        for number in (0..20).rev() {
            let node = at.as_object().expect("the list is whole");
            assert_eq!(scene.isolate.load_u64(node, scene.number), number);
            at = scene.isolate.load_ref(node, scene.next);
        }
        let held = at.as_object().expect("the list ends with a host value");
        assert!(matches!(scene.isolate.host_value(held), Ok(Some(_))));
        let object = scene.object(root);
        scene
            .isolate
            .register_finalizer(object, 9)
            .expect("the heap is well");
        scene.set_root(root, GcRef::NULL);
        scene.collect();
        let again = scene.isolate.next_finalizable().expect("well");
        assert_eq!(again.map(|(_, tag)| tag), Some(9));
        scene.collect();
        assert_eq!(scene.isolate.next_finalizable(), Ok(None));
        assert_eq!(scene.isolate.stats().live_bytes, 0, "it was not kept");
        assert_eq!(Arc::strong_count(&value), 1, "the host value is dropped");
    }
}
