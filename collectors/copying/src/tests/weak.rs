//! Watched objects are named when they are reached, so chains cost what they are long.

use super::{MEMORIES, cell_type, isolate, object};
use windrow_core::{CollectionKind, GcRef, Zeal};

/// A question for each link and each that is left would take minutes.
const LINKS: u32 = if cfg!(miri) { 50 } else { 100_000 };

#[test]
fn long_chains_of_ephemerons_are_linear() {
    for memory in MEMORIES.iter().copied() {
        let mut isolate = isolate(memory, 64 << 20, Zeal::OFF);
        let (cell, number, next) = cell_type(&mut isolate);
        let map = isolate.new_weak_map();
        // The last link is entered first; each leads to the one after by a cell in between.
        let mut roots = [GcRef::NULL; 2];
        for link in (0..LINKS).rev() {
            let between = isolate.alloc_struct(cell, &mut roots).unwrap();
            isolate.init_ref(between, next, roots[0]);
            roots[1] = between.to_ref();
            let key = isolate.alloc_struct(cell, &mut roots).unwrap();
            isolate.store_u32(key, number, link);
            isolate.weak_map_insert(&map, key, roots[1]).unwrap();
            roots = [key.to_ref(), GcRef::NULL];
        }
        isolate
            .collect_with(CollectionKind::Full, &mut roots)
            .unwrap();
        let mut at = roots[0];
        for link in 0..LINKS {
            let key = object(at);
            assert_eq!(isolate.load_u32(key, number), link);
            let between = isolate.weak_map_get(&map, key).unwrap().unwrap();
            at = isolate.load_ref(object(between), next);
        }
        assert!(at.is_null());
        isolate.collect(CollectionKind::Full).unwrap();
        assert_eq!(isolate.weak_map_len(&map), Ok(0));
        assert_eq!(isolate.stats().live_bytes, 0);
    }
}
