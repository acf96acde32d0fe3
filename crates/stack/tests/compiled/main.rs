//! Frames, entries and traps of real code: functions are compiled with Cranelift, run, walked in
//! the middle of calls and made to trap.
//!
//! `build` turns CLIF into registered code, `guest` runs it on an isolate, `shapes` holds the
//! functions the tests share; the rest are tests by subject.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(unsafe_code, reason = "runs compiled code")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod build;
mod guest;
mod shapes;

mod disagreement;
mod faults;
mod fiber;
mod fibers;
mod nesting;
mod roots;
mod system;
mod traps;
mod trees;
