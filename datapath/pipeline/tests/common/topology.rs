//! Two sites' tables: their addresses, what joins them, and the SAs in between.

use std::net::Ipv4Addr;
use std::sync::Arc;

use esp::{InboundSa, Keys, OutboundSa, Suite};
use ipnet::Ipv4Net;
use tables::counters::TunnelCounters;
use tables::{
    ClearKind, ClearTunnels, Endpoints, Fib, InboundEntry, Neighbour, Nexthop, NexthopId, Nexthops,
    OuterRules, Payload, PortEntry, PortId, Protection, Rewrite, Role, Route, Sad, Selectors,
    Tables, Tunnel, TunnelId,
};
use wire::ethernet::Mac;

pub const LAN: PortId = PortId(0);
pub const WAN: PortId = PortId(1);
pub const GW_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub const A_OUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub const B_OUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub const A_LAN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub const B_LAN: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
pub const A_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
pub const B_HOST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
pub const PLAIN_WAN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const PLAIN_NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const PLAIN_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// What the two sites are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    /// ESP tunnel mode with the sites' subnets as selectors.
    Policy(Suite),
    /// ESP tunnel mode, any to any.
    Vti(Suite),
    /// GRE in clear.
    Gre,
    /// GRE or IPIP, in clear, under ESP transport mode, or under ESP tunnel mode.
    Carried(Carrier, Cover),
}

/// The header that a route-based tunnel brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// GRE with this key, or without one.
    Gre(Option<u32>),
    /// IPv4 in IPv4.
    Ipip,
}

/// What a [`Carrier`] is covered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cover {
    /// Nothing.
    Clear,
    /// ESP transport mode.
    Transport(Suite),
    /// ESP tunnel mode between the outer addresses; the carrier is between loopback addresses.
    Tunnel(Suite),
}

/// Every way to join two sites by one header or by ESP alone.
pub fn joins() -> Vec<Join> {
    let policies = Suite::ALL.iter().map(|suite| Join::Policy(*suite));
    let routed = Suite::ALL.iter().map(|suite| Join::Vti(*suite));
    [Join::Gre].into_iter().chain(policies).chain(routed).collect()
}

/// Every carrier under every cover, with a suite of each kind.
pub fn carried_joins() -> impl Iterator<Item = Join> {
    let suites = [Suite::AES128GCM16, Suite::AES256_SHA256, Suite::NULL_SHA1];
    let transport = suites.into_iter().map(Cover::Transport);
    let covers = transport.chain(suites.into_iter().map(Cover::Tunnel)).chain([Cover::Clear]);
    let carriers = [Carrier::Gre(None), Carrier::Gre(Some(42)), Carrier::Ipip];
    covers.flat_map(move |cover| carriers.map(|carrier| Join::Carried(carrier, cover)))
}

/// What goes in front before sealing, what goes in front of everything, and what comes out.
fn headers(join: Join, outer: Endpoints, mirrored: bool) -> (Option<Rewrite>, Rewrite, Payload) {
    let rules = OuterRules::default();
    let loopbacks = [Ipv4Addr::new(192, 168, 255, 1), Ipv4Addr::new(192, 168, 255, 2)];
    let [local, remote] = if mirrored { [loopbacks[1], loopbacks[0]] } else { loopbacks };
    let esp = Rewrite::esp(outer.local, outer.remote, rules);
    let gre = |ends: Endpoints, key| Rewrite::gre(ends.local, ends.remote, key, rules);
    let ipip = |ends: Endpoints| Rewrite::ipip(ends.local, ends.remote, rules);
    let ends = Endpoints { local, remote };
    match join {
        Join::Gre => (None, gre(outer, None), Payload::Gre(None)),
        Join::Policy(_) | Join::Vti(_) | Join::Carried(Carrier::Ipip, Cover::Transport(_)) => {
            (None, esp, Payload::Ip)
        }
        Join::Carried(Carrier::Gre(key), Cover::Clear) => {
            (None, gre(outer, key), Payload::Gre(key))
        }
        Join::Carried(Carrier::Gre(key), Cover::Transport(_)) => {
            (Some(Rewrite::bare_gre(key)), esp, Payload::Gre(key))
        }
        Join::Carried(Carrier::Gre(key), Cover::Tunnel(_)) => {
            (Some(gre(ends, key)), esp, Payload::IpGre(ends, key))
        }
        Join::Carried(Carrier::Ipip, Cover::Clear) => (None, ipip(outer), Payload::Ip),
        Join::Carried(Carrier::Ipip, Cover::Tunnel(_)) => {
            (Some(ipip(ends)), esp, Payload::IpIp(ends))
        }
    }
}

/// The tables of site A, or of site B when `mirrored`.
pub fn tables(join: Join, esn: bool, mirrored: bool) -> Tables {
    let (local, remote) = if mirrored { (B_OUTER, A_OUTER) } else { (A_OUTER, B_OUTER) };
    let (lan, net, far) = if mirrored {
        (B_LAN, "10.2.0.0/24", "10.1.0.0/24")
    } else {
        (A_LAN, "10.1.0.0/24", "10.2.0.0/24")
    };
    let (net, far): (Ipv4Net, Ipv4Net) = (net.parse().unwrap(), far.parse().unwrap());
    let host = if mirrored { B_HOST } else { A_HOST };
    let sas = suite_of(join).map(|suite| sa_pair(suite, esn, mirrored));
    let ends = Endpoints { local, remote };
    let (inner, rewrite, payload) = headers(join, ends, mirrored);
    let mut tunnel = Tunnel {
        name: "join".into(),
        inner,
        rewrite,
        payload,
        protection: match &sas {
            Some((out, _)) => Protection::Esp(Some(Arc::clone(out))),
            None => Protection::Clear,
        },
        selectors: matches!(join, Join::Policy(_)).then(|| Selectors::new(&[net], &[far])),
        egress: Some(NexthopId(0)),
        mtu: 0,
        address: Some(lan),
        counters: Arc::new(TunnelCounters::default()),
    };
    tunnel.mtu = tunnel.inner_mtu(1500);
    let inbound = sas.map(|(_, sa)| InboundEntry { sa, tunnel: TunnelId(0), remote, local });
    let clear = clear_kind(join).map(|kind| (kind, ends, TunnelId(0)));
    Tables {
        ports: [port("lan", Role::Inside, lan), port("wan", Role::Outside, local)].into(),
        fib: Arc::new(Fib::build([
            (net, Route::Connected(LAN)),
            (far, Route::Tunnel(TunnelId(0))),
            (lan.into(), Route::Local),
            (local.into(), Route::Local),
        ])),
        nexthops: Arc::new(Nexthops::build(vec![hop(WAN, remote), hop(LAN, host)])),
        tunnels: [tunnel].into(),
        sad: Arc::new(Sad::build(inbound.into_iter().collect())),
        clear_tunnels: Arc::new(ClearTunnels::build(clear)),
    }
}

/// The tables of a gateway that joins nothing: two inside ports, a neighbour on each, a router on
/// the second, and B's site behind that router.
pub fn plain_tables() -> Tables {
    let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
    let routes = [
        (net("10.1.0.0/24"), Route::Connected(LAN)),
        (net("192.0.2.0/24"), Route::Connected(WAN)),
        (net("10.2.0.0/24"), Route::Via(NexthopId(0))),
        (net("10.66.0.0/16"), Route::Blackhole),
        (A_LAN.into(), Route::Local),
        (PLAIN_WAN.into(), Route::Local),
    ];
    let hops = vec![hop(WAN, PLAIN_ROUTER), hop(WAN, PLAIN_NEIGHBOUR), hop(LAN, A_HOST)];
    Tables {
        ports: [port("lan", Role::Inside, A_LAN), port("dmz", Role::Inside, PLAIN_WAN)].into(),
        fib: Arc::new(Fib::build(routes)),
        nexthops: Arc::new(Nexthops::build(hops)),
        ..Tables::default()
    }
}

fn port(name: &str, role: Role, address: Ipv4Addr) -> PortEntry {
    let (name, mac, address) = (name.into(), Some(GW_MAC), Some(address));
    PortEntry { name, role, mac, mtu: 1500, address, up: true }
}

pub fn hop(port: PortId, address: Ipv4Addr) -> Nexthop {
    Nexthop { port, address, neighbour: Neighbour::Resolved(HOST_MAC) }
}

pub fn suite_of(join: Join) -> Option<Suite> {
    match join {
        Join::Policy(suite) | Join::Vti(suite) => Some(suite),
        Join::Carried(_, Cover::Transport(suite) | Cover::Tunnel(suite)) => Some(suite),
        Join::Gre | Join::Carried(_, Cover::Clear) => None,
    }
}

fn clear_kind(join: Join) -> Option<ClearKind> {
    match join {
        Join::Gre => Some(ClearKind::Gre(None)),
        Join::Carried(Carrier::Gre(key), Cover::Clear) => Some(ClearKind::Gre(key)),
        Join::Carried(Carrier::Ipip, Cover::Clear) => Some(ClearKind::Ipip),
        _ => None,
    }
}

/// Encryption and authentication key of the direction that A (1) or B (2) seals.
pub fn keys(suite: Suite, sealer: u8) -> (Vec<u8>, Vec<u8>) {
    let key = |seed: u8, len: usize| (0..len).map(|n| seed ^ n as u8).collect::<Vec<_>>();
    let authentication = key(sealer ^ 0x55, suite.authentication_key_len());
    (key(sealer, suite.encryption_key_len()), authentication)
}

/// What B seals with.
pub fn far_sa(suite: Suite, esn: bool) -> Arc<OutboundSa> {
    sa_pair(suite, esn, true).0
}

/// Outbound and inbound SA of one side; the other side has them the other way round.
pub fn sa_pair(suite: Suite, esn: bool, mirrored: bool) -> (Arc<OutboundSa>, Arc<InboundSa>) {
    let (ours, theirs) = if mirrored { (2, 1) } else { (1, 2) };
    let (out, inbound) = (keys(suite, ours), keys(suite, theirs));
    let as_keys = |(encryption, authentication)| Keys { encryption, authentication };
    let sealing = as_keys((&out.0[..], &out.1[..]));
    let opening = as_keys((&inbound.0[..], &inbound.1[..]));
    let sa = OutboundSa::new(0x1000 + u32::from(ours), suite, sealing, esn, [ours; 32]).unwrap();
    let other = InboundSa::new(0x1000 + u32::from(theirs), suite, opening, esn, 1024).unwrap();
    (Arc::new(sa), Arc::new(other))
}
