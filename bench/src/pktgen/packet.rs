//! Packets of a load: laid out once for each size, finished for each flow and number, and
//! recognised again on the other side.

use std::net::IpAddr;

use wire::checksum;
use wire::ethernet::{self, Ethernet, Mac};
use wire::ipv4::Ipv4;
use wire::ipv6::Ipv6;
use wire::protocol;
use wire::udp::Udp;
use zerocopy::{FromBytes, IntoBytes};

use super::flow::Flow;
use super::size::{FCS, Sizes};
use super::stamp::{self, Stamp, mix};

/// Time to live of what is sent.
const TTL: u8 = 64;
/// The pattern behind the stamp has a period that no length of a word divides.
const PATTERN_PERIOD: usize = 251;

/// Bytes of the smallest frame that holds a stamp, its check sequence included.
#[must_use]
pub fn smallest(ipv6: bool) -> usize {
    headers(ipv6) + stamp::LEN + FCS
}

fn headers(ipv6: bool) -> usize {
    Ethernet::LEN + ip_len(ipv6) + Udp::LEN
}

fn ip_len(ipv6: bool) -> usize {
    if ipv6 { Ipv6::LEN } else { Ipv4::LEN }
}

/// All that the packets of a load have in common.
#[derive(Debug)]
pub struct Blueprint {
    ipv6: bool,
    layouts: Vec<Layout>,
    flows: Vec<Ends>,
}

/// A frame of one size whose flow and stamp are still zero.
#[derive(Debug)]
struct Layout {
    bytes: Vec<u8>,
    /// Sum over the IPv4 header.
    ip_sum: u64,
    /// Sum over pseudo header, UDP header and payload.
    udp_sum: u64,
    /// Length of the UDP datagram.
    udp_len: u64,
}

/// A flow's part of a packet.
#[derive(Debug)]
struct Ends {
    /// Source and destination address, the first 4 or 16 bytes of each.
    source: [u8; 16],
    destination: [u8; 16],
    port: [u8; 2],
    /// Sum over the addresses.
    address_sum: u64,
    /// What the check value covers of it.
    hash: u64,
}

impl Blueprint {
    /// For these flows, all of one IP version, and sizes, to UDP port `port`.
    #[must_use]
    pub fn new(source: Mac, destination: Mac, flows: &[Flow], sizes: &Sizes, port: u16) -> Self {
        let ipv6 = flows.iter().any(|flow| flow.source.is_ipv6());
        let layout =
            |size: &u16| Layout::new(source, destination, ipv6, usize::from(*size) - FCS, port);
        let layouts = sizes.round().iter().map(layout).collect();
        let flows = flows.iter().map(|flow| Ends::new(flow, port)).collect();
        Self { ipv6, layouts, flows }
    }

    /// Flows of the load.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Sizes in a round.
    #[must_use]
    pub fn round(&self) -> usize {
        self.layouts.len()
    }

    /// Bytes of the frame at `place` in the round of sizes, without check sequence.
    #[must_use]
    pub fn len(&self, place: usize) -> usize {
        self.layouts.get(place).map_or(0, |layout| layout.bytes.len())
    }

    /// The place of the largest size in the round.
    #[must_use]
    pub fn largest(&self) -> usize {
        (0..self.round()).max_by_key(|place| self.len(*place)).unwrap_or(0)
    }

    /// Writes a frame of the size at `place` in the round into `frame`, which has
    /// [`Blueprint::len`] bytes.
    pub fn write(&self, place: usize, stamp: Stamp, frame: &mut [u8]) {
        let (layout, ends) = (&self.layouts[place], &self.flows[stamp.flow as usize]);
        frame.copy_from_slice(&layout.bytes);
        let udp = Ethernet::LEN + ip_len(self.ipv6);
        let address = if self.ipv6 { 16 } else { 4 };
        let (source, destination) = (udp - 2 * address, udp - address);
        frame[source..destination].copy_from_slice(&ends.source[..address]);
        frame[destination..udp].copy_from_slice(&ends.destination[..address]);
        if !self.ipv6 {
            let checksum = checksum::finish(layout.ip_sum + ends.address_sum);
            frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        }
        frame[udp..udp + 2].copy_from_slice(&ends.port);
        let stamp = stamp.to_bytes(mix(ends.hash, layout.udp_len));
        frame[udp + Udp::LEN..][..stamp::LEN].copy_from_slice(&stamp);
        let sum = checksum::add(layout.udp_sum + ends.address_sum, &ends.port);
        let checksum = match checksum::finish(checksum::add(sum, &stamp)) {
            // RFC 768: zero would say that there is none.
            0 => 0xffff,
            checksum => checksum,
        };
        frame[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
    }
}

impl Layout {
    fn new(source: Mac, destination: Mac, ipv6: bool, len: usize, port: u16) -> Self {
        let mut bytes = vec![0; len];
        let ethertype = if ipv6 { ethernet::IPV6 } else { ethernet::IPV4 };
        let header = Ethernet { destination, source, ethertype: ethertype.into() };
        bytes[..Ethernet::LEN].copy_from_slice(header.as_bytes());
        let udp = Ethernet::LEN + ip_len(ipv6);
        let udp_len = len - udp;
        let mut ip_sum = 0;
        if ipv6 {
            let nobody = std::net::Ipv6Addr::UNSPECIFIED;
            let mut ip = Ipv6::new(nobody, nobody, protocol::UDP, udp_len as u16);
            ip.hop_limit = TTL;
            bytes[Ethernet::LEN..udp].copy_from_slice(ip.as_bytes());
        } else {
            let nobody = std::net::Ipv4Addr::UNSPECIFIED;
            let mut ip = Ipv4::new(nobody, nobody, protocol::UDP, udp_len as u16);
            ip.ttl = TTL;
            ip.checksum = 0.into();
            // Don't fragment: a packet that is too big is to be missed, not delivered in pieces.
            ip.flags_offset = Ipv4::DF.into();
            ip_sum = checksum::add(0, ip.as_bytes());
            bytes[Ethernet::LEN..udp].copy_from_slice(ip.as_bytes());
        }
        bytes[udp + 2..udp + 4].copy_from_slice(&port.to_be_bytes());
        bytes[udp + 4..udp + 6].copy_from_slice(&(udp_len as u16).to_be_bytes());
        fill_pattern(&mut bytes[udp + Udp::LEN + stamp::LEN..]);
        let pseudo = u64::from(protocol::UDP) + udp_len as u64;
        let udp_sum = checksum::add(pseudo, &bytes[udp..]);
        Self { bytes, ip_sum, udp_sum, udp_len: udp_len as u64 }
    }
}

impl Ends {
    fn new(flow: &Flow, port: u16) -> Self {
        let octets = |address| match address {
            IpAddr::V4(address) => {
                let mut octets = [0; 16];
                octets[..4].copy_from_slice(&address.octets());
                octets
            }
            IpAddr::V6(address) => address.octets(),
        };
        let (source, destination) = (octets(flow.source), octets(flow.destination));
        let address = if flow.source.is_ipv4() { 4 } else { 16 };
        let (a, b) = (&source[..address], &destination[..address]);
        let address_sum = checksum::add(checksum::add(0, a), b);
        let ports = u32::from(flow.source_port) << 16 | u32::from(port);
        let hash = hash_of_ends(a, b, ports);
        Self { source, destination, port: flow.source_port.to_be_bytes(), address_sum, hash }
    }
}

/// What a received frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// One of a generator's, unchanged.
    Ours(Stamp),
    /// To the load's port, but not as a generator sends it.
    Corrupt,
    /// Something else.
    Foreign,
}

/// Recognises a frame that was sent to UDP port `port`.
#[must_use]
pub fn recognise(frame: &[u8], port: u16) -> Recognised {
    let Ok((ethernet, packet)) = Ethernet::split(frame) else { return Recognised::Foreign };
    match ethernet.ethertype.get() {
        ethernet::IPV4 => {
            let Ok((ip, header, total)) = Ipv4::parse(packet) else {
                // A header that does not check out may be one of ours.
                return of_broken_header(packet, port);
            };
            if ip.protocol != protocol::UDP || ip.is_fragment() {
                return Recognised::Foreign;
            }
            datagram(&packet[12..20], &packet[header..total], port)
        }
        ethernet::IPV6 => match Ipv6::parse(packet) {
            Ok((ip, total)) if ip.next_header == protocol::UDP => {
                datagram(&packet[8..40], &packet[Ipv6::LEN..total], port)
            }
            _ => Recognised::Foreign,
        },
        _ => Recognised::Foreign,
    }
}

fn of_broken_header(packet: &[u8], port: u16) -> Recognised {
    let at_port = packet.get(22..24).is_some_and(|found| found == port.to_be_bytes());
    if at_port { Recognised::Corrupt } else { Recognised::Foreign }
}

/// `addresses` are both, the source first.
fn datagram(addresses: &[u8], datagram: &[u8], port: u16) -> Recognised {
    let Ok((udp, rest)) = Udp::read_from_prefix(datagram) else { return Recognised::Foreign };
    if udp.destination_port.get() != port {
        return Recognised::Foreign;
    }
    let whole = usize::from(udp.len.get()) == datagram.len();
    let (true, Some((stamp, pattern))) = (whole, rest.split_first_chunk::<{ stamp::LEN }>()) else {
        return Recognised::Corrupt;
    };
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let ports = u32::from(udp.source_port.get()) << 16 | u32::from(port);
    let around = mix(hash_of_ends(source, destination, ports), datagram.len() as u64);
    match Stamp::from_bytes(stamp, around) {
        Some(stamp) if is_pattern(pattern) => Recognised::Ours(stamp),
        _ => Recognised::Corrupt,
    }
}

fn hash_of_ends(source: &[u8], destination: &[u8], ports: u32) -> u64 {
    let words = |hash, bytes: &[u8]| {
        bytes
            .as_chunks::<4>()
            .0
            .iter()
            .fold(hash, |hash, word| mix(hash, u64::from(u32::from_be_bytes(*word))))
    };
    mix(words(words(0, source), destination), u64::from(ports))
}

/// One period after another, so that any part of it that begins at the start is a prefix.
static PATTERN: [u8; 4096] = {
    let mut pattern = [0; 4096];
    let mut at = 0;
    while at < pattern.len() {
        pattern[at] = (at % PATTERN_PERIOD) as u8;
        at += 1;
    }
    pattern
};

fn fill_pattern(bytes: &mut [u8]) {
    bytes.copy_from_slice(&PATTERN[..bytes.len()]);
}

fn is_pattern(bytes: &[u8]) -> bool {
    PATTERN.get(..bytes.len()).is_some_and(|pattern| pattern == bytes)
}

#[cfg(test)]
mod tests;
