//! The next hops that routes, tunnels and waiting packets need, each with a lasting id.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tables::{Neighbour, Nexthop, NexthopId, Nexthops, PortId};
use wire::ethernet::Mac;

use super::Underlay;

/// Most next hops. A scan of an inside network asks for every address of it; without a cap each
/// would stay.
const NEXTHOPS_MAX: usize = 16_384;

/// Next hops in the order in which they were asked for.
#[derive(Default)]
pub(super) struct NexthopRegister {
    hops: Vec<(PortId, IpAddr)>,
    ids: BTreeMap<(PortId, IpAddr), NexthopId>,
}

impl NexthopRegister {
    /// The id of a next hop, a new one if it was not known; `None` when there are too many.
    pub(super) fn id(&mut self, port: PortId, address: IpAddr) -> Option<NexthopId> {
        if let Some(id) = self.ids.get(&(port, address)) {
            return Some(*id);
        }
        if self.hops.len() >= NEXTHOPS_MAX {
            return None;
        }
        let id = NexthopId(self.hops.len() as u32);
        self.hops.push((port, address));
        self.ids.insert((port, address), id);
        Some(id)
    }

    /// Forgets next hops that do not answer. Ids change, so everything that holds one must be
    /// made anew afterwards.
    pub(super) fn forget_failed(&mut self, underlay: &dyn Underlay) {
        let answers =
            |hop: &(PortId, IpAddr)| underlay.neighbour(hop.0, hop.1) != Neighbour::Failed;
        let kept: Vec<_> = self.hops.drain(..).filter(answers).collect();
        self.ids.clear();
        for (port, address) in kept {
            self.id(port, address);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.hops.len()
    }

    pub(super) fn table(&self, underlay: &dyn Underlay) -> Nexthops {
        let hop = |&(port, address): &(PortId, IpAddr)| Nexthop {
            port,
            address,
            // A group has no one to ask: its MAC follows from its address.
            neighbour: match Mac::of_multicast(address) {
                Some(group) => Neighbour::Resolved(group),
                None => underlay.neighbour(port, address),
            },
        };
        Nexthops::build(self.hops.iter().map(hop).collect())
    }

    /// Those that somebody must be asked for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PortId, IpAddr)> {
        self.hops.iter().copied().filter(|(_, address)| !address.is_multicast())
    }
}
