//! What the engines are configured with, and what they are told.

use super::*;
use ::ike::policy::{
    Child, ChildLifetime, Dpd, DpdAction, IkeLifetime, LocalAuth, Mode, Peer, RemoteAuth,
    SelectorAddresses, SelectorTemplate, Start, Uniqueness,
};

/// The configured peer, and its child.
pub const PEER: &str = "peer";

/// The peer there is, with short lives so that little time does much.
pub fn peers(versions: Versions, here: IpAddr, there: IpAddr) -> Vec<Arc<Peer>> {
    let psk = || Arc::new(Secret::copy_of(b"correct horse battery staple"));
    let proposal = match versions {
        Versions::V1 => "aes128-sha256-ecp256",
        _ => "aes128gcm16-prfsha256-x25519",
    };
    let lifetime = IkeLifetime {
        rekey: minutes(20),
        reauthenticate: None,
        hard: minutes(30),
        jitter_percent: 5,
    };
    let dpd = Dpd { delay: minutes(1), timeout: minutes(2), action: DpdAction::Restart };
    vec![Arc::new(Peer {
        name: PEER.into(),
        versions,
        local: Some(here),
        remote: Some(there),
        local_identity: here.to_string().parse().expect("an identity"),
        remote_identity: there.to_string().parse().expect("an identity"),
        local_auth: LocalAuth::Psk(psk()),
        remote_auth: RemoteAuth::Psk(psk()),
        ppk: None,
        proposals: vec![proposal.parse().expect("a proposal")],
        lifetime,
        dpd: Some(dpd),
        fragment_len: Some(1280),
        mobike: true,
        force_udp: false,
        childless: false,
        uniqueness: Uniqueness::Replace,
        children: vec![Arc::new(child())],
    })]
}

fn child() -> Child {
    let gre =
        SelectorTemplate { addresses: SelectorAddresses::Dynamic, protocol: 47, ports: (0, 65535) };
    Child {
        name: PEER.into(),
        mode: Mode::Transport,
        proposals: vec!["aes128gcm16".parse().expect("a proposal")],
        local: vec![gre.clone()],
        remote: vec![gre],
        start: Start::OnDemand,
        lifetime: ChildLifetime {
            rekey: Some(minutes(10)),
            hard: Some(minutes(15)),
            rekey_bytes: None,
            hard_bytes: None,
            rekey_packets: None,
            hard_packets: None,
            jitter_percent: 5,
        },
        per_worker: 2,
    }
}

/// What an engine is told; about `pair` if there is one.
pub fn input(kind: u8, pair: Option<ChildSaId>, here: IpAddr) -> Input {
    let pair = pair.unwrap_or(ChildSaId(77));
    let port = if kind & 128 == 0 { 4500 } else { 40_000 };
    match kind % 16 {
        0 => Input::Initiate { peer: PEER.into() },
        1 => Input::InboundUsed(pair),
        2 => Input::PeerAlive(pair),
        3 => Input::PeerMoved(pair, SocketAddr::new(B, port)),
        4 => Input::SoftLimit(pair),
        5 => Input::HardLimit(pair),
        6 => Input::LocalAddresses(vec![here]),
        7 => Input::LocalAddresses(Vec::new()),
        8 | 9 => Input::Rekey { peer: PEER.into(), ike: kind % 16 == 8 },
        10 => Input::Terminate { peer: PEER.into() },
        11 | 12 => Input::WorkerAcquire(pair, u16::from(kind % 16 == 12)),
        _ => Input::Acquire { child: PEER.into(), remote: None, packet: None },
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}
