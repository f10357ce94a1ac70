//! Any bytes as a message of IKEv1.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ike_v1(input));
