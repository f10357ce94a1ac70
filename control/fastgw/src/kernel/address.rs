//! The IPv4 addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// An IPv4 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that has it.
    pub ifindex: u32,
    /// The address itself, host bits kept, with the length of its prefix.
    pub net: Ipv4Net,
    /// The other end, on a point-to-point link: the prefix is then the peer's, not ours.
    pub peer: Option<Ipv4Addr>,
    /// The directed broadcast address, if one was given.
    pub broadcast: Option<Ipv4Addr>,
}

/// The IPv4 address that a message is about; `None` for other families and for nonsense.
pub(super) fn parse(message: &AddressMessage) -> Option<Address> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    let (mut local, mut far, mut broadcast) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => local = Some(*address),
            AddressAttribute::Address(IpAddr::V4(address)) => far = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            _ => {}
        }
    }
    let own = local.or(far);
    let net = own.and_then(|own| Ipv4Net::new(own, message.header.prefix_len).ok());
    if net.is_none() {
        tracing::debug!(?message, "address message without a proper address, ignored");
    }
    let peer = far.filter(|far| Some(*far) != own);
    net.map(|net| Address { ifindex: message.header.index, net, peer, broadcast })
}

/// Asks for all IPv4 addresses.
pub(super) fn dump_request() -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    RouteNetlinkMessage::GetAddress(message)
}
