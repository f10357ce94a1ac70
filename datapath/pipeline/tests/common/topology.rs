//! Two sites' tables: their addresses, what joins them, and the SAs in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use esp::{InboundSa, Keys, OutboundSa, Suite};
use ipnet::IpNet;
use tables::{
    Action, Addresses, ClearKind, ClearTunnels, Endpoints, Fib, GreHeader, InboundEntry,
    L2tpHeader, L2tpSession, Neighbour, Nexthop, NexthopId, Nexthops, OuterRules, Payload, Policy,
    PolicyListId, PortEntry, PortId, Protection, Rewrite, Role, Route, Sad, Selector, Selectors,
    Spd, Tables, Tunnel, TunnelId,
};
use wire::ethernet::Mac;
use wire::protocol;

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
pub const A_OUTER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub const B_OUTER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub const A_LAN6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 1);
pub const B_LAN6: Ipv6Addr = Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 1);
pub const A_HOST6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 2);
pub const B_HOST6: Ipv6Addr = Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 2);
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
    /// A header of its own, in clear, under ESP transport mode, or under ESP tunnel mode.
    Carried(Carrier, Cover),
    /// As [`Join::Carried`], or ESP alone, between IPv6 endpoints.
    OverV6(Option<Carrier>, Cover),
    /// ESP tunnel mode in UDP, any to any.
    VtiInUdp(Suite),
}

/// The header that a route-based tunnel brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// GRE with this key, or without one.
    Gre(Option<u32>),
    /// GRE with these fields.
    GreWith(GreHeader),
    /// IP in IP.
    Ipip,
    /// L2TP with these fields and the numbers 0x1111 and 0x2222, and PPP.
    L2tp(L2tpHeader),
}

impl Carrier {
    /// GRE with everything that it can carry.
    pub const GRE_FULL: Self =
        Self::GreWith(GreHeader { key: Some(42), checksum: true, sequence: true });

    fn gre(self) -> Option<GreHeader> {
        match self {
            Self::Gre(key) => Some(GreHeader { key, ..GreHeader::default() }),
            Self::GreWith(header) => Some(header),
            Self::Ipip | Self::L2tp(_) => None,
        }
    }
}

/// L2TP as Cisco sends it: the length bit and a PPP protocol of one byte.
pub const L2TP: L2tpHeader = L2tpHeader {
    tunnel: 0x1111,
    session: 0x2222,
    length: true,
    sequence: false,
    offset: None,
    pfc: true,
    acfc: true,
};

/// Every combination of L2TP's optional fields.
pub fn l2tp_headers() -> impl Iterator<Item = L2tpHeader> {
    (0..32).map(|bits| L2tpHeader {
        length: bits & 1 != 0,
        sequence: bits & 2 != 0,
        offset: (bits & 4 != 0).then_some(3),
        pfc: bits & 8 != 0,
        acfc: bits & 16 != 0,
        ..L2TP
    })
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
    /// ESP transport mode in UDP.
    TransportInUdp(Suite),
}

impl Cover {
    fn suite(self) -> Option<Suite> {
        match self {
            Self::Clear => None,
            Self::Transport(suite) | Self::Tunnel(suite) | Self::TransportInUdp(suite) => {
                Some(suite)
            }
        }
    }
}

/// Every way to join two sites by one header or by ESP alone.
pub fn joins() -> Vec<Join> {
    let policies = Suite::ALL.iter().map(|suite| Join::Policy(*suite));
    let routed = Suite::ALL.iter().map(|suite| Join::Vti(*suite));
    [Join::Gre].into_iter().chain(policies).chain(routed).collect()
}

/// Every carrier under every cover, with a suite of each kind, and IPv6 outside where it can be.
pub fn carried_joins() -> impl Iterator<Item = Join> {
    let suites = [Suite::AES128GCM16, Suite::AES256_SHA256, Suite::NULL_SHA1];
    let transport = suites.into_iter().map(Cover::Transport);
    let tunnel = suites.into_iter().map(Cover::Tunnel);
    let in_udp = [Cover::TransportInUdp(Suite::CHACHA20POLY1305)];
    let covers: Vec<_> = transport.chain(tunnel).chain(in_udp).chain([Cover::Clear]).collect();
    let carriers = [Carrier::Gre(None), Carrier::Gre(Some(42)), Carrier::GRE_FULL, Carrier::Ipip];
    let mut joins = vec![Join::VtiInUdp(Suite::AES128GCM16)];
    for cover in covers {
        joins.extend(carriers.map(|carrier| Join::Carried(carrier, cover)));
        if !matches!(cover, Cover::TransportInUdp(_)) {
            joins.extend(carriers.map(|carrier| Join::OverV6(Some(carrier), cover)));
        }
        if !matches!(cover, Cover::Tunnel(_)) {
            joins.extend(l2tp_headers().map(|header| Join::Carried(Carrier::L2tp(header), cover)));
        }
    }
    joins.extend(suites.map(|suite| Join::OverV6(None, Cover::Tunnel(suite))));
    joins.into_iter()
}

/// What a join looks like on the wire, from one side.
pub(super) struct Shape {
    carrier: Option<Carrier>,
    cover: Cover,
    /// The outer ends.
    pub(super) outer: Endpoints,
    /// The carrier's own ends.
    own: Endpoints,
    in_udp: bool,
}

impl Shape {
    pub(super) fn of(join: Join, mirrored: bool) -> Self {
        let (carrier, cover) = match join {
            Join::Gre => (Some(Carrier::Gre(None)), Cover::Clear),
            Join::Policy(suite) | Join::Vti(suite) | Join::VtiInUdp(suite) => {
                (None, Cover::Tunnel(suite))
            }
            Join::Carried(carrier, cover) => (Some(carrier), cover),
            Join::OverV6(carrier, cover) => (carrier, cover),
        };
        let over_v6 = matches!(join, Join::OverV6(..));
        let outer: [IpAddr; 2] = if over_v6 {
            [A_OUTER6.into(), B_OUTER6.into()]
        } else {
            [A_OUTER.into(), B_OUTER.into()]
        };
        let loopback = |n: u8| IpAddr::from([192, 168, 255, n]);
        let own = match cover {
            Cover::Tunnel(_) => [loopback(1), loopback(2)],
            _ => outer,
        };
        let ends = |[a, b]: [IpAddr; 2]| {
            let (local, remote) = if mirrored { (b, a) } else { (a, b) };
            Endpoints { local, remote }
        };
        let in_udp = matches!(cover, Cover::TransportInUdp(_)) || matches!(join, Join::VtiInUdp(_));
        Self { carrier, cover, outer: ends(outer), own: ends(own), in_udp }
    }

    /// The same with `peer` as the address of site A's gateway.
    pub(super) fn with_peer(mut self, peer: IpAddr, mirrored: bool) -> Self {
        let one = self.own == self.outer;
        let end = if mirrored { &mut self.outer.remote } else { &mut self.outer.local };
        *end = peer;
        if one {
            self.own = self.outer;
        }
        self
    }

    fn header_of_carrier(&self, carrier: Carrier, bare: bool) -> Rewrite {
        let rules = OuterRules::default();
        match (carrier, carrier.gre(), bare) {
            (_, Some(header), true) => Rewrite::bare_gre(header),
            (_, Some(header), false) => Rewrite::gre(self.own, header, rules),
            (Carrier::L2tp(header), _, true) => Rewrite::bare_l2tp(header),
            (Carrier::L2tp(header), _, false) => Rewrite::l2tp(self.own, header, rules),
            (_, None, _) => Rewrite::ipip(self.own, rules),
        }
    }

    /// What goes in front before sealing, and what goes in front of everything.
    fn rewrites(&self) -> (Option<Rewrite>, Rewrite) {
        let rules = OuterRules::default();
        let esp = if self.in_udp {
            Rewrite::esp_in_udp(self.outer, 4500, rules)
        } else {
            Rewrite::esp(self.outer, rules)
        };
        match (self.carrier, self.cover) {
            (Some(carrier), Cover::Clear) => (None, self.header_of_carrier(carrier, false)),
            (None, _) => (None, esp),
            (Some(carrier), Cover::Tunnel(_)) => {
                (Some(self.header_of_carrier(carrier, false)), esp)
            }
            // In transport mode the outer header is IP in IP's own.
            (Some(Carrier::Ipip), _) => (None, esp),
            (Some(carrier), _) => (Some(self.header_of_carrier(carrier, true)), esp),
        }
    }

    fn payload(&self) -> Payload {
        let carrier = match self.carrier {
            None | Some(Carrier::Ipip) => tables::Carrier::Ip,
            Some(Carrier::L2tp(header)) => tables::Carrier::L2tp(L2tpSession {
                tunnel: header.tunnel,
                session: header.session,
                sequence: header.sequence,
            }),
            Some(carrier) => tables::Carrier::Gre(carrier.gre().unwrap_or_default()),
        };
        let between = self.carrier.filter(|_| matches!(self.cover, Cover::Tunnel(_)));
        Payload { between: between.map(|_| self.own), carrier }
    }

    /// The tunnel as this side has it, protected by `out` where ESP covers it.
    pub(super) fn tunnel(
        &self,
        out: Option<&Arc<OutboundSa>>,
        selector: Option<&Selector>,
        addresses: Addresses,
        outer_mtu: u16,
    ) -> Tunnel {
        let (inner, rewrite) = self.rewrites();
        let mut tunnel = Tunnel {
            name: "join".into(),
            ends: self.own,
            inner,
            rewrite,
            payload: self.payload(),
            protection: match out {
                Some(out) => Protection::Esp(Some(Arc::clone(out))),
                None => Protection::Clear,
            },
            selectors: selector.map(|selector| Selectors([selector.clone()].into())),
            narrowed: None,
            egress: Some(NexthopId(0)),
            mtu: 0,
            mss: None,
            padded_len: None,
            worker_sas: tables::WorkerSas::default(),
            demand: None,
            addresses,
            punts_ospf: false,
            punts_bfd: false,
            sequences: Arc::default(),
            counters: Arc::default(),
        };
        tunnel.mtu = tunnel.inner_mtu(outer_mtu);
        tunnel
    }

    /// What opens the other side's packets.
    pub(super) fn inbound(&self, sa: Arc<InboundSa>, tunnel: TunnelId) -> InboundEntry {
        let Endpoints { local, remote } = self.outer;
        let remote_port = self.in_udp.then_some(4500);
        InboundEntry { sa, tunnel, remote, local, remote_port, follows: false }
    }

    pub(super) fn clear_kind(&self) -> Option<ClearKind> {
        if self.cover != Cover::Clear {
            return None;
        }
        self.carrier.map(|carrier| match (carrier, carrier.gre()) {
            (_, Some(header)) => ClearKind::Gre(header.key),
            (Carrier::L2tp(L2tpHeader { tunnel, session, .. }), _) => {
                ClearKind::L2tp { tunnel, session }
            }
            _ => ClearKind::Ipip,
        })
    }
}

pub fn range(net: IpNet) -> std::ops::RangeInclusive<IpAddr> {
    net.network()..=net.broadcast()
}

/// The tables of site A, or of site B when `mirrored`.
pub fn tables(join: Join, esn: bool, mirrored: bool) -> Tables {
    let shape = Shape::of(join, mirrored);
    let nets = [["10.1.0.0/24", "fd01::/64"], ["10.2.0.0/24", "fd02::/64"]]
        .map(|site| site.map(|net| net.parse::<IpNet>().unwrap()));
    let [near, far] = if mirrored { [nets[1], nets[0]] } else { nets };
    let (lan, lan6) = if mirrored { (B_LAN, B_LAN6) } else { (A_LAN, A_LAN6) };
    let hosts: [IpAddr; 2] =
        if mirrored { [B_HOST.into(), B_HOST6.into()] } else { [A_HOST.into(), A_HOST6.into()] };
    let sas = suite_of(join).map(|suite| sa_pair(suite, esn, mirrored));
    let by_policy = matches!(join, Join::Policy(_));
    let selector = Selector {
        local: near.map(range).into(),
        remote: far.map(range).into(),
        ..Selector::default()
    };
    let addresses = Addresses { v4: Some(lan), v6: Some(lan6) };
    let out = sas.as_ref().map(|(out, _)| out);
    let tunnel = shape.tunnel(out, by_policy.then_some(&selector), addresses, 1500);
    let Endpoints { local, remote } = shape.outer;
    let inbound = sas.map(|(_, sa)| shape.inbound(sa, TunnelId(0)));
    let clear = shape.clear_kind().map(|kind| (kind, shape.outer, TunnelId(0)));
    let to_far =
        if by_policy { Route::Policy(PolicyListId(0)) } else { Route::Tunnel(TunnelId(0)) };
    let protect = Policy { selector, action: Action::Protect(TunnelId(0)) };
    let routes = near.into_iter().map(|net| (net, Route::Connected(LAN)));
    let routes = routes.chain(far.map(|net| (net, to_far)));
    let own: [IpAddr; 3] = [lan.into(), lan6.into(), local];
    let routes = routes.chain(own.map(|address| (address.into(), Route::Local)));
    let wan = if mirrored { B_OUTER } else { A_OUTER };
    let hops = [hop(WAN, remote)].into_iter().chain(hosts.map(|host| hop(LAN, host)));
    Tables {
        ports: [port("lan", Role::Inside, addresses), port("wan", Role::Outside, of_v4(wan))]
            .into(),
        fib: Arc::new(Fib::build(routes)),
        multipaths: Arc::default(),
        nexthops: Arc::new(Nexthops::build(hops.collect())),
        tunnels: [Arc::new(tunnel)].into(),
        numbering: 0,
        clouds: [].into(),
        spd: Arc::new(Spd::build(vec![[protect].into()])),
        sad: Arc::new(Sad::build(inbound.into_iter().collect())),
        clear_tunnels: Arc::new(ClearTunnels::build(clear)),
    }
}

/// The tables of a gateway that joins nothing: two inside ports, a neighbour on each, a router on
/// the second, and B's site behind that router.
pub fn plain_tables() -> Tables {
    let net = |text: &str| text.parse::<IpNet>().unwrap();
    let routes = [
        (net("10.1.0.0/24"), Route::Connected(LAN)),
        (net("192.0.2.0/24"), Route::Connected(WAN)),
        (net("10.2.0.0/24"), Route::Via(NexthopId(0))),
        (net("10.66.0.0/16"), Route::Blackhole),
        (IpAddr::from(A_LAN).into(), Route::Local),
        (IpAddr::from(PLAIN_WAN).into(), Route::Local),
    ];
    let hops = vec![hop(WAN, PLAIN_ROUTER), hop(WAN, PLAIN_NEIGHBOUR), hop(LAN, A_HOST)];
    Tables {
        ports: [
            port("lan", Role::Inside, of_v4(A_LAN)),
            port("dmz", Role::Inside, of_v4(PLAIN_WAN)),
        ]
        .into(),
        fib: Arc::new(Fib::build(routes)),
        nexthops: Arc::new(Nexthops::build(hops)),
        ..Tables::default()
    }
}

pub(super) fn of_v4(address: Ipv4Addr) -> Addresses {
    Addresses { v4: Some(address), v6: None }
}

pub(super) fn port(name: &str, role: Role, addresses: Addresses) -> PortEntry {
    let (name, mac) = (name.into(), Some(GW_MAC));
    PortEntry { name, role, mac, mtu: 1500, addresses, up: true }
}

pub fn hop(port: PortId, address: impl Into<IpAddr>) -> Nexthop {
    Nexthop { port, address: address.into(), neighbour: Neighbour::Resolved(HOST_MAC) }
}

pub fn suite_of(join: Join) -> Option<Suite> {
    Shape::of(join, false).cover.suite()
}

/// What follows the outer IP header of a join's packets around an IPv4 packet.
pub fn outer_protocol(join: Join) -> u8 {
    let shape = Shape::of(join, false);
    match (shape.cover, shape.carrier) {
        _ if shape.in_udp => protocol::UDP,
        (Cover::Clear, Some(Carrier::L2tp(_))) => protocol::UDP,
        (Cover::Clear, Some(Carrier::Ipip) | None) => protocol::IPV4,
        (Cover::Clear, Some(Carrier::Gre(_) | Carrier::GreWith(_))) => protocol::GRE,
        _ => protocol::ESP,
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
    numbered_sa_pair(suite, esn, mirrored, 0, 1024)
}

/// As [`sa_pair`], of the `n`-th tunnel, with an anti-replay window of `window` packets.
pub fn numbered_sa_pair(
    suite: Suite,
    esn: bool,
    mirrored: bool,
    n: u32,
    window: u32,
) -> (Arc<OutboundSa>, Arc<InboundSa>) {
    let (ours, theirs) = if mirrored { (2, 1) } else { (1, 2) };
    let (out, inbound) = (keys(suite, ours), keys(suite, theirs));
    let as_keys = |(encryption, authentication)| Keys { encryption, authentication };
    let sealing = as_keys((&out.0[..], &out.1[..]));
    let opening = as_keys((&inbound.0[..], &inbound.1[..]));
    let spi = |sealer: u8| 0x1000 + 4 * n + u32::from(sealer);
    let mut seed = [ours; 32];
    seed[..4].copy_from_slice(&n.wrapping_add(u32::from_ne_bytes([ours; 4])).to_ne_bytes());
    let sa = OutboundSa::new(spi(ours), suite, sealing, esn, seed).unwrap();
    let other = InboundSa::new(spi(theirs), suite, opening, esn, window).unwrap();
    (Arc::new(sa), Arc::new(other))
}
