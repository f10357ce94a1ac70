//! Link-layer next hops: an address on a port and the MAC that answers for it.

use std::net::IpAddr;

use wire::ethernet::Mac;

use crate::index::digest;
use crate::{Index, PortId};

/// Index into [`Nexthops`]. Control never gives one to another (port, address) while it runs, so
/// it means the same in every later snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexthopId(pub u32);

/// What is known of a next hop's link-layer address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// Nobody has asked yet, or the answer is on its way.
    Unresolved,
    /// It answers at this address.
    Resolved(Mac),
    /// It was asked and did not answer.
    Failed,
}

/// A next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nexthop {
    /// The port it is reached through.
    pub port: PortId,
    /// Its IP address on that link.
    pub address: IpAddr,
    /// Its link-layer address.
    pub neighbour: Neighbour,
}

/// All next hops, by id and by (port, address).
#[derive(Clone, Debug, Default)]
pub struct Nexthops {
    entries: Box<[Nexthop]>,
    index: Index,
}

impl Nexthops {
    /// The table in which the `n`-th entry has [`NexthopId`] `n`.
    #[must_use]
    pub fn build(entries: Vec<Nexthop>) -> Self {
        let keys = entries.iter().enumerate();
        let index = Index::build(keys.map(|(n, hop)| (key(hop.port, hop.address), n as u32)));
        Self { entries: entries.into_boxed_slice(), index }
    }

    /// The next hop with this id.
    #[inline]
    #[must_use]
    pub fn by_id(&self, id: NexthopId) -> Option<&Nexthop> {
        self.entries.get(id.0 as usize)
    }

    /// The id of the next hop with this address on this port.
    #[inline]
    #[must_use]
    pub fn id_on_link(&self, port: PortId, address: IpAddr) -> Option<NexthopId> {
        let id = NexthopId(self.index.find(key(port, address))?);
        let hop = self.by_id(id)?;
        (hop.port == port && hop.address == address).then_some(id)
    }

    /// All of them, in the order of their ids.
    #[must_use]
    pub fn entries(&self) -> &[Nexthop] {
        &self.entries
    }
}

fn key(port: PortId, address: IpAddr) -> u64 {
    u64::from(port.0).rotate_right(16) ^ digest(address)
}
