//! The outbound SA by itself.
#![cfg(not(loom))]

use super::*;
use crate::tests::{KeyBytes, SPI, pair, sealed};

impl OutboundSa {
    /// A packet with an IV that somebody else chose.
    pub(crate) fn sealed_with(&self, seq: u64, iv: &[u8], next: u8, payload: &[u8]) -> Vec<u8> {
        let (header, trailer) =
            (self.head.suite.header_len(), self.head.suite.trailer_len(payload.len()));
        let mut packet = [vec![0; header], payload.to_vec(), vec![0; trailer]].concat();
        self.frame(seq, next, &mut packet, payload.len()).unwrap();
        packet[Esp::LEN..header].copy_from_slice(iv);
        let high = self.head.esn.then_some((seq >> 32) as u32);
        assert!(cipher::tests::seal_one(&self.sealer, high, &mut packet));
        packet
    }
}

#[test]
fn a_packet_says_its_spi_and_the_low_half_of_its_number() {
    for suite in Suite::ALL {
        let (outbound, _) = pair(*suite, true, 64);
        let packet = sealed(&outbound, 0x1122_3344_5566_7788, 4, b"payload");
        assert_eq!(packet[..4], SPI.to_be_bytes());
        assert_eq!(packet[4..8], [0x55, 0x66, 0x77, 0x88]);
    }
}

#[test]
fn the_pad_counts_up_and_the_trailer_follows() {
    // NULL encryption shows it.
    let (outbound, _) = pair(Suite::NULL_SHA1, false, 64);
    for (payload, trailer) in [
        (&b"123456"[..], &[0, 41][..]),
        (b"12345", &[1, 1, 41]),
        (b"1234", &[1, 2, 2, 41]),
        (b"123", &[1, 2, 3, 3, 41]),
    ] {
        let packet = sealed(&outbound, 1, 41, payload);
        assert_eq!(packet[8 + payload.len()..packet.len() - 12], *trailer);
    }
}

#[test]
fn a_buffer_that_does_not_fit_the_payload_is_not_sealed() {
    for suite in Suite::ALL {
        let (outbound, _) = pair(*suite, false, 64);
        let len = suite.header_len() + 50 + suite.trailer_len(50);
        assert_eq!(outbound.seal(1, 4, &mut vec![0; len], 50), Ok(()));
        for wrong in (0..len).chain(len + 1..len + 40) {
            let sealed = outbound.seal(1, 4, &mut vec![0; wrong], 50);
            assert_eq!(sealed, Err(SealError::Length), "{} {wrong}", suite.name());
        }
        for payload_len in [len, usize::MAX, usize::MAX - 1, usize::MAX / 2] {
            let sealed = outbound.seal(1, 4, &mut vec![0; len], payload_len);
            assert_eq!(sealed, Err(SealError::Length), "{}", suite.name());
        }
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let long = [7; 64];
    for suite in Suite::ALL {
        let (expected, other) = (suite.encryption_key_len(), suite.authentication_key_len());
        for found in (0..=64).filter(|found| *found != expected) {
            let keys = Keys { encryption: &long[..found], authentication: &long[..other] };
            let refused = OutboundSa::new(SPI, *suite, keys, false, [0; 32]).unwrap_err();
            assert_eq!(refused, KeyError::EncryptionLength { expected, found });
        }
        for found in (0..=64).filter(|found| *found != other) {
            let keys = Keys { encryption: &long[..expected], authentication: &long[..found] };
            let refused = OutboundSa::new(SPI, *suite, keys, false, [0; 32]).unwrap_err();
            assert_eq!(refused, KeyError::AuthenticationLength { expected: other, found });
        }
    }
}

#[test]
fn the_seed_decides_the_iv_and_nothing_else() {
    let bytes = KeyBytes::of(Suite::AES128_SHA256);
    let sa =
        |seed| OutboundSa::new(SPI, Suite::AES128_SHA256, bytes.keys(), false, [seed; 32]).unwrap();
    let one = sealed(&sa(1), 1, 4, b"payload");
    assert_eq!(one, sealed(&sa(1), 1, 4, b"payload"));
    let two = sealed(&sa(2), 1, 4, b"payload");
    assert_eq!(one[..8], two[..8]);
    assert_ne!(one[8..24], two[8..24]);
}

#[test]
fn usage_adds_up_and_the_sequence_is_the_last_reserved() {
    let (outbound, _) = pair(Suite::AES128GCM16, false, 64);
    assert_eq!((outbound.packets(), outbound.bytes(), outbound.sequence()), (0, 0, 0));
    assert_eq!(outbound.reserve(3), Ok(1));
    outbound.count(3, 4200);
    outbound.count(1, 60);
    assert_eq!((outbound.packets(), outbound.bytes(), outbound.sequence()), (4, 4260, 3));
}

fn limited(packets: Option<u64>, bytes: Option<u64>) -> OutboundSa {
    pair(Suite::AES128GCM16, false, 64).0.with_limits(Limits { packets, bytes })
}

#[test]
fn no_more_numbers_are_handed_out_than_the_limit_on_packets() {
    let sa = limited(Some(10), None);
    assert_eq!(sa.reserve(11), Err(Unavailable::Expired));
    assert_eq!(sa.reserve(8), Ok(1));
    assert_eq!(sa.reserve(3), Err(Unavailable::Expired));
    assert_eq!(sa.reserve(2), Ok(9));
    assert_eq!(sa.reserve(1), Err(Unavailable::Expired));
    assert_eq!(sa.sequence(), 10);
    assert_eq!(limited(Some(0), None).reserve(1), Err(Unavailable::Expired));
}

#[test]
fn a_run_is_refused_once_the_bytes_counted_reach_their_limit() {
    let sa = limited(None, Some(1000));
    assert_eq!(sa.reserve(2), Ok(1));
    sa.count(2, 999);
    assert_eq!(sa.reserve(2), Ok(3));
    sa.count(2, 1);
    assert_eq!(sa.reserve(1), Err(Unavailable::Expired));
    assert_eq!((sa.bytes(), sa.sequence()), (1000, 4));
}

#[test]
fn an_sa_without_limits_ends_with_its_numbers_and_says_so() {
    let sa = limited(None, None);
    sa.count(u64::from(u32::MAX), u64::MAX / 2);
    assert_eq!(sa.reserve(0), Err(Unavailable::Exhausted));
    assert_eq!(sa.reserve(u32::MAX), Ok(1));
    assert_eq!(sa.reserve(1), Err(Unavailable::Exhausted));
}

#[test]
fn an_sa_that_expired_hands_out_nothing_whatever_its_limits() {
    let sa = limited(Some(10), Some(1000));
    assert_eq!(sa.reserve(1), Ok(1));
    sa.expire();
    assert_eq!(sa.reserve(1), Err(Unavailable::Expired));
    let sa = sa.with_limits(Limits::default());
    assert_eq!(sa.reserve(1), Err(Unavailable::Expired));
}

#[test]
fn new_limits_replace_the_old_and_never_hand_out_a_number_again() {
    let sa = limited(Some(3), Some(1000));
    assert_eq!(sa.reserve(3), Ok(1));
    let sa = sa.with_limits(Limits { packets: Some(5), bytes: None });
    sa.count(3, 2000);
    assert_eq!(sa.reserve(2), Ok(4));
    assert_eq!(sa.reserve(1), Err(Unavailable::Expired));
}

#[test]
fn debug_shows_no_key() {
    let bytes = KeyBytes::of(Suite::AES128_SHA1);
    let sa = OutboundSa::new(SPI, Suite::AES128_SHA1, bytes.keys(), true, [1; 32]).unwrap();
    assert_eq!(
        format!("{sa:?}"),
        "OutboundSa { spi: 0xc0ffee01, suite: aes128-sha1, esn: true, sequence: 0, .. }"
    );
}

#[test]
fn an_sa_is_shared_by_threads_and_costs_what_the_essay_says() {
    fn shared<T: Send + Sync>() {}
    shared::<OutboundSa>();
    assert_eq!(size_of::<OutboundSa>(), 896);
    // What workers write starts a cache line and ends with it.
    assert_eq!((align_of::<Written>(), size_of::<Written>()), (64, 64));
}
