//! Corrupted heaps.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::corrupted::run(bytes));
