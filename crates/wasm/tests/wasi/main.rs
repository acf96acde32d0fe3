//! WASI preview 1 as programs see it: every function, called with captured streams and directories
//! made for the test.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod directories;
mod files;
mod harness;
mod process;
mod programs;
mod streams;
#[path = "../support/unwinders.rs"]
mod unwinders;
mod wrong_arguments;
