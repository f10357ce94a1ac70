//! Any bytes as the identity of an IKE peer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::identity(input));
