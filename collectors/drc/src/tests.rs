//! What is particular to deferred reference counting; the contract is the proof kit's business.

mod weak;

use super::DrcCollector;
use std::sync::Arc;
use windrow_core::{
    ArrayType, CollectionKind, FieldType, GcRef, HeapError, HeapLimits, HostValue, Isolate,
    IsolateConfig, MemoryKind, ObjectRef, StorageType, StructType, TypeId, ValType, Zeal,
};

/// Miri has no 4 GiB to map.
const MEMORIES: &[MemoryKind] = if cfg!(miri) {
    &[MemoryKind::Checked]
} else {
    &[MemoryKind::Guarded, MemoryKind::Checked]
};

fn isolate_in(memory: MemoryKind, max_bytes: u64, zeal: Zeal) -> Isolate {
    let mut config = IsolateConfig::new(Arc::new(DrcCollector));
    config.memory = memory;
    config.limits = HeapLimits {
        initial_bytes: 0,
        max_bytes,
    };
    config.zeal = zeal;
    if zeal == Zeal::OFF {
        // No collection but those asked for, as long as there is room.
        config.growth.min_free_bytes = max_bytes;
    }
    Isolate::new(config).unwrap()
}

fn isolate(max_bytes: u64) -> Isolate {
    isolate_in(MEMORIES[0], max_bytes, Zeal::OFF)
}

fn object(reference: GcRef) -> ObjectRef {
    reference.as_object().unwrap()
}

/// A struct of so many references to anything; the fields are four bytes apart from byte 8 on.
fn node_type(isolate: &mut Isolate, fields: usize) -> TypeId {
    let fields = vec![FieldType::mutable(ValType::ANYREF); fields];
    let id = isolate
        .types()
        .register_struct(StructType::new(fields))
        .unwrap();
    isolate.sync_types();
    id
}

fn array_type(isolate: &mut Isolate, element: FieldType) -> TypeId {
    let id = isolate
        .types()
        .register_array(ArrayType::new(element))
        .unwrap();
    isolate.sync_types();
    id
}

const FIRST: u32 = 8;
const SECOND: u32 = 12;
const ELEMENTS: u32 = 12;

/// A list of `n` nodes of 16 bytes, linked by their first fields; `roots[0]` holds the head.
fn build_list(isolate: &mut Isolate, roots: &mut [GcRef], n: u32) {
    let node = node_type(isolate, 2);
    for _ in 0..n {
        let new = isolate.alloc_struct(node, roots).unwrap();
        isolate.init_ref(new, FIRST, roots[0]);
        roots[0] = new.to_ref();
    }
}

fn collect(isolate: &mut Isolate, roots: &mut [GcRef]) {
    isolate
        .collect_with(CollectionKind::Automatic, roots)
        .unwrap();
    isolate.verify().unwrap();
}

fn live_bytes(isolate: &mut Isolate) -> u64 {
    isolate.stats().live_bytes
}

#[test]
fn what_is_stored_and_overwritten_between_epochs_is_counted_once() {
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate_in(memory, 1 << 20, Zeal::OFF);
        let node = node_type(&mut isolate, 2);
        let mut roots = [GcRef::NULL; 2];
        roots[0] = isolate.alloc_struct(node, &mut roots).unwrap().to_ref();
        collect(&mut isolate, &mut roots);
        // A slot that goes through many values: only the last one lives on, and only for an epoch.
        for _ in 0..100 {
            let new = isolate.alloc_struct(node, &mut roots).unwrap();
            isolate.write_ref(object(roots[0]), FIRST, new.to_ref());
        }
        collect(&mut isolate, &mut roots);
        assert_eq!(live_bytes(&mut isolate), 32);
        // Twice the same object, then once, then never.
        roots[1] = isolate.load_ref(object(roots[0]), FIRST);
        isolate.write_ref(object(roots[0]), SECOND, roots[1]);
        collect(&mut isolate, &mut roots);
        isolate.write_ref(object(roots[0]), FIRST, GcRef::NULL);
        collect(&mut isolate, &mut roots);
        isolate.write_ref(object(roots[0]), SECOND, GcRef::from_i31(7));
        collect(&mut isolate, &mut roots);
        assert_eq!(live_bytes(&mut isolate), 32, "a root holds it yet");
        roots[1] = GcRef::NULL;
        collect(&mut isolate, &mut roots);
        assert_eq!(live_bytes(&mut isolate), 16);
    }
}

#[test]
fn the_dead_young_are_not_looked_at() {
    let mut isolate = isolate_in(MemoryKind::Checked, 64 << 20, Zeal::OFF);
    if !isolate.allow_accesses(u64::MAX) {
        return;
    }
    for dead in [100, if cfg!(miri) { 1000 } else { 500_000 }] {
        let mut roots = [GcRef::NULL; 2];
        build_list(&mut isolate, &mut roots[..1], 10);
        let mut garbage = [GcRef::NULL];
        let node = node_type(&mut isolate, 2);
        for _ in 0..dead {
            let mut both = [roots[0], garbage[0]];
            let new = isolate.alloc_struct(node, &mut both).unwrap();
            [roots[0], garbage[0]] = both;
            isolate.init_ref(new, FIRST, garbage[0]);
            garbage[0] = new.to_ref();
        }
        isolate.allow_accesses(10 * 20);
        isolate
            .collect_with(CollectionKind::Automatic, &mut roots)
            .unwrap();
        isolate.allow_accesses(u64::MAX);
        assert_eq!(live_bytes(&mut isolate), 160);
    }
}

#[test]
fn a_long_list_dies_in_pieces() {
    let length = if cfg!(miri) { 70_000 } else { 2_000_000 };
    let mut isolate = isolate(1 << 30);
    let mut roots = [GcRef::NULL];
    build_list(&mut isolate, &mut roots, length);
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    let all = live_bytes(&mut isolate);
    assert_eq!(all, u64::from(length) * 16);
    isolate.collect(CollectionKind::Automatic).unwrap();
    let died = all - live_bytes(&mut isolate);
    assert!(
        died > 0 && died <= (1 << 15) * 16,
        "{died} bytes died in one pause"
    );
    // The rest goes while others are allocated.
    let bytes = array_type(&mut isolate, FieldType::mutable(StorageType::I8));
    for _ in 0..length / 50 {
        isolate.alloc_array_uninit(bytes, 500, &mut []).unwrap();
    }
    let left = {
        isolate.collect(CollectionKind::Automatic).unwrap();
        live_bytes(&mut isolate)
    };
    assert!(left < all / 4, "{left} bytes are left of {all}");
    isolate.collect(CollectionKind::Full).unwrap();
    assert_eq!(live_bytes(&mut isolate), 0);
}

#[test]
fn cycles_die_when_asked_and_when_the_heap_has_doubled() {
    let mut isolate = isolate(1 << 30);
    let node = node_type(&mut isolate, 2);
    let make_rings = |isolate: &mut Isolate, rings: u32| {
        for made in 0..rings {
            let mut a = [isolate.alloc_struct(node, &mut []).unwrap().to_ref()];
            let b = isolate.alloc_struct(node, &mut a).unwrap();
            isolate.init_ref(b, FIRST, a[0]);
            isolate.write_ref(object(a[0]), FIRST, b.to_ref());
            // They grow old.
            if made % 500 == 0 {
                isolate
                    .collect_with(CollectionKind::Automatic, &mut a)
                    .unwrap();
            }
        }
    };
    make_rings(&mut isolate, 1500);
    isolate.collect(CollectionKind::Automatic).unwrap();
    assert!(
        live_bytes(&mut isolate) > 0,
        "counts alone reclaim no cycle"
    );
    isolate.collect(CollectionKind::Full).unwrap();
    assert_eq!(live_bytes(&mut isolate), 0);
    if cfg!(miri) {
        return;
    }
    let peak = |isolate: &mut Isolate| isolate.stats().peak_committed_bytes;
    for _ in 0..4 {
        let mut kept = [GcRef::NULL];
        for _ in 0..400 {
            build_list(&mut isolate, &mut kept, 1000);
            let mut ring = [kept[0]];
            isolate
                .collect_with(CollectionKind::Automatic, &mut ring)
                .unwrap();
            // The list's end leads to its head, and is let go.
            let mut end = object(ring[0]);
            while let Some(next) = isolate.load_ref(end, FIRST).as_object() {
                end = next;
            }
            isolate.write_ref(end, FIRST, ring[0]);
            kept[0] = GcRef::NULL;
        }
    }
    assert!(
        peak(&mut isolate) < 20 << 20,
        "25 MiB of rings were kept: {}",
        peak(&mut isolate)
    );
}

#[test]
fn counts_that_overflow_are_repaired_by_a_trace() {
    let mut isolate = isolate(1 << 20);
    let node = node_type(&mut isolate, 100);
    let leaf = node_type(&mut isolate, 2);
    let mut roots = [GcRef::NULL; 2];
    roots[0] = isolate.alloc_struct(node, &mut roots).unwrap().to_ref();
    let shared = isolate.alloc_struct(leaf, &mut roots).unwrap();
    for field in 0..100 {
        isolate.init_ref(object(roots[0]), FIRST + 4 * field, shared.to_ref());
    }
    collect(&mut isolate, &mut roots);
    let both = live_bytes(&mut isolate);
    for field in 1..100 {
        isolate.write_ref(object(roots[0]), FIRST + 4 * field, GcRef::NULL);
    }
    collect(&mut isolate, &mut roots);
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    assert_eq!(live_bytes(&mut isolate), both);
    // One reference is counted again, so its end is noticed.
    isolate.write_ref(object(roots[0]), FIRST, GcRef::NULL);
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), both - 16);
}

/// Every other object of a full heap dies: nothing longer fits between the others, and that is an
/// answer; what fits is given, and once neighbours die so is the rest.
#[test]
fn fragments_do_not_wedge_the_heap() {
    let limit = if cfg!(miri) { 1 << 18 } else { 8 << 20 };
    let mut isolate = isolate(limit);
    let (short, long) = (node_type(&mut isolate, 2), node_type(&mut isolate, 6));
    let refs = array_type(&mut isolate, FieldType::mutable(ValType::ANYREF));
    let count = u32::try_from(limit / 16).unwrap();
    let mut roots = [GcRef::NULL];
    // A large array holds every short object that fits.
    roots[0] = isolate
        .alloc_array(refs, count, &mut roots)
        .unwrap()
        .to_ref();
    let element = |index: u32| ELEMENTS + 4 * index;
    let fill =
        |isolate: &mut Isolate, roots: &mut [GcRef; 1], indices: &mut dyn Iterator<Item = u32>| {
            let mut filled = 0;
            for index in indices {
                match isolate.alloc_struct(short, roots) {
                    Ok(new) => isolate.write_ref(object(roots[0]), element(index), new.to_ref()),
                    Err(HeapError::HeapFull { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
                filled += 1;
            }
            filled
        };
    let filled = fill(&mut isolate, &mut roots, &mut (0..count));
    assert!(filled > count / 2, "{filled} of {count}");
    for index in (0..filled).step_by(2) {
        isolate.write_ref(object(roots[0]), element(index), GcRef::NULL);
    }
    assert!(matches!(
        isolate.alloc_struct(long, &mut roots),
        Err(HeapError::HeapFull {
            needed_bytes: 32,
            ..
        })
    ));
    let again = fill(&mut isolate, &mut roots, &mut (0..filled).step_by(2));
    assert_eq!(again, filled.div_ceil(2), "every gap takes what fits");
    isolate.verify().unwrap();
    for index in 0..filled {
        if index % 4 < 2 {
            isolate.write_ref(object(roots[0]), element(index), GcRef::NULL);
        }
    }
    let mut longer = 0;
    while let Ok(new) = isolate.alloc_struct(long, &mut roots) {
        isolate.write_ref(object(roots[0]), element(longer * 4), new.to_ref());
        longer += 1;
    }
    assert!(longer > filled / 5, "{longer} of {}", filled / 4);
    isolate.verify().unwrap();
}

#[test]
fn roots_hold_what_nothing_refers_to() {
    let mut isolate = isolate_in(MEMORIES[0], 1 << 20, Zeal::every(1));
    let node = node_type(&mut isolate, 2);
    let mut roots = [GcRef::NULL; 2];
    roots[0] = isolate.alloc_struct(node, &mut roots).unwrap().to_ref();
    let handle = isolate.handles_mut().own(roots[0]);
    for _ in 0..5 {
        collect(&mut isolate, &mut roots);
    }
    roots[0] = GcRef::NULL;
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), 16);
    // From the handle to a counted slot, and back to nothing.
    let other = isolate.alloc_struct(node, &mut roots).unwrap();
    roots[0] = other.to_ref();
    collect(&mut isolate, &mut roots);
    let held = isolate.handles_mut().owned(&handle).unwrap();
    isolate.write_ref(object(roots[0]), FIRST, held);
    drop(handle);
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), 32);
    isolate.write_ref(object(roots[0]), FIRST, GcRef::NULL);
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), 16);
}

#[test]
fn large_objects_are_counted_and_freed() {
    let mut isolate = isolate(16 << 20);
    let refs = array_type(&mut isolate, FieldType::mutable(ValType::ANYREF));
    let mut roots = [GcRef::NULL; 2];
    roots[0] = isolate
        .alloc_array(refs, 100_000, &mut roots)
        .unwrap()
        .to_ref();
    let other = isolate.alloc_array(refs, 100_000, &mut roots).unwrap();
    isolate.write_ref(object(roots[0]), ELEMENTS, other.to_ref());
    collect(&mut isolate, &mut roots);
    let both = live_bytes(&mut isolate);
    // A copy of the whole range, with one barrier.
    isolate.range_barrier(other, other.offset() + ELEMENTS, 100_000);
    isolate.copy_bytes(object(roots[0]), ELEMENTS, other, ELEMENTS, 400_000);
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), both);
    isolate.range_barrier(other, other.offset() + ELEMENTS, 100_000);
    isolate.fill_bytes(other, ELEMENTS, 400_000, 0);
    isolate.write_ref(object(roots[0]), ELEMENTS, GcRef::NULL);
    collect(&mut isolate, &mut roots);
    assert_eq!(live_bytes(&mut isolate), both / 2);
}

/// Where more slots are overwritten than there are objects to trace, stores are not logged for some
/// epochs; counts are right again when they are.
#[test]
fn a_log_that_grows_too_long_is_given_up_for_a_while() {
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate_in(memory, 16 << 20, Zeal::OFF);
        let node = node_type(&mut isolate, 2);
        let refs = array_type(&mut isolate, FieldType::mutable(ValType::ANYREF));
        let slots = u32::try_from(2 * crate::heap::MIN_LOG).unwrap();
        let mut roots = [GcRef::NULL];
        roots[0] = isolate
            .alloc_array(refs, slots, &mut roots)
            .unwrap()
            .to_ref();
        collect(&mut isolate, &mut roots);
        // Many stores, then few, for longer than the log may be off.
        for round in 0..40 {
            let stores = if round < 10 { slots } else { 10 };
            for slot in 0..stores {
                let new = isolate.alloc_struct(node, &mut roots).unwrap();
                isolate.write_ref(object(roots[0]), ELEMENTS + 4 * slot, new.to_ref());
            }
            isolate.verify().unwrap();
            collect(&mut isolate, &mut roots);
            let array = u64::from((ELEMENTS + 4 * slots).next_multiple_of(8));
            assert_eq!(live_bytes(&mut isolate), array + u64::from(slots) * 16);
        }
        for slot in 0..slots {
            isolate.write_ref(object(roots[0]), ELEMENTS + 4 * slot, GcRef::NULL);
        }
        collect(&mut isolate, &mut roots);
        assert!(live_bytes(&mut isolate) < 100_000);
    }
}

/// What the weak phase must see first is not left to pile up by it.
#[test]
fn replaced_host_values_do_not_pile_up() {
    let count = if cfg!(miri) { 2000 } else { 50_000 };
    let mut isolate = isolate(64 << 20);
    let refs = array_type(&mut isolate, FieldType::mutable(ValType::EXTERNREF));
    let mut roots = [GcRef::NULL];
    roots[0] = isolate
        .alloc_array(refs, count, &mut roots)
        .unwrap()
        .to_ref();
    for round in 0..10 {
        for index in 0..count {
            let value = HostValue::new(round);
            let new = isolate.alloc_extern(value, &mut roots).unwrap();
            isolate.write_ref(object(roots[0]), ELEMENTS + 4 * index, new.to_ref());
        }
        isolate
            .collect_with(CollectionKind::Automatic, &mut roots)
            .unwrap();
        let held = isolate.host_values();
        assert!(held <= 4 * count as usize, "{held} in round {round}");
    }
    isolate.collect(CollectionKind::Full).unwrap();
    assert_eq!((isolate.host_values(), live_bytes(&mut isolate)), (0, 0));
}

/// Large objects that die young are no reason to trace what is old.
#[test]
fn dead_young_large_objects_cause_no_trace() {
    let mut isolate = isolate_in(MemoryKind::Checked, 256 << 20, Zeal::OFF);
    if !isolate.allow_accesses(u64::MAX) || cfg!(miri) {
        return;
    }
    let bytes = array_type(&mut isolate, FieldType::mutable(StorageType::I8));
    let mut roots = [GcRef::NULL];
    build_list(&mut isolate, &mut roots, 200_000);
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    for _ in 0..1000 {
        isolate
            .alloc_array_uninit(bytes, 10_000, &mut roots)
            .unwrap();
    }
    // Their pages go back to the system, which is access by access here; a trace reads three words of
    // each node besides.
    isolate.allow_accesses(400_000);
    isolate
        .collect_with(CollectionKind::Automatic, &mut roots)
        .unwrap();
    isolate.allow_accesses(u64::MAX);
    assert_eq!(live_bytes(&mut isolate), 200_000 * 16);
}

/// Objects longer than a line, few among many short ones, leave the short holes of the heap to these.
#[test]
fn long_objects_leave_short_holes_alone() {
    let mut isolate = isolate(64 << 20);
    let node = node_type(&mut isolate, 14);
    let long = node_type(&mut isolate, 150);
    let refs = array_type(&mut isolate, FieldType::mutable(ValType::ANYREF));
    let count = if cfg!(miri) { 2000 } else { 40_000 };
    let mut roots = [GcRef::NULL; 2];
    roots[0] = isolate
        .alloc_array(refs, count, &mut roots)
        .unwrap()
        .to_ref();
    let element = |index: u32| ELEMENTS + 4 * index;
    for index in 0..count {
        let new = isolate.alloc_struct(node, &mut roots).unwrap();
        isolate.write_ref(object(roots[0]), element(index), new.to_ref());
    }
    // Holes of four lines at most, in every block.
    for index in (0..count).filter(|index| index % 16 < 8) {
        isolate.write_ref(object(roots[0]), element(index), GcRef::NULL);
    }
    isolate
        .collect_with(CollectionKind::Full, &mut roots)
        .unwrap();
    let before = isolate.stats().committed_bytes;
    for index in 0..count / 4 {
        if index % 500 == 0 {
            isolate.alloc_struct(long, &mut roots).unwrap();
        }
        isolate.alloc_struct(node, &mut roots).unwrap();
    }
    let more = isolate.stats().committed_bytes - before;
    let long_bytes = u64::from(count / 2000 + 1) * 608;
    assert!(
        more <= long_bytes + (64 << 10),
        "{more} bytes more, though half the lines were free"
    );
    isolate.verify().unwrap();
}
