//! Sections at random, whole and damaged: a map or an error, in proportion to the section.

use super::*;
use crate::location::Place;
use proptest::prelude::*;

fn any_location() -> impl Strategy<Value = Bytes> {
    let size = prop_oneof![8 => Just(8_u16), 1 => Just(4), 1 => any::<u16>()];
    let register = prop_oneof![8 => Just(SP), 2 => Just(PRESERVED), 1 => any::<u16>()];
    (1..=5_u8, size, register, 0..64_i32)
}

fn any_record() -> impl Strategy<Value = Record> {
    let id = prop_oneof![Just(STATEPOINT_ID), Just(99)];
    let locations = prop::collection::vec(any_location(), 0..8);
    let live_outs = prop::collection::vec(any::<(u16, u8)>(), 0..4);
    (id, 0..512_u32, any::<bool>(), locations, live_outs).prop_map(
        |(id, at, shape, mut locations, live_outs)| {
            if shape {
                locations.splice(0..0, NONE);
            }
            Record {
                id,
                at,
                locations,
                live_outs,
            }
        },
    )
}

fn any_section() -> impl Strategy<Value = Vec<u8>> {
    let records = prop::collection::vec(any_record(), 0..4);
    let functions = prop::collection::vec((0..0x4000_u64, any::<u64>(), records), 0..4);
    let tables = prop::collection::vec((functions, prop::collection::vec(any::<i64>(), 64)), 0..3);
    tables.prop_map(|tables| {
        let tables = tables
            .iter()
            .map(|(functions, constants)| table(functions, constants));
        tables.collect::<Vec<_>>().concat()
    })
}

/// What is kept of a section, and what is made of it, is no larger than the section.
fn check_bounds(section: &[u8]) {
    let Ok(maps) = StackMaps::parse(section) else {
        return;
    };
    let kept = maps.functions.len() * FUNCTION_BYTES
        + maps.records.len() * RECORD_BYTES
        + maps.locations.len() * LOCATION_BYTES
        + maps.live_outs.len() * LIVE_OUT_BYTES;
    assert!(kept <= section.len());
    if let Ok(safepoints) = maps.safepoints(0, usize::MAX, WIDE, |_| true) {
        assert!(safepoints.len() <= maps.records.len());
        let found: usize = safepoints.iter().map(|point| point.locations.len()).sum();
        assert!(found <= maps.locations.len());
    }
}

/// Bases are references of their own, derived pointers are last, and every place is there once.
fn check_locations(locations: &[Location]) {
    assert!(locations.is_sorted_by_key(|location| location.base().is_some()));
    let mut places: Vec<Place> = Vec::new();
    for location in locations {
        if let Some(base) = location.base() {
            assert_eq!(locations[base].base(), None);
            assert_eq!(locations[base].encoding(), location.encoding());
        }
        assert!(!places.contains(&location.place()));
        places.push(location.place());
    }
}

proptest! {
    #[test]
    fn a_section_is_read_whole(section in any_section()) {
        let maps = StackMaps::parse(&section).unwrap();
        for record in maps.functions().flat_map(|function| function.records().collect::<Vec<_>>()) {
            if let Ok(locations) = record.statepoint().and_then(|point| point.locations(WIDE)) {
                check_locations(&locations);
            }
        }
        check_bounds(&section);
    }

    #[test]
    fn a_damaged_section_is_an_error_or_a_map(
        mut section in any_section(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        for (place, flip) in flips {
            if !section.is_empty() {
                let place = place.index(section.len());
                section[place] ^= flip;
            }
        }
        if cut {
            section.truncate(end.index(section.len() + 1));
        }
        check_bounds(&section);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_map(section in prop::collection::vec(any::<u8>(), 0..400)) {
        check_bounds(&section);
    }
}
