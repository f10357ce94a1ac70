//! Any datagrams, inputs and time for a whole engine of IKEv2.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::ike_engine_v2(input));
