//! Code that LLVM compiled, linked into an executable, and what the executable knows of it.
//!
//! `fixture` has the code, in two versions: with references spilled across calls and with references
//! in registers that calls preserve; without frame pointers both. [`SPILLED`] and [`REGISTERS`] are
//! their functions, [`Image`] finds the sections and symbols of the running executable. The tests
//! bring a heap and the host's side of the calls. For tests alone; empty where the fixture cannot be
//! assembled.

#[cfg(windrow_llvm_fixture)]
mod functions;
#[cfg(windrow_llvm_fixture)]
#[expect(unsafe_code, reason = "reads sections of the running executable")]
mod image;

#[cfg(windrow_llvm_fixture)]
pub use functions::{ExitFrame, Functions, REGISTERS, SPILLED};
#[cfg(windrow_llvm_fixture)]
pub use image::{Image, ImageError, Section, Symbol};

/// Why there is no fixture; `None` where there is one.
#[must_use]
pub fn skipped() -> Option<&'static str> {
    option_env!("WINDROW_LLVM_SKIPPED")
}
