//! Random mutators against the model heap.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::mutator::run(bytes));
