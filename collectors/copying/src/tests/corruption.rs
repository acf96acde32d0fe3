//! Corruption that was not contained once: each test is named for what went wrong.

use super::{MEMORIES, isolate, object};
use crate::CopyingCollector;
use std::sync::Arc;
use windrow_core::{
    ArrayType, CollectionKind, Corruption, FieldType, GcRef, HeapError, HeapLimits, Isolate,
    IsolateConfig, MemoryKind, ObjectRef, TypeId, ValType, Zeal,
};

/// Accesses that the heaps of these tests can explain, whatever is done with them once.
const ACCESSES: u64 = 1 << 20;

/// Large arrays of references, each claiming half a gigabyte.
fn greedy_arrays(isolate: &mut Isolate) -> Vec<GcRef> {
    let any = ArrayType::new(FieldType::mutable(ValType::ANYREF));
    let any = isolate.types().register_array(any).unwrap();
    isolate.sync_types();
    let mut arrays = Vec::new();
    for _ in 0..20 {
        let array = isolate.alloc_array(any, 6000, &mut arrays).unwrap();
        isolate.store_u32(array, 8, 1 << 27);
        arrays.push(array.to_ref());
    }
    arrays
}

#[test]
fn large_objects_that_claim_the_heap_are_not_scanned_beyond_their_pages() {
    for memory in MEMORIES {
        let mut isolate = isolate(memory, 4 << 20, Zeal::OFF);
        let mut arrays = greedy_arrays(&mut isolate);
        isolate.allow_accesses(ACCESSES);
        let error = isolate
            .collect_with(CollectionKind::Full, &mut arrays)
            .unwrap_err();
        assert!(
            matches!(error, HeapError::Corrupt(Corruption::Size { .. })),
            "{error}"
        );
    }
}

#[test]
fn the_verifier_does_not_follow_what_objects_claim() {
    for memory in MEMORIES {
        let mut isolate = isolate(memory, 4 << 20, Zeal::OFF);
        greedy_arrays(&mut isolate);
        isolate.allow_accesses(ACCESSES);
        let error = isolate.verify().unwrap_err();
        assert!(
            matches!(error, HeapError::VerifyFailed { faults: 20.., .. }),
            "{error}"
        );
    }
}

#[test]
fn the_verifier_stops_where_an_object_claims_what_lies_beyond_its_chunk() {
    for memory in MEMORIES {
        let mut isolate = isolate(memory, 4 << 20, Zeal::OFF);
        let any = ArrayType::new(FieldType::mutable(ValType::ANYREF));
        let any = isolate.types().register_array(any).unwrap();
        isolate.sync_types();
        let array = isolate.alloc_array(any, 3, &mut []).unwrap();
        isolate.store_u32(array, 8, 1 << 27);
        isolate.allow_accesses(ACCESSES);
        let corrupt = HeapError::Corrupt(Corruption::Size {
            offset: array.offset(),
        });
        assert_eq!(isolate.verify(), Err(corrupt.clone()));
        // And what the verifier found poisons the heap.
        assert_eq!(isolate.collect(CollectionKind::Full), Err(corrupt));
    }
}

/// A host value's object, and one that carries a copy of its id.
fn copied_id(isolate: &mut Isolate) -> (ObjectRef, ObjectRef) {
    let owner = isolate.alloc_extern(Box::new(1_u8), &mut []).unwrap();
    let mut roots = [owner.to_ref()];
    let thief = isolate.alloc_extern(Box::new(2_u8), &mut roots).unwrap();
    let owner = object(roots[0]);
    let id = isolate.load_u32(owner, 8);
    isolate.store_u32(thief, 8, id);
    (owner, thief)
}

#[test]
fn a_copied_host_id_poisons_the_heap_and_not_only_the_answer() {
    let mut isolate = isolate(MemoryKind::Checked, 1 << 20, Zeal::OFF);
    let (owner, thief) = copied_id(&mut isolate);
    assert!(isolate.host_value(owner).unwrap().is_some());
    let error = isolate.host_value(thief).unwrap_err();
    assert!(matches!(
        error,
        HeapError::Corrupt(Corruption::HostData { .. })
    ));
    assert_eq!(isolate.poisoned(), Some(&error));
    assert_eq!(isolate.host_value(owner).unwrap_err(), error);
    assert_eq!(isolate.host_value_mut(owner).unwrap_err(), error);
    assert_eq!(isolate.alloc_struct(TypeId::EXTERN, &mut []), Err(error));
}

#[test]
fn a_poisoned_heap_is_not_verified_but_repeats_itself() {
    let mut isolate = isolate(MemoryKind::Checked, 1 << 20, Zeal::OFF);
    let victim = isolate.alloc_struct(TypeId::EXTERN, &mut []).unwrap();
    isolate.store_u32(victim, 0, 0);
    let before = isolate.stats();
    let error = isolate
        .collect_with(CollectionKind::Full, &mut [victim.to_ref()])
        .unwrap_err();
    assert_eq!(isolate.verify(), Err(error));
    let after = isolate.stats();
    assert_eq!(
        (after.committed_bytes, after.allocated_bytes),
        (before.committed_bytes, before.allocated_bytes),
        "the heap a collection gave up is not asked any more"
    );
}

#[test]
fn offsets_past_the_end_do_not_come_round_to_the_first_page() {
    for memory in MEMORIES {
        let mut isolate = isolate(memory, 1 << 20, Zeal::OFF);
        let victim = isolate.alloc_struct(TypeId::EXTERN, &mut []).unwrap();
        let round = 0_u32.wrapping_sub(victim.offset());
        for offset in (round - 32..round + 64).step_by(8) {
            isolate.store_u64(victim, offset, 1);
            isolate.fill_bytes(victim, offset, 100, 1);
            isolate.write_bytes(victim, offset, &[1; 100]);
            isolate.copy_bytes(victim, 0, victim, offset, 16);
            isolate.copy_bytes(victim, offset, victim, 8, 8);
            isolate.read_bytes(victim, offset, &mut [0; 100]);
            assert!(isolate.load_ref(victim, offset).as_object().is_none());
        }
        assert_eq!(isolate.type_of(victim), TypeId::EXTERN);
    }
}

#[test]
fn limits_and_budgets_without_end_overflow_nothing() {
    for memory in MEMORIES {
        let mut config = IsolateConfig::new(Arc::new(CopyingCollector));
        config.memory = if cfg!(miri) {
            MemoryKind::Checked
        } else {
            memory
        };
        config.limits = HeapLimits {
            initial_bytes: u64::MAX,
            max_bytes: u64::MAX,
        };
        config.growth.min_free_bytes = u64::MAX;
        let mut isolate = Isolate::new(config).unwrap();
        isolate.alloc_struct(TypeId::EXTERN, &mut []).unwrap();
        isolate.collect(CollectionKind::Full).unwrap();
        isolate.alloc_struct(TypeId::EXTERN, &mut []).unwrap();
        isolate.verify().unwrap();
    }
}
