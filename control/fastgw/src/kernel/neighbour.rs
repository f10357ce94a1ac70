//! Neighbours: which Ethernet address an IP address has on a link, and how to ask for it.

use std::net::IpAddr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// An entry of the kernel's neighbour table (ARP, RFC 826; neighbour discovery, RFC 4861).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The link it is on.
    pub ifindex: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// What is known of its Ethernet address.
    pub resolution: Resolution,
    /// Set by an administrator or by the link's nature (NUD_PERMANENT, NUD_NOARP): never probed.
    pub fixed: bool,
}

/// How far the resolution of a neighbour has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Frames may be sent to this address. The kernel may be about to confirm it anew.
    Reachable([u8; 6]),
    /// Asked for, not yet answered.
    Incomplete,
    /// Asked for and never answered.
    Failed,
}

/// What a message says of a neighbour.
pub(super) enum Said {
    /// It is so now.
    Is(Neighbour),
    /// The kernel holds an entry, but one that knows nothing usable.
    Nothing(u32, IpAddr),
}

/// Reads a new-neighbour message; `None` for other families, proxies and nonsense.
pub(super) fn parse(message: &NeighbourMessage) -> Option<Said> {
    let (ifindex, address) = concerned(message)?;
    let state = u16::from(message.header.state);
    let fixed = state & (NUD_PERMANENT | NUD_NOARP) != 0;
    let resolution = if state & NUD_USABLE != 0 {
        let Some(mac) = link_layer_address(message) else {
            tracing::debug!(ifindex, %address, "neighbour without an Ethernet address, ignored");
            return Some(Said::Nothing(ifindex, address));
        };
        Resolution::Reachable(mac)
    } else if state & NUD_INCOMPLETE != 0 {
        Resolution::Incomplete
    } else if state & NUD_FAILED != 0 {
        Resolution::Failed
    } else {
        return Some(Said::Nothing(ifindex, address));
    };
    Some(Said::Is(Neighbour { ifindex, address, resolution, fixed }))
}

/// The link and address that a message is about; `None` as for [`parse`], and for a group, whose
/// Ethernet address follows from its own and which the kernel lists without telling of it.
pub(super) fn concerned(message: &NeighbourMessage) -> Option<(u32, IpAddr)> {
    let header = &message.header;
    let is_ip = matches!(header.family, AddressFamily::Inet | AddressFamily::Inet6);
    if !is_ip || header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
            Some(IpAddr::V4(*address))
        }
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
            Some(IpAddr::V6(*address))
        }
        _ => None,
    });
    if address.is_none() {
        tracing::debug!(?message, "neighbour message without an address, ignored");
    }
    let one = address.filter(|address| !address.is_multicast());
    one.map(|address| (header.ifindex, address))
}

/// Asks for all neighbours.
pub(super) fn dump_request() -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Unspec;
    RouteNetlinkMessage::GetNeighbour(message)
}

/// Tells the kernel that somebody wants to send to `address`: it then resolves or confirms it.
pub(super) fn resolution_request(ifindex: u32, address: IpAddr) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family =
        if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.ifindex = ifindex;
    message.header.flags = NeighbourFlags::Use;
    message.attributes.push(NeighbourAttribute::Destination(address.into()));
    RouteNetlinkMessage::NewNeighbour(message)
}

fn link_layer_address(message: &NeighbourMessage) -> Option<[u8; 6]> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    })
}

/// Neighbour states (linux/neighbour.h): bits, of which the kernel sets one.
const NUD_INCOMPLETE: u16 = 0x01;
const NUD_FAILED: u16 = 0x20;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
/// Reachable, stale, delay, probe and the fixed ones: in all of them the kernel itself sends.
const NUD_USABLE: u16 = 0x02 | 0x04 | 0x08 | 0x10 | NUD_NOARP | NUD_PERMANENT;
