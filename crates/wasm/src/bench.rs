//! The `bench` module of sightglass's programs: `start` and `end`, which mark the part of a run that
//! is to be timed. Here they do nothing.

use crate::linker::Linker;
use windrow::FuncType;

/// Defines the markers.
pub fn add_to_linker(linker: &mut Linker) {
    for name in ["start", "end"] {
        linker.define_func("bench", name, FuncType::new([], []), |_, _, _| Ok(()));
    }
}
