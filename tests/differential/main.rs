//! The pipeline against scapy's ESP, GRE, IP and L2TP, which shares no code with it: whatever
//! random packet one of them seals, the other one opens to the same packet, in every suite, and
//! refuses once a bit of it has changed.
//!
//! Each run draws new packets. A failure prints its seed; `DIFFERENTIAL_SEED=n` repeats that run.

#![forbid(unsafe_code)]

mod gateway;
mod scapy;

use std::{env, time::SystemTime};

use tables::{DropReason, GreHeader};
use wire::{Suite, checksum};

use crate::{
    gateway::{Gateway, Kind, Own},
    scapy::Scapy,
};

/// Random packets for each suite that a peer in the field is likely to have.
const COMMON: u32 = 400;
/// Random packets for each other suite.
const RARE: u32 = 100;
/// The suites that most peers have.
const COMMON_SUITES: [&str; 8] = [
    "aes128gcm16",
    "aes256gcm16",
    "aes128-sha1",
    "aes256-sha1",
    "aes128-sha256",
    "aes256-sha256",
    "null-sha1",
    "null-md5",
];
/// One packet of so many is also tried with a bit flipped.
const DAMAGED_EVERY: u32 = 8;
/// What a flipped bit may look like: in the SPI, in the sequence number, anywhere else.
const FLIPPED: [DropReason; 4] =
    [DropReason::EspNoSa, DropReason::EspReplayed, DropReason::EspTooOld, DropReason::EspIntegrity];

/// Random packets for each kind of tunnel under each of its suites.
const OF_A_KIND: u32 = 60;
/// The suites that kinds are tried under: one of each construction.
const CONSTRUCTIONS: [&str; 5] =
    ["aes128gcm16", "chacha20poly1305", "aes256-sha256", "null-sha1", "null-md5"];

/// What can be under ESP besides the packet alone.
fn kinds() -> impl Iterator<Item = Kind> {
    let full = GreHeader { key: Some(42), checksum: true, sequence: true };
    let keyed = GreHeader { key: Some(7), ..GreHeader::default() };
    let all =
        [Own::Gre(GreHeader::default()), Own::Gre(keyed), Own::Gre(full), Own::Ipip, Own::L2tp];
    let kind = |own| [false, true].map(|tunnel_mode| Kind { own: Some(own), tunnel_mode });
    all.into_iter().flat_map(kind)
}

/// Every suite as ESP alone, and every kind under one suite of each construction, with how many
/// packets each gets.
fn trials() -> impl Iterator<Item = (Suite, Kind, u32)> {
    let alone = Suite::ALL.iter().map(|suite| (*suite, Kind::PLAIN, packets(*suite)));
    let suites = CONSTRUCTIONS.map(|name| Suite::from_name(name).expect("a suite"));
    let of_kind = move |kind| suites.map(|suite| (suite, kind, OF_A_KIND));
    alone.chain(kinds().flat_map(of_kind))
}

#[test]
fn scapy_opens_what_the_pipeline_seals() {
    let (mut scapy, seed) = (Scapy::start(), seed());
    for (suite, kind, packets) in trials() {
        let mut gateway = Gateway::new(suite, kind);
        scapy.begin(suite, kind, seed);
        for n in 0..packets {
            let inner = scapy.make("10.1.0", "10.2.0");
            let outer = gateway.host_sends(&inner);
            let case = format!("{suite}, {kind:?}, packet {n} of {} bytes", inner.len());
            assert_eq!(outer.len(), 1, "{case}: {:?}", gateway.drops());
            if n % DAMAGED_EVERY == 0 {
                let damaged = scapy.damage(&outer[0]);
                assert!(scapy.open(&damaged).is_err(), "{case}: opened with a bit flipped");
            }
            let opened = scapy.open(&outer[0]).unwrap_or_else(|why| panic!("{case}: {why}"));
            assert!(opened.packet == one_hop_later(&inner), "{case}: another packet came out");
            let dont_fragment = inner[6] & 0x40 != 0;
            assert_eq!((opened.tos, opened.df), (inner[1], dont_fragment), "{case}");
            assert_eq!(opened.sequence, n + 1, "{case}");
        }
        assert_eq!(gateway.drops(), []);
    }
}

#[test]
fn the_pipeline_opens_what_scapy_seals() {
    let (mut scapy, seed) = (Scapy::start(), seed());
    for (suite, kind, packets) in trials() {
        let mut gateway = Gateway::new(suite, kind);
        scapy.begin(suite, kind, seed);
        let mut refused = 0;
        for n in 0..packets {
            let inner = scapy.make("10.2.0", "10.1.0");
            let outer = scapy.seal(&inner);
            let case = format!("{suite}, {kind:?}, packet {n} of {} bytes", inner.len());
            if n % DAMAGED_EVERY == 0 {
                let out = gateway.peer_sends(&scapy.damage(&outer));
                assert!(out.is_empty(), "{case}: opened with a bit flipped");
                refused += 1;
            }
            let out = gateway.peer_sends(&outer);
            assert!(out == [one_hop_later(&inner)], "{case}: {:?}", gateway.drops());
        }
        let drops = gateway.drops();
        assert_eq!(
            drops.iter().map(|(_, count)| count).sum::<u64>(),
            refused,
            "{suite}: {drops:?}"
        );
        assert!(drops.iter().all(|(reason, _)| FLIPPED.contains(reason)), "{suite}: {drops:?}");
    }
}

fn packets(suite: Suite) -> u32 {
    if COMMON_SUITES.contains(&suite.name()) { COMMON } else { RARE }
}

/// The seed of this run, printed so that a failure can be repeated.
fn seed() -> u64 {
    let given = env::var("DIFFERENTIAL_SEED").ok();
    let seed = given.map_or_else(now, |text| text.parse().expect("a number as the seed"));
    println!("DIFFERENTIAL_SEED={seed}");
    seed
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a clock that is set").as_secs()
}

/// The packet with a TTL of one less and a header checksum to match.
fn one_hop_later(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let header_len = usize::from(packet[0] & 15) * 4;
    packet[8] -= 1;
    packet[10..12].fill(0);
    let sum = checksum::of(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}
