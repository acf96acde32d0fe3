//! Emitted CLIF: golden text, and properties checked on every operation under every ABI.
#![allow(clippy::unwrap_used, reason = "tests")]

mod operations;
mod support;

mod calls;
mod compiled;
mod golden;
