//! Thousands of stores in one process: alive at once, made and dropped through a pool, and more than the
//! address space holds.

use std::process::Command;
use std::sync::Arc;
use windrow::{
    CollectionKind, CollectorKind, Config, Error, FieldType, HeapError, MemoryKind, MemoryPool,
    OwnedRooted, ScopedVal, Store, StructRef, StructType, TypeId, Val, ValType,
};

fn pair(config: &Config) -> TypeId {
    let pair = StructType::new([
        FieldType::mutable(ValType::I32),
        FieldType::mutable(ValType::ANYREF),
    ]);
    config.types().register_struct(pair).expect("valid")
}

/// Objects whose integers count up from `first`.
fn fill(store: &mut Store, pair: TypeId, first: i32) -> Vec<OwnedRooted<StructRef>> {
    let mut scope = store.scope();
    (first..first + 10)
        .map(|number| {
            let fields = [Val::I32(number), ScopedVal::NULL];
            let object = StructRef::new(&mut scope, pair, &fields).expect("room");
            object.own(&mut scope)
        })
        .collect()
}

fn check(store: &mut Store, objects: &[OwnedRooted<StructRef>], first: i32) {
    let mut scope = store.scope();
    for (number, object) in (first..).zip(objects) {
        let object = object.root(&mut scope);
        let read = object.get(&mut scope, 0).expect("a field");
        assert_eq!(read.as_i32(), Some(number));
    }
}

#[test]
fn two_thousand_stores_are_alive_at_once() {
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind);
        let pair = pair(&config);
        let mut stores = Vec::new();
        for number in 0..2000 {
            let mut store = Store::new(&config).expect("there is address space for many");
            let objects = fill(&mut store, pair, number * 100);
            stores.push((store, objects));
        }
        for (number, (store, objects)) in (0..).zip(&mut stores) {
            if number % 50 == 0 {
                store.gc(CollectionKind::Full).expect("it collects");
            }
            check(store, objects, number * 100);
        }
    }
}

#[test]
fn stores_from_a_pool_see_nothing_of_those_before() {
    for kind in CollectorKind::ALL {
        let pool = Arc::new(MemoryPool::new(2));
        let config = Config::new().collector(*kind).pool(Arc::clone(&pool));
        let pair = pair(&config);
        for round in 0..100 {
            let mut store = Store::new(&config).expect("room");
            assert_eq!(store.memory_kind(), MemoryKind::Guarded);
            let mut scope = store.scope();
            let object = StructRef::new_default(&mut scope, pair).expect("room");
            let at = object.gc_ref(&scope).bits();
            drop(scope);
            // What the last one had in its objects, and beyond them.
            for place in (at + 16..at + 4096).step_by(8) {
                let place = windrow::jit::GcRef::from_bits(place)
                    .as_object()
                    .expect("a place");
                assert_eq!(store.isolate().load_u64(place, 0), 0);
            }
            let objects = fill(&mut store, pair, round);
            store.gc(CollectionKind::Full).expect("it collects");
            check(&mut store, &objects, round);
        }
        assert_eq!(pool.idle(), 1);
    }
}

/// Whether this is the process with little space.
fn has_little_space() -> bool {
    std::env::var_os("WINDROW_IN_LITTLE_SPACE").is_some()
}

#[test]
fn more_stores_than_address_space_is_an_error_or_checked_memory() {
    if !has_little_space() {
        let this = std::env::current_exe().expect("a path");
        let test = "more_stores_than_address_space_is_an_error_or_checked_memory";
        let command = format!(
            "ulimit -v {} && exec '{}' --exact {test} --nocapture",
            40 << 20,
            this.display()
        );
        let output = Command::new("sh")
            .args(["-c", &command])
            .env("WINDROW_IN_LITTLE_SPACE", "1")
            .output()
            .expect("a shell");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        return;
    }
    for kind in CollectorKind::ALL {
        let config = Config::new().collector(*kind);
        let pair = pair(&config);
        let mut stores = Vec::new();
        let error = loop {
            match Store::new(&config) {
                Ok(mut store) => {
                    let objects = fill(&mut store, pair, 7);
                    stores.push((store, objects));
                }
                Err(error) => break error,
            }
        };
        assert!((4..10).contains(&stores.len()), "{} stores", stores.len());
        assert!(matches!(error, Error::Heap(HeapError::Reservation { .. })));
        let text = error.to_string();
        for advice in [
            "address space",
            "drop unused stores",
            "pool",
            "checked memory",
        ] {
            assert!(text.contains(advice), "{text}");
        }
        let lenient = config.clone().fall_back_to_checked(true);
        for _ in 0..3 {
            let mut store = Store::new(&lenient).expect("a checked heap is small");
            assert_eq!(store.memory_kind(), MemoryKind::Checked);
            assert_ne!(store.isolate().code_abi(), config.code_abi());
            let objects = fill(&mut store, pair, 3);
            store.gc(CollectionKind::Full).expect("it collects");
            check(&mut store, &objects, 3);
        }
        for (store, objects) in &mut stores {
            check(store, objects, 7);
        }
        stores.pop();
        let again = Store::new(&lenient).expect("there is room for one");
        assert_eq!(again.memory_kind(), MemoryKind::Guarded);
    }
}
