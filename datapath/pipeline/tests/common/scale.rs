//! Gateways with many tunnels and many routes, and packets of many flows through them.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use tables::{
    Action, ClearTunnels, Cloud, CloudId, Fib, NexthopId, Nexthops, Policy, PolicyListId, Role,
    Route, Sad, Selector, Spd, Tables, TunnelId,
};

use super::packets::packet;
use super::topology::{
    A_LAN, A_OUTER, B_LAN, B_OUTER, Join, LAN, PLAIN_ROUTER, PLAIN_WAN, Shape, WAN, hop,
    numbered_sa_pair, of_v4, port, range, suite_of,
};

/// Outer IPv4 MTU: every suite's packets around 1400 bytes fit under every carrier.
const OUTER_MTU: u16 = 1600;
/// Routers that plain routes are spread over.
const ROUTERS: u32 = 16;
/// Where a stamp begins in an inner packet: behind IPv4 and UDP.
const STAMP: usize = 28;

/// How much there is of everything at site A, whose packets go to site B.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// What joins the sites; `None` is plain forwarding.
    pub join: Option<Join>,
    /// Whether the tunnels are the peers of one multipoint tunnel.
    pub multipoint: bool,
    /// Tunnels, each with an SA pair if `join` has a suite; at most 131,072.
    pub tunnels: u32,
    /// Routes to site B. Each tunnel has one at least.
    pub routes: u32,
    /// Anti-replay window, packets.
    pub window: u32,
}

impl Scale {
    /// One tunnel, or none, and one route.
    pub fn one(join: Option<Join>) -> Self {
        Self { join, multipoint: false, tunnels: 1, routes: 1, window: 1024 }
    }

    /// The tables of site A, or of site B when `mirrored`.
    pub fn tables(&self, mirrored: bool) -> Tables {
        match self.join {
            Some(join) => self.joined(join, mirrored),
            None => self.plain(),
        }
    }

    /// Site B's prefixes. The `n`-th is reached through tunnel `n` modulo their number.
    pub fn prefixes(&self) -> Vec<Ipv4Net> {
        let net = |address: u32, len| Ipv4Net::new_assert(address.into(), len);
        if self.routes > self.tunnels {
            return internet(self.routes);
        }
        match self.tunnels {
            0 | 1 => vec![net(0x0a02_0000, 24)],
            many => (0..many).map(|n| net(0x0a80_0000 + 64 * n, 26)).collect(),
        }
    }

    fn joined(&self, join: Join, mirrored: bool) -> Tables {
        let prefixes = self.prefixes();
        let lan = if mirrored { B_LAN } else { A_LAN };
        let by_policy = matches!(join, Join::Policy(_));
        let (mut tunnels, mut inbound) = (Vec::new(), Vec::new());
        let (mut clear, mut lists) = (Vec::new(), Vec::new());
        for n in 0..self.tunnels {
            let id = TunnelId(n);
            let shape = self.shape(join, mirrored, n);
            let selector = self.selector(&prefixes, n, mirrored);
            let sas = suite_of(join)
                .map(|suite| numbered_sa_pair(suite, false, mirrored, n, self.window));
            let out = sas.as_ref().map(|(out, _)| out);
            let held = by_policy.then_some(&selector);
            tunnels.push(Arc::new(shape.tunnel(out, held, of_v4(lan), OUTER_MTU)));
            inbound.extend(sas.map(|(_, sa)| shape.inbound(sa, id)));
            clear.extend(shape.clear_kind().map(|kind| (kind, shape.outer, id)));
            if by_policy {
                let policy = Policy { selector, action: Action::Protect(id) };
                lists.push([policy].into());
            }
        }
        let outer = Shape::of(join, mirrored).outer;
        let own: [IpAddr; 2] = [lan.into(), outer.local];
        let own = own.into_iter().map(|address| (address.into(), Route::Local));
        let wan = if mirrored { B_OUTER } else { A_OUTER };
        let ports = [("lan", Role::Inside, lan), ("wan", Role::Outside, wan)];
        let hops = vec![hop(WAN, outer.remote), hop(LAN, PLAIN_ROUTER)];
        let overlays = (0..self.tunnels).map(|n| (overlay(n), TunnelId(n)));
        let clouds = if self.multipoint { vec![Cloud::build(overlays)] } else { Vec::new() };
        Tables {
            ports: ports
                .map(|(name, role, address)| roomy(port(name, role, of_v4(address))))
                .into(),
            fib: Arc::new(Fib::build(self.routes(join, &prefixes, mirrored).chain(own))),
            multipaths: Arc::default(),
            nexthops: Arc::new(Nexthops::build(hops)),
            tunnels: tunnels.into(),
            numbering: 0,
            clouds: clouds.into(),
            spd: Arc::new(Spd::build(lists)),
            sad: Arc::new(Sad::build(inbound)),
            clear_tunnels: Arc::new(ClearTunnels::build(clear)),
        }
    }

    /// The `n`-th tunnel: B is one gateway at one address, its peers have an address each.
    fn shape(&self, join: Join, mirrored: bool, n: u32) -> Shape {
        let shape = Shape::of(join, mirrored);
        if self.tunnels == 1 {
            return shape;
        }
        let peer: IpAddr = match shape.outer.local {
            IpAddr::V4(_) => Ipv4Addr::from_bits(0x6440_0000 + n).into(),
            IpAddr::V6(_) => {
                Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 1 << 64 | u128::from(n)).into()
            }
        };
        shape.with_peer(peer, mirrored)
    }

    /// What the `n`-th tunnel may carry.
    fn selector(&self, prefixes: &[Ipv4Net], n: u32, mirrored: bool) -> Selector {
        let a = range(a_net().into());
        let b = match prefixes.get(n as usize) {
            Some(prefix) if prefixes.len() == self.tunnels as usize => range((*prefix).into()),
            _ => range(IpNet::V4(Ipv4Net::default())),
        };
        let (local, remote) = if mirrored { (b, a) } else { (a, b) };
        Selector { local: [local].into(), remote: [remote].into(), ..Selector::default() }
    }

    /// At A into the tunnels, at B to a router on the LAN.
    fn routes(
        &self,
        join: Join,
        prefixes: &[Ipv4Net],
        mirrored: bool,
    ) -> impl Iterator<Item = (IpNet, Route)> {
        let into_tunnel = move |n: u32| match join {
            _ if self.multipoint => Route::Multipoint(CloudId(0), Some(overlay(n))),
            Join::Policy(_) => Route::Policy(PolicyListId(n)),
            _ => Route::Tunnel(TunnelId(n)),
        };
        let to_b = move |n: u32| match mirrored {
            true => Route::Via(NexthopId(1)),
            false => into_tunnel(n % self.tunnels),
        };
        let to_a = if mirrored { into_tunnel(0) } else { Route::Connected(LAN) };
        let numbered = prefixes.iter().zip(0..);
        let to_b = numbered.map(move |(prefix, n)| (IpNet::V4(*prefix), to_b(n)));
        to_b.chain([(IpNet::V4(a_net()), to_a)])
    }

    fn plain(&self) -> Tables {
        let prefixes = self.prefixes();
        let routers =
            (0..ROUTERS).map(|n| hop(WAN, Ipv4Addr::from_bits(PLAIN_ROUTER.to_bits() - n)));
        let far = prefixes.iter().zip(0..);
        let far = far.map(|(net, n)| (IpNet::V4(*net), Route::Via(NexthopId(n % ROUTERS))));
        let own = [A_LAN, PLAIN_WAN].map(|own| (IpAddr::from(own).into(), Route::Local));
        let near = (IpNet::V4(a_net()), Route::Connected(LAN));
        let ports = [("lan", A_LAN), ("dmz", PLAIN_WAN)];
        Tables {
            ports: ports.map(|(name, own)| roomy(port(name, Role::Inside, of_v4(own)))).into(),
            fib: Arc::new(Fib::build(far.chain([near]).chain(own))),
            nexthops: Arc::new(Nexthops::build(routers.collect())),
            ..Tables::default()
        }
    }
}

/// An inner packet of flow `n`, `len` bytes, at least 64, from A to one of `prefixes`: neighbours
/// in number are far apart in the tables.
pub fn flow(prefixes: &[Ipv4Net], n: u32, len: usize) -> Vec<u8> {
    let count = prefixes.len() as u64;
    // A prime beyond every count: a permutation.
    let prefix = prefixes[(u64::from(n) * 2_654_435_761 % count) as usize];
    let round = n / prefixes.len() as u32;
    let host = if prefix.prefix_len() == 32 { 0 } else { 2 + round % 32 };
    let destination = Ipv4Addr::from_bits(prefix.network().to_bits() + host);
    let source = Ipv4Addr::from_bits(a_net().network().to_bits() + 2 + round / 32 % 200);
    let mut packet = packet(source, destination, len);
    let ports = [1024 + (n >> 14) as u16, 1024 + (n & 0x3fff) as u16];
    packet[20..22].copy_from_slice(&ports[0].to_be_bytes());
    packet[22..24].copy_from_slice(&ports[1].to_be_bytes());
    stamp(&mut packet, n, 0);
    packet
}

/// Writes flow and number into an inner packet.
pub fn stamp(packet: &mut [u8], flow: u32, number: u64) {
    packet[STAMP..STAMP + 4].copy_from_slice(&flow.to_be_bytes());
    packet[STAMP + 4..STAMP + 12].copy_from_slice(&number.to_be_bytes());
}

/// What [`stamp`] wrote.
pub fn stamp_of(packet: &[u8]) -> Option<(u32, u64)> {
    let stamp = packet.get(STAMP..)?;
    let (flow, rest) = stamp.split_first_chunk()?;
    let (number, _) = rest.split_first_chunk()?;
    Some((u32::from_be_bytes(*flow), u64::from_be_bytes(*number)))
}

fn a_net() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 1, 0, 0), 24)
}

fn overlay(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0xac10_0000 + n).into()
}

fn roomy(mut port: tables::PortEntry) -> tables::PortEntry {
    port.mtu = OUTER_MTU;
    port
}

/// Different prefixes all over the address space, with the lengths of an Internet table: /24 for
/// three of four, some shorter, some hosts.
fn internet(count: u32) -> Vec<Ipv4Net> {
    let mut seen = HashSet::new();
    let prefix = |n: u32| {
        let len = match n % 16 {
            0..12 => 24,
            12 => 22,
            13 => 20,
            14 => 18,
            _ => 32,
        };
        Ipv4Net::new_assert(n.wrapping_mul(0x9e37_79b1).into(), len).trunc()
    };
    let free = |net: &Ipv4Net| {
        let octet = net.network().octets()[0];
        (1..224).contains(&octet) && ![10, 100, 127, 169, 172, 192, 203].contains(&octet)
    };
    let prefixes = (1..).map(prefix).filter(free).filter(|net| seen.insert(*net));
    prefixes.take(count as usize).collect()
}
