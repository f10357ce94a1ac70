//! Any frame from the outside.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::frame_outside(input));
