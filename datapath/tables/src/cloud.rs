//! A multipoint tunnel: one interface, many peers (RFC 2332's NBMA network).

use std::net::IpAddr;

use crate::index::digest;
use crate::{Index, TunnelId};

/// Index of a cloud in [`crate::Tables::clouds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudId(pub u32);

/// Where a packet of control's own enters, past all routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entrance {
    /// This tunnel; of a multipoint one, the way to this peer.
    Tunnel(TunnelId),
    /// A multipoint tunnel: each peer gets a copy.
    AllPeers(CloudId),
}

/// The next-hop table of a multipoint tunnel: overlay address to the peer's own forwarding state,
/// which holds its NBMA address and its SA.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    index: Index,
    peers: Box<[(IpAddr, TunnelId)]>,
}

impl Cloud {
    /// The table of these peers; their overlay addresses differ.
    pub fn build(peers: impl IntoIterator<Item = (IpAddr, TunnelId)>) -> Self {
        let peers: Box<[_]> = peers.into_iter().collect();
        let keys = peers.iter().enumerate();
        let index = Index::build(keys.map(|(n, (address, _))| (digest(*address), n as u32)));
        Self { index, peers }
    }

    /// The peer with this overlay address.
    #[inline]
    #[must_use]
    pub fn peer(&self, overlay: IpAddr) -> Option<TunnelId> {
        let at = self.index.find(digest(overlay))?;
        let (found, tunnel) = self.peers.get(at as usize)?;
        (*found == overlay).then_some(*tunnel)
    }

    /// All peers: each gets a copy of a multicast packet.
    #[must_use]
    pub fn peers(&self) -> &[(IpAddr, TunnelId)] {
        &self.peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_found_by_its_overlay_address_of_either_family() {
        let v6: IpAddr = "fd00::2".parse().unwrap();
        let cloud = Cloud::build([([10, 255, 0, 2].into(), TunnelId(4)), (v6, TunnelId(5))]);
        assert_eq!(cloud.peer([10, 255, 0, 2].into()), Some(TunnelId(4)));
        assert_eq!(cloud.peer(v6), Some(TunnelId(5)));
        assert_eq!(cloud.peer([10, 255, 0, 3].into()), None);
    }
}
