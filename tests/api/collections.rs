//! Collections asked for, forbidden, or done in steps; roots of the embedder's own; what is alive.

use crate::everywhere;
use windrow::{
    CollectionKind, Config, Error, FieldType, HeapError, RootKind, RootsKey, ScopedVal, Store,
    StructRef, StructType, TypeId, Val, ValType, ValueStack,
};

fn node(store: &Store) -> TypeId {
    let fields = [
        FieldType::mutable(ValType::I32),
        FieldType::mutable(ValType::ANYREF),
    ];
    let node = store.types().register_struct(StructType::new(fields));
    node.expect("a small type")
}

/// Pushes a list of `0..count`, the last number first, on a value stack.
fn push_list(store: &mut Store, stack: RootsKey<ValueStack>, node: TypeId, count: i32) {
    for number in 0..count {
        let mut scope = store.scope();
        let next = scope.roots_mut(stack).pop();
        let next = next.and_then(|next| scope.root(next));
        let fields = [Val::I32(number), ScopedVal::from(next)];
        let made = StructRef::new(&mut scope, node, &fields).expect("there is room");
        let made = made.gc_ref(&scope);
        scope.roots_mut(stack).push(made);
    }
}

/// The numbers of a list, read where nothing can be collected.
fn numbers(store: &mut Store, stack: RootsKey<ValueStack>, node: TypeId) -> Vec<i32> {
    let number = store.field::<i32>(node, 0).expect("the field");
    let next = store
        .ref_field::<windrow::AnyRef>(node, 1)
        .expect("the field");
    let mut scope = store.scope();
    let Some(list) = scope.roots(stack).last().copied() else {
        return Vec::new();
    };
    let list = scope.root(list).expect("not null");
    let heap = scope.no_gc();
    let mut numbers = Vec::new();
    let mut at = Some(heap.unrooted(list).expect("of this store"));
    while let Some(object) = at {
        let object = object.cast::<StructRef>(&heap).expect("a node");
        numbers.push(object.read(&heap, number).expect("a node"));
        assert_eq!(
            object.read_unchecked(&heap, number),
            numbers[numbers.len() - 1]
        );
        at = object.read_ref(&heap, next).expect("a node");
    }
    numbers
}

#[test]
fn a_value_stack_is_scanned_in_place() {
    everywhere(|store| {
        let node = node(store);
        let stack = store.add_roots(ValueStack::new());
        let other = store.add_roots(ValueStack::new());
        push_list(store, stack, node, 100);
        push_list(store, other, node, 3);
        store.gc(CollectionKind::Full).unwrap();
        let expected: Vec<i32> = (0..100).rev().collect();
        assert_eq!(numbers(store, stack, node), expected);
        assert_eq!(numbers(store, other, node), [2, 1, 0]);
        store.roots_mut(stack).clear();
        store.gc(CollectionKind::Full).unwrap();
        if store.isolate().config().collector.properties().collects {
            assert_eq!(store.stats().live_bytes, 3 * 16);
        }
        let another = Store::new(&Config::new()).unwrap();
        assert!(matches!(
            another.try_roots(stack),
            Err(Error::ForeignReference)
        ));
    });
}

#[test]
fn nothing_is_collected_in_a_scope_that_forbids_it() {
    for collector in windrow::CollectorKind::ALL {
        let config = Config::new().collector(*collector).heap_max_bytes(1 << 20);
        let mut store = Store::new(&config).unwrap();
        let node = node(&store);
        let mut heap = store.no_gc();
        let error = heap.scope(|scope| {
            let refused = scope.gc(CollectionKind::Full);
            assert!(matches!(
                refused,
                Err(Error::Heap(HeapError::CollectionForbidden { .. }))
            ));
            loop {
                let mut turn = scope.scope();
                if let Err(error) = StructRef::new_default(&mut turn, node) {
                    break error;
                }
            }
        });
        let forbidden = matches!(error, Error::Heap(HeapError::CollectionForbidden { .. }));
        assert!(forbidden, "{error}");
        drop(heap);
        let mut scope = store.scope();
        let again = StructRef::new_default(&mut scope, node);
        assert_eq!(again.is_ok(), collector.instance().properties().collects);
    }
}

#[test]
#[should_panic(expected = "a store is not swapped while its references are unrooted")]
fn stores_are_not_swapped_where_references_are_unrooted() {
    let mut store = Store::new(&Config::new()).unwrap();
    let mut other = Store::new(&Config::new()).unwrap();
    let mut heap = store.no_gc();
    heap.scope(|scope| std::mem::swap::<Store>(scope, &mut other));
}

#[test]
fn steps_do_what_a_collection_left() {
    everywhere(|store| {
        let node = node(store);
        let stack = store.add_roots(ValueStack::new());
        push_list(store, stack, node, 500);
        store.gc(CollectionKind::Automatic).unwrap();
        store.roots_mut(stack).clear();
        store.gc(CollectionKind::Automatic).unwrap();
        let mut steps = 0;
        while store.gc_step(640).unwrap() {
            steps += 1;
            assert!(steps < 1000, "steps come to an end");
        }
        store.gc(CollectionKind::Full).unwrap();
        assert!(!store.gc_step(1).unwrap());
        store.verify().unwrap();
    });
}

#[test]
fn a_collector_that_reclaims_between_collections_has_steps_to_do() {
    let mut store = Store::new(&Config::new().collector(windrow::CollectorKind::Drc)).unwrap();
    let node = node(&store);
    let stack = store.add_roots(ValueStack::new());
    push_list(&mut store, stack, node, 200_000);
    store.gc(CollectionKind::Automatic).unwrap();
    store.roots_mut(stack).clear();
    store.gc(CollectionKind::Automatic).unwrap();
    let left = store.stats().live_bytes;
    assert!(left > 1 << 20, "the list is not all looked at: {left}");
    let mut steps = 0;
    while store.gc_step(64 << 10).unwrap() {
        steps += 1;
    }
    assert!(steps > 10);
    let stats = store.stats();
    assert_eq!(stats.allocated_bytes, stats.reclaimed_bytes);
    store.verify().unwrap();
}

#[test]
fn a_path_says_why_an_object_is_alive() {
    everywhere(|store| {
        let node = node(store);
        store.types().set_type_name(node, "Node");
        store.types().set_field_name(node, 1, "next");
        let stack = store.add_roots(ValueStack::new());
        push_list(store, stack, node, 3);
        let mut scope = store.scope();
        let list = scope.roots(stack)[0];
        let first = scope.root(list).unwrap().cast::<StructRef>(&scope).unwrap();
        let second = first.get(&mut scope, 1).unwrap().as_ref().unwrap();
        let path = scope.why_alive(second).unwrap().expect("it is alive");
        assert!(matches!(
            path.root,
            RootKind::ScopedHandle | RootKind::ValueStack
        ));
        let mut live = 0;
        scope
            .visit_objects(|object| live += u64::from(object.bytes()))
            .unwrap();
        assert_eq!(live, 3 * 16);
        let mut written = Vec::new();
        scope.write_snapshot(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(text.starts_with('{') && text.contains("\"Node\"") && text.contains("\"next\""));
    });
}
