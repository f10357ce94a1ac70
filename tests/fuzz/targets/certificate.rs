//! Any bytes as the certificates of an IKE peer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::certificate(input));
