//! The pairs of ESP SAs, found by what they have in common without looking at all of them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use super::pair::Pair;
use super::phase1::PeerKey;
use crate::output::{ChildSaId, IkeSaId};

/// Ids by what their pairs share.
type Groups<K> = BTreeMap<K, BTreeSet<ChildSaId>>;

/// Every pair. Whom it is with and for which child stay as they are; the IKE SA that it lives on
/// changes by [`Pairs::move_to`] alone.
#[derive(Default)]
pub(super) struct Pairs {
    all: BTreeMap<ChildSaId, Pair>,
    by_peer: Groups<(PeerKey, Box<str>)>,
    by_place: Groups<(Box<str>, IpAddr)>,
    by_ike: Groups<IkeSaId>,
}

impl Pairs {
    pub fn get(&self, id: &ChildSaId) -> Option<&Pair> {
        self.all.get(id)
    }

    pub fn get_mut(&mut self, id: &ChildSaId) -> Option<&mut Pair> {
        self.all.get_mut(id)
    }

    /// All of them, the oldest first.
    pub fn values(&self) -> impl Iterator<Item = &Pair> {
        self.all.values()
    }

    /// Those of a child with a peer, the oldest first.
    pub fn of_child(&self, key: &PeerKey, child: &str) -> impl Iterator<Item = &Pair> {
        self.listed(self.by_peer.get(&(key.clone(), child.into())))
    }

    /// Those of all children with a peer.
    pub fn of_peer(&self, key: &PeerKey) -> impl Iterator<Item = &Pair> {
        let (from, key) = ((key.clone(), Box::default()), key.clone());
        let groups = self.by_peer.range(from..).take_while(move |((other, _), _)| *other == key);
        groups.flat_map(|(_, ids)| self.listed(Some(ids)))
    }

    /// Those of a child with whoever is at an address.
    pub fn at(&self, child: &str, remote: IpAddr) -> impl Iterator<Item = &Pair> {
        self.listed(self.by_place.get(&(child.into(), remote)))
    }

    /// Those that live on an IKE SA.
    pub fn on(&self, ike: IkeSaId) -> impl Iterator<Item = &Pair> {
        self.listed(self.by_ike.get(&ike))
    }

    fn listed<'a>(
        &'a self,
        ids: Option<&'a BTreeSet<ChildSaId>>,
    ) -> impl Iterator<Item = &'a Pair> {
        ids.into_iter().flatten().filter_map(|id| self.all.get(id))
    }

    pub fn insert(&mut self, pair: Pair) {
        let id = pair.sa.id;
        let (of_peer, at_place) = groups_of(&pair);
        self.by_peer.entry(of_peer).or_default().insert(id);
        self.by_place.entry(at_place).or_default().insert(id);
        self.by_ike.entry(pair.ike).or_default().insert(id);
        self.all.insert(id, pair);
    }

    pub fn remove(&mut self, id: &ChildSaId) -> Option<Pair> {
        let pair = self.all.remove(id)?;
        let (of_peer, at_place) = groups_of(&pair);
        leave(&mut self.by_peer, &of_peer, id);
        leave(&mut self.by_place, &at_place, id);
        leave(&mut self.by_ike, &pair.ike, id);
        Some(pair)
    }

    /// A pair lives on another IKE SA from here on.
    pub fn move_to(&mut self, id: ChildSaId, ike: IkeSaId) {
        let Some(pair) = self.all.get_mut(&id) else { return };
        let old = core::mem::replace(&mut pair.ike, ike);
        leave(&mut self.by_ike, &old, &id);
        self.by_ike.entry(ike).or_default().insert(id);
    }
}

fn groups_of(pair: &Pair) -> ((PeerKey, Box<str>), (Box<str>, IpAddr)) {
    let child = pair.child.name.clone();
    ((pair.key.clone(), child.clone()), (child, pair.sa.path.remote.ip()))
}

fn leave<K: Ord>(groups: &mut Groups<K>, key: &K, id: &ChildSaId) {
    if let Some(ids) = groups.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            groups.remove(key);
        }
    }
}
