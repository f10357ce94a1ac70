//! GRE keepalives: a peer that sends them wraps their answer, so that returning what is inside
//! is the answer. Cisco's; no RFC describes them.

use tables::{Carrier, Protection, Tunnel};
use wire::gre::Gre;
use wire::ipv4::Ipv4;
use wire::protocol;

use crate::ip::{Ip, decrement_ttl};
use crate::packet::{Origin, Packet, Verdict};

/// Sends a keepalive's answer, which is the packet that came out of a clear GRE tunnel: GRE of
/// protocol type 0 from our end to the peer's. `None` for any other packet.
#[inline]
pub(crate) fn reflect(packet: &mut Packet, tunnel: &Tunnel) -> Option<Verdict> {
    let Ip::V4(header) = Ip::of(packet.frame.data()).ok()? else { return None };
    if header.protocol != protocol::GRE
        || header.ttl <= 1
        || header.header_len() != Ipv4::LEN
        || header.is_fragment()
    {
        return None;
    }
    let Carrier::Gre(agreed) = tunnel.payload.carrier else { return None };
    let between_our_ends = header.source_addr() == tunnel.ends.local
        && header.destination_addr() == tunnel.ends.remote;
    let gre = Gre::parse(packet.frame.data().get(Ipv4::LEN..)?).ok()?;
    // Without the key the peer would take it for another tunnel's; some leave it out.
    let for_this_tunnel = gre.key.is_none() || gre.key == agreed.key;
    if !between_our_ends
        || gre.protocol != 0
        || !for_this_tunnel
        || !matches!(tunnel.protection, Protection::Clear)
    {
        return None;
    }
    decrement_ttl(packet.frame.data_mut());
    packet.origin = Origin::Gateway;
    tunnel.egress.map(Verdict::Out)
}
