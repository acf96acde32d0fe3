//! Host values with references: cells that keep alive, move along, and die with their value.

use super::scene::{MEMORIES, Scene, is_exact};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use windrow_core::{
    CollectionKind, Collector, GcRef, HeapCell, HeapError, HostValue, MemoryKind, ObjectRef,
    TraceHost, Zeal,
};

/// Values of the chains.
const LINKS: u64 = 200;

/// A host value with two cells, or one that panics when it is asked for them.
struct Pair {
    cells: [HeapCell; 2],
    panics: bool,
    _dropped: Arc<()>,
}

impl TraceHost for Pair {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        assert!(!self.panics, "a host value of the test's");
        self.cells.iter().for_each(&mut *visitor);
        // Once more is no more.
        self.cells.iter().for_each(visitor);
    }
}

fn pair(dropped: &Arc<()>) -> HostValue {
    HostValue::new_traced(Pair {
        cells: [const { HeapCell::new() }; 2],
        panics: false,
        _dropped: Arc::clone(dropped),
    })
}

fn alloc(scene: &mut Scene, value: HostValue) -> ObjectRef {
    scene.isolate.alloc_extern(value, &mut []).expect("room")
}

fn set(scene: &Scene, holder: ObjectRef, cell: usize, reference: GcRef) {
    let value = scene.isolate.host_value(holder).expect("the heap is well");
    let value = value.and_then(|value| value.downcast_ref::<Pair>());
    let value = value.expect("a pair");
    value.cells[cell]
        .set(&scene.isolate, reference)
        .expect("its own cell");
}

fn get(scene: &Scene, holder: ObjectRef, cell: usize) -> GcRef {
    let value = scene.isolate.host_value(holder).expect("the heap is well");
    let value = value.and_then(|value| value.downcast_ref::<Pair>());
    let value = value.expect("a pair");
    value.cells[cell].get(&scene.isolate).expect("its own cell")
}

fn number(scene: &Scene, reference: GcRef) -> u64 {
    let node = reference.as_object().expect("an object");
    scene.isolate.load_u64(node, scene.number)
}

/// What the cells of a traced host value refer to lives, moves and dies with the value's object; cycles
/// through the host die like others, their values dropped once; chains of values are followed to their
/// end. A cell of another isolate is refused, and one that missed a collection is null.
///
/// # Panics
/// Where it is not so.
pub fn traced_host_values_are_part_of_the_graph(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        for zeal in [Zeal::OFF, Zeal::every(1)] {
            let scene = || Scene::try_new(collector, memory, |config| config.zeal = zeal);
            cells_follow(&mut scene().expect("an isolate"));
            cycles(collector, &mut scene().expect("an isolate"));
        }
        for is_direct in [true, false] {
            chains(collector, &mut Scene::new(collector, memory), is_direct);
        }
        shared(collector, memory);
    }
}

/// Cells hold what they were told, through collections of every kind and stores in between.
fn cells_follow(scene: &mut Scene) {
    let dropped = Arc::new(());
    let holder = alloc(scene, pair(&dropped));
    let root = scene.root(holder.to_ref());
    assert_eq!(get(scene, holder, 0), GcRef::NULL, "at first");
    for round in 0..6 {
        let node = scene.node(GcRef::NULL, round).expect("room");
        set(
            scene,
            scene.object(root),
            (round % 2) as usize,
            node.to_ref(),
        );
        let kind = [CollectionKind::Automatic, CollectionKind::Full][(round % 3 / 2) as usize];
        scene.isolate.collect(kind).expect("it collects");
        scene.verify();
        let holder = scene.object(root);
        assert_eq!(
            number(scene, get(scene, holder, (round % 2) as usize)),
            round
        );
        if round > 0 {
            let before = get(scene, holder, ((round + 1) % 2) as usize);
            assert_eq!(number(scene, before), round - 1);
        }
    }
    set(scene, scene.object(root), 0, GcRef::from_i31(-3));
    scene.collect();
    assert_eq!(get(scene, scene.object(root), 0), GcRef::from_i31(-3));
}

/// Host value to object and back, and host value to host value.
fn cycles(collector: &Arc<dyn Collector>, scene: &mut Scene) {
    let dropped = Arc::new(());
    for _ in 0..20 {
        let holder = alloc(scene, pair(&dropped));
        let first = scene.root(holder.to_ref());
        let holder = alloc(scene, pair(&dropped));
        let second = scene.root(holder.to_ref());
        let node = scene.node(scene.held(first), 1).expect("room");
        set(scene, scene.object(first), 0, node.to_ref());
        set(scene, scene.object(first), 1, scene.held(second));
        set(scene, scene.object(second), 0, scene.held(first));
        set(scene, scene.object(second), 1, scene.held(second));
        scene.set_root(second, GcRef::NULL);
        scene
            .isolate
            .collect(CollectionKind::Automatic)
            .expect("it collects");
        let node = get(scene, scene.object(first), 0);
        let node = node.as_object().expect("it is alive");
        assert_eq!(scene.isolate.load_ref(node, scene.next), scene.held(first));
        let other = get(scene, scene.object(first), 1)
            .as_object()
            .expect("it is alive");
        assert_eq!(get(scene, other, 0), scene.held(first));
        assert_eq!(get(scene, other, 1), other.to_ref());
        scene.slots.lock().clear();
    }
    scene.collect();
    if is_exact(collector) {
        assert_eq!(
            Arc::strong_count(&dropped),
            1,
            "cycles through the host are alive"
        );
        assert_eq!(scene.isolate.stats().live_bytes, 0);
        assert_eq!(scene.isolate.stats().host_values_dropped, 40);
    }
}

/// A list of host values, each with the next in a cell, or with a node that leads to it.
fn chains(collector: &Arc<dyn Collector>, scene: &mut Scene, is_direct: bool) {
    let dropped = Arc::new(());
    let list = scene.root(GcRef::NULL);
    for link in 0..LINKS {
        let holder = alloc(scene, pair(&dropped));
        let mut next = scene.held(list);
        scene.set_root(list, holder.to_ref());
        if !is_direct {
            let root = scene.root(next);
            next = scene.node(scene.held(root), link).expect("room").to_ref();
            scene.slots.lock().pop();
        }
        set(scene, scene.object(list), 0, next);
    }
    for kind in [CollectionKind::Automatic, CollectionKind::Full] {
        scene.isolate.collect(kind).expect("it collects");
        scene.verify();
        let (mut at, mut links) = (scene.held(list), 0);
        while let Some(holder) = at.as_object() {
            links += 1;
            at = get(scene, holder, 0);
            if !is_direct && let Some(node) = at.as_object() {
                at = scene.isolate.load_ref(node, scene.next);
            }
        }
        assert_eq!(links, LINKS);
        assert_eq!(Arc::strong_count(&dropped) as u64, LINKS + 1);
    }
    scene.set_root(list, GcRef::NULL);
    scene.collect();
    if is_exact(collector) {
        assert_eq!(Arc::strong_count(&dropped), 1);
    }
}

/// One value in two isolates, twice in one of them, and out of the heap for a while.
fn shared(collector: &Arc<dyn Collector>, memory: MemoryKind) {
    let dropped = Arc::new(());
    let (mut one, mut other) = (Scene::new(collector, memory), Scene::new(collector, memory));
    let value = pair(&dropped);
    let mut roots = Vec::new();
    for scene in [&mut one, &mut other] {
        for _ in 0..2 {
            let holder = alloc(scene, value.clone());
            roots.push(scene.root(holder.to_ref()));
        }
    }
    assert_ne!(one.isolate.id(), other.isolate.id());
    let node = one.node(GcRef::NULL, 1).expect("room");
    set(&one, one.object(roots[0]), 0, node.to_ref());
    let node = other.node(GcRef::NULL, 2).expect("room");
    set(&other, other.object(roots[2]), 1, node.to_ref());
    for scene in [&mut one, &mut other] {
        scene
            .isolate
            .collect(CollectionKind::Automatic)
            .expect("it collects");
        scene.collect();
    }
    assert_eq!(number(&one, get(&one, one.object(roots[1]), 0)), 1);
    assert_eq!(number(&other, get(&other, other.object(roots[3]), 1)), 2);
    let cell = &value.downcast_ref::<Pair>().expect("a pair").cells[0];
    assert_eq!(cell.owner(), Some(one.isolate.id()));
    let (read, stored) = (
        cell.get(&other.isolate),
        cell.set(&other.isolate, GcRef::NULL),
    );
    assert!(matches!(read, Err(HeapError::Foreign { .. })), "{read:?}");
    assert!(
        matches!(stored, Err(HeapError::Foreign { .. })),
        "{stored:?}"
    );
    if !is_exact(collector) {
        return;
    }
    one.slots.lock().clear();
    one.collect();
    assert_eq!(one.isolate.stats().live_bytes, 0);
    assert_eq!(
        cell.get(&one.isolate),
        Ok(GcRef::NULL),
        "it missed a collection"
    );
    let holder = alloc(&mut one, value.clone());
    let root = one.root(holder.to_ref());
    one.collect();
    assert_eq!(get(&one, one.object(root), 0), GcRef::NULL);
    drop((one, other, value));
    assert_eq!(Arc::strong_count(&dropped), 1);
}

/// A panic in a host value that is asked for its cells ends the collection; the heap says so from then
/// on and drops its host values once.
///
/// # Panics
/// Where it is not so.
pub fn a_panicking_host_value_poisons(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let dropped = Arc::new(());
        let mut scene = Scene::new(collector, memory);
        for panics in [false, true] {
            let held = alloc(
                &mut scene,
                HostValue::new_traced(Pair {
                    cells: Default::default(),
                    panics,
                    _dropped: Arc::clone(&dropped),
                }),
            );
            scene.root(held.to_ref());
        }
        let ended = catch_unwind(AssertUnwindSafe(|| {
            scene.isolate.collect(CollectionKind::Full)
        }));
        assert!(ended.is_err(), "the panic is passed on");
        assert_eq!(
            scene.isolate.collect(CollectionKind::Full),
            Err(HeapError::CollectionCutShort)
        );
        drop(scene);
        assert_eq!(
            Arc::strong_count(&dropped),
            1,
            "the host values are dropped"
        );
    }
}
