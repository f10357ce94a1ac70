//! What holds for every packet.

use proptest::prelude::*;
use wire::suite::Encryption;

use super::{pair, portable_pair, sealed};
use crate::{OpenError, Opened, Opening, Sealing, Suite, open_batch, seal_batch};

fn suite() -> impl Strategy<Value = Suite> {
    prop::sample::select(Suite::ALL)
}

fn bytes(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_sealed_opens_to_what_it_was(
        suite in suite(),
        esn in any::<bool>(),
        next_header in any::<u8>(),
        payload in prop_oneof![bytes(0..80), bytes(0..9000)],
        ahead in prop_oneof![1..5_u64, 1..u64::from(u32::MAX)],
    ) {
        let (outbound, inbound) = pair(suite, esn, 64);
        let mut packet = sealed(&outbound, ahead, next_header, &payload);
        prop_assert_eq!(packet.len() % 4, 0);
        let opened = inbound.open(&mut packet);
        let at = suite.header_len()..suite.header_len() + payload.len();
        let expected = Opened { payload: at.clone(), next_header, seq: ahead, newest: true };
        prop_assert_eq!(opened, Ok(expected));
        prop_assert_eq!(&packet[at], &payload[..]);
        prop_assert_eq!(inbound.sequence(), ahead);
    }

    /// Whatever is done side by side does not show, and the portable ciphers agree with it.
    #[test]
    fn a_batch_of_any_suites_is_sealed_and_opened_as_its_packets_one_by_one(
        packets in prop::collection::vec(
            (suite(), any::<bool>(), prop_oneof![bytes(0..80), bytes(0..2000)]),
            0..80,
        ),
        flipped in any::<u16>(),
    ) {
        let sas: Vec<_> = packets.iter().map(|(suite, esn, _)| pair(*suite, *esn, 64)).collect();
        let mut batch: Vec<_> = packets.iter().map(|(suite, _, payload)| {
            let mut packet = vec![0; suite.header_len()];
            packet.extend_from_slice(payload);
            packet.resize(packet.len() + suite.trailer_len(payload.len()), 0);
            packet
        }).collect();
        let seq = 7;
        let sealing = sas.iter().zip(&mut batch).zip(&packets).map(|(((sa, _), bytes), packet)| {
            Sealing::new(sa, seq, 4, bytes, packet.2.len())
        });
        let mut sealing: Vec<_> = sealing.collect();
        seal_batch(&mut sealing);
        prop_assert!(sealing.iter().all(|sealing| sealing.outcome.is_ok()));
        for (at, (suite, esn, payload)) in packets.iter().enumerate() {
            let portable = portable_pair(*suite, *esn);
            prop_assert_eq!(&batch[at], &sealed(&portable.0, seq, 4, payload), "{}", suite);
        }
        // One of them is not authentic, and no other suffers.
        let forged = usize::from(flipped) % packets.len().max(1);
        if let Some(last) = batch.get_mut(forged).and_then(|packet| packet.last_mut()) {
            *last ^= 1;
        }
        let mut opening: Vec<_> =
            sas.iter().zip(&mut batch).map(|((_, sa), bytes)| Opening::new(sa, bytes)).collect();
        open_batch(&mut opening);
        let outcomes: Vec<_> = opening.into_iter().map(|opening| opening.outcome).collect();
        for (at, ((suite, _, payload), outcome)) in packets.iter().zip(outcomes).enumerate() {
            if at == forged {
                prop_assert_eq!(outcome, Err(OpenError::Integrity), "{}", suite);
            } else {
                let opened = outcome.map(|opened| batch[at][opened.payload].to_vec());
                prop_assert_eq!(opened.as_ref(), Ok(payload), "{}", suite);
            }
        }
    }

    #[test]
    fn the_ciphertext_does_not_show_the_payload(
        suite in suite().prop_filter("encrypts", |suite| {
            !matches!(suite.encryption(), Encryption::Null | Encryption::NullAesGmac(_))
        }),
        payload in bytes(32..200),
    ) {
        let (outbound, _) = pair(suite, false, 64);
        let packet = sealed(&outbound, 1, 4, &payload);
        prop_assert!(packet.windows(8).all(|seen| payload.windows(8).all(|sent| seen != sent)));
        // Nor does the same payload look the same twice.
        let again = sealed(&outbound, 2, 4, &payload);
        prop_assert_ne!(&packet[suite.header_len()..], &again[suite.header_len()..]);
    }

    #[test]
    fn arbitrary_bytes_are_refused_and_do_not_move_the_window(
        suite in suite(),
        esn in any::<bool>(),
        window in prop_oneof![Just(0_u32), Just(64)],
        mut packet in prop_oneof![bytes(0..80), bytes(0..2000)],
    ) {
        let (_, inbound) = pair(suite, esn, if esn { 64 } else { window });
        prop_assert!(inbound.open(&mut packet).is_err());
        prop_assert_eq!(inbound.sequence(), 0);
    }

    #[test]
    fn a_truncated_or_extended_packet_is_refused(
        suite in suite(),
        payload in bytes(0..100),
        cut in any::<prop::sample::Index>(),
        more in bytes(1..40),
    ) {
        let (outbound, inbound) = pair(suite, false, 64);
        let packet = sealed(&outbound, 1, 4, &payload);
        prop_assert!(inbound.open(&mut packet[..cut.index(packet.len())].to_vec()).is_err());
        prop_assert!(inbound.open(&mut [packet, more].concat()).is_err());
        prop_assert_eq!(inbound.sequence(), 0);
    }
}

#[test]
fn every_flipped_bit_is_refused_and_leaves_the_window_unmoved() {
    for suite in Suite::ALL {
        for esn in [false, true] {
            let (outbound, inbound) = pair(*suite, esn, 64);
            for seq in [1, 99] {
                assert!(inbound.open(&mut sealed(&outbound, seq, 4, b"before")).is_ok());
            }
            let packet = sealed(&outbound, 100, 4, &[0x42; 37]);
            for bit in 0..packet.len() * 8 {
                let mut flipped = packet.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let refused = inbound.open(&mut flipped).expect_err("a bit was flipped");
                // A bit of the sequence number may also make it one that was seen or is too old.
                let of_sequence = (32..64).contains(&bit);
                assert!(
                    refused == OpenError::Integrity || of_sequence,
                    "{} bit {bit}: {refused}",
                    suite.name()
                );
                assert_eq!(inbound.sequence(), 99);
            }
            assert!(inbound.open(&mut packet.clone()).is_ok(), "{}", suite.name());
        }
    }
}

#[test]
fn an_sa_opens_nothing_of_another_suite() {
    for suite in Suite::ALL {
        let (outbound, _) = pair(*suite, false, 64);
        for other in Suite::ALL.iter().filter(|other| *other != suite) {
            let (_, inbound) = pair(*other, false, 64);
            // The two GCM keys differ in length, and all HMAC keys begin alike.
            let mut packet = sealed(&outbound, 1, 4, &[0; 62]);
            let refused = inbound.open(&mut packet);
            assert!(refused.is_err() || same_integrity(*suite, *other), "{suite:?} {other:?}");
        }
    }
}

/// HMAC with SHA-1 under the same key covers whatever lies in the packet.
fn same_integrity(one: Suite, other: Suite) -> bool {
    let integrity = |suite: Suite| (suite.authentication_key_len(), suite.icv_len());
    one.iv_len() == other.iv_len() && integrity(one) == integrity(other)
}

#[test]
fn extended_and_plain_sequence_numbers_do_not_open_each_other() {
    for suite in Suite::ALL {
        for esn in [false, true] {
            let (outbound, _) = pair(*suite, esn, 64);
            let (_, inbound) = pair(*suite, !esn, 64);
            let mut packet = sealed(&outbound, 1, 4, b"half of a number");
            assert_eq!(inbound.open(&mut packet), Err(OpenError::Integrity));
        }
    }
}

#[test]
fn a_number_is_accepted_once_within_a_batch() {
    for suite in Suite::ALL {
        let (outbound, inbound) = pair(*suite, false, 64);
        let mut packet = sealed(&outbound, 9, 4, b"payload");
        let mut twin = packet.clone();
        let mut batch = [Opening::new(&inbound, &mut packet), Opening::new(&inbound, &mut twin)];
        open_batch(&mut batch);
        let [first, second] = batch.map(|opening| opening.outcome.map(|opened| opened.seq));
        assert_eq!((first, second), (Ok(9), Err(OpenError::Replayed)), "{suite}");
    }
}
