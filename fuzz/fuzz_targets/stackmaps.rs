//! Any bytes as LLVM's stack maps.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::stackmaps::run(bytes));
