//! Who is connected: established IKE SAs by peer and identity.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use crate::identity::Identity;
use crate::output::IkeSaId;

type ByPeer = BTreeMap<Box<str>, BTreeMap<Identity, BTreeSet<IkeSaId>>>;

/// Established IKE SAs. An identity, not an address, is what makes a peer the same: several may be
/// behind one NAT.
#[derive(Default)]
pub(crate) struct Directory {
    by_peer: ByPeer,
    by_address: BTreeMap<(Box<str>, IpAddr), usize>,
    entries: BTreeMap<IkeSaId, Entry>,
}

struct Entry {
    peer: Box<str>,
    identity: Identity,
    address: IpAddr,
}

impl Directory {
    /// Whether there is an SA with this peer at this address.
    pub fn knows(&self, peer: &str, remote: IpAddr) -> bool {
        self.by_address.contains_key(&(peer.into(), remote))
    }

    /// The SAs with this identity.
    pub fn of_identity(&self, peer: &str, id: &Identity) -> impl Iterator<Item = IkeSaId> + '_ {
        self.by_peer.get(peer).and_then(|all| all.get(id)).into_iter().flatten().copied()
    }

    /// Whether there is an SA with this identity at this address.
    pub fn has_at(&self, peer: &str, id: &Identity, address: IpAddr) -> bool {
        let mut entries = self.of_identity(peer, id).filter_map(|it| self.entries.get(&it));
        entries.any(|entry| entry.address == address)
    }

    /// Whether there is an SA with this identity at another address.
    pub fn has_elsewhere(&self, peer: &str, id: &Identity, address: IpAddr) -> bool {
        let mut entries = self.of_identity(peer, id).filter_map(|it| self.entries.get(&it));
        entries.any(|entry| entry.address != address)
    }

    /// The peer of an SA is at another address.
    pub fn relocate(&mut self, id: IkeSaId, address: IpAddr) {
        if let Some(entry) = self.entries.get(&id)
            && entry.address != address
        {
            let (peer, identity) = (entry.peer.clone(), entry.identity.clone());
            self.insert(id, &peer, identity, address);
        }
    }

    /// An SA is established.
    pub fn insert(&mut self, id: IkeSaId, peer: &str, identity: Identity, address: IpAddr) {
        self.remove(id);
        *self.by_address.entry((peer.into(), address)).or_default() += 1;
        let of_peer = self.by_peer.entry(peer.into()).or_default();
        of_peer.entry(identity.clone()).or_default().insert(id);
        self.entries.insert(id, Entry { peer: peer.into(), identity, address });
    }

    /// An SA is to be replaced. While it is there the peer is still known at its address: to say
    /// INITIAL_CONTACT would be wrong.
    pub fn retire(&mut self, id: IkeSaId) {
        let Some(Entry { peer, identity, .. }) = self.entries.get(&id) else { return };
        Self::unlist(&mut self.by_peer, peer, identity, id);
    }

    /// An SA is over.
    pub fn remove(&mut self, id: IkeSaId) {
        let Some(Entry { peer, identity, address }) = self.entries.remove(&id) else { return };
        Self::unlist(&mut self.by_peer, &peer, &identity, id);
        let place = (peer, address);
        if let Some(count) = self.by_address.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&place);
            }
        }
    }

    fn unlist(by_peer: &mut ByPeer, peer: &str, identity: &Identity, id: IkeSaId) {
        let Some(of_peer) = by_peer.get_mut(peer) else { return };
        if let Some(all) = of_peer.get_mut(identity) {
            all.remove(&id);
            if all.is_empty() {
                of_peer.remove(identity);
            }
        }
        if of_peer.is_empty() {
            by_peer.remove(peer);
        }
    }
}
