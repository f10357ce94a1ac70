//! Every option that is not the default arrives where it belongs.

use config::{
    Action, Crypto, Df, Dscp, Ecn, Gre, Idle, L2tp, Limit, Mss, PortMode, RouteTarget, Suite, Tfc,
    Ttl, TunnelKind, parse,
};

const ALL_OPTIONS: &str = r#"
[gateway]
name = "g"
cores = [3, 1]
control_socket = "/tmp/g.sock"
idle = "spin"
crypto = "portable"

[[port]]
name = "a"
device = "eth0"
role = "outside"
mode = "zerocopy"
[[port]]
name = "b"
device = "eth1"
role = "inside"
mode = "generic"
addresses = ["10.1.0.1/24", "10.1.0.2/24", "10.9.0.0/31"]

[[tunnel]]
name = "null"
kind = "esp"
local = "192.0.2.1"
remote = "192.0.2.2"
local_subnets = ["10.1.0.0/24", "10.9.0.0/31"]
remote_subnets = ["10.2.0.0/24"]
mtu = 576
ttl = 255
dscp = 46
ecn = "clear"
df = "set"
mss = 1200
sa.suite = "null-md5"
sa.esn = true
sa.replay_window = 65536
sa.tfc = 500
sa.soft_packets = 5
sa.hard_packets = 6
sa.hard_bytes = 7
sa.soft_seconds = 8
sa.out = { spi = 4294967295, authentication_key = "0x0102030405060708090A0B0C0D0E0F10" }
sa.in = { spi = 256, authentication_key = "1102030405060708090a0b0c0d0e0f10" }

[[tunnel]]
name = "vti"
kind = "vti"
local = "192.0.2.1"
remote = "192.0.2.2"
df = "clear"
dscp = "copy"
ttl = "copy"
mss = "off"
mtu = 9200
[tunnel.sa]
suite = "aes256-sha1"
udp_encapsulation = true
keepalive = 0
tfc = "mtu"
replay_window = 0
[tunnel.sa.out]
spi = 0x2001
encryption_key = "0x2102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
authentication_key = "0x3102030405060708090a0b0c0d0e0f1011121314"
[tunnel.sa.in]
spi = 0x2002
encryption_key = "0x4102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
authentication_key = "0x5102030405060708090a0b0c0d0e0f1011121314"

[[tunnel]]
name = "web"
kind = "esp"
local = "2001:db8::1"
remote = "2001:db8::2"
[[tunnel.selector]]
local = ["10.1.0.0/24"]
remote = ["10.3.0.0/24", "10.4.0.10-10.4.0.20"]
protocol = "tcp"
local_ports = "1024-65535"
remote_ports = 443
[[tunnel.selector]]
local = ["fd01::/64"]
remote = ["fd02::/64"]
protocol = 6
[tunnel.sa]
suite = "aes128gcm16"
[tunnel.sa.out]
spi = 0x3001
encryption_key = "0x6102030405060708090a0b0c0d0e0f1011121314"
[tunnel.sa.in]
spi = 0x3002
encryption_key = "0x7102030405060708090a0b0c0d0e0f1011121314"

[[tunnel]]
name = "gre"
kind = "gre"
local = "192.0.2.1"
remote = "192.0.2.3"
address = ["10.255.0.1/30", "fd00:1::1/64"]
key = 0
checksum = true
sequence = true

[[tunnel]]
name = "l2tp"
kind = "l2tp"
local = "192.0.2.1"
remote = "192.0.2.4"
address = "10.255.0.5/30"
local_tunnel_id = 1
remote_tunnel_id = 2
local_session_id = 3
remote_session_id = 65535
length = false
sequence = true
offset = 16
pfc = false
acfc = false
[tunnel.sa]
suite = "aes128gcm16"
[tunnel.sa.out]
spi = 0x4001
encryption_key = "0x8102030405060708090a0b0c0d0e0f1011121314"
[tunnel.sa.in]
spi = 0x4002
encryption_key = "0x9102030405060708090a0b0c0d0e0f1011121314"

[[tunnel]]
name = "cloud"
kind = "mgre"
local = "192.0.2.1"
key = 7
address = "10.254.0.1/24"
[[tunnel.peer]]
name = "spoke-2"
remote = "192.0.2.5"
address = "10.254.0.2"

[[tunnel]]
name = "hub"
kind = "vti"
local = "192.0.2.1"
[[tunnel.peer]]
name = "branch"
remote = "any"
subnets = ["10.20.0.0/16"]
[tunnel.peer.sa]
suite = "aes128gcm16"
[tunnel.peer.sa.out]
spi = 0x5001
encryption_key = "0xa102030405060708090a0b0c0d0e0f1011121314"
[tunnel.peer.sa.in]
spi = 0x5002
encryption_key = "0xb102030405060708090a0b0c0d0e0f1011121314"

[[policy]]
action = "discard"
protocol = "tcp"
remote_ports = 23
[[policy]]
action = "bypass"
remote = ["10.2.0.53-10.2.0.53"]
[[policy]]
action = "protect"
tunnel = "web"
remote = ["10.2.0.0/25"]

[[route]]
prefix = "239.0.0.0/8"
tunnel = "cloud"
[[route]]
prefix = "10.30.0.0/16"
tunnel = "cloud"
via = "10.254.0.2"
[[route]]
prefix = "ff05::/16"
port = "b"
[[route]]
prefix = "0.0.0.0/0"
tunnel = "vti"
[[route]]
prefix = "10.7.0.0/16"
via = "10.1.0.9"
"#;

#[test]
fn every_option_is_taken_as_written() {
    let config = parse("x.toml", ALL_OPTIONS, "").unwrap_or_else(|report| panic!("{report}"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let gateway = &config.gateway;
    assert_eq!((gateway.name.as_str(), gateway.workers, gateway.idle), ("g", 2, Idle::Spin));
    assert_eq!(gateway.crypto, Crypto::Portable);
    assert_eq!(gateway.cores.as_ref().unwrap().get_ref(), &[3, 1]);
    assert_eq!(gateway.control_socket.to_str(), Some("/tmp/g.sock"));
    let [a, b] = config.ports.as_slice() else { panic!("{:?}", config.ports) };
    assert_eq!((a.mode, a.addresses.len()), (PortMode::ZeroCopy, 0));
    assert_eq!((b.mode, b.addresses.len()), (PortMode::Generic, 3));

    let [null, vti, ..] = config.tunnels.as_slice() else { panic!("{:?}", config.tunnels) };
    assert_eq!(
        (null.mtu, null.outer.ttl, null.mss),
        (Some(576), Ttl::Fixed(255), Mss::Fixed(1200))
    );
    let outer = null.outer;
    assert_eq!((outer.dscp, outer.ecn, outer.df), (Dscp::Fixed(46), Ecn::Clear, Df::Set));
    let sa = null.protection.manual().unwrap();
    assert_eq!((sa.tfc, sa.udp_encapsulation), (Some(Tfc::Bytes(500)), false));
    let life = sa.lifetime;
    assert_eq!(life.packets, Limit { soft: Some(5), hard: Some(6) });
    assert_eq!((life.bytes.hard, life.bytes.soft, life.seconds.soft), (Some(7), None, Some(8)));
    assert_eq!((sa.suite, sa.esn, sa.replay_window), (Suite::NULL_MD5, true, 65536));
    assert_eq!((sa.outbound.spi, sa.inbound.spi), (u32::MAX, 256));
    assert!(sa.outbound.encryption.is_empty());
    assert_eq!(sa.outbound.authentication.expose()[9..], [10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(sa.inbound.authentication.expose()[0], 0x11);

    assert!(matches!(vti.kind, TunnelKind::Vti) && vti.addresses.is_empty());
    let outer = vti.outer;
    assert_eq!((outer.dscp, outer.ecn, outer.df), (Dscp::Copy, Ecn::Copy, Df::Clear));
    assert_eq!((outer.ttl, vti.mss), (Ttl::Copy, Mss::Off));
    let sa = vti.protection.manual().unwrap();
    assert_eq!((sa.tfc, sa.udp_encapsulation, sa.keepalive_s), (Some(Tfc::Mtu), true, None));
    assert_eq!((sa.suite, sa.esn, sa.replay_window), (Suite::AES256_SHA1, false, 0));
    assert_eq!((sa.inbound.encryption.len(), sa.inbound.authentication.len()), (32, 20));

    assert!(matches!(config.routes[0].target, RouteTarget::Peer(5, None)));
    let RouteTarget::Peer(5, Some(via)) = &config.routes[1].target else { panic!() };
    assert_eq!(via.get_ref().to_string(), "10.254.0.2");
    assert!(matches!(config.routes[2].target, RouteTarget::Port(1)));
    assert!(matches!(config.routes[3].target, RouteTarget::Tunnel(1)));
    let RouteTarget::Via(via) = &config.routes[4].target else { panic!("{:?}", config.routes) };
    assert_eq!(via.get_ref().to_string(), "10.1.0.9");
}

#[test]
fn every_option_of_the_kinds_with_headers_of_their_own_is_taken_as_written() {
    let config = parse("x.toml", ALL_OPTIONS, "").unwrap_or_else(|report| panic!("{report}"));
    let [_, _, web, gre, l2tp, cloud, hub] = config.tunnels.as_slice() else { panic!() };
    let TunnelKind::Esp(selectors) = &web.kind else { panic!("{web:?}") };
    let [tcp, six] = selectors.as_slice() else { panic!("{selectors:?}") };
    assert_eq!((tcp.protocol, six.protocol), (Some(6), Some(6)));
    assert_eq!((&tcp.local_ports, &tcp.remote_ports), (&Some(1024..=65535), &Some(443..=443)));
    let remote: Vec<_> = tcp.remote.iter().map(ToString::to_string).collect();
    assert_eq!(remote, ["10.3.0.0/24", "10.4.0.10-10.4.0.20"]);
    let prefixes: Vec<_> = tcp.remote[1].prefixes().iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["10.4.0.10/31", "10.4.0.12/30", "10.4.0.16/30", "10.4.0.20/32"]);
    let fields = Gre { key: Some(0), checksum: true, sequence: true };
    assert!(matches!(gre.kind, TunnelKind::Gre(found) if found == fields));
    assert_eq!((gre.addresses.len(), gre.protection.is_clear()), (2, true));
    let session = L2tp {
        local_tunnel_id: 1,
        remote_tunnel_id: 2,
        local_session_id: 3,
        remote_session_id: 65535,
        length: false,
        sequence: true,
        offset: Some(16),
        pfc: false,
        acfc: false,
    };
    assert!(matches!(l2tp.kind, TunnelKind::L2tp(found) if found == session));
    assert!(matches!(cloud.kind, TunnelKind::Mgre(Gre { key: Some(7), .. })));
    let [spoke] = cloud.peers.as_slice() else { panic!("{cloud:?}") };
    assert_eq!(spoke.address.as_ref().unwrap().get_ref().to_string(), "10.254.0.2");
    assert!(spoke.protection.is_clear() && spoke.remote.is_some());
    assert!(matches!(hub.kind, TunnelKind::DynamicVti) && hub.remote.is_none());
    assert!(hub.peers[0].remote.is_none() && hub.peers[0].protection.manual().is_some());
    let actions: Vec<_> = config.policies.iter().map(|policy| policy.action).collect();
    assert_eq!(actions, [Action::Discard, Action::Bypass, Action::Protect(2)]);
    assert!(config.policies[0].selector.remote.is_empty());
}

#[test]
fn keys_stay_out_of_debug_output() {
    let config = parse("x.toml", ALL_OPTIONS, "").unwrap_or_else(|report| panic!("{report}"));
    let debug = format!("{config:?}").to_lowercase();
    assert!(debug.contains("null-md5"));
    assert!(!debug.contains("0102030405060708"), "{debug}");
    assert!(!debug.contains("2, 3, 4, 5, 6, 7"), "{debug}");
}
