//! `[ospf]` as the rest of fastgw works with it.

use std::{collections::BTreeMap, net::Ipv4Addr, num::NonZeroU8, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use ospf::{
    msg::auth::Authentication,
    settings::{AreaSettings, NetworkType},
};

/// An OSPF router.
#[derive(Debug, PartialEq, Eq)]
pub struct Ospf {
    /// `None` takes the first IPv4 address of the first interface that has one.
    pub router_id: Option<Ipv4Addr>,
    /// Areas that are not normal ones.
    pub areas: BTreeMap<Ipv4Addr, AreaSettings>,
    /// Where it is spoken, in the file's order.
    pub interfaces: Vec<OspfInterface>,
    /// What other routers hear of what this one has from elsewhere.
    pub redistribute: Redistribute,
    /// External prefixes that stand for what they contain.
    pub external_ranges: Vec<Ipv4Net>,
    /// Most next hops of a route.
    pub paths_max: usize,
    /// Routes that are learned over ports go to the kernel's main table.
    pub kernel_routes: bool,
    /// How long after the start no traffic is drawn through this router; zero for never.
    pub stub_router_for: Duration,
    /// How long, once told to stop, it goes on while no traffic is drawn through it; zero for not
    /// at all.
    pub stub_router_on_stop: Duration,
}

/// Routes of other protocols that OSPF tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redistribute {
    /// Networks of inside ports that OSPF is not spoken on.
    pub connected: bool,
    /// `[[route]]`s of the configuration.
    pub configured: bool,
    /// What the kernel routes through inside ports.
    pub kernel: bool,
    /// A default route, whatever there is.
    pub default: bool,
    /// What a prefix must be within to be told of; anything, if there are none of these.
    pub within: Vec<Ipv4Net>,
    /// What is not told of, with all that is within it.
    pub except: Vec<Ipv4Net>,
    /// Their metric.
    pub metric: u32,
    /// Whether the metric is of type 2.
    pub is_type2: bool,
}

impl Redistribute {
    /// Whether a prefix of another protocol is told of; the default route of [`Self::default`] is
    /// in any case.
    pub fn passes(&self, prefix: &Ipv4Net) -> bool {
        let is_in = |all: &[Ipv4Net]| all.iter().any(|known| known.contains(prefix));
        (self.within.is_empty() || is_in(&self.within)) && !is_in(&self.except)
    }
}

/// Which interface of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OspfPlace {
    /// Index into [`crate::Config::ports`].
    Port(usize),
    /// Index into [`crate::Config::tunnels`].
    Tunnel(usize),
}

/// What it costs to send a packet through an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OspfCost {
    /// So much.
    Fixed(u16),
    /// This bandwidth, in thousands of bits a second, divided by that of the port's device.
    BySpeed {
        /// The bandwidth that costs one.
        reference_kbit: u64,
    },
}

impl OspfCost {
    /// That of an interface of which nothing is known.
    pub const DEFAULT: u16 = 10;

    /// The cost of `own_kbit` where `reference_kbit` costs one: at least that.
    #[must_use]
    pub fn of(reference_kbit: u64, own_kbit: u64) -> u16 {
        let cost = reference_kbit / own_kbit.max(1);
        u16::try_from(cost).unwrap_or(u16::MAX).max(1)
    }

    /// The cost now, if the device has this speed, or does not say.
    #[must_use]
    pub fn now(self, speed_kbit: Option<u64>) -> u16 {
        match self {
            Self::Fixed(cost) => cost,
            Self::BySpeed { reference_kbit } => {
                speed_kbit.map_or(Self::DEFAULT, |own| Self::of(reference_kbit, own))
            }
        }
    }
}

/// Where OSPF is spoken.
#[derive(Debug, PartialEq, Eq)]
pub struct OspfInterface {
    /// Which port or tunnel.
    pub place: OspfPlace,
    /// Its name.
    pub name: Box<str>,
    /// The area it is in.
    pub area: Ipv4Addr,
    /// What it leads to.
    pub network: NetworkType,
    /// Cost of sending a packet there.
    pub cost: OspfCost,
    /// Its networks are told of, but OSPF is not spoken.
    pub is_passive: bool,
    /// Our wish to be the designated router.
    pub priority: u8,
    /// How often we say hello.
    pub hello_interval: Duration,
    /// After what silence a neighbour is dead.
    pub dead_interval: Duration,
    /// How often what was not acknowledged is sent again.
    pub retransmit_interval: Duration,
    /// A neighbour's MTU may be another.
    pub mtu_ignore: bool,
    /// How packets prove where they come from.
    pub authentication: Arc<Authentication>,
    /// Neighbours that cannot be found by multicast.
    pub neighbors: Vec<Ipv4Addr>,
    /// How closely BFD watches neighbours; `None` where it does not.
    pub bfd: Option<Bfd>,
}

/// How closely the path to a neighbour is watched (RFC 5880).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// Time between packets, both ways.
    pub interval: Duration,
    /// Packets in a row whose loss means that the path has failed.
    pub multiplier: NonZeroU8,
}
