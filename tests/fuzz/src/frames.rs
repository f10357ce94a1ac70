//! Frames that somebody else sent.

use esp::Suite;
use tables::Version;
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::{checksum, protocol};

use super::sites::{
    A_OUTER, A_OUTER6, B_OUTER, B_OUTER6, Carrier, GW_MAC, HOST_MAC, Join, L2TP, LAN, Outcome, WAN,
    carried_joins, carry, far_sa, frame, gre, header, outer, outer_protocol, outer6, sealed,
    sealed_esp, suite_of, with_site,
};

/// The joins whose gateways get whole frames.
const JOINS: [Join; 3] =
    [Join::Gre, Join::Policy(Suite::AES128GCM16), Join::Vti(Suite::AES256_SHA256)];
/// The SPI that A's gateway chose.
const SPI: u32 = 0x1002;

thread_local! {
    /// What the far gateway seals with: one for each suite, with 32 and with 64 bits.
    static FAR: Vec<[std::sync::Arc<esp::OutboundSa>; 2]> =
        Suite::ALL.iter().map(|suite| [far_sa(*suite, false), far_sa(*suite, true)]).collect();
}

/// ESP between the right addresses. The first byte chooses the suite; the second says whether
/// sequence numbers are extended (bit 0), whether what follows is next header and payload to be
/// sealed (bit 1) or stands as it is behind our SPI, and whether the payload's header checksum is
/// made right first (bit 2).
pub fn decap_esp(input: &[u8]) {
    let [suite, mode, rest @ ..] = input else { return };
    let (at, esn) = (usize::from(*suite) % Suite::ALL.len(), mode & 1 != 0);
    with_site(Join::Vti(Suite::ALL[at]), esn, |site| {
        if mode & 2 == 0 {
            let packet = outer(protocol::ESP, &[&SPI.to_be_bytes()[..], rest].concat());
            let outcome = carry(site, WAN, &frame(&packet));
            assert_silent(&outcome);
            return;
        }
        let [next_header, payload @ ..] = rest else { return };
        let payload = if mode & 4 == 0 { payload.to_vec() } else { summed(payload) };
        let packet = FAR.with(|far| sealed(&far[at][usize::from(esn)], *next_header, &payload));
        let outcome = carry(site, WAN, &frame(&packet));
        if ![protocol::IPV4, protocol::IPV6].contains(next_header) {
            assert_silent(&outcome);
        }
        assert_tunnelled(Join::Vti(Suite::ALL[at]), &outcome);
    });
}

/// GRE between the right addresses. The first byte says whether what follows is GRE header and
/// payload (bit 0) or the payload behind a plain GRE header, whose own header checksum is made
/// right first (bit 1).
pub fn decap_gre(input: &[u8]) {
    let [mode, rest @ ..] = input else { return };
    let packet = match mode & 3 {
        0 => gre(rest),
        2 => gre(&summed(rest)),
        _ => outer(protocol::GRE, rest),
    };
    with_site(Join::Gre, false, |site| {
        let outcome = carry(site, WAN, &frame(&packet));
        assert_tunnelled(Join::Gre, &outcome);
    });
}

/// Every carrier, in clear or authentic under ESP, over IPv4 and IPv6. The first byte chooses the
/// join and says (high bit) whether the header checksum of what follows is made right; the rest is
/// what stands behind the outer header, behind UDP of L2TP, or what is sealed.
pub fn decap_carried(input: &[u8]) {
    let [choice, rest @ ..] = input else { return };
    // All of L2TP's optional fields are in the input.
    let one_of_l2tp = |join: &Join| match join {
        Join::Carried(Carrier::L2tp(header), _) => *header == L2TP,
        _ => true,
    };
    let joins: Vec<Join> = carried_joins().filter(one_of_l2tp).collect();
    let join = joins[usize::from(choice & 0x7f) % joins.len()];
    let mut payload = if choice & 0x80 == 0 { rest.to_vec() } else { summed(rest) };
    if matches!(join, Join::Carried(Carrier::L2tp(_), _)) {
        payload = udp(1701, &payload);
    }
    with_site(join, false, |site| {
        let next_header = site.publisher.newest().tunnels[0].payload.next_header(Version::V4);
        let at = suite_of(join).and_then(|suite| Suite::ALL.iter().position(|s| *s == suite));
        if let Some(at) = at {
            payload = FAR.with(|far| sealed_esp(&far[at][0], next_header, &payload));
        }
        let number = outer_protocol(join);
        let esp_in_udp = number == protocol::UDP && at.is_some();
        let behind = if esp_in_udp { udp(4500, &payload) } else { payload };
        let packet = match join {
            Join::OverV6(..) => outer6(number, &behind),
            _ => outer(number, &behind),
        };
        let outcome = carry(site, WAN, &frame(&packet));
        assert_tunnelled(join, &outcome);
    });
}

/// A datagram from port 4500 to this port, without a checksum.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let words = [4500, port, len, 0].map(u16::to_be_bytes).concat();
    [&words, payload].concat()
}

/// A frame from the outside: none of it comes in but through a clear tunnel.
pub fn frame_outside(input: &[u8]) {
    let Some((join, frame)) = chosen(input) else { return };
    with_site(join, false, |site| {
        let outcome = carry(site, WAN, &frame);
        if suite_of(join).is_some() {
            assert_silent(&outcome);
        }
        assert_tunnelled(join, &outcome);
    });
}

/// A frame from the inside: nothing leaves for the outside but tunnel packets.
pub fn frame_inside(input: &[u8]) {
    let Some((join, frame)) = chosen(input) else { return };
    with_site(join, false, |site| assert_tunnelled(join, &carry(site, LAN, &frame)));
}

/// The join that the first byte chooses, and the frame: the rest as it is, or (high bit) the rest
/// as an IP packet in sound Ethernet and with the header checksum made right, since chance alone
/// gets past neither.
fn chosen(input: &[u8]) -> Option<(Join, Vec<u8>)> {
    let (choice, rest) = input.split_first()?;
    let join = JOINS[usize::from(choice & 0x7f) % JOINS.len()];
    if choice & 0x80 == 0 {
        return Some((join, rest.to_vec()));
    }
    Some((join, frame(&summed(rest))))
}

/// The packet with its header checksum made right, if it has an IPv4 header.
fn summed(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let header_len = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    if header_len >= Ipv4::LEN && header_len <= packet.len() {
        packet[10..12].fill(0);
        let sum = checksum::of(&packet[..header_len]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Nothing came of it, and it was counted once.
fn assert_silent(outcome: &Outcome) {
    assert!(outcome.at_host.is_empty() && outcome.at_peer.is_empty(), "{outcome:02x?}");
    assert_eq!(outcome.dropped.len(), 1);
}

/// Whatever left toward the outside is a sound packet of the tunnel's that fits the link, and
/// whatever left toward the hosts is a sound packet. A GRE keepalive is answered in clear.
fn assert_tunnelled(join: Join, outcome: &Outcome) {
    for sent in &outcome.at_peer {
        let packet = behind_ethernet(sent);
        if packet[0] >> 4 == 6 {
            let (ip, total_len) = Ipv6::parse(packet).expect("a sound packet");
            assert_eq!((ip.source_addr(), ip.destination_addr()), (A_OUTER6, B_OUTER6));
            assert_eq!(total_len, packet.len());
        } else {
            let ip = header(packet);
            assert_eq!((ip.source_addr(), ip.destination_addr()), (A_OUTER, B_OUTER));
            let carries_v6 =
                outer_protocol(join) == protocol::IPV4 && ip.protocol == protocol::IPV6;
            assert!(ip.protocol == outer_protocol(join) || carries_v6);
            assert!(!ip.is_fragment());
        }
        assert!(sent.len() <= 14 + 1500);
    }
    for sent in &outcome.at_host {
        let packet = behind_ethernet(sent);
        if packet[0] >> 4 == 6 {
            assert!(Ipv6::parse(packet).is_ok());
        } else {
            header(packet);
        }
        assert!(sent.len() <= 14 + 1500);
    }
}

fn behind_ethernet(frame: &[u8]) -> &[u8] {
    let to_host = [&HOST_MAC.0[..], &GW_MAC.0].concat();
    let rest = frame.strip_prefix(&to_host[..]).expect("Ethernet from the gateway");
    let packet = &rest[2..];
    let version = if rest[..2] == [8, 0] { 4 } else { 6 };
    assert_eq!(packet[0] >> 4, version, "the EtherType says what it is");
    packet
}
