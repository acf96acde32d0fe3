//! Scopes, handles in and out of them, conversions, and handles of other stores.

use crate::everywhere;
use windrow::{
    AnyRef, ArrayRef, ArrayType, CollectionKind, Config, EqRef, Error, ExternRef, FieldType,
    HeapType, I31, Rooted, ScopedVal, StorageType, Store, StructRef, StructType, TypeId, Val,
    ValType,
};

fn pair(store: &Store) -> TypeId {
    let fields = [
        FieldType::mutable(ValType::I32),
        FieldType::mutable(ValType::ANYREF),
    ];
    let pair = store.types().register_struct(StructType::new(fields));
    pair.expect("a small type")
}

fn new<'s>(
    scope: &mut windrow::Scope<'s>,
    pair: TypeId,
    number: i32,
    next: Option<Rooted<'s, AnyRef>>,
) -> Rooted<'s, StructRef> {
    StructRef::new(scope, pair, &[Val::I32(number), next.into()]).expect("there is room")
}

#[test]
fn a_handle_keeps_its_object_and_follows_it() {
    everywhere(|store| {
        let pair = pair(store);
        let mut scope = store.scope();
        let last = new(&mut scope, pair, 1, None);
        let first = new(&mut scope, pair, 2, Some(last.to_any()));
        for kind in [CollectionKind::Automatic, CollectionKind::Full] {
            scope.gc(kind).unwrap();
            let next = first.get(&mut scope, 1).unwrap().as_ref().unwrap();
            assert!(next.ref_eq(&scope, last));
            assert!(!next.ref_eq(&scope, first));
            let next = next.cast::<StructRef>(&scope).unwrap();
            assert_eq!(next.get(&mut scope, 0).unwrap().as_i32(), Some(1));
        }
    });
}

#[test]
fn handles_go_with_their_scope() {
    everywhere(|store| {
        let pair = pair(store);
        let mut scope = store.scope();
        let kept = new(&mut scope, pair, 0, None);
        for number in 0..100 {
            let mut turn = scope.scope();
            new(&mut turn, pair, number, None);
            assert_eq!(turn.open_handles(), 2);
        }
        assert_eq!(scope.open_handles(), 1);
        scope.gc(CollectionKind::Full).unwrap();
        let collects = scope.isolate().config().collector.properties().collects;
        let live = scope.stats().live_bytes;
        assert_eq!(live, if collects { 16 } else { 101 * 16 });
        assert_eq!(kept.type_id(&scope), Some(pair));
    });
}

#[test]
fn one_handle_comes_out_of_a_nested_scope() {
    everywhere(|store| {
        let pair = pair(store);
        let mut scope = store.scope();
        let mut list = None;
        for number in 0..50 {
            list = scope
                .nested(|inner| {
                    let fields = [Val::I32(number), ScopedVal::from(list)];
                    new(inner, pair, -1, None);
                    StructRef::new(inner, pair, &fields).map(Some)
                })
                .unwrap();
        }
        assert_eq!(scope.open_handles(), 50);
        let (mut at, mut count) = (list, 0);
        while let Some(node) = at {
            count += 1;
            let number = node.get(&mut scope, 0).unwrap().as_i32();
            assert_eq!(number, Some(50 - count));
            let next = node.get(&mut scope, 1).unwrap().as_ref();
            at = next.map(|next| next.cast(&scope).unwrap());
        }
        assert_eq!(count, 50);
        let failed: Result<Option<Rooted<'_>>, &str> = scope.nested(|inner| {
            new(inner, pair, 0, None);
            Err("no")
        });
        assert_eq!(failed.unwrap_err(), "no");
        let nothing = scope.nested::<AnyRef, ()>(|_| Ok(None)).unwrap();
        assert!(nothing.is_none());
    });
}

#[test]
fn owned_handles_outlive_scopes() {
    everywhere(|store| {
        let pair = pair(store);
        let mut scope = store.scope();
        let first = new(&mut scope, pair, 7, None);
        let owned = first.own(&mut scope);
        drop(scope);
        store.gc(CollectionKind::Full).unwrap();
        let clone = owned.clone();
        store.release(owned);
        store.gc(CollectionKind::Full).unwrap();
        let mut scope = store.scope();
        let again = clone.root(&mut scope);
        assert_eq!(again.get(&mut scope, 0).unwrap().as_i32(), Some(7));
        let value = Val::Ref(clone.into());
        let scoped = value.root(&mut scope).unwrap();
        assert!(scoped.as_ref().unwrap().ref_eq(&scope, again));
        let back = scoped.own(&mut scope).unwrap();
        scope.check_value(&back, ValType::ANYREF).unwrap();
        assert!(scope.check_value(&back, ValType::FUNCREF).is_err());
    });
}

#[test]
fn kinds_convert_as_types_do() {
    everywhere(|store| {
        let pair = pair(store);
        let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
        let bytes = store.types().register_array(bytes).unwrap();
        let mut scope = store.scope();
        let object = new(&mut scope, pair, 7, None);
        let array = ArrayRef::new_default(&mut scope, bytes, 3).unwrap();
        let host = ExternRef::new(&mut scope, "host").unwrap();
        let number: Rooted<'_, EqRef> = I31::new(-5).unwrap().into();
        let all: [Rooted<'_>; 4] = [object.into(), array.into(), host.into(), number.into()];
        let kinds: Vec<[bool; 4]> = all
            .iter()
            .map(|any| {
                [
                    any.is::<EqRef>(&scope),
                    any.is::<StructRef>(&scope),
                    any.is::<ArrayRef>(&scope),
                    any.is::<ExternRef>(&scope),
                ]
            })
            .collect();
        assert_eq!(
            kinds,
            [
                [true, true, false, false],
                [true, false, true, false],
                [false, false, false, true],
                [true, false, false, false],
            ]
        );
        assert_eq!(number.as_i31(&scope).map(I31::value), Some(-5));
        assert_eq!(number.type_id(&scope), None);
        assert!(object.upcast::<EqRef>().ref_eq(&scope, object));
        let error = all[1].try_cast::<StructRef>(&scope).unwrap_err();
        assert_eq!(error.to_string(), "expected a struct, found an array");
        let error = number.try_cast::<StructRef>(&scope).unwrap_err();
        assert_eq!(error.to_string(), "expected a struct, found an i31");
        assert!(object.matches(&scope, HeapType::Concrete(pair)).unwrap());
        assert!(!array.matches(&scope, HeapType::Concrete(pair)).unwrap());
        assert!(number.matches(&scope, HeapType::I31).unwrap());
    });
}

#[test]
fn integers_of_31_bits_wrap_or_are_refused() {
    assert_eq!(I31::new(1 << 30), None);
    assert_eq!(I31::new(-(1 << 30)), Some(I31::MIN));
    assert_eq!(I31::wrapping(1 << 30), I31::MIN);
    assert_eq!(I31::wrapping(-1).value(), -1);
}

#[test]
fn another_stores_handle_is_told() {
    everywhere(|store| {
        let mut other = Store::new(&Config::new()).unwrap();
        let pair_here = pair(store);
        let pair_there = pair(&other);
        let mut here = store.scope();
        let mut there = other.scope();
        let mine = new(&mut here, pair_here, 1, None);
        let theirs = new(&mut there, pair_there, 2, None);
        let foreign = Err(Error::ForeignReference);
        assert_eq!(theirs.get(&mut here, 0).map(|_| ()), foreign);
        assert_eq!(theirs.set(&mut here, 0, Val::I32(3)), foreign);
        assert_eq!(mine.set(&mut here, 1, theirs.into()), foreign);
        assert_eq!(mine.try_ref_eq(&here, theirs).map(|_| ()), foreign);
        assert_eq!(theirs.try_own(&mut here).map(|_| ()), foreign);
        let fields = [Val::I32(1), theirs.into()];
        let made = StructRef::new(&mut here, pair_here, &fields);
        assert_eq!(made.map(|_| ()), foreign);
        let owned = theirs.own(&mut there);
        assert_eq!(owned.try_root(&mut here).map(|_| ()), foreign);
        // Integers are no store's.
        let number: Rooted<'_, AnyRef> = I31::MAX.into();
        mine.set(&mut here, 1, number.into()).unwrap();
        theirs.set(&mut there, 1, number.into()).unwrap();
    });
}

#[test]
#[should_panic(expected = "a handle is used with the store it came from")]
fn another_stores_handle_is_a_panic_where_there_is_no_error() {
    let mut store = Store::new(&Config::new()).unwrap();
    let other = Store::new(&Config::new()).unwrap();
    let pair = pair(&store);
    let mut scope = store.scope();
    let object = new(&mut scope, pair, 1, None);
    let _ = object.type_id(&other);
}

#[test]
fn stores_that_are_swapped_take_their_handles_along() {
    let mut one = Store::new(&Config::new()).unwrap();
    let mut two = Store::new(&Config::new()).unwrap();
    let (pair_one, pair_two) = (pair(&one), pair(&two));
    let (mut first, mut second) = (one.scope(), two.scope());
    let of_one = new(&mut first, pair_one, 1, None);
    let of_two = new(&mut second, pair_two, 2, None);
    std::mem::swap::<Store>(&mut first, &mut second);
    assert!(of_one.get(&mut first, 0).is_err());
    assert_eq!(of_one.get(&mut second, 0).unwrap().as_i32(), Some(1));
    drop(first);
    assert_eq!(of_one.get(&mut second, 0).unwrap().as_i32(), Some(1));
    drop(second);
    let mut again = one.scope();
    let new_one = new(&mut again, pair_two, 3, None);
    assert_eq!(of_two.get(&mut again, 0).unwrap().as_i32(), Some(2));
    assert_eq!(new_one.get(&mut again, 0).unwrap().as_i32(), Some(3));
}

#[test]
fn a_store_that_comes_back_to_its_scope_keeps_the_handles_of_another() {
    let mut store = Store::new(&Config::new()).unwrap();
    let pair = pair(&store);
    let mut first = store.scope();
    new(&mut first, pair, 1, None);
    // The store leaves, has a scope opened where it is, and comes back.
    let mut elsewhere = std::mem::replace(&mut *first, Store::new(&Config::new()).unwrap());
    let mut second = elsewhere.scope();
    let kept = new(&mut second, pair, 2, None);
    std::mem::swap::<Store>(&mut first, &mut second);
    drop(first);
    let mut third = store.scope();
    for number in 3..10 {
        new(&mut third, pair, number, None);
    }
    assert_eq!(kept.get(&mut third, 0).unwrap().as_i32(), Some(2));
    drop(second);
    assert_eq!(kept.type_id(&third), Some(pair));
}

#[test]
fn a_forgotten_scope_closes_nothing_of_the_scopes_after_it() {
    let mut store = Store::new(&Config::new()).unwrap();
    let pair = pair(&store);
    let mut forgotten = store.scope();
    new(&mut forgotten, pair, 1, None);
    std::mem::forget(forgotten);
    for _ in 0..10 {
        let mut turn = store.scope();
        new(&mut turn, pair, 2, None);
        assert_eq!(turn.open_handles(), 2);
    }
}
