//! Any bytes at the loader.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::modules::run(bytes));
