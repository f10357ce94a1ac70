//! The addresses of links.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that has it.
    pub ifindex: u32,
    /// The address itself, host bits kept, with the length of its prefix.
    pub net: IpNet,
    /// The other end, on a point-to-point link: the prefix is then the peer's, not ours.
    pub peer: Option<IpAddr>,
    /// It stands before those that are not: the secondary ones of an IPv4 network, the temporary
    /// and the deprecated ones of IPv6 (RFC 6724 5, rules 3 and 7).
    pub primary: bool,
}

impl Address {
    /// Whether it means something beyond its link.
    pub fn is_global(&self) -> bool {
        !matches!(self.net.addr(), IpAddr::V6(address) if address.is_unicast_link_local())
    }
}

/// The address that a message is about; `None` for other families and for nonsense.
pub(super) fn parse(message: &AddressMessage) -> Option<Address> {
    if !matches!(message.header.family, AddressFamily::Inet | AddressFamily::Inet6) {
        return None;
    }
    let (mut local, mut far) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => far = Some(*address),
            _ => {}
        }
    }
    let own = local.or(far);
    let net = own.and_then(|own| IpNet::new(own, message.header.prefix_len).ok());
    if net.is_none() {
        tracing::debug!(?message, "address message without a proper address, ignored");
    }
    let peer = far.filter(|far| Some(*far) != own);
    let spare = AddressFlags::Secondary | AddressFlags::Deprecated;
    let primary = !flags(message).intersects(spare);
    net.map(|net| Address { ifindex: message.header.index, net, peer, primary })
}

/// Whether the address is not known to be ours alone, or known not to be (RFC 4862 5.4). An
/// optimistic one is in use meanwhile (RFC 4429).
pub(super) fn is_unverified(message: &AddressMessage) -> bool {
    let flags = flags(message);
    flags.contains(AddressFlags::Dadfailed)
        || flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic)
}

/// The flags; the attribute holds those that do not fit in the header.
fn flags(message: &AddressMessage) -> AddressFlags {
    let attribute = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let header = u32::from(message.header.flags.bits());
    attribute.unwrap_or(AddressFlags::from_bits_retain(header))
}

/// Asks for all addresses.
pub(super) fn dump_request() -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Unspec;
    RouteNetlinkMessage::GetAddress(message)
}
