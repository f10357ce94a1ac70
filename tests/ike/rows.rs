//! The rows of the report.

use crate::{
    case::{Auth, Case, Daemon, Event, Mode, Side},
    certificates::Kind,
};

const SIDES: [Side; 2] = [Side::Ours, Side::Theirs];

/// Proposals that both versions of both daemons are tried with, IKE's and ESP's.
const V2_SUITES: [(&str, &str); 16] = [
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519"),
    ("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384"),
    ("chacha20poly1305-prfsha256-x25519", "chacha20poly1305-x25519"),
    ("aes128gcm16-prfsha256-ecp256", "aes128gcm16-ecp256"),
    ("aes192gcm16-prfsha512-modp2048", "aes192gcm16-modp2048"),
    ("aes128-sha256-modp2048", "aes128-sha256-modp2048"),
    ("aes256-sha512-modp4096", "aes256-sha512-modp4096"),
    ("aes192-sha384-modp3072", "aes192-sha384-modp3072"),
    ("aes128-sha1-modp2048", "aes128-sha1"),
    ("aes256-sha256-ecp256", "aes256-sha256-ecp256"),
    ("aes128-sha256-x25519", "null-sha256-x25519"),
    ("aes256-sha384-ecp384", "null-sha1"),
    ("aes256gcm16-prfsha256-modp3072", "aes256gcm16-modp3072"),
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

const GOOD_KINDS: [Kind; 4] = [Kind::Ecdsa256, Kind::Ecdsa384, Kind::Rsa, Kind::Ed25519];
const BAD_KINDS: [Kind; 4] = [Kind::Revoked, Kind::Expired, Kind::Stranger, Kind::Misnamed];

/// What happens in a quiet network, by both ends and to both.
const EVENTS: [Event; 12] = [
    Event::RekeyIke(Side::Ours),
    Event::RekeyIke(Side::Theirs),
    Event::RekeyChildBoth,
    Event::RekeyIkeBoth,
    Event::Reauthenticate(Side::Theirs),
    Event::Death(Side::Ours),
    Event::Death(Side::Theirs),
    Event::Restart(Side::Ours),
    Event::Restart(Side::Theirs),
    Event::Delete(Side::Ours),
    Event::Delete(Side::Theirs),
    Event::Move,
];

/// IKEv1 has no keys of its own to renew without authenticating, and no moves.
const V1_EVENTS: [Event; 9] = [
    Event::RekeyIke(Side::Ours),
    Event::RekeyIke(Side::Theirs),
    Event::RekeyChildBoth,
    Event::Death(Side::Ours),
    Event::Death(Side::Theirs),
    Event::Restart(Side::Ours),
    Event::Restart(Side::Theirs),
    Event::Delete(Side::Ours),
    Event::Delete(Side::Theirs),
];

/// All rows between namespaces.
pub fn between_namespaces() -> Vec<Case> {
    let mut rows = Vec::new();
    for initiator in SIDES {
        rows.extend(version_2(initiator));
        rows.extend(version_1(initiator));
    }
    rows
}

fn version_2(initiator: Side) -> Vec<Case> {
    let plain = Case::new(initiator);
    let mut rows = Vec::new();
    for (ike, esp) in V2_SUITES {
        rows.push(Case { ike, esp, event: Event::RekeyChild(initiator), ..plain.clone() });
    }
    rows.push(Case { event: Event::RekeyChild(initiator.other()), ..plain.clone() });
    for event in EVENTS {
        // Whoever has called may move; whoever has not says where it is and waits to be moved to
        // (RFC 4555 section 3.5), with addresses that were there from the start.
        if event != Event::Move || initiator == Side::Theirs {
            rows.push(Case { event, ..plain.clone() });
        }
    }
    if initiator == Side::Ours {
        rows.push(Case { event: Event::OnDemand, ..plain.clone() });
    }
    for event in [Event::None, Event::RekeyIke(initiator.other()), Event::Rebind] {
        rows.push(Case { event, nat: Some(initiator), ..plain.clone() });
    }
    for kind in GOOD_KINDS {
        rows.push(Case { auth: Auth::Certificate(kind), ..plain.clone() });
    }
    let auth = Auth::Certificate(Kind::LongChain);
    rows.push(Case { auth, narrow: true, ..plain.clone() });
    rows.extend(refusals(&plain, &BAD_KINDS));
    rows
}

fn version_1(initiator: Side) -> Vec<Case> {
    let (ike, esp) = V1_SUITES[0];
    let plain = Case { version: 1, ike, esp, ..Case::new(initiator) };
    let mut rows = Vec::new();
    for (ike, esp) in V1_SUITES {
        rows.push(Case { ike, esp, event: Event::RekeyChild(initiator), ..plain.clone() });
    }
    rows.push(Case { event: Event::RekeyChild(initiator.other()), ..plain.clone() });
    // Each death takes a DPD interval of seconds: once is enough.
    let wanted = V1_EVENTS.iter().filter(|event| initiator == Side::Ours || !event.keeps_up());
    rows.extend(wanted.map(|&event| Case { event, ..plain.clone() }));
    rows.push(Case { nat: Some(initiator), ..plain.clone() });
    rows.push(Case { auth: Auth::Certificate(Kind::Rsa), ..plain.clone() });
    rows.extend(refusals(&plain, &[]));
    rows
}

fn refusals(plain: &Case, kinds: &[Kind]) -> Vec<Case> {
    let auths = kinds.iter().map(|kind| Auth::Certificate(*kind)).chain([Auth::WrongPsk]);
    auths.map(|auth| Case { auth, event: Event::Refused, ..plain.clone() }).collect()
}

/// Rows with a guest: ESP by its kernel, in transport mode and without UDP, and Libreswan.
pub fn with_guest() -> Vec<Case> {
    let mut rows = Vec::new();
    for initiator in SIDES {
        let plain = Case::new(initiator);
        let rekey = Event::RekeyChild(initiator);
        for esp in ["aes128gcm16-esn-x25519", "aes256-sha256-esn", "chacha20poly1305", "null-sha1"]
        {
            rows.push(Case { esp, event: rekey, ..plain.clone() });
        }
        for mode in [Mode::TransportGre, Mode::TransportIpip] {
            rows.push(Case { mode, event: rekey, ..plain.clone() });
        }
        let mode = Mode::TransportGre;
        rows.push(Case { mode, event: Event::RekeyIke(initiator.other()), ..plain.clone() });
        rows.push(Case { event: Event::Restart(Side::Theirs), ..plain.clone() });
        let (ike, esp) = V1_SUITES[0];
        let version_1 = Case { version: 1, ike, esp, ..plain.clone() };
        rows.push(version_1.clone());
        rows.push(Case { mode, event: rekey, ..version_1.clone() });
        rows.push(Case { mode: Mode::TransportIpip, ..version_1.clone() });

        let libreswan = Case { daemon: Daemon::Libreswan, ..plain };
        for event in [rekey, Event::RekeyIke(Side::Theirs), Event::Delete(Side::Theirs)] {
            rows.push(Case { event, ..libreswan.clone() });
        }
        let auth = Auth::Certificate(Kind::Ecdsa256);
        rows.push(Case { auth, ..libreswan.clone() });
        rows.push(Case { mode, ..libreswan.clone() });
        rows.push(Case { version: 1, ike: "aes128-sha256-modp2048", esp, ..libreswan });
    }
    rows
}
