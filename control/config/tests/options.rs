//! Every option that is not the default arrives where it belongs.

use config::{Df, Dscp, Idle, PortMode, RouteTarget, Suite, TunnelKind, parse};

const ALL_OPTIONS: &str = r#"
[gateway]
name = "g"
cores = [3, 1]
control_socket = "/tmp/g.sock"
idle = "spin"

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
df = "set"
sa.suite = "null-md5"
sa.esn = true
sa.replay_window = 65536
sa.out = { spi = 4294967295, authentication_key = "0x0102030405060708090A0B0C0D0E0F10" }
sa.in = { spi = 256, authentication_key = "1102030405060708090a0b0c0d0e0f10" }

[[tunnel]]
name = "vti"
kind = "vti"
local = "192.0.2.1"
remote = "192.0.2.2"
df = "clear"
dscp = "copy"
mtu = 9200
[tunnel.sa]
suite = "aes256-sha1"
replay_window = 0
[tunnel.sa.out]
spi = 0x2001
encryption_key = "0x2102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
authentication_key = "0x3102030405060708090a0b0c0d0e0f1011121314"
[tunnel.sa.in]
spi = 0x2002
encryption_key = "0x4102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
authentication_key = "0x5102030405060708090a0b0c0d0e0f1011121314"

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
    assert_eq!(gateway.cores.as_ref().unwrap().get_ref(), &[3, 1]);
    assert_eq!(gateway.control_socket.to_str(), Some("/tmp/g.sock"));
    let [a, b] = config.ports.as_slice() else { panic!("{:?}", config.ports) };
    assert_eq!((a.mode, a.addresses.len()), (PortMode::ZeroCopy, 0));
    assert_eq!((b.mode, b.addresses.len()), (PortMode::Generic, 3));

    let [null, vti] = config.tunnels.as_slice() else { panic!("{:?}", config.tunnels) };
    assert_eq!((null.mtu, null.outer.ttl), (Some(576), 255));
    assert_eq!((null.outer.dscp, null.outer.df), (Dscp::Fixed(46), Df::Set));
    let sa = null.sa().unwrap();
    assert_eq!((sa.suite, sa.esn, sa.replay_window), (Suite::NULL_MD5, true, 65536));
    assert_eq!((sa.outbound.spi, sa.inbound.spi), (u32::MAX, 256));
    assert!(sa.outbound.encryption.is_empty());
    assert_eq!(sa.outbound.authentication.expose()[9..], [10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(sa.inbound.authentication.expose()[0], 0x11);

    assert!(matches!(vti.kind, TunnelKind::Vti { address: None, .. }));
    assert_eq!((vti.outer.dscp, vti.outer.df, vti.outer.ttl), (Dscp::Copy, Df::Clear, 64));
    let sa = vti.sa().unwrap();
    assert_eq!((sa.suite, sa.esn, sa.replay_window), (Suite::AES256_SHA1, false, 0));
    assert_eq!((sa.inbound.encryption.len(), sa.inbound.authentication.len()), (32, 20));

    assert!(matches!(config.routes[0].target, RouteTarget::Tunnel(1)));
    let RouteTarget::Via(via) = &config.routes[1].target else { panic!("{:?}", config.routes) };
    assert_eq!(via.get_ref().to_string(), "10.1.0.9");
}

#[test]
fn keys_stay_out_of_debug_output() {
    let config = parse("x.toml", ALL_OPTIONS, "").unwrap_or_else(|report| panic!("{report}"));
    let debug = format!("{config:?}").to_lowercase();
    assert!(debug.contains("null-md5"));
    assert!(!debug.contains("0102030405060708"), "{debug}");
    assert!(!debug.contains("2, 3, 4, 5, 6, 7"), "{debug}");
}
