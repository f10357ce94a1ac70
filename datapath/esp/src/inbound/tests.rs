//! The inbound SA by itself, and what it makes of its peer's packets.
#![cfg(not(loom))]

use wire::esp::PADDING;

use super::*;
use crate::OutboundSa;
use crate::tests::{KeyBytes, SPI, pair, sealed};

impl InboundSa {
    /// As if the packet `seq` had come.
    pub(crate) fn accept_up_to(&self, seq: u64) {
        self.written.window.commit(seq).ok();
    }
}

#[test]
fn a_replayed_packet_is_refused() {
    for suite in Suite::ALL {
        let (outbound, inbound) = pair(*suite, false, 64);
        let packet = sealed(&outbound, 7, 4, b"once");
        assert!(inbound.open(&mut packet.clone()).is_ok());
        assert_eq!(inbound.open(&mut packet.clone()), Err(OpenError::Replayed));
    }
}

#[test]
fn a_packet_left_of_the_window_is_refused_and_one_at_its_edge_is_not() {
    let (outbound, inbound) = pair(Suite::AES128GCM16, false, 64);
    for (seq, expected) in [(100, Ok(())), (36, Err(OpenError::TooOld)), (37, Ok(()))] {
        let opened = inbound.open(&mut sealed(&outbound, seq, 4, b"late"));
        assert_eq!(opened.map(|opened| assert_eq!(opened.seq, seq)), expected);
    }
    assert_eq!(inbound.sequence(), 100);
}

#[test]
fn number_zero_is_refused() {
    for esn in [false, true] {
        let (outbound, inbound) = pair(Suite::NULL_SHA1, esn, 64);
        let mut packet = sealed(&outbound, 0, 4, b"never sent");
        assert_eq!(inbound.open(&mut packet), Err(OpenError::TooOld));
    }
}

#[test]
fn without_a_window_replays_and_numbers_that_wrapped_pass() {
    // RFC 4303 3.3.3: a sender whose peer has no anti-replay service lets the counter cycle.
    let (outbound, inbound) = pair(Suite::NULL_SHA1, false, 0);
    for seq in [7, 7, 0, 1] {
        assert!(inbound.open(&mut sealed(&outbound, seq, 4, b"again")).is_ok());
    }
    assert_eq!(inbound.replay_window(), 0);
}

#[test]
fn the_high_half_is_followed_across_its_change_in_both_directions() {
    for suite in Suite::ALL {
        let (outbound, inbound) = pair(*suite, true, 64);
        let edge = 1_u64 << 32;
        inbound.accept_up_to(edge - 10);
        // Ahead into the next high half, back into the last, and on.
        for seq in [edge - 1, edge + 20, edge - 5, edge, edge + 1, edge - 2, edge + 90] {
            let opened = inbound.open(&mut sealed(&outbound, seq, 4, b"across"));
            assert_eq!(opened.map(|opened| opened.seq), Ok(seq), "{}", suite.name());
        }
        let late = inbound.open(&mut sealed(&outbound, edge - 3, 4, b"too late"));
        // Its low half is taken for one of the next round, which it is not.
        assert_eq!(late, Err(OpenError::Integrity));
        assert_eq!(inbound.sequence(), edge + 90);
    }
}

#[test]
fn a_number_before_the_first_or_behind_the_last_is_too_old() {
    let (outbound, inbound) = pair(Suite::AES256GCM16, true, 64);
    let before = inbound.open(&mut sealed(&outbound, u64::from(u32::MAX), 4, b"from before 1"));
    assert_eq!(before, Err(OpenError::TooOld));
    inbound.accept_up_to(u64::MAX - 1);
    assert!(inbound.open(&mut sealed(&outbound, u64::MAX, 4, b"the last")).is_ok());
    let beyond = inbound.open(&mut sealed(&outbound, 5, 4, b"wrapped"));
    assert_eq!(beyond, Err(OpenError::TooOld));
}

#[test]
fn what_is_too_short_is_truncated_and_what_is_not_whole_blocks_is_misaligned() {
    for suite in Suite::ALL {
        let (_, inbound) = pair(*suite, false, 64);
        let shortest = suite.header_len() + 2 + suite.icv_len();
        for len in 0..shortest + 64 {
            let expected = match len {
                _ if len < shortest => OpenError::Truncated,
                _ if (len - suite.header_len() - suite.icv_len()) % suite.align() != 0 => {
                    OpenError::Alignment
                }
                _ => OpenError::Integrity,
            };
            let mut packet = vec![1; len];
            assert_eq!(inbound.open(&mut packet), Err(expected), "{} {len}", suite.name());
        }
    }
}

/// Who of these numbers, one after the other, is newest.
fn newest_of(outbound: &OutboundSa, inbound: &InboundSa, seqs: &[u64]) -> Vec<bool> {
    let newest = |seq: &u64| inbound.open(&mut sealed(outbound, *seq, 4, b"moved")).unwrap().newest;
    seqs.iter().map(newest).collect()
}

#[test]
fn only_a_packet_that_is_ahead_of_all_others_is_the_newest() {
    for (suite, esn) in Suite::ALL.iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        let (outbound, inbound) = pair(*suite, esn, 64);
        let newest = newest_of(&outbound, &inbound, &[5, 4, 6, 60, 59, 7, 2000, 1999]);
        assert_eq!(newest, [true, false, true, true, false, false, true, false]);
    }
}

#[test]
fn a_forged_packet_that_claims_to_be_ahead_does_not_keep_the_next_from_being_newest() {
    let (outbound, inbound) = pair(Suite::AES128GCM16, false, 64);
    let mut forged = sealed(&outbound, 9, 4, b"forged");
    forged[20] ^= 1;
    assert_eq!(inbound.open(&mut forged), Err(OpenError::Integrity));
    assert_eq!(newest_of(&outbound, &inbound, &[8]), [true]);
}

#[test]
fn without_a_window_a_replayed_packet_is_never_the_newest() {
    let (outbound, inbound) = pair(Suite::AES128GCM16, false, 0);
    let newest = newest_of(&outbound, &inbound, &[7, 7, 6, 0, 8, 7, 8]);
    assert_eq!(newest, [true, false, false, false, true, false, false]);
}

#[test]
fn packets_are_admitted_until_those_counted_reach_a_limit() {
    let limited =
        |packets, bytes| pair(Suite::NULL_MD5, false, 64).1.with_limits(Limits { packets, bytes });
    for (sa, packets, bytes) in [
        (limited(Some(10), None), 10, 10),
        (limited(None, Some(1000)), 10, 1000),
        (limited(Some(10), Some(5000)), 10, 1000),
        (limited(Some(100), Some(1000)), 10, 1000),
    ] {
        assert!(sa.admits());
        sa.count(packets - 1, bytes - 1);
        assert!(sa.admits());
        sa.count(1, 1);
        assert!(!sa.admits());
    }
    let unlimited = limited(None, None);
    unlimited.count(u64::MAX / 2, u64::MAX / 2);
    assert!(unlimited.admits());
}

#[test]
fn an_sa_that_expired_admits_nothing_whatever_its_limits() {
    let (_, inbound) = pair(Suite::NULL_MD5, false, 64);
    inbound.expire();
    assert!(!inbound.admits());
    let limits = Limits { packets: Some(10), bytes: Some(1000) };
    assert!(!inbound.with_limits(limits).admits());
}

/// A packet whose trailer is `text`'s end, whatever that is, but whose ICV is right.
fn authentic(suite: Suite, seq: u32, text: &[u8]) -> Vec<u8> {
    let bytes = KeyBytes::of(suite);
    let sealer = cipher::Sealer::new(suite, bytes.keys(), Crypto::Portable).unwrap();
    let mut packet = [SPI.to_be_bytes(), seq.to_be_bytes()].concat();
    packet.resize(suite.header_len(), 0x11);
    packet.extend_from_slice(text);
    packet.resize(packet.len() + suite.icv_len(), 0);
    assert!(cipher::tests::seal_one(&sealer, None, &mut packet));
    packet
}

#[test]
fn an_authentic_packet_with_a_bad_pad_is_refused_and_counts_as_seen() {
    for suite in Suite::ALL {
        let (_, inbound) = pair(*suite, false, 64);
        let mut longer_than_all = [0; 32];
        longer_than_all[30..].copy_from_slice(&[31, 4]);
        let mut pad_wrong = [0; 32];
        pad_wrong[27..].copy_from_slice(&[1, 2, 9, 3, 4]);
        let mut pad_zero = [0; 32];
        pad_zero[30..].copy_from_slice(&[4, 4]);
        for (seq, text) in [(1, longer_than_all), (2, pad_wrong), (3, pad_zero)] {
            let packet = authentic(*suite, seq, &text);
            assert_eq!(inbound.open(&mut packet.clone()), Err(OpenError::Padding));
            assert_eq!(inbound.open(&mut packet.clone()), Err(OpenError::Replayed));
        }
    }
}

#[test]
fn a_pad_that_hides_the_length_is_taken_off() {
    // RFC 4303 2.4: a sender may pad by up to 255 bytes. Here all is pad.
    for suite in Suite::ALL {
        let (_, inbound) = pair(*suite, false, 64);
        let text = [&PADDING[..254], &[254, 59]].concat();
        let opened = inbound.open(&mut authentic(*suite, 1, &text)).unwrap();
        assert_eq!((opened.payload.len(), opened.next_header), (0, 59));
    }
}

#[test]
fn every_trailer_of_an_authentic_packet_is_read_or_refused() {
    for suite in Suite::ALL {
        for pad_len in 0..=255 {
            let (_, inbound) = pair(*suite, false, 64);
            let mut text = [0; 64];
            text[62..].copy_from_slice(&[pad_len, 4]);
            if let Some(from) = 62_usize.checked_sub(usize::from(pad_len)) {
                text[from..62].copy_from_slice(&PADDING[..usize::from(pad_len)]);
                let opened = inbound.open(&mut authentic(*suite, 1, &text)).unwrap();
                let start = suite.header_len();
                assert_eq!(opened.payload, start..start + from);
            } else {
                let opened = inbound.open(&mut authentic(*suite, 1, &text));
                assert_eq!(opened, Err(OpenError::Padding));
            }
        }
    }
}

#[test]
fn windows_out_of_range_and_esn_without_a_window_are_refused() {
    let bytes = KeyBytes::of(Suite::NULL_MD5);
    let new = |esn, window| {
        InboundSa::new(SPI, Suite::NULL_MD5, bytes.keys(), esn, window).map(|sa| sa.replay_window())
    };
    for window in [0, 32, 100, 65_536] {
        assert_eq!(new(false, window), Ok(window));
    }
    for window in [1, 31, 65_537, u32::MAX] {
        assert_eq!(new(false, window), Err(KeyError::ReplayWindow(window)));
    }
    assert_eq!(new(true, 0), Err(KeyError::EsnWithoutWindow));
}

#[test]
fn usage_adds_up_and_debug_shows_no_key() {
    let (_, inbound) = pair(Suite::AES128GCM16, false, 64);
    inbound.count(3, 4200);
    inbound.count(1, 60);
    assert_eq!((inbound.packets(), inbound.bytes()), (4, 4260));
    assert_eq!(
        format!("{inbound:?}"),
        "InboundSa { spi: 0xc0ffee01, suite: aes128gcm16, esn: false, replay_window: 64, \
         sequence: 0, .. }"
    );
}

#[test]
fn an_sa_is_shared_by_threads_and_costs_what_the_essay_says() {
    fn shared<T: Send + Sync>() {}
    shared::<InboundSa>();
    assert_eq!(size_of::<InboundSa>(), 704);
    assert_eq!((align_of::<Written>(), size_of::<Written>()), (64, 64));
}
