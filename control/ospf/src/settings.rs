//! What a router is told to be: its areas, its interfaces, what it says of other protocols' routes.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use alloc::sync::Arc;

use ipnet::Ipv4Net;

use crate::msg::auth::Authentication;

/// An interface, by a number that the shell gives it and that stays with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

/// The backbone (RFC 2328 section 3.1).
pub const BACKBONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which no other router of the autonomous system has.
    pub router_id: Ipv4Addr,
    /// The areas that are not as [`AreaSettings::default`] has it.
    pub areas: BTreeMap<Ipv4Addr, AreaSettings>,
    /// Prefixes that stand for what they contain among external routes; the more specific ones
    /// are not told.
    pub external_ranges: Vec<Ipv4Net>,
    /// Most next hops of a route.
    pub paths_max: usize,
    /// How long after the start no traffic is drawn through this router (RFC 6987), zero for
    /// never.
    pub stub_router_for: Duration,
}

impl Settings {
    /// How an area is configured.
    #[must_use]
    pub fn area(&self, id: Ipv4Addr) -> AreaSettings {
        self.areas.get(&id).cloned().unwrap_or_default()
    }
}

/// An area.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AreaSettings {
    /// What it hears of the rest of the autonomous system.
    pub kind: AreaKind,
    /// What its networks are told of as to other areas, by an area border router.
    pub ranges: Vec<AreaRange>,
}

/// What an area hears of the outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AreaKind {
    /// All.
    #[default]
    Normal,
    /// No external routes: a default route (RFC 2328 section 3.6).
    Stub(Shielded),
    /// No external routes but its own (RFC 3101).
    Nssa(Shielded),
}

/// How an area border router supplies an area without external routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shielded {
    /// Whether it hears of networks of other areas; "totally stubby" when not.
    pub summaries: bool,
    /// The cost of the default route.
    pub default_cost: u32,
}

impl AreaKind {
    /// Whether AS-external LSAs are flooded in it.
    #[must_use]
    pub const fn takes_externals(self) -> bool {
        matches!(self, Self::Normal)
    }

    /// How it is supplied, when it takes no externals.
    #[must_use]
    pub const fn shielded(self) -> Option<Shielded> {
        match self {
            Self::Normal => None,
            Self::Stub(shielded) | Self::Nssa(shielded) => Some(shielded),
        }
    }

    /// Whether it is a not-so-stubby area.
    #[must_use]
    pub const fn is_nssa(self) -> bool {
        matches!(self, Self::Nssa(_))
    }
}

/// Networks of an area that others hear of as one (RFC 2328 section 12.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaRange {
    /// Which.
    pub prefix: Ipv4Net,
    /// Whether they hear of it at all.
    pub advertise: bool,
}

/// The kind of network that an interface leads to (RFC 2328 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkType {
    /// Many routers, all of which hear a multicast, and a designated one among them.
    Broadcast,
    /// Two routers.
    PointToPoint,
    /// Many routers, each pair of neighbours as if point-to-point.
    PointToMultipoint,
    /// Many routers without multicast: neighbours are configured, and one is designated.
    Nbma,
}

impl NetworkType {
    /// Whether routers elect a designated one there.
    #[must_use]
    pub const fn has_designated(self) -> bool {
        matches!(self, Self::Broadcast | Self::Nbma)
    }
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceSettings {
    /// What the operator calls it.
    pub name: Box<str>,
    /// The area it is in.
    pub area: Ipv4Addr,
    /// What it leads to.
    pub network: NetworkType,
    /// Our address there and the network's prefix length.
    pub address: Ipv4Net,
    /// Whether packets can go there now.
    pub is_up: bool,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Whether a neighbour's MTU may be another.
    pub mtu_ignore: bool,
    /// Cost of sending a packet there, at least 1.
    pub cost: u16,
    /// Networks there are told of, but no packet of OSPF is sent or heard.
    pub is_passive: bool,
    /// Our wish to be the designated router; zero for never.
    pub priority: u8,
    /// How often we say hello.
    pub hello_interval: Duration,
    /// After what silence a neighbour is dead. Below a second, hellos carry an interval of zero
    /// and neighbours do not compare it.
    pub dead_interval: Duration,
    /// How often what was not acknowledged is sent again.
    pub retransmit_interval: Duration,
    /// How long an LSA takes to be sent, whole seconds: it ages by that.
    pub transmit_delay: u16,
    /// How packets prove where they come from.
    pub authentication: Arc<Authentication>,
    /// Neighbours that cannot be found by multicast.
    pub neighbors: Vec<Ipv4Addr>,
    /// Whether BFD watches neighbours.
    pub bfd: bool,
}

/// A route of another protocol that the autonomous system is to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalRoute {
    /// Its metric.
    pub metric: u32,
    /// Whether the metric is larger than any path inside (type 2).
    pub is_type2: bool,
    /// A mark that other routers see.
    pub tag: u32,
    /// A better place to send packets to than this router, if there is one on a network of ours.
    pub forwarding: Option<Ipv4Addr>,
}
