//! Routes that a protocol has learned.

use std::net::IpAddr;

use ipnet::IpNet;
use tables::{CloudId, PortId, Role, Route, TunnelId};

use crate::Bridge;

/// Where a learned route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// Into a tunnel to one peer.
    Tunnel(TunnelId),
    /// Into a multipoint tunnel, to the peer with this overlay address.
    Peer(CloudId, IpAddr),
    /// To a router on the network of a port. Through an outside port it would leave in clear, and
    /// it is not used.
    Via(PortId, IpAddr),
}

impl Bridge {
    /// Has these routes in all tables from the next [`Bridge::build`] on, and no others that were
    /// learned. What is configured, or the kernel has, goes before them.
    pub fn learn(&mut self, routes: Vec<(IpNet, Learned)>) {
        self.learned = routes;
    }

    pub(crate) fn learned_routes(&mut self, routes: &mut Vec<(IpNet, Route)>) {
        for (prefix, learned) in &self.learned {
            let route = match *learned {
                Learned::Tunnel(tunnel) => Route::Tunnel(tunnel),
                Learned::Peer(cloud, address) => Route::Multipoint(cloud, Some(address)),
                Learned::Via(port, gateway) => {
                    let role = self.ports.get(port.index()).map(|(_, role)| *role);
                    let inside = role == Some(Role::Inside);
                    match self.nexthops.id(port, gateway).filter(|_| inside) {
                        Some(id) => Route::Via(id),
                        None => continue,
                    }
                }
            };
            routes.push((*prefix, route));
        }
    }
}
