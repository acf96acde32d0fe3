//! What is particular to the copying collector; the contract is the proof kit's business.

mod corruption;
mod weak;

use super::CopyingCollector;
use crate::CHUNK_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use windrow_core::{
    ArrayType, CollectionKind, Corruption, FieldType, GcRef, HeapError, HeapLimits, Isolate,
    IsolateConfig, MemoryKind, ObjectRef, StorageType, StructType, TypeId, ValType, Zeal,
};

/// Miri has no 4 GiB to map.
const MEMORIES: &[MemoryKind] = if cfg!(miri) {
    &[MemoryKind::Checked]
} else {
    &[MemoryKind::Guarded, MemoryKind::Checked]
};

fn isolate(memory: MemoryKind, max_bytes: u64, zeal: Zeal) -> Isolate {
    let mut config = IsolateConfig::new(Arc::new(CopyingCollector));
    // Miri has no 4 GiB to map.
    config.memory = if cfg!(miri) {
        MemoryKind::Checked
    } else {
        memory
    };
    config.limits = HeapLimits {
        initial_bytes: 0,
        max_bytes,
    };
    config.zeal = zeal;
    Isolate::new(config).unwrap()
}

/// A cell of an integer and a reference to anything.
fn cell_type(isolate: &mut Isolate) -> (TypeId, u32, u32) {
    let fields = [
        FieldType::mutable(ValType::I32),
        FieldType::mutable(ValType::ANYREF),
    ];
    let id = isolate
        .types()
        .register_struct(StructType::new(fields))
        .unwrap();
    isolate.sync_types();
    let info = isolate.types().sub_type(id);
    (id, info.field_offset(0), info.field_offset(1))
}

fn object(reference: GcRef) -> ObjectRef {
    reference.as_object().unwrap()
}

/// Builds a list of `n` cells, numbered down from `n - 1`; the head is rooted in flight only.
fn build_list(isolate: &mut Isolate, n: u32) -> GcRef {
    let (cell, number, next) = cell_type(isolate);
    let mut head = [GcRef::NULL];
    for i in 0..n {
        let new = isolate.alloc_struct(cell, &mut head).unwrap();
        isolate.store_u32(new, number, i);
        isolate.init_ref(new, next, head[0]);
        head[0] = new.to_ref();
    }
    head[0]
}

fn check_list(isolate: &mut Isolate, mut head: GcRef, n: u32) {
    let (_, number, next) = cell_type(isolate);
    for i in (0..n).rev() {
        let cell = object(head);
        assert_eq!(isolate.load_u32(cell, number), i);
        head = isolate.load_ref(cell, next);
    }
    assert!(head.is_null());
}

#[test]
fn a_list_survives_collections_and_garbage_does_not() {
    for memory in MEMORIES.iter().copied() {
        for zeal in [Zeal::OFF, Zeal::every(7)] {
            let mut isolate = isolate(memory, 1 << 20, zeal);
            let mut head = [build_list(&mut isolate, 500)];
            for _ in 0..20 {
                build_list(&mut isolate, 0);
                let garbage = build_list_keeping(&mut isolate, &mut head, 200);
                assert!(!garbage.is_null());
            }
            isolate
                .collect_with(CollectionKind::Full, &mut head)
                .unwrap();
            check_list(&mut isolate, head[0], 500);
            assert_eq!(isolate.stats().live_bytes, 500 * 16);
            isolate.verify().unwrap();
        }
    }
}

/// More references than may wait, from an array that is copied and from one that is too large for it, to
/// cells that lead to more of them: the collection goes on breadth first, and in depth again after that.
#[test]
fn what_finds_no_room_to_wait_is_scanned_where_it_lies() {
    const LISTS: u32 = if cfg!(miri) { 1200 } else { 3000 };
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate(memory, 64 << 20, Zeal::OFF);
        let (cell, number, next) = cell_type(&mut isolate);
        let array = ArrayType::new(FieldType::mutable(ValType::ANYREF));
        let array = isolate.types().register_array(array).unwrap();
        isolate.sync_types();
        let mut roots = [GcRef::NULL; 4];
        for (root, length) in [(0, LISTS), (1, LISTS), (2, 10 * LISTS)] {
            let made = isolate.alloc_array(array, length, &mut roots).unwrap();
            roots[root] = made.to_ref();
        }
        // Each list in both small arrays, a cell of it in the large one.
        for list in 0..LISTS {
            roots[3] = GcRef::NULL;
            for i in 0..4 {
                let new = isolate.alloc_struct(cell, &mut roots).unwrap();
                isolate.store_u32(new, number, i);
                isolate.init_ref(new, next, roots[3]);
                roots[3] = new.to_ref();
            }
            for (root, index) in [(0, list), (1, LISTS - 1 - list), (2, 10 * list)] {
                isolate.write_ref(object(roots[root]), 12 + 4 * index, roots[3]);
            }
        }
        roots[3] = GcRef::NULL;
        for _ in 0..3 {
            isolate
                .collect_with(CollectionKind::Full, &mut roots)
                .unwrap();
            isolate.verify().unwrap();
            for list in 0..LISTS {
                let element =
                    |root: usize, index: u32| isolate.load_ref(object(roots[root]), 12 + 4 * index);
                let head = element(0, list);
                assert_eq!(element(1, LISTS - 1 - list), head);
                assert_eq!(element(2, 10 * list), head);
                check_list(&mut isolate, head, 4);
            }
            let cells = u64::from(LISTS) * 4 * 16;
            assert!((cells..cells + (200 << 10)).contains(&isolate.stats().live_bytes));
        }
    }
}

/// As `build_list`, keeping another list alive.
fn build_list_keeping(isolate: &mut Isolate, kept: &mut [GcRef; 1], n: u32) -> GcRef {
    let (cell, _, next) = cell_type(isolate);
    let mut roots = [kept[0], GcRef::NULL];
    for _ in 0..n {
        let new = isolate.alloc_struct(cell, &mut roots).unwrap();
        isolate.init_ref(new, next, roots[1]);
        roots[1] = new.to_ref();
    }
    kept[0] = roots[0];
    roots[1]
}

#[test]
fn cycles_die() {
    let mut isolate = isolate(MemoryKind::Guarded, 1 << 20, Zeal::OFF);
    let (cell, _, next) = cell_type(&mut isolate);
    for _ in 0..100_000 {
        let a = isolate.alloc_struct(cell, &mut []).unwrap();
        let mut roots = [a.to_ref()];
        let b = isolate.alloc_struct(cell, &mut roots).unwrap();
        isolate.write_ref(b, next, roots[0]);
        isolate.write_ref(object(roots[0]), next, b.to_ref());
    }
    isolate.collect(CollectionKind::Full).unwrap();
    assert_eq!(isolate.stats().live_bytes, 0);
}

#[test]
fn large_objects_stay_where_they_are_and_keep_what_they_hold() {
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate(memory, 4 << 20, Zeal::OFF);
        let any = StorageType::Val(ValType::ANYREF);
        let array = isolate
            .types()
            .register_array(ArrayType::new(FieldType::mutable(any)))
            .unwrap();
        isolate.sync_types();
        let big = isolate.alloc_array(array, 100_000, &mut []).unwrap();
        let mut roots = [big.to_ref()];
        let (cell, number, _) = cell_type(&mut isolate);
        for i in 0..1000 {
            let new = isolate.alloc_struct(cell, &mut roots).unwrap();
            isolate.store_u32(new, number, i);
            isolate.write_ref(big, 12 + i * 400, new.to_ref());
        }
        isolate
            .collect_with(CollectionKind::Full, &mut roots)
            .unwrap();
        assert_eq!(roots[0], big.to_ref());
        for i in 0..1000 {
            let held = isolate.load_ref(big, 12 + i * 400);
            assert_eq!(isolate.load_u32(object(held), number), i);
        }
        isolate.verify().unwrap();
        isolate.collect(CollectionKind::Full).unwrap();
        let stats = isolate.stats();
        assert_eq!(stats.live_bytes, 0);
        isolate.verify().unwrap();
    }
}

#[test]
fn full_means_full_and_room_comes_back() {
    for memory in MEMORIES.iter().copied() {
        let limit = 512 << 10;
        let mut isolate = isolate(memory, limit, Zeal::OFF);
        let (cell, _, next) = cell_type(&mut isolate);
        let mut roots = [GcRef::NULL];
        let mut held = 0_u64;
        let error = loop {
            match isolate.alloc_struct(cell, &mut roots) {
                Ok(new) => {
                    isolate.init_ref(new, next, roots[0]);
                    roots[0] = new.to_ref();
                    held += 16;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(
            error,
            HeapError::HeapFull {
                needed_bytes: 16,
                limit_bytes: limit
            }
        );
        assert!(held >= limit / 3, "{held} bytes of {limit} could be used");
        assert!(isolate.stats().peak_committed_bytes <= limit);
        roots[0] = GcRef::NULL;
        assert!(isolate.alloc_struct(cell, &mut roots).is_ok());
    }
}

#[test]
fn the_smallest_heap_holds_four_chunks() {
    let bytes = 4 * u64::from(*CHUNK_BYTES.start());
    assert!(
        isolate(MemoryKind::Guarded, bytes, Zeal::OFF)
            .alloc_struct(TypeId::EXTERN, &mut [])
            .is_ok()
    );
    let full = HeapError::HeapFull {
        needed_bytes: 16,
        limit_bytes: bytes - 1,
    };
    let mut small = isolate(MemoryKind::Guarded, bytes - 1, Zeal::OFF);
    assert_eq!(small.alloc_struct(TypeId::EXTERN, &mut []), Err(full));
}

#[test]
fn an_empty_heap_commits_nothing() {
    assert_eq!(
        isolate(MemoryKind::Guarded, 0, Zeal::OFF)
            .stats()
            .committed_bytes,
        0
    );
}

/// Eight of the largest small objects fill a chunk; copied with a tiny one among them, seven do.
#[test]
fn tails_left_by_a_collection_stay_within_the_limit() {
    let limit = 32 * u64::from(*CHUNK_BYTES.start());
    let mut isolate = isolate(MemoryKind::Guarded, limit, Zeal::OFF);
    let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
    let bytes = isolate.types().register_array(bytes).unwrap();
    let any = ArrayType::new(FieldType::mutable(ValType::ANYREF));
    let any = isolate.types().register_array(any).unwrap();
    isolate.sync_types();
    let mut roots = [isolate.alloc_array(any, 160, &mut []).unwrap().to_ref()];
    let tiny = (0..160)
        .filter(|index| index % 8 == 0)
        .map(|index| (index, 1));
    let large = (0..160)
        .filter(|index| index % 8 != 0)
        .map(|index| (index, 2048 - 12));
    for (index, length) in tiny.chain(large) {
        let Ok(new) = isolate.alloc_array(bytes, length, &mut roots) else {
            break;
        };
        isolate.write_ref(object(roots[0]), 12 + index * 4, new.to_ref());
    }
    for _ in 0..4 {
        isolate
            .collect_with(CollectionKind::Full, &mut roots)
            .unwrap();
        let stats = isolate.stats();
        assert!(stats.live_bytes > limit / 3, "{stats:?}");
        assert!(
            stats.peak_committed_bytes.max(stats.committed_bytes) <= limit,
            "{stats:?}"
        );
    }
    isolate.verify().unwrap();
}

#[test]
fn host_values_drop_once_when_their_objects_die() {
    struct Count(Arc<AtomicU32>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicU32::new(0));
    let mut isolate = isolate(MemoryKind::Guarded, 1 << 20, Zeal::OFF);
    let kept = isolate
        .alloc_extern(
            windrow_core::HostValue::new(Count(Arc::clone(&drops))),
            &mut [],
        )
        .unwrap();
    let mut roots = [kept.to_ref()];
    for _ in 0..10 {
        isolate
            .alloc_extern(
                windrow_core::HostValue::new(Count(Arc::clone(&drops))),
                &mut roots,
            )
            .unwrap();
    }
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    assert_eq!(
        (drops.load(Ordering::Relaxed), isolate.host_values()),
        (10, 1)
    );
    assert!(isolate.host_value(object(roots[0])).unwrap().is_some());
    drop(isolate);
    assert_eq!(drops.load(Ordering::Relaxed), 11);
}

#[test]
fn corruption_is_an_error_that_stays() {
    for header in [0_u32, 0xff00_0000] {
        let mut isolate = isolate(MemoryKind::Guarded, 1 << 20, Zeal::OFF);
        let mut roots = [build_list(&mut isolate, 10)];
        isolate.store_u32(object(roots[0]), 0, header);
        let error = isolate
            .collect_with(CollectionKind::Full, &mut roots)
            .unwrap_err();
        assert!(
            matches!(error, HeapError::Corrupt(Corruption::Header { .. })),
            "{error}"
        );
        assert_eq!(
            isolate.alloc_struct(TypeId::EXTERN, &mut []),
            Err(error.clone())
        );
        assert_eq!(isolate.collect(CollectionKind::Full), Err(error));
    }
}

#[test]
fn an_array_that_claims_more_than_there_is_is_corrupt() {
    for length in [u32::MAX, 1 << 30, 1 << 20, 100_000] {
        let mut isolate = isolate(MemoryKind::Guarded, 1 << 20, Zeal::OFF);
        let bytes = ArrayType::new(FieldType::mutable(StorageType::I8));
        let bytes = isolate.types().register_array(bytes).unwrap();
        isolate.sync_types();
        let array = isolate.alloc_array(bytes, 100, &mut []).unwrap();
        isolate.store_u32(array, 8, length);
        let error = isolate
            .collect_with(CollectionKind::Full, &mut [array.to_ref()])
            .unwrap_err();
        assert!(
            matches!(error, HeapError::Corrupt(Corruption::Size { .. })),
            "{error}"
        );
    }
}
