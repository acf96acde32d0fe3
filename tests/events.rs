//! What a listener hears of a store: collections with their phases, growth, exhaustion.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use windrow::{
    ArrayRef, ArrayType, BudgetGrown, CollectionEnded, CollectionKind, CollectionReason,
    CollectionStarted, CollectorKind, Config, EventListener, ExternRef, FieldType, HeapExhausted,
    Store, ValType, Zeal,
};

/// Writes down what it hears.
#[derive(Default)]
struct Recorder {
    started: Mutex<Vec<CollectionStarted>>,
    ended: Mutex<Vec<CollectionEnded>>,
    grown: Mutex<Vec<BudgetGrown>>,
    exhausted: Mutex<Vec<HeapExhausted>>,
}

impl EventListener for Recorder {
    fn collection_started(&self, event: &CollectionStarted) {
        self.started.lock().expect("whole").push(event.clone());
    }
    fn collection_ended(&self, event: &CollectionEnded) {
        self.ended.lock().expect("whole").push(event.clone());
    }
    fn budget_grown(&self, event: &BudgetGrown) {
        self.grown.lock().expect("whole").push(event.clone());
    }
    fn heap_exhausted(&self, event: &HeapExhausted) {
        self.exhausted.lock().expect("whole").push(event.clone());
    }
}

fn store(kind: CollectorKind, zeal: u32) -> (Store, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    let config = Config::new()
        .collector(kind)
        .heap_initial_bytes(64 << 10)
        .heap_max_bytes(8 << 20)
        .zeal(Zeal::every(zeal))
        .listener(Arc::clone(&recorder) as _);
    (Store::new(&config).expect("a store"), recorder)
}

fn longs(store: &Store) -> windrow::TypeId {
    let array = ArrayType::new(FieldType::mutable(ValType::I64));
    store.types().register_array(array).expect("a type")
}

#[test]
fn a_collection_tells_what_it_did_and_where_its_time_went() {
    for kind in CollectorKind::ALL {
        for zeal in [0, 1000] {
            let (mut store, recorder) = store(*kind, zeal);
            let array = longs(&store);
            let mut scope = store.scope();
            let kept = ArrayRef::new_default(&mut scope, array, 100).expect("room");
            let kept = kept.own(&mut scope);
            for _ in 0..10 {
                ArrayRef::new_default(&mut scope, array, 100).expect("room");
            }
            ExternRef::new(&mut scope, 1_u8).expect("room");
            drop(scope);
            store.gc(CollectionKind::Full).expect("it collects");
            let ended = recorder.ended.lock().expect("whole");
            let [event] = &ended[..] else {
                panic!("{ended:?}");
            };
            assert_eq!(event.isolate, store.isolate().id().get().get());
            assert_eq!((event.kind, &event.error), (CollectionKind::Full, &None));
            assert_eq!(event.reason, CollectionReason::Requested);
            assert_eq!(
                event.before,
                recorder.started.lock().expect("whole")[0].usage
            );
            let (before, after) = (event.before.occupied_bytes, event.after.occupied_bytes);
            assert_eq!(event.reclaimed_bytes, before - after);
            if kind.instance().properties().collects {
                assert_eq!(after, 816, "the array that is kept");
                assert!(event.reclaimed_bytes >= 8160);
                assert_eq!(event.host_values_dropped, 1);
                assert!(event.budget_bytes >= 64 << 10);
            }
            let phases = event.phases;
            let inside = phases.roots + phases.closure + phases.weak + phases.reclaim;
            assert!(inside + phases.verify >= event.pause);
            assert_eq!(phases.verify > Duration::ZERO, zeal > 0);
            drop(kept);
        }
    }
}

#[test]
fn growth_and_exhaustion_are_told_with_their_sizes() {
    for kind in CollectorKind::ALL {
        let (mut store, recorder) = store(*kind, 0);
        let array = longs(&store);
        let mut held = 0;
        let mut scope = store.scope();
        let error = loop {
            match ArrayRef::new_default(&mut scope, array, 10_000) {
                Ok(_) => held += 1,
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("full"), "{error}");
        let grown = recorder.grown.lock().expect("whole");
        assert!(!grown.is_empty());
        assert!(
            grown
                .iter()
                .all(|event| event.needed_bytes == 80_016
                    && event.budget_bytes >= event.needed_bytes)
        );
        let exhausted = recorder.exhausted.lock().expect("whole");
        let [event] = &exhausted[..] else {
            panic!("{exhausted:?}");
        };
        assert_eq!((event.needed_bytes, event.limit_bytes), (80_016, 8 << 20));
        assert!(event.usage.committed_bytes <= event.limit_bytes);
        assert!(event.usage.occupied_bytes >= held * 80_000);
        let started = recorder.started.lock().expect("whole");
        let for_room = |event: &CollectionStarted| event.reason == CollectionReason::Allocation;
        assert!(started.iter().all(for_room), "{started:?}");
        // A size no heap could have is told, too.
        drop(exhausted);
        let refused = ArrayRef::new_default(&mut scope, array, u32::MAX);
        refused.expect_err("too large");
        assert_eq!(recorder.exhausted.lock().expect("whole").len(), 2);
    }
}

#[test]
fn a_listener_serves_many_stores_and_tells_them_apart() {
    let recorder = Arc::new(Recorder::default());
    let config = Config::new().listener(Arc::clone(&recorder) as _);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut store = Store::new(&config).expect("a store");
                for _ in 0..5 {
                    store.gc(CollectionKind::Full).expect("it collects");
                }
            });
        }
    });
    let ended = recorder.ended.lock().expect("whole");
    let mut numbers: Vec<_> = ended.iter().map(|event| event.isolate).collect();
    numbers.sort_unstable();
    assert_eq!(numbers.len(), 20);
    numbers.dedup();
    assert_eq!(numbers.len(), 4);
}
