//! The configured peers, found by name, child or address without looking at all of them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::policy::{Child, Peer};

/// The peers there are, in the order of the configuration.
#[derive(Default)]
pub(crate) struct Peers {
    all: Vec<Arc<Peer>>,
    by_name: BTreeMap<Box<str>, Arc<Peer>>,
    by_child: BTreeMap<Box<str>, (Arc<Peer>, Arc<Child>)>,
    by_remote: BTreeMap<Option<IpAddr>, Vec<Arc<Peer>>>,
}

impl Peers {
    pub fn new(all: Vec<Arc<Peer>>) -> Self {
        let mut peers = Self::default();
        for peer in &all {
            peers.by_name.entry(peer.name.clone()).or_insert_with(|| peer.clone());
            peers.by_remote.entry(peer.remote).or_default().push(peer.clone());
            for child in &peer.children {
                let found = (peer.clone(), child.clone());
                peers.by_child.entry(child.name.clone()).or_insert(found);
            }
        }
        Self { all, ..peers }
    }

    /// The peer of this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Peer>> {
        self.by_name.get(name)
    }

    /// Whether this very peer is one of them.
    pub fn has(&self, peer: &Arc<Peer>) -> bool {
        self.named(&peer.name).is_some_and(|it| Arc::ptr_eq(it, peer))
    }

    /// The child of this name and its peer.
    pub fn child(&self, name: &str) -> Option<(Arc<Peer>, Arc<Child>)> {
        self.by_child.get(name).cloned()
    }

    /// Who may be at an address: the peers that are configured there, then those of any.
    pub fn at(&self, remote: IpAddr) -> impl Iterator<Item = &Arc<Peer>> {
        [Some(remote), None].into_iter().filter_map(|at| self.by_remote.get(&at)).flatten()
    }

    /// Those of these that are not among `others`.
    pub fn without(&self, others: &[Arc<Peer>]) -> Vec<Arc<Peer>> {
        let stay: BTreeSet<_> = others.iter().map(Arc::as_ptr).collect();
        self.all.iter().filter(|peer| !stay.contains(&Arc::as_ptr(peer))).cloned().collect()
    }
}
