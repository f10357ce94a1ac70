//! Which IKE SAs are with a peer or with an address, found without looking at all of them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::phase1::{PeerKey, Phase1};
use crate::output::IkeSaId;

/// The SAs by where their peer is and by whom it has proven to be.
#[derive(Default)]
pub(super) struct Known {
    by_address: BTreeMap<IpAddr, BTreeSet<IkeSaId>>,
    by_key: BTreeMap<PeerKey, BTreeSet<IkeSaId>>,
    entries: BTreeMap<IkeSaId, (IpAddr, Option<PeerKey>)>,
}

impl Known {
    /// An SA is new, or its peer has authenticated or moved.
    pub fn note(&mut self, sa: &Phase1) {
        self.forget(sa.id);
        let (address, key) = (sa.path.remote.ip(), sa.key());
        self.by_address.entry(address).or_default().insert(sa.id);
        if let Some(key) = &key {
            self.by_key.entry(key.clone()).or_default().insert(sa.id);
        }
        self.entries.insert(sa.id, (address, key));
    }

    /// An SA is no more.
    pub fn forget(&mut self, id: IkeSaId) {
        let Some((address, key)) = self.entries.remove(&id) else { return };
        leave(&mut self.by_address, &address, id);
        if let Some(key) = key {
            leave(&mut self.by_key, &key, id);
        }
    }

    /// Those whose peer is at an address, the oldest first.
    pub fn at(&self, address: IpAddr) -> impl DoubleEndedIterator<Item = IkeSaId> {
        self.by_address.get(&address).into_iter().flatten().copied()
    }

    /// Those with a peer, the oldest first.
    pub fn of(&self, key: &PeerKey) -> impl DoubleEndedIterator<Item = IkeSaId> {
        self.by_key.get(key).into_iter().flatten().copied()
    }
}

fn leave<K: Ord>(groups: &mut BTreeMap<K, BTreeSet<IkeSaId>>, key: &K, id: IkeSaId) {
    if let Some(ids) = groups.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            groups.remove(key);
        }
    }
}
