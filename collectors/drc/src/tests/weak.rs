//! Objects that something outside the heap goes by, among counts, logs and the dead of the old.

use super::{
    FIRST, SECOND, array_type, collect, isolate, isolate_in, live_bytes, node_type, object,
};
use crate::tests::{ELEMENTS, MEMORIES};
use windrow_core::{
    CollectionKind, FieldType, GcRef, HeapCell, HostValue, TraceHost, ValType, Zeal,
};

/// A question for each link and each that is left would take minutes.
const LINKS: u32 = if cfg!(miri) { 50 } else { 100_000 };

#[test]
fn long_chains_of_ephemerons_are_linear() {
    for memory in MEMORIES.iter().copied() {
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            let mut isolate = isolate_in(memory, 64 << 20, Zeal::OFF);
            let node = node_type(&mut isolate, 2);
            let map = isolate.new_weak_map();
            let mut roots = [GcRef::NULL; 2];
            for _ in 0..LINKS {
                let between = isolate.alloc_struct(node, &mut roots).unwrap();
                isolate.init_ref(between, FIRST, roots[0]);
                roots[1] = between.to_ref();
                let key = isolate.alloc_struct(node, &mut roots).unwrap();
                isolate.weak_map_insert(&map, key, roots[1]).unwrap();
                roots = [key.to_ref(), GcRef::NULL];
            }
            isolate.collect_with(kind, &mut roots).unwrap();
            assert_eq!(isolate.weak_map_len(&map), Ok(LINKS as usize));
            isolate.collect(CollectionKind::Full).unwrap();
            assert_eq!(isolate.weak_map_len(&map), Ok(0));
        }
    }
}

/// A long list dies together, more than a collection looks at; a weak reference to a node in the
/// middle may bring it back until a collection has judged it.
#[test]
fn a_weak_reference_brings_back_what_no_collection_judged() {
    let mut isolate = isolate(64 << 20);
    let node = node_type(&mut isolate, 2);
    let mut roots = [GcRef::NULL; 2];
    let (mut middle, mut map) = (None, None);
    for number in 0..100_000 {
        let new = isolate.alloc_struct(node, &mut roots).unwrap();
        isolate.init_ref(new, FIRST, roots[0]);
        roots[0] = new.to_ref();
        if number == 30_000 {
            middle = Some(isolate.new_weak(new).unwrap());
            let of = isolate.new_weak_map();
            isolate
                .weak_map_insert(&of, new, GcRef::from_i31(5))
                .unwrap();
            map = Some(of);
        }
    }
    let (middle, map) = (middle.unwrap(), map.unwrap());
    collect(&mut isolate, &mut roots);
    roots[0] = GcRef::NULL;
    collect(&mut isolate, &mut roots);
    // Nodes before the middle are dead; the collection did not come to it.
    let at = isolate.weak(&middle).unwrap().expect("it was not judged");
    let bytes = array_type(&mut isolate, FieldType::mutable(ValType::I32));
    for _ in 0..2000 {
        isolate.alloc_array(bytes, 100, &mut []).unwrap();
    }
    // Between collections it was left alone, whole, although nothing refers to it.
    assert_eq!(isolate.weak(&middle), Ok(Some(at)));
    isolate.verify().unwrap();
    roots[0] = at.to_ref();
    for _ in 0..3 {
        collect(&mut isolate, &mut roots);
    }
    let mut length = 0;
    let mut next = roots[0];
    while let Some(node) = next.as_object() {
        length += 1;
        next = isolate.load_ref(node, FIRST);
    }
    assert_eq!(length, 30_001);
    assert_eq!(isolate.weak_map_get(&map, at), Ok(Some(GcRef::from_i31(5))));
    roots[0] = GcRef::NULL;
    for _ in 0..3 {
        collect(&mut isolate, &mut roots);
    }
    assert_eq!(isolate.weak(&middle), Ok(None));
    assert_eq!(isolate.weak_map_len(&map), Ok(0));
}

/// What is brought back is held by a counted reference, and then by none.
#[test]
fn what_is_brought_back_into_an_object_is_counted() {
    let mut isolate = isolate(1 << 20);
    let node = node_type(&mut isolate, 2);
    let mut roots = [GcRef::NULL; 2];
    for root in 0..2 {
        roots[root] = isolate.alloc_struct(node, &mut roots).unwrap().to_ref();
    }
    let handle = isolate.new_weak(object(roots[1])).unwrap();
    isolate.write_ref(object(roots[0]), FIRST, roots[1]);
    roots[1] = GcRef::NULL;
    collect(&mut isolate, &mut roots);
    let held = isolate.weak(&handle).unwrap().unwrap();
    isolate.write_ref(object(roots[0]), FIRST, GcRef::NULL);
    isolate.write_ref(object(roots[0]), SECOND, held.to_ref());
    collect(&mut isolate, &mut roots);
    assert_eq!(isolate.weak(&handle), Ok(Some(held)));
    isolate.write_ref(object(roots[0]), SECOND, GcRef::NULL);
    collect(&mut isolate, &mut roots);
    assert_eq!(isolate.weak(&handle), Ok(None));
    assert_eq!(live_bytes(&mut isolate), 16);
}

/// A finalizer brings back a young object that alone leads to an old one whose last counted
/// reference went in the same epoch.
#[test]
fn a_finalizer_brings_back_what_lost_its_count_meanwhile() {
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate_in(memory, 1 << 20, Zeal::OFF);
        let node = node_type(&mut isolate, 2);
        let mut roots = [GcRef::NULL; 2];
        for root in 0..2 {
            roots[root] = isolate.alloc_struct(node, &mut roots).unwrap().to_ref();
        }
        isolate.write_ref(object(roots[0]), FIRST, roots[1]);
        roots[1] = GcRef::NULL;
        collect(&mut isolate, &mut roots);
        let young = isolate.alloc_struct(node, &mut roots).unwrap();
        let old = isolate.load_ref(object(roots[0]), FIRST);
        isolate.init_ref(young, FIRST, old);
        isolate.write_ref(object(roots[0]), FIRST, GcRef::NULL);
        isolate.register_finalizer(young, 3).unwrap();
        collect(&mut isolate, &mut roots);
        let (found, tag) = isolate.next_finalizable().unwrap().expect("it died");
        assert_eq!((found, tag), (young, 3));
        assert_eq!(isolate.load_ref(found, FIRST), old);
        roots[1] = found.to_ref();
        collect(&mut isolate, &mut roots);
        assert_eq!(live_bytes(&mut isolate), 48);
        roots[1] = GcRef::NULL;
        for _ in 0..2 {
            collect(&mut isolate, &mut roots);
        }
        assert_eq!(live_bytes(&mut isolate), 16);
    }
}

struct Cell(HeapCell);

impl TraceHost for Cell {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        visitor(&self.0);
    }
}

/// A traced value's object has a finalizer, and its cell alone holds an old object.
#[test]
fn a_finalizer_brings_back_what_only_a_cell_holds() {
    let mut isolate = isolate(1 << 20);
    let node = node_type(&mut isolate, 2);
    let mut roots = [GcRef::NULL; 2];
    let value = HostValue::new_traced(Cell(HeapCell::new()));
    let holder = isolate.alloc_extern(value.clone(), &mut roots).unwrap();
    roots[0] = holder.to_ref();
    let held = isolate.alloc_struct(node, &mut roots).unwrap();
    let cell = &value.downcast_ref::<Cell>().unwrap().0;
    cell.set(&isolate, held.to_ref()).unwrap();
    isolate.register_finalizer(holder, 1).unwrap();
    for _ in 0..2 {
        collect(&mut isolate, &mut roots);
    }
    roots[0] = GcRef::NULL;
    collect(&mut isolate, &mut roots);
    assert_eq!(isolate.next_finalizable(), Ok(Some((holder, 1))));
    roots[0] = holder.to_ref();
    collect(&mut isolate, &mut roots);
    assert_eq!(cell.get(&isolate), Ok(held.to_ref()));
    assert_eq!(isolate.type_of(held), node);
    roots[0] = GcRef::NULL;
    collect(&mut isolate, &mut roots);
    assert_eq!(value.count(), 1, "the heap's box is gone");
}

/// Cycles through a cell cost no full collection where no count is in the way, and one where it is.
#[test]
fn cycles_through_cells_die() {
    let mut isolate = isolate(1 << 20);
    let refs = array_type(&mut isolate, FieldType::mutable(ValType::ANYREF));
    let mut roots = [GcRef::NULL; 2];
    let value = HostValue::new_traced(Cell(HeapCell::new()));
    let holder = isolate.alloc_extern(value.clone(), &mut roots).unwrap();
    roots[0] = holder.to_ref();
    let array = isolate.alloc_array(refs, 1, &mut roots).unwrap();
    isolate.init_ref(array, ELEMENTS, roots[0]);
    let cell = &value.downcast_ref::<Cell>().unwrap().0;
    cell.set(&isolate, array.to_ref()).unwrap();
    collect(&mut isolate, &mut roots);
    roots[0] = GcRef::NULL;
    // The array's count keeps the value, whose cell keeps the array.
    for _ in 0..3 {
        collect(&mut isolate, &mut roots);
        assert_eq!(value.count(), 2);
    }
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    assert_eq!((value.count(), live_bytes(&mut isolate)), (1, 0));
}
