//! Routes that a protocol has learned.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tables::{
    CloudId, MultipathId, Multipaths, Neighbour, NexthopId, PortId, Role, Route, Tables, TunnelId,
};

use crate::{Bridge, Underlay};

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
    /// learned; each flow takes one of the ways of its route. What is configured, or the kernel
    /// has, goes before them.
    pub fn learn(&mut self, routes: Vec<(IpNet, Vec<Learned>)>) {
        self.learned = routes;
    }

    /// Has the flows of routes with several ways spread by another seed than other gateways have,
    /// from the next [`Bridge::build`] on.
    pub fn seed_flows(&mut self, seed: u64) {
        self.flow_seed = seed;
    }

    /// `current`, the tables of the last [`Bridge::build`], with neighbours as they are now.
    #[must_use]
    pub fn follow_neighbours(&self, current: &Tables, underlay: &dyn Underlay) -> Tables {
        let mut tables = Tables { nexthops: self.nexthops(underlay), ..current.clone() };
        tables.multipaths = self.multipaths(&tables);
        tables
    }

    pub(crate) fn learned_routes(&mut self, routes: &mut Vec<(IpNet, Route)>) {
        self.multipath.clear();
        // Many prefixes share few sets of next hops.
        let mut known: HashMap<Vec<Route>, MultipathId> = HashMap::new();
        let learned = std::mem::take(&mut self.learned);
        for (prefix, ways) in &learned {
            let mut paths: Vec<Route> = ways.iter().filter_map(|way| self.path(*way)).collect();
            paths.truncate(Multipaths::PATHS_MAX);
            let route = match *paths {
                [] => continue,
                [single] => single,
                _ => Route::Multipath(*known.entry(paths).or_insert_with_key(|paths| {
                    self.multipath.push(paths.clone());
                    MultipathId(self.multipath.len() as u32 - 1)
                })),
            };
            routes.push((*prefix, route));
        }
        self.learned = learned;
    }

    /// One way of a route; `None` for one that there is not.
    fn path(&mut self, way: Learned) -> Option<Route> {
        Some(match way {
            Learned::Tunnel(id) => {
                let is_there = (id.0 as usize) < self.tunnels.len();
                return is_there.then_some(Route::Tunnel(id));
            }
            Learned::Peer(cloud, address) => Route::Multipoint(cloud, Some(address)),
            Learned::Via(port, gateway) => {
                let (_, role) = self.ports.get(port.index())?;
                let inside = *role == Role::Inside;
                Route::Via(self.nexthops.id(port, gateway).filter(|_| inside)?)
            }
        })
    }

    /// The paths of routes with several, without those that lead nowhere now. A next hop that was
    /// not asked for yet stays: packets wait for it, as for any.
    pub(crate) fn multipaths(&self, tables: &Tables) -> Arc<Multipaths> {
        let lists = self.multipath.iter().map(|paths| {
            let alive: Vec<Route> =
                paths.iter().copied().filter(|path| is_alive(tables, path)).collect();
            // Where nothing is left, packets are to end as those of other routes do.
            if alive.is_empty() { paths.clone() } else { alive }
        });
        Arc::new(Multipaths::build(self.flow_seed, lists.collect()))
    }
}

/// Whether packets get away by this path, as far as can be seen from here.
fn is_alive(tables: &Tables, path: &Route) -> bool {
    let answers = |id: NexthopId| {
        tables.nexthops.by_id(id).is_some_and(|hop| {
            let port = tables.ports.get(hop.port.index());
            hop.neighbour != Neighbour::Failed && port.is_some_and(|port| port.up)
        })
    };
    let has_egress = |id: TunnelId| {
        let tunnel = tables.tunnels.get(id.0 as usize);
        tunnel.and_then(|tunnel| tunnel.egress).is_some_and(answers)
    };
    match *path {
        Route::Via(id) => answers(id),
        Route::Tunnel(id) => has_egress(id),
        Route::Multipoint(cloud, Some(peer)) => {
            let cloud = tables.clouds.get(cloud.0 as usize);
            cloud.and_then(|cloud| cloud.peer(peer)).is_some_and(has_egress)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
