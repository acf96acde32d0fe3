//! What is particular to the null collector; the contract is the proof kit's business.

use super::NullCollector;
use std::sync::Arc;
use windrow_core::{
    CollectionKind, HeapError, HeapLimits, Isolate, IsolateConfig, MemoryKind, TypeId,
};

fn isolate(memory: MemoryKind, max_bytes: u64) -> Isolate {
    let mut config = IsolateConfig::new(Arc::new(NullCollector));
    config.memory = memory;
    config.limits = HeapLimits {
        initial_bytes: 64,
        max_bytes,
    };
    Isolate::new(config).unwrap()
}

#[test]
fn fills_the_heap_to_the_last_byte_and_no_further() {
    for memory in [MemoryKind::Guarded, MemoryKind::Checked] {
        let mut isolate = isolate(memory, 160);
        for _ in 0..10 {
            isolate.alloc_struct(TypeId::EXTERN, &mut []).unwrap();
        }
        let full = HeapError::HeapFull {
            needed_bytes: 16,
            limit_bytes: 160,
        };
        assert_eq!(isolate.alloc_struct(TypeId::EXTERN, &mut []), Err(full));
        assert_eq!(isolate.stats().allocated_bytes, 160);
        isolate.verify().unwrap();
    }
}

#[test]
fn a_collection_changes_nothing() {
    let mut isolate = isolate(MemoryKind::Guarded, 1 << 20);
    let object = isolate
        .alloc_extern(windrow_core::HostValue::new(5_u8), &mut [])
        .unwrap();
    isolate.collect(CollectionKind::Full).unwrap();
    let value = isolate.host_value(object).unwrap().unwrap();
    assert_eq!(value.downcast_ref::<u8>(), Some(&5));
}

#[test]
fn a_limit_of_nothing_is_a_full_heap() {
    let mut isolate = isolate(MemoryKind::Checked, 0);
    let full = HeapError::HeapFull {
        needed_bytes: 16,
        limit_bytes: 0,
    };
    assert_eq!(isolate.alloc_struct(TypeId::EXTERN, &mut []), Err(full));
}
