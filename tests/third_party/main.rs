//! A collector that is not windrow's own, written on `windrow-core` alone and proved by the kit
//! without a line changed here; and broken ones, which the kit must find.

mod free_list;
mod sticky;
mod faults;
mod compiled;
mod conformance;
#[path = "../../crates/wasm/tests/support/unwinders.rs"]
mod unwinders;

use std::sync::Arc;
use sticky::StickyCollector;
use windrow::{
    CollectionKind, Config, FieldType, HeapError, MemoryKind, StructRef, StructType, ValType,
};
use windrow_core::{Collector, Isolate, IsolateConfig};
use windrow_testkit::{Effort, Recorder, prove, prove_untrusted};

#[test]
fn a_foreign_collector_is_proved_by_the_kit() {
    let collector: Arc<dyn Collector> =
        Arc::new(Recorder::new(Arc::new(StickyCollector::default())));
    match prove(&collector, Effort::from_environment(200)) {
        Ok(figures) => assert!(figures.host_values_dropped > 0, "{figures:?}"),
        Err(counterexample) => panic!("{counterexample}"),
    }
}

#[test]
fn a_foreign_collector_withstands_corruption() {
    let collector: Arc<dyn Collector> = Arc::new(StickyCollector::default());
    if let Err(counterexample) = prove_untrusted(&collector, Effort::from_environment(300)) {
        panic!("{counterexample}");
    }
}

#[test]
fn a_foreign_collector_serves_a_store() {
    for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
        let foreign: Arc<dyn Collector> = Arc::new(StickyCollector::default());
        let config = Config::new()
            .collector(foreign)
            .memory(memory)
            .heap_max_bytes(1 << 20);
        assert_eq!(config.chosen_collector().name(), "third-party-sticky");
        let mut store = windrow::Store::new(&config).unwrap();
        let cell = StructType::new([FieldType::mutable(ValType::I64)]);
        let cell = store.types().register_struct(cell).unwrap();
        let mut scope = store.scope();
        let kept = StructRef::new_default(&mut scope, cell).unwrap();
        for _ in 0..100_000 {
            let mut turn = scope.scope();
            StructRef::new_default(&mut turn, cell).unwrap();
        }
        scope.gc(CollectionKind::Full).unwrap();
        assert_eq!(kept.type_id(&scope), Some(cell));
        assert_eq!(scope.stats().live_bytes, 16);
    }
}

#[test]
fn a_store_without_its_barrier_is_noticed() {
    let mut isolate = Isolate::new(IsolateConfig::new(Arc::new(Recorder::new(Arc::new(
        StickyCollector::default(),
    )))))
    .unwrap();
    let cell = StructType::new([FieldType::mutable(ValType::ANYREF)]);
    let cell = isolate.types().register_struct(cell).unwrap();
    isolate.sync_types();
    let old = isolate.alloc_struct(cell, &mut []).unwrap();
    let mut roots = [old.to_ref()];
    isolate.init_ref(old, 8, old.to_ref());
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    isolate.write_ref(old, 8, windrow_core::GcRef::from_i31(1));
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    isolate.verify().unwrap();
    isolate.init_ref(old, 8, old.to_ref());
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    let Err(HeapError::VerifyFailed { first, .. }) = isolate.verify() else {
        panic!("nothing was noticed")
    };
    assert!(first.contains("without a barrier"), "{first}");
}
