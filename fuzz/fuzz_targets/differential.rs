//! Random modules on this engine and on wasmtime.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::differential::run(bytes));
