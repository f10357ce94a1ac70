//! What the classifier should say, in plain Rust and from the packet's point of view.

use std::net::Ipv4Addr;

use af_xdp::Classifier;

/// A world with some endpoints and prefixes in it.
pub struct Model {
    pub endpoints: Vec<Ipv4Addr>,
    /// Address, bits, take.
    pub prefixes: Vec<(Ipv4Addr, u8, bool)>,
}

impl Model {
    /// Whether the gateway takes this frame.
    pub fn takes(&self, classifier: &Classifier, frame: &[u8]) -> bool {
        let Some(packet) = ipv4_packet(frame) else { return false };
        if classifier.tunnels
            && self.endpoints.contains(&packet.destination)
            && matches!(packet.protocol, 4 | 17 | 47 | 50)
        {
            if packet.fragment {
                return false;
            }
            if packet.protocol != 17 || is_tunnel_in_udp(packet.payload) {
                return true;
            }
        }
        classifier.prefixes && self.owns(packet.destination)
    }

    fn owns(&self, address: Ipv4Addr) -> bool {
        let matches = self.prefixes.iter().filter(|(prefix, len, _)| {
            let differing = u32::from(*prefix) ^ u32::from(address);
            differing.leading_zeros() >= u32::from(*len)
        });
        matches.max_by_key(|(_, len, _)| *len).is_some_and(|(_, _, take)| *take)
    }
}

struct Packet<'a> {
    destination: Ipv4Addr,
    protocol: u8,
    fragment: bool,
    /// Behind the options, up to the frame's end.
    payload: &'a [u8],
}

fn ipv4_packet(frame: &[u8]) -> Option<Packet<'_>> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    if ethernet[12..] != [0x08, 0x00] || ip.len() < 20 || ip[0] >> 4 != 4 {
        return None;
    }
    let header_len = usize::from(ip[0] & 15) * 4;
    let total_len = usize::from(half(ip, 2));
    if header_len < 20 || total_len < header_len || ip.len() < total_len {
        return None;
    }
    Some(Packet {
        destination: Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]),
        protocol: ip[9],
        fragment: half(ip, 6) & 0x3fff != 0,
        payload: &ip[header_len..],
    })
}

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
