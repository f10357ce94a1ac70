//! GRE between the right addresses around anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::decap_gre(input));
