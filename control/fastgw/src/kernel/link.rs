//! Links: what a network device is called, how large its packets may be, and whether it works.

use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// A network device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// The kernel's number for it, never 0.
    pub ifindex: u32,
    /// Its name, which may change while the number stays.
    pub name: String,
    /// The Ethernet address; `None` for a device that has none of six bytes (a TUN device).
    pub mac: Option<[u8; 6]>,
    /// The largest IP packet in bytes.
    pub mtu: u32,
    /// The administrator switched it on (IFF_UP).
    pub admin_up: bool,
    /// It is switched on and its operational state permits traffic (IFF_RUNNING, RFC 2863
    /// ifOperStatus up or unknown): there is a carrier, no 802.1X or bonding says otherwise.
    pub running: bool,
}

impl Link {
    /// Whether packets pass: switched on, and with a carrier.
    pub fn up(&self) -> bool {
        self.admin_up && self.running
    }
}

/// `known`, brought up to date by a link message; what the message leaves out stays.
///
/// `None` when the message is not about the device itself: a bridge also tells of its ports in
/// link messages, in which "deleted" means that the port left the bridge.
pub(super) fn parse(message: &LinkMessage, known: Option<&Link>) -> Option<Link> {
    let ifindex = concerned(message)?;
    let mut link = known.cloned().unwrap_or_default();
    link.ifindex = ifindex;
    link.admin_up = message.header.flags.contains(LinkFlags::Up);
    link.running = message.header.flags.contains(LinkFlags::Running);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    Some(link)
}

/// The ifindex that a link message is about; `None` as for [`parse`].
pub(super) fn concerned(message: &LinkMessage) -> Option<u32> {
    let own = message.header.interface_family == AddressFamily::Unspec && message.header.index != 0;
    if !own {
        tracing::debug!(header = ?message.header, "link message not about a device, ignored");
    }
    own.then_some(message.header.index)
}

/// Asks for all links, without the counters that nobody here reads.
pub(super) fn dump_request() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    RouteNetlinkMessage::GetLink(message)
}
