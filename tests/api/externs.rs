//! Host values: read, changed while they are one's own, handed back, dropped once.

use crate::everywhere;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use windrow::{CollectionKind, Config, ExternRef, HeapError, HostValue, Store};

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn values_drop_once_after_their_objects() {
    everywhere(|store| {
        let drops = Arc::new(AtomicUsize::new(0));
        let mut scope = store.scope();
        let kept = ExternRef::new(&mut scope, Counted(Arc::clone(&drops))).unwrap();
        for _ in 0..10 {
            let mut turn = scope.scope();
            ExternRef::new(&mut turn, Counted(Arc::clone(&drops))).unwrap();
        }
        scope.gc(CollectionKind::Full).unwrap();
        let collects = scope.isolate().config().collector.properties().collects;
        let dropped = drops.load(Ordering::Relaxed);
        assert_eq!(dropped, if collects { 10 } else { 0 });
        assert!(kept.data::<Counted>(&scope).unwrap().is_some());
    });
}

#[test]
fn values_are_read_and_changed() {
    everywhere(|store| {
        let mut scope = store.scope();
        let text = ExternRef::new(&mut scope, String::from("hay")).unwrap();
        scope.gc(CollectionKind::Full).unwrap();
        let changed = text.data_mut::<String>(&mut scope).unwrap();
        changed.expect("no other box").push_str("stack");
        assert_eq!(
            text.data::<String>(&scope).unwrap().map(String::as_str),
            Some("haystack")
        );
        assert_eq!(text.data::<u8>(&scope), Ok(None));
        let other = text.host_value(&scope).unwrap().clone();
        assert_eq!(text.data_mut::<String>(&mut scope), Ok(None));
        drop(other);
        assert!(text.data_mut::<String>(&mut scope).unwrap().is_some());
    });
}

#[test]
fn a_full_heap_hands_the_value_back() {
    let config = Config::new().heap_max_bytes(1 << 18);
    let mut store = Store::new(&config).unwrap();
    let mut scope = store.scope();
    let refused = loop {
        let value = HostValue::new(String::from("mine"));
        if let Err(refused) = ExternRef::from_host_value(&mut scope, value, 0) {
            break refused;
        }
    };
    assert!(matches!(refused.error, HeapError::HeapFull { .. }));
    assert_eq!(
        refused.value.downcast_ref::<String>().map(String::as_str),
        Some("mine")
    );
    let error = windrow::Error::from(refused);
    assert!(matches!(
        error,
        windrow::Error::Heap(HeapError::HeapFull { .. })
    ));
}
