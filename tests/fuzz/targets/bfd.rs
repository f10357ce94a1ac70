//! Any packets, at any time, to a BFD session.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::bfd(input));
