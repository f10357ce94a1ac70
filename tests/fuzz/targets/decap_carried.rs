//! GRE and IPIP, in clear or under ESP, around anything.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::decap_carried(input));
