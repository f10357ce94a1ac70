//! Any bytes as a sealed message, and sealed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ike_sealed(input));
