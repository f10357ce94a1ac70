//! The examples that users start from: every file in `configs/` loads, and means what it says.

use std::{fs, path::PathBuf};

use config::{Action, Config, Role, RouteTarget, Suite, TunnelKind, load};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

fn example(name: &str) -> Config {
    load(folder().join(name)).unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn every_example_loads_and_is_explained_without_its_keys() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let config = load(&path).unwrap_or_else(|report| panic!("{report}"));
            let explained = config.explain();
            for tunnel in &config.tunnels {
                assert!(explained.contains(&tunnel.name), "{explained}");
            }
            let text = fs::read_to_string(&path).unwrap();
            for key in text.split("\"0x").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(!explained.contains(key));
                assert!(!config.source.text().contains(key));
            }
            count += 1;
        }
    }
    assert!(count >= 5, "{count} examples");
}

#[test]
fn ospf_is_spoken_in_the_tunnel_and_on_the_lan() {
    let explained = example("ospf.toml").explain();
    for line in [
        "OSPF router 10.255.0.1",
        "    to-b: area 0.0.0.0, point-to-point, cost 20, hello every 10 s, dead after 40 s, \
         proven by digests, watched by BFD, 3 x 300 ms",
        "    lan: area 0.0.0.0, broadcast, cost 10, hello every 10 s, dead after 40 s, \
         nothing proven",
    ] {
        assert!(explained.lines().any(|known| known == line), "{explained}");
    }
}

#[test]
fn manual_is_a_policy_tunnel_with_the_demonstration_keys() {
    let config = example("manual.toml");
    assert_eq!(config.gateway.name, "site-a");
    assert_eq!(config.gateway.control_socket, PathBuf::from("/run/fastgw/site-a.sock"));
    assert_eq!((config.gateway.workers, config.gateway.cores.is_none()), (1, true));
    let lan = config.ports_of(Role::Inside).next().unwrap();
    assert_eq!((lan.name.as_str(), lan.device.get_ref().as_str()), ("lan", "lan0"));
    let tunnel = &config.tunnels[0];
    let TunnelKind::Esp(selectors) = &tunnel.kind else { panic!("{tunnel:?}") };
    assert_eq!(selectors[0].local[0].to_string(), "10.1.0.0/24");
    assert_eq!(selectors[0].remote[0].to_string(), "10.2.0.0/24");
    let sa = tunnel.protection.manual().unwrap();
    assert_eq!((sa.suite, sa.replay_window, sa.esn), (Suite::AES256GCM16, 1024, false));
    assert_eq!((sa.outbound.spi, sa.inbound.spi), (0x1001, 0x1002));
    let key = sa.outbound.encryption.expose();
    assert_eq!((key.len(), &key[..2], &key[34..]), (36, &[0xff, 0xf3][..], &[0x03, 0xd2][..]));
    assert!(sa.outbound.authentication.is_empty());
}

#[test]
fn manual_and_its_peer_are_mirrors() {
    let (a, b) = (example("manual.toml"), example("manual-peer.toml"));
    let (a, b) = (&a.tunnels[0], &b.tunnels[0]);
    let remote = |tunnel: &config::Tunnel| *tunnel.remote.as_ref().unwrap().get_ref();
    assert_eq!((*a.local.get_ref(), remote(a)), (remote(b), *b.local.get_ref()));
    let (a, b) = (a.protection.manual().unwrap(), b.protection.manual().unwrap());
    assert_eq!(a.suite, b.suite);
    for (ours, theirs) in [(&a.outbound, &b.inbound), (&a.inbound, &b.outbound)] {
        assert_eq!(ours.spi, theirs.spi);
        assert!(ours.encryption.expose() == theirs.encryption.expose());
    }
}

#[test]
fn routes_of_the_vti_example_lead_into_its_tunnel() {
    let config = example("vti.toml");
    assert_eq!(config.gateway.name, "vti", "the file's stem");
    assert_eq!(config.routes.len(), 2);
    for route in &config.routes {
        assert!(matches!(route.target, RouteTarget::Tunnel(0)), "{route:?}");
    }
    assert_eq!(config.tunnels[0].addresses[0].get_ref().to_string(), "10.255.0.1/30");
}

#[test]
fn the_account_of_a_file_says_what_the_gateway_will_do() {
    assert_eq!(
        example("manual.toml").explain(),
        "\
gateway site-a: 1 worker on a core of fastgw's choice, sleeps when idle
    control socket /run/fastgw/site-a.sock
port lan: inside, for clear traffic of our sites
    device lan0 in the fastest mode it offers, 10.1.0.1/24
port wan: outside, for tunnels; clear traffic is left to the kernel
    device wan0 in the fastest mode it offers, 203.0.113.1/24
tunnel to-b: ESP by policy, from 203.0.113.1 to 203.0.113.2
    packets between 10.1.0.0/24 here and 10.2.0.0/24 there, no others
    aes256gcm16, manual keys, SPI 0x1001 out and 0x1002 in
    32-bit sequence numbers, replay window 1024 packets
    outer header: TTL 64, DSCP copied, DF copied; inner MTU: whatever fits the port it leaves by; \
TCP segments as fit
"
    );
    let explained = example("vti.toml").explain();
    assert!(explained.contains("whatever routes lead into it, own address 10.255.0.1/30\n"));
    assert!(explained.ends_with("route 10.0.0.0/8 into tunnel to-b\n"), "{explained}");
    let explained = example("site-to-site.toml").explain();
    assert!(explained.contains("2 workers on cores 2, 3, sleeps when idle\n"), "{explained}");
    assert!(explained.contains("64-bit sequence numbers, replay window 4096"), "{explained}");
    assert!(explained.contains("192.168.20.0/24 via 192.168.10.254"), "{explained}");
}

#[test]
fn what_only_the_running_system_knows_is_reported_at_its_line() {
    let config = example("core.toml");
    let device = &config.ports[0].device;
    let error = config.span_error(device.span(), "no interface lan0", "not there", "see `ip link`");
    let (line, column) = error.position().unwrap();
    assert_eq!(config.source.text().lines().nth(line - 1), Some("device = \"lan0\""));
    assert_eq!(column, 10);
    let message = error.to_string();
    assert!(message.starts_with("error: no interface lan0\n"), "{message}");
    assert!(message.ends_with("help: see `ip link`"), "{message}");
    assert_eq!(error.to_json()["line"], line);
}

/// The kinds of an example's tunnels, in order.
fn kinds(name: &str) -> Vec<&'static str> {
    example(name).tunnels.iter().map(|tunnel| tunnel.kind.name()).collect()
}

#[test]
fn every_kind_of_tunnel_has_an_example_of_its_own() {
    for (name, kind) in [
        ("policies.toml", "esp"),
        ("vti-hub.toml", "vti"),
        ("gre-full.toml", "gre"),
        ("gre-ipsec-tunnel.toml", "gre"),
        ("ipip-ipsec-tunnel.toml", "ipip"),
        ("ipip-ipsec-loopback.toml", "ipip"),
        ("l2tp-ipsec.toml", "l2tp"),
        ("dmvpn-hub.toml", "mgre"),
        ("nat-t.toml", "vti"),
    ] {
        assert_eq!(kinds(name), [kind], "{name}");
    }
    assert_eq!(kinds("ipv6.toml"), ["esp", "ipip"]);
}

#[test]
fn the_policies_example_discards_bypasses_and_narrows() {
    let config = example("policies.toml");
    let actions: Vec<_> = config.policies.iter().map(|policy| policy.action).collect();
    assert_eq!(actions, [Action::Discard, Action::Bypass]);
    let TunnelKind::Esp(selectors) = &config.tunnels[0].kind else { panic!() };
    assert_eq!(selectors[0].remote_ports, Some(25..=443));
    assert_eq!(selectors[1].protocol, Some(1));
}

#[test]
fn the_hubs_know_their_peers() {
    let hub = example("vti-hub.toml");
    let remotes: Vec<_> = hub.tunnels[0].peers.iter().map(|peer| peer.remote.is_some()).collect();
    assert_eq!(remotes, [true, false], "the second may be anywhere");
    let cloud = example("dmvpn-hub.toml");
    let tunnel = &cloud.tunnels[0];
    assert!(matches!(tunnel.kind, TunnelKind::Mgre(gre) if gre.key == Some(100)));
    assert!(
        tunnel
            .peers
            .iter()
            .all(|peer| peer.address.is_some() && peer.protection.manual().is_some())
    );
    let multicast =
        cloud.routes.iter().filter(|route| route.prefix.get_ref().addr().is_multicast());
    assert_eq!(multicast.count(), 2);
}
