//! What a collector says of itself, single objects, barriers, poisoning, random programs.

use super::scene::{ELEMENTS, MEMORIES, NODE_BYTES, Scene};
use crate::{Effort, Recorder, prove};
use std::sync::Arc;
use windrow_core::{
    ArrayType, CollectionKind, Collector, Corruption, FieldType, GcRef, HeapError, HostValue,
    MemoryKind, OBJECT_ALIGN, ObjectRef, RefType, StorageType, StructType, TypeId, ValType, Zeal,
};

/// Random programs in one test.
const CASES: u32 = 60;

/// Name, description and ABI are there and do not change; cycles are reclaimed only by what
/// collects.
///
/// # Panics
/// Where they are not.
pub fn describes_itself(collector: &Arc<dyn Collector>) {
    let name = collector.name();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(
        !name.is_empty() && name.chars().all(is_plain),
        "the name {name:?} is not of lower-case letters, digits and dashes"
    );
    let properties = collector.properties();
    assert!(!properties.summary.is_empty() && !properties.pauses.is_empty());
    assert!(properties.collects || !properties.reclaims_cycles);
    let abi = collector.abi();
    assert_eq!(abi, collector.abi(), "the ABI is always the same");
    assert_eq!(
        abi.header_template & ((1 << windrow_core::TYPE_ID_BITS) - 1),
        0,
        "the header template has bits where the type id goes"
    );
    for memory in MEMORIES {
        let scene = Scene::new(collector, memory);
        assert_eq!(scene.isolate.code_abi().mutator, abi);
    }
}

/// Objects are aligned, past the first page, apart from one another, with the header asked for,
/// and a new one is zero where that was asked for.
///
/// # Panics
/// Where they are not.
pub fn allocation_is_aligned_and_apart(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        let mut spans = Vec::new();
        for index in 0..600_u32 {
            let length = index * index % 3000;
            let (object, bytes) = if index % 3 == 0 {
                let array = scene.isolate.alloc_array(scene.bytes, length, &mut []);
                let array = array.expect("there is room");
                assert_eq!(scene.isolate.array_len(array), length);
                let mut body = vec![1; length as usize];
                scene.isolate.read_bytes(array, ELEMENTS, &mut body);
                assert!(body.iter().all(|byte| *byte == 0), "a new array has zeros");
                (array, (u64::from(ELEMENTS + length)).next_multiple_of(8))
            } else {
                let node = scene.node(GcRef::NULL, 7).expect("there is room");
                (node, NODE_BYTES)
            };
            let start = u64::from(object.offset());
            assert_eq!(start % u64::from(OBJECT_ALIGN), 0, "{object:?} is aligned");
            assert!(object.offset() >= windrow_core::FIRST_OBJECT_OFFSET);
            let expected = if index % 3 == 0 {
                scene.bytes
            } else {
                scene.node
            };
            assert_eq!(scene.isolate.type_of(object), expected);
            scene.root(object.to_ref());
            // Whatever is written into an object stays in it.
            scene.isolate.fill_bytes(
                object,
                ELEMENTS,
                u32::try_from(bytes).expect("small") - ELEMENTS,
                0,
            );
            spans.push(start..start + bytes);
        }
        spans.sort_by_key(|span| span.start);
        for pair in spans.windows(2) {
            assert!(
                pair[0].end <= pair[1].start,
                "objects overlap: {pair:?}, and none was collected"
            );
        }
        scene.verify();
    }
}

/// Structs with a reference in each of 150 places, alone and with all others, arrays of every kind
/// of element, empty and large: what they hold survives collections.
///
/// # Panics
/// Where it does not.
pub fn every_shape_survives(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        for place in 0..150 {
            for others in [ValType::I32, ValType::ANYREF] {
                struct_survives(&mut scene, place, others);
            }
        }
        let elements: [StorageType; 8] = [
            StorageType::I8,
            StorageType::I16,
            ValType::I32.into(),
            ValType::I64.into(),
            ValType::F64.into(),
            ValType::V128.into(),
            ValType::ANYREF.into(),
            ValType::Ref(RefType::nullable(windrow_core::HeapType::Extern)).into(),
        ];
        for element in elements {
            for length in [0, 1, 2, 63, 64, 65, 1000, 20_000] {
                array_survives(&mut scene, element, length);
            }
        }
    }
}

/// Structs that compiled code makes of one allocation, where it bumps, die and survive each for itself.
///
/// # Panics
/// Where they do not.
pub fn structs_allocated_at_once_live_apart(collector: &Arc<dyn Collector>) {
    const MOST_BYTES: u32 = 128;
    let bytes = collector.abi().alloc.bump_bytes().min(MOST_BYTES);
    let count = usize::try_from(u64::from(bytes) / NODE_BYTES).expect("few");
    if count < 2 {
        return;
    }
    let settings = MEMORIES.map(|memory| [Zeal::OFF, Zeal::every(1)].map(|zeal| (memory, zeal)));
    for (memory, zeal) in settings.into_iter().flatten() {
        let scene = Scene::try_new(collector, memory, |config| config.zeal = zeal);
        let mut scene = scene.expect("the default sizes do");
        let kept = scene.root(GcRef::NULL);
        let places = |round: usize| (round % (count - 1), round % (count - 1) + 1);
        for round in 0..200 {
            let nodes = scene.nodes(count).expect("there is room");
            for (number, node) in (0..).zip(&nodes) {
                assert_eq!(scene.isolate.type_of(*node), scene.node);
                scene.isolate.store_u64(*node, scene.number, number);
            }
            // One of them holds what was kept before, and is held by the next, which is kept.
            let (holder, keeper) = places(round);
            let [holder, keeper] = [holder, keeper].map(|place| nodes[place]);
            let before = scene.held(kept);
            scene.isolate.write_ref(holder, scene.next, before);
            scene.isolate.write_ref(keeper, scene.next, holder.to_ref());
            scene.set_root(kept, keeper.to_ref());
            if round % 20 == 19 {
                scene.collect();
            }
        }
        let mut reference = scene.held(kept);
        for round in (0..200).rev() {
            let (holder, keeper) = places(round);
            for number in [keeper, holder] {
                let node = reference.as_object().expect("a node is kept");
                assert_eq!(scene.isolate.load_u64(node, scene.number), number as u64);
                reference = scene.isolate.load_ref(node, scene.next);
            }
        }
        assert!(reference.is_null());
        if collector.properties().collects {
            scene.collect();
            let mut objects = 0;
            let counted = scene.isolate.visit_objects(|_| objects += 1);
            counted.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(objects, 400, "what is not held goes");
        }
    }
}

fn struct_survives(scene: &mut Scene, place: u32, others: ValType) {
    let fields = (0..150).map(|index| {
        FieldType::mutable(if index == place {
            ValType::ANYREF
        } else {
            others
        })
    });
    let ty = scene
        .isolate
        .types()
        .register_struct(StructType::new(fields))
        .expect("a type");
    scene.isolate.sync_types();
    let offset = scene.isolate.types().sub_type(ty).field_offset(place);
    let node = scene.node(GcRef::NULL, u64::from(place)).expect("room");
    let mut flying = [node.to_ref()];
    let object = scene.isolate.alloc_struct(ty, &mut flying).expect("room");
    scene.isolate.init_ref(object, offset, flying[0]);
    let root = scene.root(object.to_ref());
    scene.collect();
    let object = scene.object(root);
    assert_eq!(scene.isolate.type_of(object), ty);
    let held = scene.isolate.load_ref(object, offset);
    let node = held
        .as_object()
        .unwrap_or_else(|| panic!("field {place} of a wide struct holds {held:?}"));
    assert_eq!(scene.isolate.load_u64(node, scene.number), u64::from(place));
    scene.slots.lock().clear();
}

fn array_survives(scene: &mut Scene, element: StorageType, length: u32) {
    let ty = scene
        .isolate
        .types()
        .register_array(ArrayType::new(FieldType::mutable(element)))
        .expect("a type");
    scene.isolate.sync_types();
    let first = scene.isolate.types().sub_type(ty).shape.size_bytes;
    let is_ref = scene.isolate.types().sub_type(ty).shape.element_is_ref;
    let log2 = scene.isolate.types().sub_type(ty).shape.element_log2;
    let array = scene
        .isolate
        .alloc_array(ty, length, &mut [])
        .expect("room");
    let root = scene.root(array.to_ref());
    let body: Vec<u8> = (0..length << log2)
        .map(|at| (at * 31 % 251) as u8)
        .collect();
    if is_ref {
        for index in 0..length {
            let node = scene.node(GcRef::NULL, index.into()).expect("room");
            let array = scene.object(root);
            scene
                .isolate
                .write_ref(array, first + index * 4, node.to_ref());
        }
    } else {
        scene.isolate.write_bytes(array, first, &body);
    }
    scene.collect();
    let array = scene.object(root);
    assert_eq!(scene.isolate.array_len(array), length);
    if is_ref {
        for index in 0..length {
            let held = scene.isolate.load_ref(array, first + index * 4);
            let node = held
                .as_object()
                .unwrap_or_else(|| panic!("element {index} of {length} holds {held:?}"));
            assert_eq!(scene.isolate.load_u64(node, scene.number), u64::from(index));
        }
    } else {
        let mut found = vec![0; body.len()];
        scene.isolate.read_bytes(array, first, &mut found);
        assert!(
            found == body,
            "the elements of an array of {element:?}, {length} long"
        );
    }
    scene.slots.lock().clear();
}

/// Objects move only where the ABI says so.
///
/// # Panics
/// Where one moves in secret.
pub fn moves_as_declared(collector: &Arc<dyn Collector>) {
    for memory in MEMORIES {
        let mut scene = Scene::new(collector, memory);
        let mut places = Vec::new();
        for number in 0..500 {
            let node = scene.node(GcRef::NULL, number).expect("room");
            if number % 2 == 0 {
                scene.root(node.to_ref());
                places.push(node.to_ref());
            }
        }
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            scene.isolate.collect(kind).expect("it collects");
            let now: Vec<GcRef> = scene.slots.lock().iter().map(|slot| slot.1).collect();
            assert!(
                collector.abi().moves_objects || now == places,
                "objects moved in a {kind:?} collection"
            );
        }
    }
}

/// Random programs, each store watched: what the data says is owed is paid, and a collection asks
/// its client for roots and the weak phase once.
///
/// # Panics
/// Where a barrier or a phase is missing.
pub fn barriers_are_owed_and_paid(collector: &Arc<dyn Collector>) {
    let recorder: Arc<dyn Collector> = Arc::new(Recorder::new(Arc::clone(collector)));
    if let Err(counterexample) = prove(&recorder, Effort::from_environment(CASES)) {
        panic!("{counterexample}");
    }
}

/// In a scope that forbids collections nothing moves, the heap grows as far as it may, and what
/// needs a collection is an error that leaves everything usable.
///
/// # Panics
/// Where it is not so.
pub fn collections_can_be_forbidden(collector: &Arc<dyn Collector>) {
    for (memory, zeal) in MEMORIES.into_iter().zip([Zeal::OFF, Zeal::every(1)]) {
        let mut scene = Scene::try_new(collector, memory, |config| {
            config.limits.max_bytes = 1 << 20;
            config.zeal = zeal;
        })
        .expect("a heap of 1 MiB");
        let node = scene.node(GcRef::NULL, 5).expect("room");
        let root = scene.root(node.to_ref());
        let collections = scene.isolate.stats().collections();
        let mut forbidden = scene.isolate.no_gc();
        let error = loop {
            if let Err(error) = forbidden.alloc_struct(scene.node, &mut []) {
                break error;
            }
        };
        let expected = HeapError::CollectionForbidden {
            needed_bytes: NODE_BYTES,
        };
        assert_eq!(error, expected);
        let asked = forbidden.collect(CollectionKind::Full);
        assert!(matches!(asked, Err(HeapError::CollectionForbidden { .. })));
        assert_eq!(forbidden.stats().collections(), collections);
        drop(forbidden);
        assert_eq!(scene.held(root), node.to_ref(), "nothing moved");
        scene.collect();
        let node = scene.object(root);
        assert_eq!(scene.isolate.load_u64(node, scene.number), 5);
        if collector.properties().collects {
            scene.node(GcRef::NULL, 6).expect("the garbage is gone");
        }
    }
}

/// A reference that leads nowhere, or to a header of no type, never leads the host astray: it is
/// found and poisons the heap, or it changes nothing; host values are dropped once all the same.
///
/// # Panics
/// Where it is not so.
pub fn a_corrupt_heap_is_poisoned(collector: &Arc<dyn Collector>) {
    let forged = [0x10_0008, 0xffff_fff8, 0x8000_0000, 0x1004, 0x10_0002];
    for memory in MEMORIES {
        for bits in forged {
            let (mut scene, value) = scene_with_value(collector, memory);
            let node = scene.node(GcRef::NULL, 1).expect("room");
            scene
                .isolate
                .init_ref(node, scene.next, GcRef::from_bits(bits));
            scene.root(node.to_ref());
            stays_as_it_ends(&mut scene);
            drop(scene);
            assert_eq!(Arc::strong_count(&value), 1, "the host value is dropped");
        }
        for header in [0, u64::MAX, u64::from(TypeId::EXTERN.bits())] {
            let (mut scene, value) = scene_with_value(collector, memory);
            let node = scene.node(GcRef::NULL, 1).expect("room");
            scene.root(node.to_ref());
            scene.isolate.store_u64(node, 0, header);
            stays_as_it_ends(&mut scene);
            drop(scene);
            assert_eq!(Arc::strong_count(&value), 1, "the host value is dropped");
        }
        // Four billion elements.
        let mut scene = Scene::new(collector, memory);
        let array = scene
            .isolate
            .alloc_array(scene.refs, 3, &mut [])
            .expect("room");
        scene.root(array.to_ref());
        scene.isolate.store_u32(array, 8, u32::MAX);
        stays_as_it_ends(&mut scene);
    }
}

/// With a host value, and a second owner of it.
fn scene_with_value(collector: &Arc<dyn Collector>, memory: MemoryKind) -> (Scene, Arc<()>) {
    let mut scene = Scene::new(collector, memory);
    let value = Arc::new(());
    let held = scene
        .isolate
        .alloc_extern(HostValue::new(Arc::clone(&value)), &mut [])
        .expect("room");
    scene.root(held.to_ref());
    (scene, value)
}

/// Collects twice: after an error the second says the same, and so does an allocation.
fn stays_as_it_ends(scene: &mut Scene) {
    let Err(error) = scene.isolate.collect(CollectionKind::Full) else {
        let _ = scene.isolate.verify();
        return;
    };
    assert!(
        matches!(
            error,
            HeapError::Corrupt(
                Corruption::Header { .. } | Corruption::Size { .. } | Corruption::Reference { .. }
            )
        ),
        "{error}"
    );
    assert_eq!(
        scene.isolate.collect(CollectionKind::Full).as_ref(),
        Err(&error)
    );
    let allocated: Result<ObjectRef, HeapError> = scene.isolate.alloc_struct(scene.node, &mut []);
    assert_eq!(allocated.as_ref(), Err(&error));
    assert_eq!(scene.isolate.poisoned(), Some(&error));
}

/// Random programs with and without zeal, compared with the model heap.
///
/// # Panics
/// With the smallest program that shows a difference.
pub fn random_programs_agree_with_the_model(collector: &Arc<dyn Collector>) {
    if let Err(counterexample) = prove(collector, Effort::from_environment(CASES)) {
        panic!("{counterexample}");
    }
}
