//! The running machine as the bridge wants to see it: the kernel's state, by port.

use std::net::IpAddr;

use ipnet::IpNet;
use tables::{Neighbour, PortId};
use wire::ethernet::Mac;

use crate::kernel::{Resolution, State};
use crate::outer::PathMtus;
use bridge::{PortState, Underlay};

/// The kernel's state with the interface index of each port.
pub struct KernelUnderlay<'a> {
    /// What netlink told.
    pub state: &'a State,
    /// What routers on the way have said.
    pub path_mtus: &'a PathMtus,
    /// Interface indices, by [`PortId`].
    pub ifindexes: &'a [u32],
}

impl KernelUnderlay<'_> {
    fn ifindex(&self, port: PortId) -> u32 {
        self.ifindexes.get(port.index()).copied().unwrap_or(0)
    }

    fn global_addresses(&self, ifindex: u32) -> impl Iterator<Item = IpNet> {
        let addresses = self.state.addresses_of(ifindex);
        addresses.filter(|address| address.is_global()).map(|address| address.net)
    }

    fn port_of(&self, ifindex: u32) -> Option<PortId> {
        let at = self.ifindexes.iter().position(|known| *known == ifindex)?;
        Some(PortId(at as u32))
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
            networks: self.global_addresses(ifindex).collect(),
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let of = |ifindex| self.global_addresses(ifindex).map(|net| net.addr());
        self.state.links().flat_map(|link| of(link.ifindex)).collect()
    }

    fn routes(&self, port: PortId) -> Vec<(IpNet, Option<IpAddr>)> {
        self.state.routes_through(self.ifindex(port)).collect()
    }

    fn next_hop(&self, destination: IpAddr) -> Option<(PortId, IpAddr)> {
        let hop = self.state.next_hop(destination)?;
        Some((self.port_of(hop.ifindex)?, hop.gateway.unwrap_or(destination)))
    }

    fn neighbour(&self, port: PortId, address: IpAddr) -> Neighbour {
        match self.state.neighbour(self.ifindex(port), address).map(|known| known.resolution) {
            Some(Resolution::Reachable(mac)) => Neighbour::Resolved(Mac(mac)),
            Some(Resolution::Failed) => Neighbour::Failed,
            Some(Resolution::Incomplete) | None => Neighbour::Unresolved,
        }
    }

    fn path_mtu(&self, destination: IpAddr) -> Option<u16> {
        self.path_mtus.mtu_to(destination)
    }
}
