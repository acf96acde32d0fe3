//! The engine from outside: through the crate's public API only.

#![allow(clippy::unwrap_used, reason = "tests")]

mod harness;
#[expect(unsafe_code, reason = "two stores that call each other are lent twice")]
mod host;
mod linking;
mod programs;
mod random_programs;
mod vectors;
