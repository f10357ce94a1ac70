//! Whole packets through pairs of SAs: known answers, properties, a capture.
#![cfg(not(loom))]

mod capture;
pub(crate) mod known_answers;
mod properties;

use crate::{Crypto, InboundSa, Keys, OutboundSa, Suite};

pub(crate) const SPI: u32 = 0xc0ff_ee01;

/// Keys of the right lengths, different in every byte.
pub(crate) struct KeyBytes {
    encryption: Vec<u8>,
    authentication: Vec<u8>,
}

impl KeyBytes {
    pub(crate) fn of(suite: Suite) -> Self {
        Self {
            encryption: (1..).take(suite.encryption_key_len()).collect(),
            authentication: (101..).take(suite.authentication_key_len()).collect(),
        }
    }

    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys { encryption: &self.encryption, authentication: &self.authentication }
    }
}

/// Both ends of one SA.
pub(crate) fn pair(suite: Suite, esn: bool, replay_window: u32) -> (OutboundSa, InboundSa) {
    let bytes = KeyBytes::of(suite);
    (
        OutboundSa::new(SPI, suite, bytes.keys(), esn, [0x5e; 32]).unwrap(),
        InboundSa::new(SPI, suite, bytes.keys(), esn, replay_window).unwrap(),
    )
}

/// The same without crate `simd`.
pub(crate) fn portable_pair(suite: Suite, esn: bool) -> (OutboundSa, InboundSa) {
    let (bytes, crypto) = (KeyBytes::of(suite), Crypto::Portable);
    let keys = bytes.keys();
    (
        OutboundSa::with_crypto(SPI, suite, keys, esn, [0x5e; 32], crypto).unwrap(),
        InboundSa::with_crypto(SPI, suite, keys, esn, 64, crypto).unwrap(),
    )
}

/// A sealed packet, the bytes to be written being full of noise before.
pub(crate) fn sealed(sa: &OutboundSa, seq: u64, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let suite = sa.suite();
    let mut packet = vec![0xee; suite.header_len()];
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + suite.trailer_len(payload.len()), 0xee);
    sa.seal(seq, next_header, &mut packet, payload.len()).unwrap();
    packet
}
