//! Weak references, weak maps, finalizers and traced host values, as an embedder uses them.

use crate::everywhere;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use windrow::{
    ArrayRef, ArrayType, CollectionKind, Config, Error, ExternRef, FieldType, HeapCell, HeapError,
    I31, Rooted, Scope, Store, TraceHost, TypeId, ValType,
};

fn refs(store: &Store) -> TypeId {
    let of = ArrayType::new(FieldType::mutable(ValType::ANYREF));
    store.types().register_array(of).expect("a small type")
}

fn object<'s>(scope: &mut Scope<'s>, refs: TypeId, number: i32) -> Rooted<'s, ArrayRef> {
    let number = I31::wrapping(number).into();
    ArrayRef::new(scope, refs, 1, number).expect("there is room")
}

fn number(scope: &mut Scope<'_>, of: Rooted<'_, ArrayRef>) -> i32 {
    let element = of.get(scope, 0).expect("an element").as_ref();
    let element = element.expect("not null").as_i31(scope);
    element.expect("an integer").value()
}

fn collects(store: &Store) -> bool {
    store.isolate().config().collector.properties().collects
}

#[test]
fn weak_references_empty_when_their_objects_die() {
    everywhere(|store| {
        let refs = refs(store);
        let mut scope = store.scope();
        let kept = object(&mut scope, refs, 1);
        let (to_kept, to_dead) = {
            let mut turn = scope.scope();
            let dead = object(&mut turn, refs, 2);
            (
                kept.downgrade(&mut turn).unwrap(),
                dead.downgrade(&mut turn).unwrap(),
            )
        };
        scope.gc(CollectionKind::Full).unwrap();
        let found = to_kept.clone().get(&mut scope).unwrap().unwrap();
        assert!(found.ref_eq(&scope, kept));
        assert_eq!(number(&mut scope, found), 1);
        let empty = to_dead.get(&mut scope).unwrap().is_none();
        assert_eq!(empty, collects(&scope));
        let integer: Rooted<'_> = I31::MAX.into();
        assert!(matches!(
            integer.downgrade(&mut scope),
            Err(Error::WrongKind { .. })
        ));
        let mut other = Store::new(&Config::new()).unwrap();
        let foreign = to_kept.get(&mut other.scope()).unwrap_err();
        assert!(matches!(foreign, Error::Heap(HeapError::Foreign { .. })));
    });
}

#[test]
fn entries_of_a_weak_map_live_as_long_as_their_keys() {
    everywhere(|store| {
        let refs = refs(store);
        let map = store.new_weak_map();
        let mut scope = store.scope();
        let key = object(&mut scope, refs, 1);
        {
            let mut turn = scope.scope();
            // A value that leads to its own key, and one that leads to the next key.
            let dead = object(&mut turn, refs, 2);
            let value = ArrayRef::new(&mut turn, refs, 1, dead.into()).unwrap();
            assert!(map.insert(&mut turn, dead, Some(value.to_any())).unwrap());
            let second = object(&mut turn, refs, 3);
            let value = ArrayRef::new(&mut turn, refs, 1, second.into()).unwrap();
            assert!(map.insert(&mut turn, key, Some(value.to_any())).unwrap());
            assert!(map.insert(&mut turn, second, None).unwrap());
            assert!(!map.insert(&mut turn, second, None).unwrap());
            assert_eq!(map.len(&turn).unwrap(), 3);
        }
        scope.gc(CollectionKind::Full).unwrap();
        let left = map.entries(&mut scope).unwrap();
        assert_eq!(left.len(), if collects(&scope) { 2 } else { 3 });
        let value = map.get(&mut scope, key).unwrap().unwrap().unwrap();
        let value = value.cast::<ArrayRef>(&scope).unwrap();
        let second = value.get(&mut scope, 0).unwrap().as_ref().unwrap();
        assert!(map.contains(&scope, second).unwrap());
        assert!(map.get(&mut scope, second).unwrap().unwrap().is_none());
        assert!(map.remove(&mut scope, key).unwrap());
        assert!(!map.remove(&mut scope, key).unwrap());
        assert!(map.get(&mut scope, key).unwrap().is_none());
        assert!(!map.is_empty(&scope).unwrap());
    });
}

#[test]
fn finalizers_hand_out_the_dead_once() {
    everywhere(|store| {
        let refs = refs(store);
        let mut scope = store.scope();
        for tag in 0..5 {
            let mut turn = scope.scope();
            let inner = object(&mut turn, refs, i32::try_from(tag).unwrap());
            let outer = ArrayRef::new(&mut turn, refs, 1, inner.into()).unwrap();
            outer.register_finalizer(&mut turn, tag).unwrap();
        }
        scope.gc(CollectionKind::Full).unwrap();
        let mut tags = Vec::new();
        while let Some((object, tag)) = scope.next_finalizable().unwrap() {
            let outer = object.cast::<ArrayRef>(&scope).unwrap();
            let inner = outer.get(&mut scope, 0).unwrap().as_ref().unwrap();
            let inner = inner.cast::<ArrayRef>(&scope).unwrap();
            assert_eq!(number(&mut scope, inner), i32::try_from(tag).unwrap());
            tags.push(tag);
        }
        let expected: Vec<u64> = if collects(&scope) {
            (0..5).collect()
        } else {
            Vec::new()
        };
        assert_eq!(tags, expected);
        scope.gc(CollectionKind::Full).unwrap();
        assert!(scope.next_finalizable().unwrap().is_none());
    });
}

/// A host value with two references.
struct Node {
    cells: [HeapCell; 2],
    drops: Arc<AtomicUsize>,
}

impl TraceHost for Node {
    fn trace(&self, visitor: &mut dyn FnMut(&HeapCell)) {
        self.cells.iter().for_each(visitor);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn cycles_through_host_and_heap_die() {
    everywhere(|store| {
        let refs = refs(store);
        let drops = Arc::new(AtomicUsize::new(0));
        let node = || Node {
            cells: [HeapCell::new(), HeapCell::new()],
            drops: Arc::clone(&drops),
        };
        let mut scope = store.scope();
        let kept = ExternRef::new_traced(&mut scope, node()).unwrap();
        {
            let mut turn = scope.scope();
            let dead = ExternRef::new_traced(&mut turn, node()).unwrap();
            let link = ArrayRef::new(&mut turn, refs, 1, dead.into()).unwrap();
            let held = object(&mut turn, refs, 9);
            for (value, references) in [
                (kept, [held.to_any(), kept.to_any()]),
                (dead, [link.to_any(), kept.to_any()]),
            ] {
                let cells = &value.data::<Node>(&turn).unwrap().unwrap().cells;
                for (cell, reference) in cells.iter().zip(references) {
                    turn.set_cell(cell, Some(reference)).unwrap();
                }
            }
        }
        scope.gc(CollectionKind::Automatic).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        let dropped = drops.load(Ordering::Relaxed);
        assert_eq!(dropped, usize::from(collects(&scope)));
        let cells = &kept.data::<Node>(&scope).unwrap().unwrap().cells;
        let [held, own] = [0, 1].map(|index| scope.cell(&cells[index]).unwrap());
        let held = scope.root(held).unwrap().cast::<ArrayRef>(&scope).unwrap();
        assert_eq!(number(&mut scope, held), 9);
        let own = scope.root(own).unwrap();
        assert!(own.ref_eq(&scope, kept));
    });
}
