//! How engines under test walk stacks: the one place that asks the environment.
//!
//! `WINDROW_UNWINDER=dwarf` makes every test program that includes this file walk by unwind tables
//! alone, `WINDROW_UNWINDER=fp` by frame pointers alone. Unless it is set, tests walk by frame
//! pointers, and those that go through [`each`] by the one and by the other.

#![allow(dead_code, reason = "each test program uses a part")]

use windrow::Config;
use windrow_wasm::{Engine, EngineOptions, Error, Unwinder};

/// Both, the one that engines have by default first.
const BOTH: [Unwinder; 2] = [Unwinder::FramePointers, Unwinder::Dwarf];

/// The unwinders to test with where that matters.
pub(crate) fn each() -> Vec<Unwinder> {
    match std::env::var("WINDROW_UNWINDER").as_deref() {
        Err(_) => BOTH.to_vec(),
        Ok("fp") => vec![Unwinder::FramePointers],
        Ok("dwarf") => vec![Unwinder::Dwarf],
        Ok(other) => panic!("WINDROW_UNWINDER is `fp` or `dwarf`, not `{other}`"),
    }
}

/// Options with an unwinder: calls of small functions are made where frames are walked by unwind tables,
/// and replaced by the functions where they are walked by frame pointers, so that tests see both.
pub(crate) fn options_with(unwinder: Unwinder) -> EngineOptions {
    let inlining = unwinder == Unwinder::FramePointers;
    EngineOptions::new().unwinder(unwinder).inlining(inlining)
}

/// Options with the unwinder to test with where one will do.
pub(crate) fn options() -> EngineOptions {
    options_with(each()[0])
}

/// [`Engine::new`] with those.
pub(crate) fn engine(config: &Config) -> Result<Engine, Error> {
    Engine::with_options(config, options())
}
