//! The `windrow` command seen from outside: its output, its exit codes, and every program in
//! `crates/wasm/programs` on every collector.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod debugger;
mod garbage;
mod host;
mod limits;
mod output;
mod process;
mod programs;
mod snapshot;
mod stats;
mod trace;
mod traps;
mod unwinding;
mod wasi;
mod wast;
