//! What `[[ike]]`, `[tunnel.ike]` and the secrets file mean to IKE.

use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use config::{Config, PeerChange, Protection, TunnelKind, load, parse};
use ike::policy::{
    DpdAction, LocalAuth, Mode, RemoteAuth, SelectorAddresses, SelectorTemplate, Start, Versions,
};
use tempfile::TempDir;

const PORTS: &str = r#"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
[[port]]
name = "wan"
device = "wan0"
role = "outside"
"#;

const PEER: &str = r#"
[[ike]]
name = "b"
local = "203.0.113.1"
remote = "203.0.113.2"
psk = "a secret of good length"
"#;

/// A gateway with the peer `b` and these lines.
fn gateway(lines: &str) -> Config {
    let text = format!("{PORTS}{PEER}{lines}");
    parse("t.toml", &text, "").unwrap_or_else(|report| panic!("{report}"))
}

fn tunnel(kind: &str, lines: &str) -> String {
    format!(
        "[[tunnel]]\nname = \"to-b\"\nkind = \"{kind}\"\nlocal = \"203.0.113.1\"\n\
         remote = \"203.0.113.2\"\n{lines}\n"
    )
}

fn example(name: &str) -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    load(folder.join(name)).unwrap_or_else(|report| panic!("{report}"))
}

/// "ADDRESSES PROTOCOL PORT-PORT" of each selector.
fn shown(side: &[SelectorTemplate]) -> Vec<String> {
    let one = |selector: &SelectorTemplate| {
        let addresses = match &selector.addresses {
            SelectorAddresses::Dynamic => "dynamic".to_owned(),
            SelectorAddresses::Range(first, last) => format!("{first}-{last}"),
        };
        let (first, last) = selector.ports;
        format!("{addresses} {} {first}-{last}", selector.protocol)
    };
    side.iter().map(one).collect()
}

#[test]
fn the_two_core_examples_are_peers() {
    let (a, b) = (example("core.toml"), example("core-peer.toml"));
    let (a, b) = (&a.ike_peers[0], &b.ike_peers[0]);
    assert_eq!((a.local, a.remote), (b.remote, b.local));
    assert_eq!(a.versions, Versions::V2);
    assert!(a.remote_identity.matches(&b.local_identity));
    assert!(b.remote_identity.matches(&a.local_identity));
    let (LocalAuth::Psk(ours), RemoteAuth::Psk(theirs)) = (&a.local_auth, &b.remote_auth) else {
        panic!("both have a pre-shared key");
    };
    assert!(ours == theirs);
    let (ours, theirs) = (&a.children[0], &b.children[0]);
    assert_eq!(shown(&ours.local), shown(&theirs.remote));
    assert_eq!(shown(&ours.local), ["10.1.0.0-10.1.0.255 0 0-65535"]);
    assert_eq!((ours.mode, ours.start), (Mode::Tunnel, Start::Always));
    assert_eq!(ours.proposals, theirs.proposals);
}

#[test]
fn defaults_are_safe_and_lifetimes_leave_time_to_renew() {
    let config = gateway(&tunnel("vti", "ike = \"b\""));
    let peer = &config.ike_peers[0];
    assert!(peer.proposals.iter().all(|proposal| proposal.weakness().is_none()));
    assert_eq!(peer.lifetime.rekey, Duration::from_secs(4 * 3600));
    assert!(peer.lifetime.hard > peer.lifetime.rekey);
    let dpd = peer.dpd.unwrap();
    assert_eq!((dpd.delay, dpd.action), (Duration::from_secs(30), DpdAction::Restart));
    assert!(peer.mobike, "tunnel mode may move");
    let child = &peer.children[0];
    assert_eq!(child.lifetime.rekey, Some(Duration::from_secs(3600)));
    assert!(child.lifetime.rekey_packets < Some(1 << 32), "numbers of 32 bits run out");
    assert_eq!(child.per_worker, 0, "off");
    let Protection::Ike(sa) = &config.tunnels[0].protection else { panic!() };
    assert_eq!((sa.peer, sa.child.as_str(), sa.replay_window), (0, "to-b", 1024));
    assert!(config.warnings.iter().all(|warning| !warning.to_string().contains("weak")));
}

#[test]
fn what_is_protected_follows_from_the_kind_of_tunnel() {
    let sides = |kind: &str, lines: &str| {
        let config = gateway(&tunnel(kind, lines));
        let child = &config.ike_peers[0].children[0];
        (child.mode, shown(&child.local), shown(&child.remote))
    };
    let all = |text: &str| vec![text.to_owned()];
    let any = vec![
        "0.0.0.0-255.255.255.255 0 0-65535".to_owned(),
        "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 0 0-65535".to_owned(),
    ];
    assert_eq!(sides("vti", "ike = \"b\""), (Mode::Tunnel, any.clone(), any));
    let gre = all("dynamic 47 0-65535");
    assert_eq!(sides("gre", "ike = \"b\""), (Mode::Transport, gre.clone(), gre));
    let ipip = all("dynamic 4 0-65535");
    assert_eq!(sides("ipip", "ike = \"b\""), (Mode::Transport, ipip.clone(), ipip));
    let six = "address = \"fd00::1/64\"\nike = \"b\"";
    assert_eq!(sides("ipip", six).1, ["dynamic 41 0-65535"]);
    let numbers = "local_tunnel_id = 1\nremote_tunnel_id = 1\nlocal_session_id = 1\n\
                   remote_session_id = 1\nike = \"b\"";
    let l2tp = all("dynamic 17 1701-1701");
    assert_eq!(sides("l2tp", numbers), (Mode::Transport, l2tp.clone(), l2tp));
    let hosts = "[tunnel.ike]\npeer = \"b\"\nmode = \"tunnel\"";
    assert_eq!(
        sides("gre", hosts),
        (
            Mode::Tunnel,
            all("203.0.113.1-203.0.113.1 47 0-65535"),
            all("203.0.113.2-203.0.113.2 47 0-65535"),
        )
    );
    let esp = "local_subnets = [\"10.1.0.0/24\"]\nremote_subnets = [\"10.2.0.5-10.2.0.9\"]\n\
               protocol = \"tcp\"\nremote_ports = 443\nike = \"b\"";
    assert_eq!(
        sides("esp", esp),
        (Mode::Tunnel, all("10.1.0.0-10.1.0.255 6 0-65535"), all("10.2.0.5-10.2.0.9 6 443-443"),)
    );
}

#[test]
fn gre_between_loopbacks_is_protected_between_the_public_addresses() {
    let config = gateway(
        "[[tunnel]]\nname = \"to-b\"\nkind = \"gre\"\nlocal = \"192.168.255.1\"\n\
         remote = \"192.168.255.2\"\n[tunnel.ike]\npeer = \"b\"\nmode = \"tunnel\"\n\
         local = \"203.0.113.1\"\nremote = \"203.0.113.2\"\n",
    );
    let child = &config.ike_peers[0].children[0];
    assert_eq!(shown(&child.local), ["192.168.255.1-192.168.255.1 47 0-65535"]);
    let [_, remote] = config.tunnels[0].protection.endpoints().unwrap();
    assert_eq!(*remote.get_ref(), "203.0.113.2".parse::<IpAddr>().unwrap());
}

#[test]
fn the_hub_is_a_template_and_its_spokes_stay_within_their_networks() {
    let hub = example("ikev2-hub.toml");
    assert!(matches!(hub.tunnels[0].kind, TunnelKind::DynamicVti));
    assert!(hub.tunnels[0].remote.is_none() && hub.tunnels[0].peers.is_empty());
    let branches = &hub.ike_peers[0];
    assert_eq!((branches.remote, branches.children[0].start), (None, Start::Never));
    assert!(branches.remote_identity.matches(&"7.branch.example.org".parse().unwrap()));
    assert!(!branches.remote_identity.matches(&"7.example.org".parse().unwrap()));
    let remote = shown(&branches.children[0].remote);
    assert_eq!(remote[0], "10.2.0.0-10.3.255.255 0 0-65535");
    let ninth = &hub.ike_peers[1];
    assert_eq!(ninth.ppk.as_ref().map(|ppk| (ppk.secret.len(), ppk.required)), Some((32, false)));
    assert!(!ninth.proposals[0].additional[0].is_empty());
}

#[test]
fn the_ikev1_example_warns_of_what_is_weak_and_protects_gre() {
    let config = example("ikev1-gre.toml");
    let peer = &config.ike_peers[0];
    assert_eq!((peer.versions, peer.mobike), (Versions::V1, false));
    let weak = config.warnings.iter().filter(|warning| warning.title().contains("weak")).count();
    assert_eq!(weak, 2);
    assert_eq!(shown(&peer.children[0].local), ["dynamic 47 0-65535"]);
    let explained = config.explain();
    assert!(explained.contains("peer router-b: IKEv1"), "{explained}");
    assert!(explained.contains("weak: sha1"), "{explained}");
}

#[test]
fn the_certificates_example_proves_names() {
    let config = example("ikev2-certificates.toml");
    let peer = &config.ike_peers[0];
    assert_eq!(peer.local_identity.to_string(), "a.example.org");
    let LocalAuth::Certificate(credential) = &peer.local_auth else { panic!() };
    assert!(credential.certificate().names(&peer.local_identity));
    assert!(matches!(peer.remote_auth, RemoteAuth::Certificate(_)));
    assert!(!config.source.text().contains("MIGH"), "the private key is hidden");
}

#[test]
fn one_peer_may_have_several_tunnels() {
    let esp = |name: &str, net: &str| {
        format!(
            "[[tunnel]]\nname = \"{name}\"\nkind = \"esp\"\nlocal = \"203.0.113.1\"\n\
             remote = \"203.0.113.2\"\nlocal_subnets = [\"10.1.0.0/24\"]\n\
             remote_subnets = [\"{net}\"]\nike = \"b\"\n"
        )
    };
    let config = gateway(&(esp("x", "10.2.0.0/24") + &esp("y", "10.3.0.0/24")));
    let names: Vec<_> = config.ike_peers[0].children.iter().map(|child| &*child.name).collect();
    assert_eq!(names, ["x", "y"]);
}

#[test]
fn secrets_come_from_a_file_that_only_its_owner_reads() {
    let dir = TempDir::new().unwrap();
    let main =
        format!("[secrets]\nfile = \"s.toml\"\n{PORTS}{PEER}{}", tunnel("vti", "ike = \"b\""));
    let main = main.replace("psk = \"a secret of good length\"\n", "");
    let secrets = dir.path().join("s.toml");
    let read = |content: &str, mode: u32| {
        fs::write(&secrets, content).unwrap();
        fs::set_permissions(&secrets, fs::Permissions::from_mode(mode)).unwrap();
        parse("t.toml", &main, dir.path())
    };
    let good = "[psk]\nb = \"correct horse battery staple\"\n";
    let config = read(good, 0o600).unwrap_or_else(|report| panic!("{report}"));
    let LocalAuth::Psk(psk) = &config.ike_peers[0].local_auth else { panic!() };
    assert_eq!(psk.expose(), b"correct horse battery staple");
    for (content, mode, word) in [
        (good, 0o640, "is open to others"),
        ("[psk]\nb = 7\n", 0o600, "line 2 is not text in quotes"),
        ("[psk]\nb = hunter2 staple\n", 0o600, "line 2 is not TOML"),
        ("[psks]\nb = \"hunter2 staple\"\n", 0o600, "line 1 is none of [psk], [ppk] and [ospf]"),
        ("[psk]\nbb = \"hunter2 staple\"\n", 0o600, "did you mean `psk = \"secrets:bb\"`?"),
        ("[psk]\nb = \"0xabc\"\n", 0o600, "neither pairs of hexadecimal digits"),
        ("[psk]\nb = \"\"\n", 0o600, "`psk` is empty"),
    ] {
        let message = read(content, mode).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("horse"), "{message}");
    }
    let encoded = "[psk]\nb = \"0sAAECAwQFBgcICQoLDA0ODw==\"\n";
    let config = read(encoded, 0o600).unwrap_or_else(|report| panic!("{report}"));
    let LocalAuth::Psk(psk) = &config.ike_peers[0].local_auth else { panic!() };
    assert_eq!(psk.expose(), (0..16).collect::<Vec<u8>>());
}

#[test]
fn a_reload_tells_which_peers_changed_and_how() {
    let old = gateway(&tunnel("vti", "ike = \"b\""));
    assert_eq!(gateway(&tunnel("vti", "mtu = 1300\nike = \"b\"")).peer_changes(&old), []);
    let child = "[tunnel.ike]\npeer = \"b\"\nrekey = \"2h\"";
    let changes = gateway(&tunnel("vti", child)).peer_changes(&old);
    assert_eq!(changes, [("b".to_owned(), PeerChange::Children(vec!["to-b".to_owned()]))]);
    let other = |text: String| parse("t.toml", &text, "").unwrap_or_else(|it| panic!("{it}"));
    let text = format!("{PORTS}{PEER}{}", tunnel("vti", "ike = \"b\""));
    let secret = other(text.replace("of good length", "of a good length"));
    assert_eq!(secret.peer_changes(&old), [("b".to_owned(), PeerChange::Settings)]);
    let renamed = other(text.replace("\"b\"", "\"c\""));
    assert_eq!(
        renamed.peer_changes(&old),
        [("c".to_owned(), PeerChange::Added), ("b".to_owned(), PeerChange::Removed),]
    );
}

#[test]
fn pairs_for_single_workers_are_as_many_as_workers() {
    for (flag, expected) in [("true", 3), ("false", 0)] {
        let lines = format!("[tunnel.ike]\npeer = \"b\"\nper_worker = {flag}");
        let text = format!("[gateway]\nworkers = 3\n{}", tunnel("vti", &lines));
        let config = gateway(&text);
        assert_eq!(config.ike_peers[0].children[0].per_worker, expected);
        let told = config.explain().contains("a pair for each of 3 workers, if the peer can");
        assert_eq!(told, expected > 0);
    }
}
