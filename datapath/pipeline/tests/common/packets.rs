//! Packets to send and what is read out of those that come back.

use std::net::{Ipv4Addr, Ipv6Addr};

use esp::OutboundSa;
use wire::icmp::Icmp;
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::{checksum, protocol};
use zerocopy::{FromBytes, IntoBytes};

use super::topology::{A_OUTER, A_OUTER6, B_OUTER, B_OUTER6, GW_MAC, HOST_MAC};

/// An Ethernet frame to the gateway around an IP packet.
pub fn frame(packet: &[u8]) -> Vec<u8> {
    [&GW_MAC.0[..], &HOST_MAC.0, &ethertype(packet), packet].concat()
}

/// An Ethernet frame to the gateway that says that it carries IPv4, whatever the packet says.
pub fn frame_of_ipv4(packet: &[u8]) -> Vec<u8> {
    [&GW_MAC.0[..], &HOST_MAC.0, &[8, 0], packet].concat()
}

/// An Ethernet frame from the gateway to a host or peer around an IP packet.
pub fn frame_to_host(packet: &[u8]) -> Vec<u8> {
    [&HOST_MAC.0[..], &GW_MAC.0, &ethertype(packet), packet].concat()
}

/// IPv6's for what says that it is version 6, IPv4's for all else, sound or not.
fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) { [0x86, 0xdd] } else { [8, 0] }
}

pub fn unframe(frame: Vec<u8>) -> Vec<u8> {
    let expected = [&HOST_MAC.0[..], &GW_MAC.0, &ethertype(&frame[14..])].concat();
    assert_eq!(frame[..14], expected);
    frame[14..].to_vec()
}

/// As [`packet`], of IPv6, at least 40.
pub fn packet6(source: Ipv6Addr, destination: Ipv6Addr, len: usize) -> Vec<u8> {
    let header = Ipv6::new(source, destination, protocol::UDP, (len - Ipv6::LEN) as u16);
    let payload = (0..len - Ipv6::LEN).map(|n| (n * 7) as u8);
    header.as_bytes().iter().copied().chain(payload).collect()
}

/// A UDP-numbered packet of `len` bytes in all, at least 20, with a payload that says who it is.
pub fn packet(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
    let mut header = Ipv4::new(source, destination, protocol::UDP, (len - Ipv4::LEN) as u16);
    header.id.set(len as u16);
    header.fill_checksum();
    let payload = (0..len - Ipv4::LEN).map(|n| (n * 7) as u8);
    header.as_bytes().iter().copied().chain(payload).collect()
}

/// An OSPF packet of `len` bytes in all, as routers send it: TTL 1, "internetwork control".
pub fn ospf(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
    with_header(packet(source, destination, len), |header| {
        (header.protocol, header.ttl, header.tos) = (protocol::OSPF, 1, 0xc0);
    })
}

/// The packet with its header changed and the checksum made right again.
pub fn with_header(mut packet: Vec<u8>, change: impl FnOnce(&mut Ipv4)) -> Vec<u8> {
    let header_len = usize::from(packet[0] & 15) * 4;
    let (header, _) = zerocopy::Ref::<_, Ipv4>::from_prefix(&mut packet[..]).unwrap();
    let header = zerocopy::Ref::into_mut(header);
    change(header);
    header.checksum.set(0);
    let sum = checksum::of(&packet[..header_len]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// What the packet looks like after one more hop.
pub fn one_hop_later(packet: &[u8]) -> Vec<u8> {
    if packet[0] >> 4 == 6 {
        let mut later = packet.to_vec();
        later[7] -= 1;
        return later;
    }
    with_header(packet.to_vec(), |header| header.ttl -= 1)
}

/// An echo request.
pub fn echo(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut icmp =
        Icmp { kind: 8, code: 0, checksum: 0.into(), id: 7.into(), next_hop_mtu: 1.into() };
    let sum = checksum::of(&[icmp.as_bytes(), payload].concat());
    icmp.checksum.set(sum);
    let len = (Icmp::LEN + payload.len()) as u16;
    let ip = Ipv4::new(source, destination, protocol::ICMP, len);
    [ip.as_bytes(), icmp.as_bytes(), payload].concat()
}

/// The IPv4 header of a packet that must be sound.
pub fn header(packet: &[u8]) -> Ipv4 {
    let (header, _, total_len) = Ipv4::parse(packet).unwrap();
    assert_eq!(total_len, packet.len());
    *header
}

/// A packet of `protocol` from B's gateway to A's.
pub fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4::new(B_OUTER, A_OUTER, protocol, payload.len() as u16);
    [header.as_bytes(), payload].concat()
}

/// As [`outer`], between the gateways' IPv6 addresses.
pub fn outer6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6::new(B_OUTER6, A_OUTER6, protocol, payload.len() as u16);
    [header.as_bytes(), payload].concat()
}

/// GRE without options around an IPv4 packet, from B's gateway to A's.
pub fn gre(inner: &[u8]) -> Vec<u8> {
    outer(protocol::GRE, &[&[0, 0, 8, 0], inner].concat())
}

/// Any payload, properly sealed, from B's gateway to A's.
pub fn sealed(sa: &OutboundSa, next_header: u8, payload: &[u8]) -> Vec<u8> {
    outer(protocol::ESP, &sealed_esp(sa, next_header, payload))
}

/// Any payload, properly sealed: from the ESP header to the ICV.
pub fn sealed_esp(sa: &OutboundSa, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let (front, behind) = (sa.suite().header_len(), sa.suite().trailer_len(payload.len()));
    let mut packet = [&vec![0; front], payload, &vec![0; behind]].concat();
    let seq = sa.reserve(1).unwrap();
    sa.seal(seq, next_header, &mut packet, payload.len()).unwrap();
    packet
}

/// The packet with options behind its header, padded to whole words.
pub fn with_options(packet: &[u8], options: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let (header, payload) = packet.split_at(Ipv4::LEN);
    with_header_len([header, &options, payload].concat(), Ipv4::LEN + options.len())
}

fn with_header_len(mut packet: Vec<u8>, header_len: usize) -> Vec<u8> {
    packet[0] = 0x40 | (header_len / 4) as u8;
    let len = packet.len() as u16;
    with_header(packet, |header| header.total_len.set(len))
}

/// Cuts a packet into fragments of `step` payload bytes, a multiple of eight.
pub fn fragments_of(packet: &[u8], step: usize) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(Ipv4::LEN);
    let parts = payload.chunks(step).enumerate();
    let fragment = |(n, part): (usize, &[u8])| {
        let more = (n + 1) * step < payload.len();
        with_header([header, part].concat(), |header| {
            let offset = (n * step / 8) as u16;
            header.flags_offset.set(offset | if more { Ipv4::MF } else { 0 });
            header.total_len.set((Ipv4::LEN + part.len()) as u16);
        })
    };
    parts.map(fragment).collect()
}

/// The packet that these fragments are of (RFC 791 3.2). They may come in any order, but must
/// agree in all that fragments share, meet without gap or overlap, and be complete.
pub fn reassembled(fragments: &[Vec<u8>]) -> Vec<u8> {
    let offset = |packet: &Vec<u8>| usize::from(header(packet).flags_offset.get() & Ipv4::OFFSET);
    let mut sorted = fragments.to_vec();
    sorted.sort_by_key(offset);
    let mut payload = Vec::new();
    let first = header(&sorted[0]);
    for (at, fragment) in sorted.iter().enumerate() {
        let ip = header(fragment);
        let shared = |ip: &Ipv4| (ip.source, ip.destination, ip.id, ip.protocol, ip.tos, ip.ttl);
        assert_eq!(shared(&ip), shared(&first));
        assert_eq!(offset(fragment) * 8, payload.len(), "no gap and no overlap");
        let more = ip.flags_offset.get() & Ipv4::MF != 0;
        assert_eq!(more, at + 1 < sorted.len(), "only the last one says that it is the last");
        payload.extend_from_slice(&fragment[Ipv4::LEN..]);
    }
    let total_len = (Ipv4::LEN + payload.len()) as u16;
    with_header([first.as_bytes(), &payload].concat(), |header| {
        header.flags_offset.set(0);
        header.total_len.set(total_len);
    })
}

/// An ICMP error, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct IcmpError {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub kind: u8,
    pub code: u8,
    pub mtu: u16,
    pub quote: Vec<u8>,
}

/// Takes an ICMP error apart and asserts what holds for each (RFC 1812 4.3.2).
pub fn icmp_error(packet: &[u8]) -> IcmpError {
    let ip = header(packet);
    assert_eq!((ip.protocol, ip.tos, ip.header_len()), (protocol::ICMP, 0xc0, 20));
    assert!(ip.ttl >= 63 && packet.len() <= 576);
    assert_eq!(checksum::of(&packet[Ipv4::LEN..]), 0);
    let (icmp, quote) = Icmp::ref_from_prefix(&packet[Ipv4::LEN..]).unwrap();
    assert_eq!(icmp.id.get(), 0, "the unused field");
    IcmpError {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        kind: icmp.kind,
        code: icmp.code,
        mtu: icmp.next_hop_mtu.get(),
        quote: quote.to_vec(),
    }
}
