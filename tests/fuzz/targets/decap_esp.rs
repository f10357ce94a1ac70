//! ESP between the right addresses: random under every suite, and properly sealed around anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::decap_esp(input));
