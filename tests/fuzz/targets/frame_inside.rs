//! Any frame from our own side.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::frame_inside(input));
