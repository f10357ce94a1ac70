//! Routes of the kernel's main table, and the choice among them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop,
    RouteNextHopFlags, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destinations, host bits zero.
    pub prefix: IpNet,
    /// The kernel's priority: of routes with one prefix, the lowest is tried first.
    pub metric: u32,
    /// What happens to a packet.
    pub target: RouteTarget,
    /// The source address for packets that originate here.
    pub prefsrc: Option<IpAddr>,
    /// Who installed it (RTPROT_*: 2 kernel, 3 boot, 4 static, 188 OSPF ...).
    pub protocol: u8,
}

/// What a route does with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// Sends it to one of these, of which several make an equal-cost multipath route.
    Forward(Vec<RouteHop>),
    /// Drops it silently.
    Blackhole,
    /// Drops it with an ICMP host unreachable.
    Unreachable,
    /// Drops it with an ICMP administratively prohibited.
    Prohibit,
    /// Says that this table has no route.
    Throw,
    /// Sends it as fastgw cannot: via a router of the other IP version, or encapsulated.
    Unsupported,
}

/// One way out of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteHop {
    /// The link to send on.
    pub ifindex: u32,
    /// The router to send to; `None` means that the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// Its share of the destinations, 1 to 256.
    pub weight: u16,
    /// The kernel does not use it (RTNH_F_DEAD), because its link is down.
    pub dead: bool,
}

/// Where the kernel would send a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// The link to send on.
    pub ifindex: u32,
    /// The router to send to; `None` means that the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The source address that the route asks for.
    pub prefsrc: Option<IpAddr>,
}

impl Route {
    /// The hops that the kernel would use now; none for a route that refuses.
    pub fn live_hops(&self) -> impl Iterator<Item = &RouteHop> {
        let hops = match &self.target {
            RouteTarget::Forward(hops) => hops.as_slice(),
            _ => &[],
        };
        hops.iter().filter(|hop| !hop.dead)
    }

    /// The kernel passes over a route whose hops are all dead, but not over one that refuses.
    pub(super) fn decides(&self) -> bool {
        !matches!(self.target, RouteTarget::Forward(_)) || self.live_hops().next().is_some()
    }

    /// One live hop for `destination`, always the same, shares by weight. The kernel hashes with
    /// a secret, so that its own choice among equals cannot be foretold.
    pub(super) fn hop_for(&self, destination: IpAddr) -> Option<NextHop> {
        let total: u32 = self.live_hops().map(|hop| u32::from(hop.weight)).sum();
        let mut point = spread(destination).checked_rem(total)?;
        for hop in self.live_hops() {
            let weight = u32::from(hop.weight);
            if point < weight {
                let (ifindex, gateway) = (hop.ifindex, hop.gateway);
                return Some(NextHop { ifindex, gateway, prefsrc: self.prefsrc });
            }
            point -= weight;
        }
        None
    }

    /// Whether both are one route for the kernel: all but whether hops are dead, which is not part
    /// of a route but follows the links.
    pub(super) fn same_route(&self, other: &Route) -> bool {
        let hops_match = match (&self.target, &other.target) {
            (RouteTarget::Forward(mine), RouteTarget::Forward(theirs)) => {
                mine.len() == theirs.len()
                    && mine.iter().zip(theirs).all(|(mine, theirs)| mine.same_hop(theirs))
            }
            (mine, theirs) => mine == theirs,
        };
        hops_match
            && (self.prefix, self.metric, self.prefsrc, self.protocol)
                == (other.prefix, other.metric, other.prefsrc, other.protocol)
    }
}

impl RouteHop {
    fn same_hop(&self, other: &RouteHop) -> bool {
        (self.ifindex, self.gateway, self.weight) == (other.ifindex, other.gateway, other.weight)
    }
}

/// The main-table route of a message; `None` for all else that the kernel calls a route.
pub(super) fn parse(message: &RouteMessage) -> Option<Route> {
    let header = &message.header;
    // Cloned: not a route but what path MTU discovery learned of one destination.
    if !matches!(header.address_family, AddressFamily::Inet | AddressFamily::Inet6)
        || table(message) != u32::from(RouteHeader::RT_TABLE_MAIN)
        || header.flags.contains(RouteFlags::Cloned)
    {
        return None;
    }
    if header.tos != 0 || header.source_prefix_length != 0 {
        tracing::debug!(?message, "route for some packets to its prefix only, ignored");
        return None;
    }
    let target = match header.kind {
        RouteType::Unicast => forward(message),
        RouteType::BlackHole => RouteTarget::Blackhole,
        RouteType::Unreachable => RouteTarget::Unreachable,
        RouteType::Prohibit => RouteTarget::Prohibit,
        RouteType::Throw => RouteTarget::Throw,
        other => {
            tracing::debug!(?other, "kind of route that forwards nothing, ignored");
            return None;
        }
    };
    let prefix = prefix(message);
    if prefix.is_none() {
        tracing::debug!(?message, "route without a proper prefix, ignored");
    }
    let (mut metric, mut prefsrc) = (0, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::PrefSource(address) => prefsrc = ip(address),
            _ => {}
        }
    }
    // Which link is meant is not for a route to say.
    let prefix = prefix.filter(|prefix| !is_on_every_link(prefix.network()));
    prefix.map(|prefix| Route { prefix, metric, target, prefsrc, protocol: header.protocol.into() })
}

/// Asks for all routes. The answer holds every table; [`parse`] picks.
pub(super) fn dump_request() -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Unspec;
    RouteNetlinkMessage::GetRoute(message)
}

/// The table number; the attribute holds those that do not fit in the header.
fn table(message: &RouteMessage) -> u32 {
    let attribute = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    });
    attribute.unwrap_or(u32::from(message.header.table))
}

/// The prefix; a default route has no destination attribute.
pub(super) fn prefix(message: &RouteMessage) -> Option<IpNet> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(address) => ip(address),
        _ => None,
    });
    let any: IpAddr = match message.header.address_family {
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => Ipv4Addr::UNSPECIFIED.into(),
    };
    let length = message.header.destination_prefix_length;
    IpNet::new(address.unwrap_or(any), length).ok().map(|net| net.trunc())
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

/// Whether every link has an `address` of this kind of its own: IPv6 link-local and multicast.
pub(super) fn is_on_every_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_multicast(),
    }
}

/// The hops that fastgw can use. A route that has none must still hide the less specific ones.
fn forward(message: &RouteMessage) -> RouteTarget {
    let hops = hops(message);
    if hops.is_empty() { RouteTarget::Unsupported } else { RouteTarget::Forward(hops) }
}

fn hops(message: &RouteMessage) -> Vec<RouteHop> {
    let multipath = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    match multipath {
        Some(hops) => hops.iter().filter_map(multipath_hop).collect(),
        None => {
            let ifindex = message.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(ifindex) => Some(*ifindex),
                _ => None,
            });
            let dead = message.header.flags.contains(RouteFlags::Dead);
            hop(ifindex.unwrap_or(0), &message.attributes, 1, dead).into_iter().collect()
        }
    }
}

fn multipath_hop(next: &RouteNextHop) -> Option<RouteHop> {
    let dead = next.flags.contains(RouteNextHopFlags::Dead);
    // The wire holds the weight less one (rtnh_hops).
    hop(next.interface_index, &next.attributes, u16::from(next.hops) + 1, dead)
}

/// A hop, unless it is one that a plain frame of the route's IP version cannot take.
fn hop(ifindex: u32, attributes: &[RouteAttribute], weight: u16, dead: bool) -> Option<RouteHop> {
    let mut gateway = None;
    for attribute in attributes {
        match attribute {
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => gateway = Some(IpAddr::V4(*address)),
            RouteAttribute::Via(_) | RouteAttribute::Encap(_) | RouteAttribute::EncapType(_) => {
                tracing::debug!(?attribute, "a way out that fastgw cannot take, ignored");
                return None;
            }
            _ => {}
        }
    }
    if ifindex == 0 {
        tracing::debug!(?attributes, "route that names no link, ignored");
        return None;
    }
    Some(RouteHop { ifindex, gateway, weight, dead })
}

/// Mixes an address so that neighbouring ones fall on different hops (Fibonacci hashing).
fn spread(destination: IpAddr) -> u32 {
    let bits = match destination {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (bits ^ bits >> 64) as u32 ^ (bits >> 32) as u32
        }
    };
    bits.wrapping_mul(0x9E37_79B1) >> 8
}
