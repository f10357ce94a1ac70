//! The TCP MSS clamp: SYNs through a tunnel announce no larger segments than fit, since path MTU
//! discovery fails where ICMP is filtered (RFC 4459 3.2).

use tables::Tunnel;
use wire::ipv4::Ipv4;
use wire::{protocol, tcp};

use crate::ip::Ip;

/// Lowers the MSS option of a SYN that enters or leaves the tunnel; extension headers are not
/// looked behind.
#[inline]
pub(crate) fn clamp(tunnel: &Tunnel, packet: &mut [u8], header_len: usize) {
    let Some(clamp) = tunnel.mss else { return };
    let Ok(ip) = Ip::of(packet) else { return };
    if ip.protocol() != protocol::TCP {
        return;
    }
    let (max, first) = match ip {
        Ip::V4(header) => (clamp.v4, header.flags_offset.get() & Ipv4::OFFSET == 0),
        Ip::V6(_) => (clamp.v6, true),
    };
    if let Some(segment) = packet.get_mut(header_len..)
        && first
    {
        tcp::clamp_mss(segment, max);
    }
}
