//! Configured tunnels: their SAs, made once, and their forwarding state, made anew as the
//! underlay changes.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use config::{EspMode, Mss, Tfc, TunnelKind};
use esp::Crypto;
use ipnet::IpNet;
use tables::counters::TunnelCounters;
use tables::{
    Addresses, Carrier, Df, Endpoints, GreHeader, InboundEntry, L2tpHeader, L2tpSession, MssClamp,
    OuterRules, PortEntry, PortId, Protection, Role, Selectors, Sequences, Tunnel, TunnelId,
};

use super::Underlay;
use super::headers::{Headers, outer_rules};
use super::nexthops::NexthopRegister;
use super::pair::Pair;
use super::policies::selector;
use super::protection::{Protected, Sas, is_known};

/// IPv6's smallest link (RFC 8200 5), bytes.
const IPV6_MTU_MIN: usize = 1280;
/// Most pairs of ranges of ours times those of the peer that are compared when an SA is made.
const COMPARED_MAX: usize = 4096;
/// Underlay MTU assumed while there is no route to the remote endpoint.
const MTU_ASSUMED: u16 = 1500;

/// What SAs are made with besides their keys.
pub(super) struct Making<'a> {
    /// Draws a random seed.
    pub(super) seed: &'a mut dyn FnMut() -> Result<[u8; 32], Box<dyn Error>>,
    pub(super) crypto: config::Crypto,
}

impl Making<'_> {
    pub(super) fn crypto(&self) -> Crypto {
        match self.crypto {
            config::Crypto::Fastest => Crypto::Fastest,
            config::Crypto::Portable => Crypto::Portable,
        }
    }
}

/// A tunnel to one peer, with its SAs.
pub(super) struct TunnelSpec {
    pub(super) name: Box<str>,
    pub(super) kind: Kind,
    /// The ends of the tunnel's own header, GRE's for example; of ESP where there is none.
    pub(super) ends: Endpoints,
    /// The ends of what is on the wire: of ESP tunnel mode, or else the same. Its remote end is
    /// unspecified while the peer has not shown where it is.
    pub(super) outer_ends: Endpoints,
    pub(super) outer: OuterRules,
    pub(super) protection: Option<Protected>,
    /// What leads into it besides routes: the tunnel's own networks, a peer's subnets.
    pub(super) prefixes: Vec<IpNet>,
    /// The peer's address and the outer ends from the configuration.
    configured: (Option<IpAddr>, Endpoints),
    /// It stands for tunnels that come and go with their peers, and carries nothing itself.
    pub(super) is_template: bool,
    /// Whether workers hand over the OSPF packets that come out of it.
    pub(super) punts_ospf: bool,
    /// The same of BFD packets.
    pub(super) punts_bfd: bool,
    mtu: Option<u16>,
    mss: Mss,
    addresses: Addresses,
    sequences: Arc<Sequences>,
    counters: Arc<TunnelCounters>,
}

/// What a tunnel brings besides ESP.
#[derive(Clone)]
pub(super) enum Kind {
    Policy(Vec<config::Selector>),
    Vti,
    Gre(GreHeader),
    Ipip,
    L2tp { sent: L2tpHeader, received: L2tpSession },
}

/// One peer of a configured tunnel, or the only one.
pub(super) struct PeerConfig<'a> {
    pub(super) name: &'a str,
    /// What had this name before the configuration changed, and whether its SA is the same.
    pub(super) before: Option<(&'a TunnelSpec, bool)>,
    pub(super) remote: Option<IpAddr>,
    pub(super) sa: &'a config::Protection,
    pub(super) prefixes: Vec<IpNet>,
}

impl TunnelSpec {
    pub(super) fn new(
        tunnel: &config::Tunnel,
        peer: PeerConfig<'_>,
        making: &mut Making<'_>,
    ) -> Result<Self, Box<dyn Error>> {
        let local = *tunnel.local.get_ref();
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let ends = Endpoints { local, remote: peer.remote.unwrap_or(nowhere) };
        let outer_ends = match peer.sa.endpoints() {
            Some([local, remote]) => {
                Endpoints { local: *local.get_ref(), remote: *remote.get_ref() }
            }
            None => ends,
        };
        let follows = peer.remote.is_none();
        let (before, same_sa) =
            peer.before.map_or((None, false), |(spec, same)| (Some(spec), same));
        let (sequences, counters) = match before {
            Some(spec) => (Arc::clone(&spec.sequences), Arc::clone(&spec.counters)),
            None => Default::default(),
        };
        let before = before.filter(|_| same_sa);
        let running = before.and_then(|spec| spec.protection.clone());
        let protection = Protected::new(peer.sa, follows, running, making);
        let own = tunnel.addresses.iter().map(|net| net.get_ref().addr());
        let configured = (peer.remote, outer_ends);
        let mut spec = Self {
            name: peer.name.into(),
            kind: kind(&tunnel.kind),
            ends,
            outer_ends,
            outer: outer_rules(tunnel.outer),
            protection: protection.map_err(|error| format!("tunnel {}: {error}", peer.name))?,
            prefixes: peer.prefixes,
            configured,
            is_template: peer.remote.is_none() && tunnel.peers.is_empty(),
            punts_ospf: false,
            punts_bfd: false,
            mtu: tunnel.mtu,
            mss: tunnel.mss,
            addresses: addresses(own),
            sequences,
            counters,
        };
        // A peer that has moved is where it was last heard, unless the file says otherwise now.
        if spec.sending().is_some() {
            spec.follow_pair();
        } else if let Some(heard) = before.filter(|before| before.configured == configured) {
            let port = heard.protection.as_ref().and_then(|protected| protected.remote_port);
            spec.move_peer(heard.outer_ends.remote, port);
        }
        Ok(spec)
    }

    /// A tunnel to one of the peers that a template stands for, before it has an SA. `selectors`
    /// are what has been negotiated with that peer.
    pub(super) fn instance(&self, name: Box<str>, selectors: Vec<config::Selector>) -> Self {
        let ranges = selectors.iter().flat_map(|selector| &selector.remote);
        let prefixes = ranges.flat_map(config::AddressRange::prefixes);
        let (kind, prefixes) = match &self.kind {
            Kind::Policy(_) => (Kind::Policy(selectors), Vec::new()),
            // A peer that may send from anywhere does not draw all traffic to itself.
            kind => (kind.clone(), prefixes.filter(|prefix| prefix.prefix_len() > 0).collect()),
        };
        Self {
            name,
            kind,
            ends: self.ends,
            outer_ends: self.outer_ends,
            outer: self.outer,
            protection: self.protection.as_ref().and_then(Protected::instance),
            prefixes,
            configured: self.configured,
            is_template: false,
            punts_ospf: self.punts_ospf,
            punts_bfd: self.punts_bfd,
            mtu: self.mtu,
            mss: self.mss,
            addresses: self.addresses,
            sequences: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// Goes on with the SAs and counters of the same peer's tunnel before the configuration
    /// changed.
    pub(super) fn adopt(&mut self, before: &Self) {
        self.protection = before.protection.clone();
        self.sequences = Arc::clone(&before.sequences);
        self.counters = Arc::clone(&before.counters);
        self.follow_pair();
    }

    /// Its peer has gone: nothing leads into it any more.
    pub(super) fn vacate(&mut self) {
        self.prefixes.clear();
        if let Kind::Policy(selectors) = &mut self.kind {
            selectors.clear();
        }
        self.is_template = true;
    }

    /// The tunnel interface's own addresses.
    pub(super) fn own_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let Addresses { v4, v6 } = self.addresses;
        v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6))
    }

    /// Takes notice that the peer of a manual SA sends from elsewhere; whether that is news.
    pub(super) fn peer_moved(&mut self, seq: u64, address: IpAddr, port: Option<u16>) -> bool {
        let Some(protected) = &mut self.protection else { return false };
        let here = (self.outer_ends.remote, protected.remote_port);
        let Sas::Manual(sas) = &mut protected.sas else { return false };
        let moves = sas.hears(seq) && sas.follows && here != (address, port);
        if moves {
            self.move_peer(address, port);
        }
        moves
    }

    /// Sends to the peer at `address` from here on, and to `port` if its packets travel in UDP. The
    /// inner headers of a tunnel that has its own, under ESP tunnel mode, stay as configured.
    fn move_peer(&mut self, address: IpAddr, port: Option<u16>) {
        let Some(protected) = &mut self.protection else { return };
        let has_own_header = !matches!(self.kind, Kind::Policy(_) | Kind::Vti);
        if !has_own_header || protected.mode == EspMode::Transport {
            self.ends.remote = address;
        }
        self.outer_ends.remote = address;
        if protected.remote_port.is_some() {
            protected.remote_port = port.or(protected.remote_port);
        }
    }

    /// The forwarding state, with the way to the remote endpoint as the underlay has it now.
    /// `selectors` are those of policies that name the tunnel, besides its own.
    pub(super) fn tunnel(
        &self,
        selectors: &[tables::Selector],
        underlay: &dyn Underlay,
        ports: &[PortEntry],
        nexthops: &mut NexthopRegister,
        problems: &mut Vec<String>,
    ) -> Tunnel {
        let remote = self.outer_ends.remote;
        let way = Some(remote).filter(|to| is_known(*to));
        let way = way.and_then(|remote| underlay.next_hop(remote));
        if way.is_none() && !self.is_template {
            problems.push(match is_known(remote) {
                false => format!("tunnel {}: the peer has not been heard yet", self.name),
                true => format!("tunnel {}: no route to {remote} through any port", self.name),
            });
        }
        let link_mtu = link_mtu(way, ports);
        let path_mtu = underlay.path_mtu(remote).map_or(link_mtu, |path| path.min(link_mtu));
        let Headers { inner, rewrite, payload } = Headers::of(self, self.outer);
        let mut tunnel = Tunnel {
            name: self.name.clone(),
            ends: self.ends,
            inner,
            rewrite,
            payload,
            protection: match &self.protection {
                Some(protected) => Protection::Esp(protected.outbound().cloned()),
                None => Protection::Clear,
            },
            worker_sas: self.protection.as_ref().map(Protected::worker_sas).unwrap_or_default(),
            demand: self.protection.as_ref().and_then(Protected::demand),
            selectors: self.selectors(selectors),
            narrowed: self.narrowed(selectors),
            egress: way.and_then(|(port, address)| nexthops.id(port, address)),
            mtu: 0,
            mss: None,
            padded_len: None,
            addresses: self.error_sources(ports),
            punts_ospf: self.punts_ospf,
            punts_bfd: self.punts_bfd,
            sequences: Arc::clone(&self.sequences),
            counters: Arc::clone(&self.counters),
        };
        // RFC 4213 3.2.2, RFC 2473 7.1: IPv6 needs 1280 bytes. Where the path carries less, and the
        // link does not, routers cut what we send.
        let smallest = tunnel.outer_len(IPV6_MTU_MIN) as u16;
        let cut_on_the_way = path_mtu < smallest && smallest <= link_mtu && remote.is_ipv4();
        if cut_on_the_way {
            let rules = OuterRules { df: Df::Clear, ..self.outer };
            let Headers { inner, rewrite, .. } = Headers::of(self, rules);
            (tunnel.inner, tunnel.rewrite) = (inner, rewrite);
        }
        let path_mtu = if cut_on_the_way { smallest } else { path_mtu };
        self.fit(&mut tunnel, path_mtu, problems);
        tunnel
    }

    /// Sizes that follow from what the way carries, bytes.
    fn fit(&self, tunnel: &mut Tunnel, path_mtu: u16, problems: &mut Vec<String>) {
        let fits = tunnel.inner_mtu(path_mtu);
        if let Some(asked) = self.mtu.filter(|asked| *asked > fits) {
            problems.push(format!(
                "tunnel {}: mtu {asked} does not fit the way to its peer, {fits} is used",
                self.name
            ));
        }
        tunnel.mtu = self.mtu.map_or(fits, |asked| asked.min(fits));
        tunnel.mss = match self.mss {
            Mss::Auto => Some(MssClamp::of_mtu(tunnel.mtu)),
            Mss::Off => None,
            Mss::Fixed(v4) => Some(MssClamp { v4, v6: v4.saturating_sub(20) }),
        };
        let tfc = self.protection.as_ref().and_then(|protected| protected.tfc);
        tunnel.padded_len = tfc.map(|tfc| match tfc {
            Tfc::Mtu => tunnel.mtu,
            Tfc::Bytes(len) => len.min(tunnel.mtu),
        });
    }

    fn selectors(&self, more: &[tables::Selector]) -> Option<Selectors> {
        if let (Kind::Policy(_) | Kind::Vti, Some(pair)) = (&self.kind, self.sending()) {
            return pair.selectors();
        }
        let Kind::Policy(own) = &self.kind else { return None };
        Some(Selectors(own.iter().map(selector).chain(more.iter().cloned()).collect()))
    }

    /// What the pair that it sends through covers, unless that is all that leads into the tunnel. A
    /// header of the tunnel's own is what was negotiated.
    fn narrowed(&self, more: &[tables::Selector]) -> Option<Selectors> {
        let Kind::Policy(own) = &self.kind else {
            return self.sending().filter(|_| matches!(self.kind, Kind::Vti))?.selectors();
        };
        let agreed = self.sending()?.selectors()?;
        // A peer that names very many makes each packet be looked at, not this take long.
        let pieces = |selector: &tables::Selector| {
            selector.local.len().max(1) * selector.remote.len().max(1)
        };
        let leading: Vec<tables::Selector> =
            own.iter().map(selector).chain(more.iter().cloned()).collect();
        let (to_compare, with): (usize, usize) =
            (leading.iter().map(pieces).sum(), agreed.0.iter().map(pieces).sum());
        let few = to_compare.saturating_mul(with) <= COMPARED_MAX;
        let covered = few && leading.iter().all(|selector| agreed.cover(selector));
        (!covered).then_some(agreed)
    }

    /// The addresses that ICMP errors into the tunnel come from: the tunnel's own, or ours that
    /// its selectors let through.
    fn error_sources(&self, ports: &[PortEntry]) -> Addresses {
        let inside = ports.iter().filter(|port| port.role == Role::Inside);
        let inside = inside.flat_map(|port| {
            let Addresses { v4, v6 } = port.addresses;
            [v4.map(IpAddr::V4), v6.map(IpAddr::V6)].into_iter().flatten()
        });
        let allowed = |address: &IpAddr| match &self.kind {
            Kind::Policy(selectors) => selectors
                .iter()
                .flat_map(|selector| &selector.local)
                .any(|range| (range.first..=range.last).contains(address)),
            _ => true,
        };
        addresses(self.own_addresses().chain(inside).filter(allowed))
    }

    /// The inbound SAs as workers find them.
    pub(super) fn inbound(&self, id: TunnelId) -> Vec<InboundEntry> {
        let protected = self.protection.as_ref();
        protected.map_or_else(Vec::new, |protected| protected.inbound(self.outer_ends, id))
    }

    /// The negotiated pair of SAs that it sends through.
    pub(super) fn sending(&self) -> Option<&Pair> {
        self.protection.as_ref()?.sas.negotiated()?.sending()
    }

    /// Sends to where the pair goes that it sends through now.
    pub(super) fn follow_pair(&mut self) {
        let Some(pair) = self.sending() else { return };
        let (ends, mode, port) = (pair.ends(), pair.mode(), pair.remote_port());
        let has_own_header = !matches!(self.kind, Kind::Policy(_) | Kind::Vti);
        if !has_own_header || mode == EspMode::Transport {
            self.ends = ends;
        }
        self.outer_ends = ends;
        if let Some(protected) = &mut self.protection {
            (protected.mode, protected.remote_port) = (mode, port);
        }
    }

    /// What comes out of the tunnel where ESP has been taken off.
    pub(super) fn carrier(&self) -> Carrier {
        match self.kind {
            Kind::Gre(header) => Carrier::Gre(header),
            Kind::L2tp { received, .. } => Carrier::L2tp(received),
            Kind::Policy(_) | Kind::Vti | Kind::Ipip => Carrier::Ip,
        }
    }
}

/// What the link toward the peer carries, bytes.
fn link_mtu(way: Option<(PortId, IpAddr)>, ports: &[PortEntry]) -> u16 {
    let port = way.and_then(|(port, _)| ports.get(port.index()));
    port.map_or(MTU_ASSUMED, |port| port.mtu)
}

/// The first address of each family.
pub(super) fn addresses(all: impl Iterator<Item = IpAddr>) -> Addresses {
    let mut found = Addresses::default();
    for address in all {
        match address {
            IpAddr::V4(address) => found.v4 = found.v4.or(Some(address)),
            IpAddr::V6(address) => found.v6 = found.v6.or(Some(address)),
        }
    }
    found
}

fn kind(kind: &TunnelKind) -> Kind {
    match kind {
        TunnelKind::Esp(selectors) => Kind::Policy(selectors.clone()),
        TunnelKind::Vti | TunnelKind::DynamicVti => Kind::Vti,
        TunnelKind::Gre(gre) | TunnelKind::Mgre(gre) => {
            let config::Gre { key, checksum, sequence } = *gre;
            Kind::Gre(GreHeader { key, checksum, sequence })
        }
        TunnelKind::Ipip => Kind::Ipip,
        TunnelKind::L2tp(l2tp) => Kind::L2tp {
            sent: L2tpHeader {
                tunnel: l2tp.remote_tunnel_id,
                session: l2tp.remote_session_id,
                length: l2tp.length,
                sequence: l2tp.sequence,
                offset: l2tp.offset,
                pfc: l2tp.pfc,
                acfc: l2tp.acfc,
            },
            received: L2tpSession {
                tunnel: l2tp.local_tunnel_id,
                session: l2tp.local_session_id,
                sequence: l2tp.sequence,
            },
        },
    }
}
