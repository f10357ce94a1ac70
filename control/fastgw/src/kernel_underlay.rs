//! The running machine as the bridge wants to see it: the kernel's state, by port.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use tables::{Neighbour, PortId};
use wire::ethernet::Mac;

use crate::bridge::{PortState, Underlay};
use crate::kernel::{Resolution, State};

/// The kernel's state with the interface index of each port.
pub struct KernelUnderlay<'a> {
    /// What netlink told.
    pub state: &'a State,
    /// Interface indices, by [`PortId`].
    pub ifindexes: &'a [u32],
}

impl KernelUnderlay<'_> {
    fn ifindex(&self, port: PortId) -> u32 {
        self.ifindexes.get(usize::from(port.0)).copied().unwrap_or(0)
    }

    fn port_of(&self, ifindex: u32) -> Option<PortId> {
        let at = self.ifindexes.iter().position(|known| *known == ifindex)?;
        Some(PortId(at as u16))
    }
}

impl Underlay for KernelUnderlay<'_> {
    fn port(&self, port: PortId) -> PortState {
        let ifindex = self.ifindex(port);
        let link = self.state.link(ifindex);
        PortState {
            mac: link.and_then(|link| link.mac).or(Some([0; 6])),
            mtu: link.map_or(0, |link| link.mtu.min(u32::from(u16::MAX)) as u16),
            up: link.is_some_and(|link| link.up()),
            networks: self.state.addresses_of(ifindex).map(|address| address.net).collect(),
        }
    }

    fn addresses(&self) -> Vec<Ipv4Addr> {
        let of = |ifindex| self.state.addresses_of(ifindex).map(|address| address.net.addr());
        self.state.links().flat_map(|link| of(link.ifindex)).collect()
    }

    fn routes(&self, port: PortId) -> Vec<(Ipv4Net, Option<Ipv4Addr>)> {
        self.state.routes_through(self.ifindex(port)).collect()
    }

    fn next_hop(&self, destination: Ipv4Addr) -> Option<(PortId, Ipv4Addr)> {
        let hop = self.state.next_hop(destination)?;
        Some((self.port_of(hop.ifindex)?, hop.gateway.unwrap_or(destination)))
    }

    fn neighbour(&self, port: PortId, address: Ipv4Addr) -> Neighbour {
        match self.state.neighbour(self.ifindex(port), address).map(|known| known.resolution) {
            Some(Resolution::Reachable(mac)) => Neighbour::Resolved(Mac(mac)),
            Some(Resolution::Failed) => Neighbour::Failed,
            Some(Resolution::Incomplete) | None => Neighbour::Unresolved,
        }
    }
}
