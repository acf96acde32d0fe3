//! The two memories agree on every access inside both, and survive any access at all.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Access {
    Store(u32, u128, u8),
    Load(u32),
    Copy(u32, u32, u32),
    Fill(u32, u32, u8),
    Write(u32, Vec<u8>),
}

const SIZE: u32 = 1 << 16;

fn access() -> impl Strategy<Value = Access> {
    let at = PAGE_BYTES..SIZE - 600;
    prop_oneof![
        (at.clone(), any::<u128>(), 0u8..5).prop_map(|(a, v, w)| Access::Store(a, v, w)),
        at.clone().prop_map(Access::Load),
        (at.clone(), at.clone(), 0u32..600).prop_map(|(a, b, n)| Access::Copy(a, b, n)),
        (at.clone(), 0u32..600, any::<u8>()).prop_map(|(a, n, b)| Access::Fill(a, n, b)),
        (at, prop::collection::vec(any::<u8>(), 0..600)).prop_map(|(a, b)| Access::Write(a, b)),
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the narrow stores take the low bits"
)]
fn run(memory: &mut impl Memory, accesses: &[Access]) -> Vec<u128> {
    let mut seen = Vec::new();
    for access in accesses {
        match access {
            Access::Store(at, value, 0) => memory.store_u8(*at, *value as u8),
            Access::Store(at, value, 1) => memory.store_u16(*at, *value as u16),
            Access::Store(at, value, 2) => memory.store_u32(*at, *value as u32),
            Access::Store(at, value, 3) => memory.store_u64(*at, *value as u64),
            Access::Store(at, value, _) => memory.store_u128(*at, *value),
            Access::Load(at) => seen.extend([
                memory.load_u8(*at).into(),
                memory.load_u16(*at).into(),
                memory.load_u32(*at).into(),
                memory.load_u64(*at).into(),
                memory.load_u128(*at),
            ]),
            Access::Copy(from, to, len) => memory.copy(*from, *to, *len),
            Access::Fill(at, len, byte) => memory.fill(*at, *len, *byte),
            Access::Write(at, bytes) => {
                memory.write_bytes(*at, bytes);
                let mut back = vec![0; bytes.len()];
                memory.read_bytes(*at, &mut back);
                assert_eq!(&back, bytes);
            }
        }
    }
    seen
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "maps 4 GiB")]
    fn guarded_and_checked_agree(accesses in prop::collection::vec(access(), 0..50)) {
        let (mut guarded, _state) = HeapMemory::new(MemoryKind::Guarded).unwrap();
        let (mut checked, _state) = HeapMemory::new(MemoryKind::Checked).unwrap();
        guarded.grow_to(SIZE.into()).unwrap();
        checked.grow_to(SIZE.into()).unwrap();
        prop_assert_eq!(run(&mut guarded, &accesses), run(&mut checked, &accesses));
    }

    #[test]
    #[cfg_attr(miri, ignore = "maps 4 GiB")]
    fn any_offset_is_safe(at in PAGE_BYTES.., len in 0u32..100_000) {
        for kind in [MemoryKind::Guarded, MemoryKind::Checked] {
            let (mut memory, _state) = HeapMemory::new(kind).unwrap();
            memory.grow_to(u64::from(SIZE)).unwrap();
            prop_assert_eq!(memory.load_u128(at), 0);
            memory.store_u128(at, 7);
            memory.fill(at, len, 3);
            memory.copy(at, PAGE_BYTES, len);
            memory.copy(PAGE_BYTES, at, len);
            memory.prefetch(at);
            memory.decommit(at, len);
        }
    }
}

#[test]
fn far_memory_reads_as_zero_and_drops_nothing_near() {
    let (mut memory, _state) = HeapMemory::new(MemoryKind::Checked).unwrap();
    memory.grow_to(8192).unwrap();
    memory.store_u64(8184, u64::MAX);
    memory.store_u64(1 << 30, 5);
    assert_eq!(memory.load_u64(1 << 30), 0);
    assert_eq!(memory.load_u64(8184), u64::MAX);
    memory.grow_to(20_000).unwrap();
    assert_eq!(memory.load_u64(8184), u64::MAX);
    assert_eq!(memory.load_u64(16_000), 0);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn the_state_pointer_is_the_guarded_base() {
    let (memory, state) = HeapMemory::new(MemoryKind::Guarded).unwrap();
    assert_eq!(state.pointer().addr(), memory.base_address());
    drop(memory);
    assert_eq!(state.cursor, 0, "the block outlives the memory beside it");
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn decommitted_pages_read_as_zero() {
    for kind in [MemoryKind::Guarded, MemoryKind::Checked] {
        let (mut memory, _state) = HeapMemory::new(kind).unwrap();
        memory.grow_to(u64::from(SIZE)).unwrap();
        memory.store_u64(8192, 1);
        memory.store_u64(12288, 2);
        memory.decommit(8192, 4096);
        assert_eq!(
            (memory.load_u64(8192), memory.load_u64(12288)),
            (0, 2),
            "{kind}"
        );
    }
}

/// Address ranges of this process that nobody may read or write.
#[cfg(all(target_os = "linux", not(miri)))]
fn inaccessible() -> Vec<std::ops::Range<usize>> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let lines = maps.lines().filter_map(|line| {
        line.split_once(' ')
            .filter(|(_, rest)| rest.starts_with("---"))
    });
    let address = |text| usize::from_str_radix(text, 16).unwrap();
    lines
        .map(|(range, _)| {
            let (start, end) = range.split_once('-').unwrap();
            address(start)..address(end)
        })
        .collect()
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn nothing_is_accessible_around_the_reservation() {
    let (memory, state) = HeapMemory::new(MemoryKind::Guarded).unwrap();
    let (base, page) = (memory.base_address(), PAGE_BYTES as usize);
    let end = base + (1 << 32) + GUARD_BYTES as usize;
    let fence = 64 << 10;
    let fenced = inaccessible();
    for wanted in [
        base - page - fence..base - page,
        base..base + page,
        end..end + fence,
    ] {
        let is_in =
            |range: &std::ops::Range<usize>| range.start <= wanted.start && wanted.end <= range.end;
        assert!(fenced.iter().any(is_in), "{wanted:x?} in {fenced:x?}");
    }
    drop(state);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn bulk_accesses_of_a_forged_length_end_with_the_heap() {
    for kind in [MemoryKind::Guarded, MemoryKind::Checked] {
        let (mut memory, _state) = HeapMemory::new(kind).unwrap();
        memory.grow_to(u64::from(SIZE)).unwrap();
        memory.fill(SIZE - 8, u32::MAX, 7);
        memory.copy(SIZE - 8, SIZE - 24, u32::MAX);
        memory.write_bytes(SIZE - 4, &[9; 12]);
        let sevens = u64::from_le_bytes([7; 8]);
        assert_eq!(memory.load_u64(SIZE - 24), sevens, "{kind}");
        assert_eq!(memory.load_u64(SIZE - 16), 0, "{kind}");
        assert_eq!(
            memory.load_u64(SIZE - 8),
            u64::from_le_bytes([7, 7, 7, 7, 9, 9, 9, 9])
        );
        assert_eq!(memory.load_u64(SIZE), 0, "{kind}");
        let mut back = [1; 8];
        memory.read_bytes(SIZE - 4, &mut back);
        assert_eq!(back, [9, 9, 9, 9, 0, 0, 0, 0], "{kind}");
    }
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "more accesses")]
fn an_endless_loop_ends_where_accesses_are_counted() {
    let (mut memory, _state) = HeapMemory::new(MemoryKind::Checked).unwrap();
    memory.grow_to(u64::from(SIZE)).unwrap();
    assert!(memory.allow_accesses(1000));
    while memory.load_u64(PAGE_BYTES) == 0 {}
}

/// How the parts of the reservation around `base` are mapped: distance from the base, and protection.
#[cfg(all(target_os = "linux", not(miri)))]
fn protections(base: usize) -> Vec<(isize, String)> {
    let start = base - PAGE_BYTES as usize;
    let end = base + (1 << 32) + GUARD_BYTES as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let parts = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let from = usize::from_str_radix(from, 16).unwrap();
        let to = usize::from_str_radix(to, 16).unwrap();
        let part = (
            from.max(start).wrapping_sub(base).cast_signed(),
            rest[..4].to_owned(),
        );
        (from < end && to > start).then_some(part)
    });
    parts.collect()
}

/// Bytes of physical memory behind the reservation around `base`.
#[cfg(all(target_os = "linux", not(miri)))]
fn resident_bytes(base: usize) -> usize {
    use std::io::{Read, Seek, SeekFrom};
    let page = PAGE_BYTES as usize;
    let mut file = std::fs::File::open("/proc/self/pagemap").unwrap();
    let mut resident = 0;
    // The state page, and the first 16 MiB, which is more than the test touches.
    file.seek(SeekFrom::Start(((base - page) / page * 8) as u64))
        .unwrap();
    let mut entries = vec![0; (1 + (16 << 20) / page) * 8];
    file.read_exact(&mut entries).unwrap();
    for entry in entries.chunks(8) {
        resident += usize::from(entry[7] >> 6 != 0) * page;
    }
    resident
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_reservation_from_the_pool_is_as_good_as_new() {
    let pool = Arc::new(MemoryPool::new(1));
    let make = || HeapMemory::new_in(MemoryKind::Guarded, Some(&pool)).unwrap();
    let (mut memory, mut state) = make();
    let base = memory.base_address();
    let as_new = protections(base);
    assert_eq!(resident_bytes(base), PAGE_BYTES as usize, "the state block");
    memory.grow_to(1 << 32).unwrap();
    let written: Vec<u32> = (0..2000)
        .map(|n| PAGE_BYTES + n * 8200)
        .chain([u32::MAX - 8])
        .collect();
    for at in &written {
        memory.store_u64(*at, u64::MAX);
    }
    state.cursor = 77;
    memory.set_accessible(1 << 20, 3 * PAGE_BYTES, false);
    memory.set_accessible(0xf000_0000, PAGE_BYTES, false);
    assert_ne!(protections(base), as_new);

    drop(memory);
    assert_eq!(pool.idle(), 0, "the state block is there");
    drop(state);
    assert_eq!(pool.idle(), 1);
    assert_eq!(resident_bytes(base), 0);

    let (memory, state) = make();
    assert_eq!(
        (pool.idle(), memory.base_address()),
        (0, base),
        "it is the same"
    );
    assert_eq!(protections(base), as_new);
    assert_eq!(state.cursor, 0);
    for at in &written {
        assert_eq!(memory.load_u64(*at), 0);
    }
    // A second one; the pool keeps one.
    let other = make();
    assert_ne!(other.0.base_address(), base);
    drop((memory, state, other));
    assert_eq!(pool.idle(), 1);
    pool.clear();
    assert_eq!(pool.idle(), 0);
    drop(make());
    assert_eq!(pool.idle(), 1);
}

#[test]
#[cfg_attr(miri, ignore = "maps 4 GiB")]
fn threads_share_a_pool() {
    let pool = Arc::new(MemoryPool::new(3));
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let pool = Arc::clone(&pool);
            scope.spawn(move || {
                for round in 1..200 {
                    let (mut memory, state) =
                        HeapMemory::new_in(MemoryKind::Guarded, Some(&pool)).unwrap();
                    memory.grow_to(u64::from(SIZE)).unwrap();
                    assert_eq!((memory.load_u64(8192), state.cursor), (0, 0));
                    memory.store_u64(8192, thread << 32 | round);
                    assert_eq!(memory.load_u64(8192), thread << 32 | round);
                }
            });
        }
    });
    assert!((1..=3).contains(&pool.idle()));
}
