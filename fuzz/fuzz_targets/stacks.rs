//! Any bytes as code and a stack of its frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::stacks::run(bytes));
