//! Path MTUs as routers report them about our outer packets (RFC 1191, RFC 8201).
//!
//! An ICMP message can be forged by anybody who guesses what we send. So it counts only if it
//! quotes a packet that a tunnel of ours could have sent, it can only lower what is known, never
//! below what every link must carry, and it is forgotten after a while.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::icmp::{self, Icmp};
use wire::icmpv6::{self, Icmpv6};
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::{protocol, udp};
use zerocopy::FromBytes;

/// No claim below this counts: what a sane IPv4 link carries today, and what every host accepts
/// (RFC 1122 3.3.2).
const IPV4_MIN: u16 = 576;
/// The smallest link of IPv6 (RFC 8200 5).
const IPV6_MIN: u16 = 1280;
/// How long a report is believed (RFC 1191 6.3).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Most destinations that are remembered.
const REMEMBERED_MAX: usize = 4096;
/// What routers that do not say the size (RFC 1191 5) may mean: the next of these below what was
/// sent (RFC 1191 7), bytes.
const PLATEAUS: [u16; 9] = [17_914, 8166, 4352, 2002, 1492, 1006, 576, 508, 296];

/// What an ICMP error quotes of one of our packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Its source.
    pub source: IpAddr,
    /// Its destination.
    pub destination: IpAddr,
    /// What follows IP, or UDP around ESP.
    pub protocol: u8,
    /// The SPI, of ESP.
    pub spi: Option<u32>,
}

/// The path MTUs learned, by destination.
#[derive(Debug, Default)]
pub struct PathMtus {
    learned: BTreeMap<IpAddr, (u16, Instant)>,
}

impl PathMtus {
    /// Takes in an ICMP (`version_4`) or ICMPv6 message, from its first byte on. `is_ours` says
    /// whether we could have sent what it quotes. Gives destination and size if it taught
    /// something.
    pub fn handle_icmp(
        &mut self,
        message: &[u8],
        version_4: bool,
        now: Instant,
        is_ours: impl Fn(&Quoted) -> bool,
    ) -> Option<(IpAddr, u16)> {
        let (claimed, quoted, sent_len) =
            if version_4 { too_big_ipv4(message)? } else { too_big_ipv6(message)? };
        if !is_ours(&quoted) {
            return None;
        }
        let known = self.mtu_to(quoted.destination).unwrap_or(u16::MAX).min(sent_len);
        let min = if version_4 { IPV4_MIN } else { IPV6_MIN };
        let claimed = match claimed {
            0 => PLATEAUS.into_iter().find(|plateau| *plateau < known)?,
            claimed => claimed,
        };
        let mtu = claimed.max(min);
        let news = mtu < known;
        let room =
            self.learned.len() < REMEMBERED_MAX || self.learned.contains_key(&quoted.destination);
        if !news || !room {
            return None;
        }
        self.learned.insert(quoted.destination, (mtu, now));
        Some((quoted.destination, mtu))
    }

    /// What is known of the way to `destination`, bytes.
    #[must_use]
    pub fn mtu_to(&self, destination: IpAddr) -> Option<u16> {
        self.learned.get(&destination).map(|(mtu, _)| *mtu)
    }

    /// Forgets what is too old; whether anything was.
    pub fn forget_old(&mut self, now: Instant) -> bool {
        let before = self.learned.len();
        let young = |since: Instant| now.duration_since(since) < FORGOTTEN_AFTER;
        self.learned.retain(|_, (_, since)| young(*since));
        self.learned.len() != before
    }
}

/// The size that "fragmentation needed" gives (0 when it gives none), what it quotes, and how long
/// that was.
fn too_big_ipv4(message: &[u8]) -> Option<(u16, Quoted, u16)> {
    let (header, quote) = Icmp::split(message).ok()?;
    if (header.kind, header.code) != (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED) {
        return None;
    }
    let (ip, _) = Ipv4::ref_from_prefix(quote).ok()?;
    let behind = quote.get(ip.header_len()..)?;
    let (source, destination) = (ip.source_addr().into(), ip.destination_addr().into());
    let quoted = quoted(source, destination, ip.protocol, behind);
    Some((header.next_hop_mtu.get(), quoted, ip.total_len.get()))
}

fn too_big_ipv6(message: &[u8]) -> Option<(u16, Quoted, u16)> {
    let (header, quote) = Icmpv6::ref_from_prefix(message).ok()?;
    if header.kind != icmpv6::PACKET_TOO_BIG {
        return None;
    }
    let (ip, behind) = Ipv6::ref_from_prefix(quote).ok()?;
    let (source, destination) = (ip.source_addr().into(), ip.destination_addr().into());
    let quoted = quoted(source, destination, ip.next_header, behind);
    let claimed = u16::try_from(header.word.get()).unwrap_or(u16::MAX);
    let sent_len = ip.payload_len.get().saturating_add(Ipv6::LEN as u16);
    Some((claimed.max(1), quoted, sent_len))
}

/// RFC 792 has routers quote eight bytes behind IP, which is all that UDP has.
fn quoted(source: IpAddr, destination: IpAddr, protocol: u8, behind: &[u8]) -> Quoted {
    let spi_at = match protocol {
        protocol::ESP => Some(0),
        protocol::UDP if udp::Udp::split(behind).is_ok_and(is_esp) => Some(udp::Udp::LEN),
        _ => None,
    };
    let spi = spi_at.and_then(|at| behind.get(at..)?.first_chunk());
    Quoted { source, destination, protocol, spi: spi.map(|spi| u32::from_be_bytes(*spi)) }
}

fn is_esp((header, _): (&udp::Udp, &[u8])) -> bool {
    header.source_port.get() == udp::ESP_PORT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    use super::*;

    const SPI: u32 = 0x1001;

    fn peer() -> IpAddr {
        [203, 0, 113, 2].into()
    }

    /// "Fragmentation needed" about ESP of this length to the peer.
    fn too_big(mtu: u16, sent: u16, spi: u32) -> Vec<u8> {
        let mut ip = Ipv4::new([203, 0, 113, 1].into(), [203, 0, 113, 2].into(), 50, 0);
        ip.total_len.set(sent);
        let header =
            Icmp { kind: 3, code: 4, checksum: 0.into(), id: 0.into(), next_hop_mtu: mtu.into() };
        [header.as_bytes(), ip.as_bytes(), &spi.to_be_bytes(), &[0; 4]].concat()
    }

    fn ours(quoted: &Quoted) -> bool {
        quoted.spi == Some(SPI) && quoted.destination == peer()
    }

    #[test]
    fn a_report_about_a_packet_of_ours_lowers_the_mtu_within_bounds() {
        let (mut mtus, now) = (PathMtus::default(), Instant::now());
        let mut hear = |mtu, sent, spi| mtus.handle_icmp(&too_big(mtu, sent, spi), true, now, ours);
        assert_eq!(hear(1400, 1500, SPI + 1), None, "no such SA");
        assert_eq!(hear(1400, 1500, SPI), Some((peer(), 1400)));
        assert_eq!(hear(1450, 1500, SPI), None, "it can only fall");
        assert_eq!(hear(1600, 1300, SPI), None, "more than was sent");
        assert_eq!(hear(0, 1400, SPI), Some((peer(), 1006)), "an old router");
        assert_eq!(hear(68, 1006, SPI), Some((peer(), 576)), "not below the minimum");
        assert_eq!(hear(68, 576, SPI), None);
        assert_eq!(mtus.mtu_to(peer()), Some(576));
    }

    #[test]
    fn what_was_learned_is_forgotten_in_time() {
        let (mut mtus, now) = (PathMtus::default(), Instant::now());
        mtus.handle_icmp(&too_big(1400, 1500, SPI), true, now, ours);
        assert!(!mtus.forget_old(now + Duration::from_secs(599)));
        assert!(mtus.forget_old(now + Duration::from_secs(600)));
        assert_eq!(mtus.mtu_to(peer()), None);
    }

    #[test]
    fn packet_too_big_of_ipv6_counts_likewise() {
        let end = |n: u128| std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | n);
        let ip = Ipv6::new(end(1), end(2), 50, 1460);
        let header = Icmpv6 { kind: 2, code: 0, checksum: 0.into(), word: 1100.into() };
        let spi = SPI.to_be_bytes();
        let message = [header.as_bytes(), ip.as_bytes(), &spi, &[0; 4]].concat();
        let mut mtus = PathMtus::default();
        let heard = mtus.handle_icmp(&message, false, Instant::now(), |q| q.spi == Some(SPI));
        assert_eq!(heard, Some((end(2).into(), 1280)));
    }

    #[test]
    fn strangers_cannot_make_the_list_grow_without_end() {
        let (mut mtus, now) = (PathMtus::default(), Instant::now());
        for n in 0..2 * REMEMBERED_MAX as u32 {
            let mut message = too_big(1400, 1500, SPI);
            message[24..28].copy_from_slice(&n.to_be_bytes());
            mtus.handle_icmp(&message, true, now, |_| true);
        }
        assert_eq!(mtus.learned.len(), REMEMBERED_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(
            message in proptest::collection::vec(any::<u8>(), 0..80),
            version_4: bool,
        ) {
            let mut mtus = PathMtus::default();
            let now = Instant::now();
            if let Some((_, mtu)) = mtus.handle_icmp(&message, version_4, now, |_| true) {
                prop_assert!(mtu >= 576);
            }
        }
    }
}
