//! What the classifier should say, in plain Rust and from the packet's point of view.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use af_xdp::Classifier;

/// A world with some endpoints and prefixes in it.
pub struct Model {
    pub endpoints: Vec<IpAddr>,
    /// Address, bits, take.
    pub prefixes: Vec<(IpAddr, u8, bool)>,
}

impl Model {
    /// Whether the gateway takes this frame.
    pub fn takes(&self, classifier: &Classifier, frame: &[u8]) -> bool {
        let Some(packet) = ipv4_packet(frame).or_else(|| ipv6_packet(frame)) else { return false };
        if classifier.tunnels && self.endpoints.contains(&packet.destination) {
            match packet.kind {
                Kind::Tunnel => return true,
                Kind::Kernels => return false,
                Kind::Other => {}
            }
        }
        classifier.prefixes && self.owns(packet.destination)
    }

    fn owns(&self, address: IpAddr) -> bool {
        let matches = self.prefixes.iter().filter(|(prefix, len, _)| {
            let (prefix, address) = match (*prefix, address) {
                (IpAddr::V4(prefix), IpAddr::V4(address)) => (as_high(prefix), as_high(address)),
                (IpAddr::V6(prefix), IpAddr::V6(address)) => (prefix.into(), address.into()),
                _ => return false,
            };
            (prefix ^ address).leading_zeros() >= u32::from(*len)
        });
        matches.max_by_key(|(_, len, _)| *len).is_some_and(|(_, _, take)| *take)
    }
}

/// The address in the highest bits.
fn as_high(address: Ipv4Addr) -> u128 {
    u128::from(u32::from(address)) << 96
}

struct Packet {
    destination: IpAddr,
    kind: Kind,
}

/// What a packet would be if its destination were an endpoint.
enum Kind {
    /// A tunnel packet.
    Tunnel,
    /// A part of one, or perhaps one: the kernel's.
    Kernels,
    /// Neither.
    Other,
}

fn ipv4_packet(frame: &[u8]) -> Option<Packet> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    if ethernet[12..] != [0x08, 0x00] || ip.len() < 20 || ip[0] >> 4 != 4 {
        return None;
    }
    let header_len = usize::from(ip[0] & 15) * 4;
    let total_len = usize::from(half(ip, 2));
    if header_len < 20 || total_len < header_len || ip.len() < total_len {
        return None;
    }
    let kind = match ip[9] {
        4 | 17 | 41 | 47 | 50 if half(ip, 6) & 0x3fff != 0 => Kind::Kernels,
        4 | 41 | 47 | 50 => Kind::Tunnel,
        17 if is_tunnel_in_udp(&ip[header_len..]) => Kind::Tunnel,
        _ => Kind::Other,
    };
    let destination = Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]).into();
    Some(Packet { destination, kind })
}

fn ipv6_packet(frame: &[u8]) -> Option<Packet> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    let (header, payload) = ip.split_first_chunk::<40>()?;
    if ethernet[12..] != [0x86, 0xdd] || header[0] >> 4 != 6 {
        return None;
    }
    if payload.len() < usize::from(half(header, 4)) {
        return None;
    }
    let kind = match header[6] {
        4 | 41 | 47 | 50 => Kind::Tunnel,
        0 | 43 | 44 | 60 => Kind::Kernels,
        _ => Kind::Other,
    };
    let destination: [u8; 16] = header[24..].try_into().ok()?;
    Some(Packet { destination: Ipv6Addr::from(destination).into(), kind })
}

/// `udp` ends with the frame.
fn is_tunnel_in_udp(udp: &[u8]) -> bool {
    if udp.len() < 12 {
        return false;
    }
    let len = half(udp, 4);
    match half(udp, 2) {
        4500 => len >= 12 && udp[8..12] != [0, 0, 0, 0],
        1701 => len >= 10 && udp[8] & 0x80 == 0,
        _ => false,
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
