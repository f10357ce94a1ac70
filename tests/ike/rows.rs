//! The rows of the report.

use crate::{
    case::{Auth, Case, Daemon, Event, Mode, Side},
    certificates::Kind,
};

/// Proposals that both versions of both daemons are tried with, IKE's and ESP's.
const V2_SUITES: [(&str, &str); 10] = [
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519"),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"),
    ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305-x25519"),
    ("aes128-sha256-modp2048", "aes128-sha256-modp2048"),
    ("aes192-sha384-modp3072", "aes192-sha384-modp3072"),
    ("aes128-sha1-modp2048", "aes128-sha1"),
    ("aes128-sha256-x25519", "null-sha256-x25519"),
    ("aes256gcm12-prfsha384-x25519", "aes128gcm12"),
    ("aes128gcm8-prfsha256-ecp256", "aes128gcm8"),
    ("aes128-sha256-prfsha512-modp2048", "aes128-sha512"),
];

const V1_SUITES: [(&str, &str); 6] = [
    ("aes128-sha1-modp2048", "aes128-sha1"),
    ("aes256-sha256-modp2048", "aes256-sha256-modp2048"),
    ("aes256-sha384-ecp384", "aes128gcm16-ecp384"),
    ("aes192-sha512-modp4096", "aes192-sha512"),
    ("aes128-sha256-ecp256", "null-sha1-ecp256"),
    ("aes128-md5-modp1024", "aes128-md5-modp1024"),
];

/// What happens in a quiet network to an SA that our end has begun.
const V2_OURS: [Event; 9] = [
    Event::RekeyChild(Side::Theirs),
    Event::RekeyIke(Side::Ours),
    Event::RekeyChildBoth,
    Event::RekeyIkeBoth,
    Event::Delete(Side::Ours),
    Event::Death(Side::Theirs),
    Event::Restart(Side::Ours),
    Event::Restart(Side::Theirs),
    Event::OnDemand,
];

/// The same to one that their end has begun. Whoever has called may move; whoever has not says
/// where it is and waits to be moved to (RFC 4555 section 3.5), with addresses that were there from
/// the start.
const V2_THEIRS: [Event; 6] = [
    Event::RekeyChild(Side::Ours),
    Event::RekeyIke(Side::Theirs),
    Event::RekeyChildBoth,
    Event::Delete(Side::Theirs),
    Event::Reauthenticate(Side::Theirs),
    Event::Move,
];

/// IKEv1 has no keys of its own to renew without authenticating, and no moves.
const V1_OURS: [Event; 5] = [
    Event::RekeyChild(Side::Theirs),
    Event::RekeyIke(Side::Ours),
    Event::RekeyChildBoth,
    Event::Restart(Side::Theirs),
    Event::Delete(Side::Theirs),
];

const V1_THEIRS: [Event; 3] =
    [Event::RekeyChild(Side::Ours), Event::RekeyIke(Side::Theirs), Event::Delete(Side::Ours)];

/// All rows between namespaces: what differs by who has begun is tried both ways, the rest once,
/// for each row takes seconds.
pub fn between_namespaces() -> Vec<Case> {
    let mut rows = suites(2, &V2_SUITES);
    rows.extend(suites(1, &V1_SUITES));
    let ours = Case::new(Side::Ours);
    let theirs = Case::new(Side::Theirs);
    rows.extend(V2_OURS.map(|event| Case { event, ..ours.clone() }));
    rows.extend(V2_THEIRS.map(|event| Case { event, ..theirs.clone() }));
    rows.extend(V1_OURS.map(|event| Case { event, ..version_1(&ours) }));
    rows.extend(V1_THEIRS.map(|event| Case { event, ..version_1(&theirs) }));
    rows.extend(behind_nats(&ours, &theirs));
    rows.extend(certified(&ours, &theirs));
    rows.extend(post_quantum(&ours, &theirs));
    rows
}

/// Every second one is begun by our end, the others by theirs.
fn suites(version: u8, suites: &[(&'static str, &'static str)]) -> Vec<Case> {
    let sides = [Side::Ours, Side::Theirs].into_iter().cycle();
    let case = |(&(ike, esp), side)| {
        let event = Event::RekeyChild(side);
        Case { version, ike, esp, event, ..Case::new(side) }
    };
    suites.iter().zip(sides).map(case).collect()
}

fn version_1(plain: &Case) -> Case {
    let (ike, esp) = V1_SUITES[0];
    Case { version: 1, ike, esp, ..plain.clone() }
}

/// Whoever is behind a NAT has to begin.
fn behind_nats(ours: &Case, theirs: &Case) -> Vec<Case> {
    let event = Event::RekeyIke(Side::Theirs);
    let nat = Some(Side::Ours);
    vec![
        Case { nat, event, ..ours.clone() },
        Case { nat, ..version_1(ours) },
        Case { nat: Some(Side::Theirs), ..theirs.clone() },
        Case { nat: Some(Side::Theirs), event: Event::Rebind, ..theirs.clone() },
    ]
}

fn certified(ours: &Case, theirs: &Case) -> Vec<Case> {
    let by = |plain: &Case, kind| Case { auth: Auth::Certificate(kind), ..plain.clone() };
    let mut rows = vec![
        by(ours, Kind::Ecdsa384),
        by(ours, Kind::Ed25519),
        by(theirs, Kind::Ecdsa256),
        by(theirs, Kind::Rsa),
        by(&version_1(ours), Kind::Rsa),
    ];
    rows.extend([ours, theirs].map(|plain| Case { narrow: true, ..by(plain, Kind::LongChain) }));
    let refused = [
        by(ours, Kind::Revoked),
        by(ours, Kind::Stranger),
        by(theirs, Kind::Expired),
        by(theirs, Kind::Misnamed),
        Case { auth: Auth::WrongPsk, ..theirs.clone() },
        Case { auth: Auth::WrongPsk, ..version_1(ours) },
    ];
    rows.extend(refused.map(|case| Case { event: Event::Refused, ..case }));
    rows
}

/// Keys that a recording of today does not give to a computer of tomorrow: ML-KEM beside X25519 in
/// every exchange (RFC 9370), and a secret that goes into all keys (RFC 8784).
fn post_quantum(ours: &Case, theirs: &Case) -> Vec<Case> {
    let by = |plain: &Case, event, narrow| Case {
        daemon: Daemon::StrongSwan6,
        ike: "aes128gcm16-prfsha256-x25519-ke1_mlkem768",
        esp: "aes128gcm16-x25519-ke1_mlkem768",
        event,
        narrow,
        ..plain.clone()
    };
    let ppk = |plain: &Case| Case { auth: Auth::Ppk, ..plain.clone() };
    vec![
        by(ours, Event::RekeyChild(Side::Ours), false),
        by(ours, Event::RekeyIke(Side::Theirs), true),
        by(theirs, Event::RekeyChild(Side::Theirs), true),
        by(theirs, Event::RekeyIke(Side::Ours), false),
        Case { event: Event::RekeyIke(Side::Ours), ..ppk(ours) },
        ppk(theirs),
        Case { auth: Auth::WrongPpk, event: Event::Refused, ..theirs.clone() },
    ]
}

/// Rows with a guest: ESP by its kernel, in transport mode and without UDP, and Libreswan.
pub fn with_guest() -> Vec<Case> {
    let ours = Case::new(Side::Ours);
    let theirs = Case::new(Side::Theirs);
    let [rekey, by_peer] = [Side::Ours, Side::Theirs].map(Event::RekeyChild);
    let libreswan = Case { daemon: Daemon::Libreswan, ..ours.clone() };
    let calls = |plain: &Case| Case { initiator: Side::Theirs, ..plain.clone() };
    let certificate = Auth::Certificate(Kind::Ecdsa256);
    let (gre, ipip) = (Mode::TransportGre, Mode::TransportIpip);
    vec![
        Case { esp: "aes128gcm16-esn-x25519", event: rekey, ..ours.clone() },
        Case { esp: "aes256-sha256-esn", event: rekey, ..ours.clone() },
        Case { mode: gre, event: Event::RekeyIke(Side::Theirs), ..ours.clone() },
        Case { mode: ipip, event: rekey, ..ours.clone() },
        Case { mode: gre, event: rekey, ..version_1(&ours) },
        Case { mode: ipip, ..version_1(&theirs) },
        Case { esp: "null-sha1", event: by_peer, ..theirs },
        Case { event: rekey, ..libreswan.clone() },
        Case { event: Event::RekeyIke(Side::Theirs), ..libreswan.clone() },
        Case { event: Event::Delete(Side::Theirs), ..libreswan.clone() },
        Case { auth: certificate, ..libreswan.clone() },
        Case { esp: "aes128gcm16-x25519", event: by_peer, ..calls(&libreswan) },
        Case { auth: certificate, ..calls(&libreswan) },
        Case { event: rekey, ..version_1(&libreswan) },
        Case { event: Event::Delete(Side::Theirs), ..calls(&version_1(&libreswan)) },
    ]
}
