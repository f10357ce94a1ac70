//! The peer of the recorded runs with strongSwan.

use alloc::sync::Arc;
use alloc::vec;
use core::time::Duration;

use engine::Secret;

use super::{
    Child, ChildLifetime, IkeLifetime, LocalAuth, Mode, Peer, RemoteAuth, SelectorAddresses,
    SelectorTemplate, Start, Uniqueness, Versions,
};
use crate::identity::Identity;

/// GRE in transport mode between two addresses, with a pre-shared key.
pub(crate) fn gre(
    versions: Versions,
    (local, remote): (&str, &str),
    proposal: &str,
    psk: &Arc<Secret>,
) -> Arc<Peer> {
    let template = || SelectorTemplate {
        addresses: SelectorAddresses::Dynamic,
        protocol: 47,
        ports: (0, u16::MAX),
    };
    let child = Child {
        name: "gre".into(),
        mode: Mode::Transport,
        proposals: vec!["aes128-sha1".parse().unwrap()],
        local: vec![template()],
        remote: vec![template()],
        start: Start::OnDemand,
        lifetime: ChildLifetime {
            rekey: Some(Duration::from_secs(3600)),
            hard: Some(Duration::from_secs(3960)),
            rekey_bytes: None,
            hard_bytes: None,
            rekey_packets: None,
            hard_packets: None,
            jitter_percent: 0,
        },
        per_worker: 0,
    };
    let identity: Identity = remote.parse().unwrap();
    Arc::new(Peer {
        name: "p2p".into(),
        versions,
        local: None,
        remote: Some(remote.parse().unwrap()),
        local_identity: local.parse().unwrap(),
        remote_identity: identity.into(),
        local_auth: LocalAuth::Psk(psk.clone()),
        remote_auth: RemoteAuth::Psk(psk.clone()),
        ppk: None,
        proposals: vec![proposal.parse().unwrap()],
        lifetime: IkeLifetime {
            rekey: Duration::from_secs(14400),
            reauthenticate: None,
            hard: Duration::from_secs(15840),
            jitter_percent: 0,
        },
        dpd: None,
        fragment_len: None,
        mobike: false,
        force_udp: false,
        childless: false,
        uniqueness: Uniqueness::Replace,
        children: vec![Arc::new(child)],
    })
}
