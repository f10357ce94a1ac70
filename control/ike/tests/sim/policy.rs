//! Peers for simulations.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::Secret;
use ike::policy::{
    Child, ChildLifetime, Dpd, DpdAction, IkeLifetime, LocalAuth, Mode, Peer, RemoteAuth,
    SelectorAddresses, SelectorTemplate, Start, Uniqueness, Versions,
};

/// A peer with a pre-shared key and one child `name` between the two hosts: GRE in transport mode.
pub fn gre(name: &str, local: IpAddr, remote: Option<IpAddr>) -> Peer {
    let psk = || Arc::new(Secret::copy_of(b"correct horse battery staple"));
    let pattern = remote.map_or("%any".to_string(), |remote| remote.to_string());
    Peer {
        name: name.into(),
        versions: Versions::V2,
        local: Some(local),
        remote,
        local_identity: local.to_string().parse().unwrap(),
        remote_identity: pattern.parse().unwrap(),
        local_auth: LocalAuth::Psk(psk()),
        remote_auth: RemoteAuth::Psk(psk()),
        ppk: None,
        proposals: vec!["aes256gcm16-prfsha256-x25519".parse().unwrap()],
        lifetime: IkeLifetime {
            rekey: Duration::from_secs(14_400),
            reauthenticate: None,
            hard: Duration::from_secs(18_000),
            jitter_percent: 0,
        },
        dpd: Some(Dpd {
            delay: Duration::from_secs(30),
            timeout: Duration::from_secs(60),
            action: DpdAction::Clear,
        }),
        fragment_len: Some(1280),
        mobike: false,
        force_udp: false,
        childless: false,
        uniqueness: Uniqueness::Replace,
        children: vec![Arc::new(child(name))],
    }
}

/// GRE in transport mode between the two ends.
pub fn child(name: &str) -> Child {
    let gre =
        SelectorTemplate { addresses: SelectorAddresses::Dynamic, protocol: 47, ports: (0, 65535) };
    Child {
        name: name.into(),
        mode: Mode::Transport,
        proposals: vec!["aes128gcm16".parse().unwrap()],
        local: vec![gre.clone()],
        remote: vec![gre],
        start: Start::OnDemand,
        lifetime: ChildLifetime {
            rekey: Some(Duration::from_secs(3600)),
            hard: Some(Duration::from_secs(5400)),
            rekey_bytes: None,
            hard_bytes: None,
            rekey_packets: None,
            hard_packets: None,
            jitter_percent: 0,
        },
        per_worker: 0,
    }
}
