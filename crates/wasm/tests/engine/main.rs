//! The engine from outside: through the crate's public API only.

#![allow(clippy::unwrap_used, reason = "tests")]

mod agreement;
mod exceptions;
#[expect(unsafe_code, reason = "two stores that call each other are lent twice")]
mod exceptions_across;
mod harness;
#[expect(unsafe_code, reason = "two stores that call each other are lent twice")]
mod host;
mod interruption;
mod linking;
mod programs;
mod random_programs;
mod sharing;
mod storm;
mod system_backtraces;
mod tail_calls;
mod unwinding;
#[path = "../support/unwinders.rs"]
mod unwinders;
mod vectors;
