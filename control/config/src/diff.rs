//! What a new configuration changes about the peers of IKE.

use std::sync::Arc;

use ike::policy::Peer;

use crate::model::Config;

/// What has become of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Who or where it is, or how both prove it: its SAs are made under other terms now.
    Settings,
    /// These of its children are new, gone or different; the others stay.
    Children(Vec<String>),
}

impl Config {
    /// The peers that differ from those of an older configuration, by name; in the order of this
    /// file, and those that are gone last.
    pub fn peer_changes(&self, old: &Self) -> Vec<(String, PeerChange)> {
        let named = |peers: &[Arc<Peer>], name: &str| {
            peers.iter().find(|peer| *peer.name == *name).map(Arc::clone)
        };
        let now = self.ike_peers.iter().filter_map(|peer| {
            let change = match named(&old.ike_peers, &peer.name) {
                None => Some(PeerChange::Added),
                Some(before) if !peer.has_settings_of(&before) => Some(PeerChange::Settings),
                Some(before) => {
                    let children = changed_children(&before, peer);
                    (!children.is_empty()).then_some(PeerChange::Children(children))
                }
            };
            Some((peer.name.to_string(), change?))
        });
        let gone = old.ike_peers.iter().filter(|peer| named(&self.ike_peers, &peer.name).is_none());
        now.chain(gone.map(|peer| (peer.name.to_string(), PeerChange::Removed))).collect()
    }
}

fn changed_children(before: &Peer, now: &Peer) -> Vec<String> {
    let new = now.children.iter().filter(|child| !before.children.contains(child));
    let gone = before
        .children
        .iter()
        .filter(|child| now.children.iter().all(|other| other.name != child.name));
    new.chain(gone).map(|child| child.name.to_string()).collect()
}
