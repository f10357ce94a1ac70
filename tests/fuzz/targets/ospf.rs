//! Any bytes as a packet of OSPF.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ospf(input));
