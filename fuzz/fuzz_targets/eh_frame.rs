//! Any bytes as an unwind table.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| windrow_fuzz::eh_frame::run(bytes));
