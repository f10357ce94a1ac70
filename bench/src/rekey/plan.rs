//! Two gateways with many tunnels between them: addresses, configurations, and the machines they
//! run on.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use bridge::{PortState, Underlay};
use config::Config;
use ipnet::{IpNet, Ipv4Net};
use tables::{Neighbour, PortId};

use crate::topology::{GW_MAC, HOST_MAC, WAN};

/// How many tunnels, and with how many peers.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Peers, each with an IKE SA; at most [`Plan::PEERS_MAX`].
    pub peers: u32,
    /// Tunnels with each peer, each with a pair of child SAs.
    pub tunnels_each: u32,
}

/// Which of the two gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that has all peers, and calls them.
    Hub,
    /// The one that is all of them, with an address for each.
    Branches,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Hub, Self::Branches];
}

/// The router behind an inside port.
const INNER_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
/// The router between the gateways, to each of them.
const OUTER_ROUTER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 254);
/// A tunnel's network on either side is a /28.
const NET_LEN: u8 = 28;

impl Plan {
    /// Most peers: they are in 198.18.0.0/15.
    pub const PEERS_MAX: u32 = 100_000;
    /// Most tunnels: their networks are in 10.0.0.0/9 on one side, in 10.128.0.0/9 on the other.
    pub const TUNNELS_MAX: u32 = 1 << 19;

    /// All tunnels.
    #[must_use]
    pub fn tunnels(&self) -> u32 {
        self.peers * self.tunnels_each
    }

    /// The peer that a tunnel is with.
    pub(super) fn peer_of(&self, tunnel: u32) -> u32 {
        tunnel / self.tunnels_each
    }

    /// The host that sends and receives through a tunnel.
    pub(super) fn host(side: Side, tunnel: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(network(side, tunnel).network().to_bits() + 1)
    }

    pub(super) fn peer_name(peer: u32) -> String {
        format!("peer-{peer}")
    }

    /// What one of the gateways is told.
    pub(super) fn config(&self, side: Side) -> Result<Config, String> {
        let mut text = String::from(
            "[[port]]\nname = \"lan\"\ndevice = \"lan0\"\nrole = \"inside\"\n\
             [[port]]\nname = \"wan\"\ndevice = \"wan0\"\nrole = \"outside\"\n",
        );
        let ends = |peer| match side {
            Side::Hub => (hub(), branch(peer)),
            Side::Branches => (branch(peer), hub()),
        };
        let far = match side {
            Side::Hub => Side::Branches,
            Side::Branches => Side::Hub,
        };
        // Writing to a String cannot fail.
        for peer in 0..self.peers {
            let (local, remote) = ends(peer);
            let name = Self::peer_name(peer);
            let _ = write!(
                text,
                "[[ike]]\nname = \"{name}\"\nlocal = \"{local}\"\nremote = \"{remote}\"\n\
                 psk = \"a secret of both\"\nproposals = [\"aes128gcm16-prfsha256-x25519\"]\n"
            );
        }
        for tunnel in 0..self.tunnels() {
            let peer = self.peer_of(tunnel);
            let (local, remote) = ends(peer);
            let (near, far) = (network(side, tunnel), network(far, tunnel));
            let _ = write!(
                text,
                "[[tunnel]]\nname = \"tunnel-{tunnel}\"\nkind = \"esp\"\nlocal = \"{local}\"\n\
                 remote = \"{remote}\"\nlocal_subnets = [\"{near}\"]\n\
                 remote_subnets = [\"{far}\"]\n\
                 [tunnel.ike]\npeer = \"{}\"\nstart = \"never\"\nproposals = [\"aes128gcm16\"]\n",
                Self::peer_name(peer)
            );
        }
        config::parse("bench.toml", &text, ".").map_err(|report| report.to_string())
    }
}

fn hub() -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, 1)
}

fn branch(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 1, 0).to_bits() + peer)
}

fn network(side: Side, tunnel: u32) -> Ipv4Net {
    let first = inside(side).network().to_bits() + (tunnel << (32 - NET_LEN));
    Ipv4Net::new_assert(first.into(), NET_LEN)
}

/// What lies behind a gateway.
fn inside(side: Side) -> Ipv4Net {
    let second = match side {
        Side::Hub => 0,
        Side::Branches => 128,
    };
    Ipv4Net::new_assert(Ipv4Addr::new(10, second, 0, 0), 9)
}

/// The machine under one of the gateways: a router at each of its two ports.
pub(super) struct Machine {
    side: Side,
    addresses: Vec<IpAddr>,
}

impl Machine {
    pub(super) fn new(plan: &Plan, side: Side) -> Self {
        let outer: Vec<IpAddr> = match side {
            Side::Hub => vec![hub().into()],
            Side::Branches => (0..plan.peers).map(|peer| branch(peer).into()).collect(),
        };
        Self { side, addresses: outer }
    }
}

impl Underlay for Machine {
    fn port(&self, port: PortId) -> PortState {
        let own = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 1), 24);
        let networks = if port == WAN { Vec::new() } else { vec![own.into()] };
        PortState { mac: Some(GW_MAC.0), mtu: 1500, up: true, networks }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    fn routes(&self, _: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        vec![(inside(self.side).into(), Some(INNER_ROUTER.into()))]
    }

    fn next_hop(&self, _: IpAddr) -> Option<(PortId, IpAddr)> {
        Some((WAN, OUTER_ROUTER.into()))
    }

    fn neighbour(&self, _: PortId, _: IpAddr) -> Neighbour {
        Neighbour::Resolved(HOST_MAC)
    }

    fn path_mtu(&self, _: IpAddr) -> Option<u16> {
        None
    }
}
