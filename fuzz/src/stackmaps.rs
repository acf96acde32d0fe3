//! Bytes at the reader of LLVM's stack maps: an error or a map no larger than they are.

use windrow_stack::{Encoding, StackMaps};

/// Sizes in bytes of the smallest record and of a location, as LLVM writes them.
const RECORD_BYTES: usize = 24;
const LOCATION_BYTES: usize = 12;

/// Reads a section, and makes safepoints of all its records.
///
/// # Panics
/// If what is kept is more than the section can hold, or no walk could make use of it.
pub fn run(section: &[u8]) {
    let Ok(maps) = StackMaps::parse(section) else {
        return;
    };
    let mut bytes = 0;
    for record in maps.functions().flat_map(|function| function.records()) {
        bytes += RECORD_BYTES + record.locations.len() * LOCATION_BYTES;
        let Ok(statepoint) = record.statepoint() else {
            continue;
        };
        for eight_bytes in [Encoding::BasePlusOffset64, Encoding::Offset32] {
            let Ok(locations) = statepoint.locations(eight_bytes) else {
                continue;
            };
            assert!(locations.len() <= record.locations.len());
            let references = locations.partition_point(|location| location.base().is_none());
            for location in &locations[references..] {
                assert!(location.base().is_some_and(|base| base < references));
            }
        }
    }
    assert!(bytes <= section.len());
    for start in [0, 1 << 31] {
        // Functions may be too far from the start, or records no statepoints'.
        let _ = maps.safepoints(start, usize::MAX, Encoding::BasePlusOffset64, |_| true);
    }
}
