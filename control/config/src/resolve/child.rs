//! `[tunnel.ike]`: the child that a tunnel has its IKE peer negotiate. What it protects follows
//! from the kind of tunnel.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
    time::Duration,
};

use ike::{
    policy::{Child, ChildLifetime, Mode, SelectorAddresses, SelectorTemplate, Start, Versions},
    proposal::EspProposal,
};
use ipnet::IpNet;
use toml::Spanned;

use super::{
    address, ike as peers,
    ike::{Draft, Peers},
    proposals, sa, sa_extras,
    tunnel::Kind,
    value::{choice, duration, number, word_or_number},
};
use crate::{
    findings::Findings,
    model::{EspMode, NegotiatedSa, Selector, Tfc, TunnelKind},
    schema,
    section::{Field, OneOrName},
};

const REKEY_DEFAULT: Duration = Duration::from_secs(3600);
/// Numbers of 32 bits run out: three quarters of them are left to make new keys in (RFC 4303
/// section 3.3.3).
const REKEY_PACKETS_DEFAULT: u64 = 3 << 30;
/// Fewer would be spent while new keys are negotiated.
const REKEY_PACKETS_MIN: i64 = 1000;
const REKEY_BYTES_MIN: i64 = 1_000_000;
const COUNT_MAX: i64 = 1 << 48;

/// The tunnel, or one peer of it, that asks.
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) body: &'a TunnelKind,
    pub(super) local: Option<&'a Spanned<IpAddr>>,
    /// `None` if it may be anywhere.
    pub(super) remote: Option<&'a Spanned<IpAddr>>,
    /// The tunnel interface's own.
    pub(super) addresses: &'a [Spanned<IpNet>],
    /// Whether it stands for many peers.
    pub(super) is_template: bool,
    pub(super) workers: u16,
}

/// Adds the child to its peer; `None` after an error.
pub(super) fn resolve(
    section: Spanned<OneOrName<schema::Child>>,
    subject: &Subject<'_>,
    known: &mut Peers,
    found: &mut Findings,
) -> Option<NegotiatedSa> {
    let at = section.span();
    let mut section = section.into_inner().0;
    let peer_name = section.peer.take().required(at.clone(), found)?;
    let (peer, draft) = known.find(&peer_name, found)?;
    let v1 = draft.versions() == Versions::V1;
    let modes = [("transport", EspMode::Transport), ("tunnel", EspMode::Tunnel)];
    let mode_at = section.mode.span();
    let default_mode = subject.kind.default_mode();
    let mode = choice(section.mode.take().optional(), "mode", &modes, found);
    let mode = mode.unwrap_or(default_mode);
    sa::check_mode(mode, default_mode, mode_at, found);
    let (local, remote) = (section.local.take(), section.remote.take());
    let endpoints = sa::endpoints(local, remote, at.clone(), mode, found);
    check_ends(subject, endpoints.as_ref(), draft, &peer_name, found);
    let esn_at = section.proposals.span();
    let proposals = proposals::resolve(section.proposals.take(), v1, || esp_defaults(v1), found)?;
    let start = start(section.start.take(), subject, draft, &peer_name, found)?;
    let lifetime = lifetime(&mut section, &proposals, found)?;
    let esn = proposals.iter().any(|proposal| proposal.esn);
    let esn = esn_at.map(|at| Spanned::new(at, esn));
    let replay_window = sa::window(section.replay_window.take(), esn.as_ref(), found)?;
    let extras = extras(&mut section, mode, found)?;
    let sides = Sides::of(&mut section, subject, mode, v1, at.clone(), found)?;
    let per_worker = per_worker(section.per_worker.take(), v1, subject.workers, &at, found)?;
    draft.add(Child {
        name: subject.name.into(),
        mode: match mode {
            EspMode::Transport => Mode::Transport,
            EspMode::Tunnel => Mode::Tunnel,
        },
        proposals,
        local: sides.local,
        remote: sides.remote,
        start,
        lifetime,
        per_worker,
    });
    Some(NegotiatedSa {
        peer,
        child: subject.name.to_owned(),
        mode,
        endpoints,
        replay_window,
        keepalive_s: extras.keepalive_s,
        tfc: extras.tfc,
    })
}

/// What nearly every IKEv1 peer of today has, or the defaults of IKEv2.
fn esp_defaults(v1: bool) -> Vec<EspProposal> {
    let texts = ["aes256gcm16-aes128gcm16-modp2048", "aes256-aes128-sha256-modp2048"];
    match v1 {
        true => texts.iter().filter_map(|text| text.parse().ok()).collect(),
        false => EspProposal::defaults(),
    }
}

/// ESP and IKE end at the same addresses.
fn check_ends(
    subject: &Subject<'_>,
    endpoints: Option<&[Spanned<IpAddr>; 2]>,
    draft: &Draft,
    peer_name: &Spanned<String>,
    found: &mut Findings,
) {
    let esp = endpoints
        .map_or([subject.local, subject.remote], |[ours, theirs]| [Some(ours), Some(theirs)]);
    let ike = [draft.local.as_ref(), draft.remote.as_ref()];
    for ((esp, ike), side) in esp.into_iter().zip(ike).zip(["local", "remote"]) {
        let (Some(esp), Some(ike)) = (esp, ike) else { continue };
        if esp.get_ref() != ike.get_ref() {
            let title = format!("IKE and ESP have different ends: `{side}`");
            let error = found.error(esp.span(), title).label("of ESP");
            let error = error.also(ike.span(), "of IKE");
            let help = "write the same address, or `local` and `remote` of ESP in [tunnel.ike]";
            found.push(error.help(help));
        }
    }
    if subject.remote.is_none()
        && !subject.is_template
        && endpoints.is_none()
        && let Some(ike) = &draft.remote
    {
        let error = found.error(peer_name.span(), "the peer has one address only");
        let error = error.label("and the tunnel's may be anywhere").also(ike.span(), "it is here");
        found.push(error.help(format!("write `remote = \"{}\"` in the tunnel", ike.get_ref())));
    }
    if subject.is_template
        && let Some(ike) = &draft.remote
    {
        let error = found.error(peer_name.span(), "the tunnel is for many peers, this is one");
        let error = error.label("not a template").also(ike.span(), "it is here");
        found
            .push(error.help("write `remote = \"any\"` in the [[ike]], or `remote` in the tunnel"));
    }
}

fn start(
    field: Field<String>,
    subject: &Subject<'_>,
    draft: &Draft,
    peer_name: &Spanned<String>,
    found: &mut Findings,
) -> Option<Start> {
    let at = field.span();
    // A multipoint tunnel is told by others where a peer is.
    let callable = draft.remote.is_some();
    let default = match (callable, subject.kind) {
        (true, _) => Start::Always,
        (false, Kind::Mgre) => Start::OnDemand,
        (false, _) => Start::Never,
    };
    if field.is_absent() {
        return Some(default);
    }
    let words = [("always", Start::Always), ("demand", Start::OnDemand), ("never", Start::Never)];
    let start = choice(field.optional(), "start", &words, found)?;
    let possible = match start {
        Start::Never => true,
        Start::OnDemand => callable || subject.kind == Kind::Mgre,
        Start::Always => callable,
    };
    if !possible {
        let error = found.error(at.unwrap_or(0..0), "a peer that may be anywhere cannot be called");
        let error = error.label("called where?").also(peer_name.span(), "it calls us");
        found.push(error.help("remove this line, or write the peer's address as its `remote`"));
        return None;
    }
    Some(start)
}

fn lifetime(
    section: &mut schema::Child,
    proposals: &[EspProposal],
    found: &mut Findings,
) -> Option<ChildLifetime> {
    let hard_at = section.lifetime.span();
    let rekey = match section.rekey.is_absent() {
        true => Some(REKEY_DEFAULT),
        false => {
            let value = section.rekey.take().optional();
            duration(value, "rekey", peers::LIFE, &["never"], found)?
        }
    };
    let hard = match section.lifetime.is_absent() {
        true => None,
        false => duration(section.lifetime.take().optional(), "lifetime", peers::LIFE, &[], found)?,
    };
    let hard = match rekey {
        Some(rekey) => Some(peers::later(rekey, hard, hard_at, found)?),
        None => hard,
    };
    let mut count = |field: &mut Field<i64>, key, min, default| {
        let given = !field.is_absent();
        let count = number(field.take().optional(), key, min..=COUNT_MAX, "", found);
        if given { count.map(Some) } else { Some(default) }
    };
    let runs_out = proposals.iter().any(|proposal| proposal.no_esn);
    let packets = runs_out.then_some(REKEY_PACKETS_DEFAULT);
    let bytes = count(&mut section.rekey_bytes, "rekey_bytes", REKEY_BYTES_MIN, None);
    let packets = count(&mut section.rekey_packets, "rekey_packets", REKEY_PACKETS_MIN, packets);
    let jitter = peers::jitter(section.jitter.take(), found);
    let (rekey_bytes, rekey_packets): (Option<u64>, Option<u64>) = (bytes?, packets?);
    let more = |soft: u64| soft.saturating_add(soft / 10);
    Some(ChildLifetime {
        rekey,
        hard,
        rekey_bytes,
        hard_bytes: rekey_bytes.map(more),
        rekey_packets,
        hard_packets: rekey_packets.map(more),
        jitter_percent: jitter?,
    })
}

/// How many workers may have a pair of their own (RFC 9611); none unless that is asked for: each
/// pair takes memory and negotiation, and pays only where several workers send much.
fn per_worker(
    field: Field<bool>,
    v1: bool,
    workers: u16,
    at: &Range<usize>,
    found: &mut Findings,
) -> Option<u16> {
    let Some(flag_at) = field.span() else { return Some(0) };
    let wanted = field.optional()?.into_inner();
    if v1 && wanted {
        let error = found.error(flag_at, "IKEv1 has no `per_worker`").label("not part of IKEv1");
        let error = error.also(at.clone(), "keys by a peer of `version = 1`");
        found.push(error.help("remove this line, or write `version = 2` in the peer's [[ike]]"));
        return None;
    }
    Some(if wanted { workers } else { 0 })
}

struct Extras {
    keepalive_s: Option<u32>,
    tfc: Option<Tfc>,
}

fn extras(section: &mut schema::Child, mode: EspMode, found: &mut Findings) -> Option<Extras> {
    let keepalive_given = !section.keepalive.is_absent();
    let keepalive = number(
        section.keepalive.take().optional(),
        "keepalive",
        0..=sa_extras::KEEPALIVE_MAX_S,
        " seconds, 0 for none",
        found,
    );
    let tfc_at = section.tfc.span();
    let tfc = word_or_number(
        section.tfc.take().optional(),
        "tfc",
        &[("mtu", Tfc::Mtu)],
        (sa_extras::TFC_MIN..=sa_extras::TFC_MAX, Tfc::Bytes),
        found,
    );
    if let Some(at) = tfc_at.filter(|_| mode == EspMode::Transport) {
        let error = found.error(at, "padding needs tunnel mode");
        let error = error.label("the padding's end could not be told (RFC 4303 section 2.7)");
        found.push(error.help("remove this line, or write `mode = \"tunnel\"`"));
        return None;
    }
    let keepalive = match keepalive_given {
        true => keepalive?,
        false => sa_extras::KEEPALIVE_DEFAULT_S,
    };
    Some(Extras { keepalive_s: Some(keepalive).filter(|seconds| *seconds > 0), tfc })
}

/// What is protected on either side.
struct Sides {
    local: Vec<SelectorTemplate>,
    remote: Vec<SelectorTemplate>,
}

impl Sides {
    fn of(
        section: &mut schema::Child,
        subject: &Subject<'_>,
        mode: EspMode,
        v1: bool,
        at: Range<usize>,
        found: &mut Findings,
    ) -> Option<Self> {
        let subnets = [
            ("local_subnets", section.local_subnets.take()),
            ("remote_subnets", section.remote_subnets.take()),
        ];
        let mut sides = match subject.body {
            TunnelKind::Esp(selectors) => Self::of_selectors(selectors),
            TunnelKind::Vti | TunnelKind::DynamicVti => {
                Self { local: any(subject.local), remote: any(subject.local) }
            }
            TunnelKind::Gre(_) | TunnelKind::Mgre(_) => {
                Self::between_ends(subject, mode, &[47], (0, u16::MAX))
            }
            TunnelKind::Ipip => {
                Self::between_ends(subject, mode, &inner_protocols(subject), (0, u16::MAX))
            }
            TunnelKind::L2tp(_) => Self::between_ends(subject, mode, &[17], (1701, 1701)),
        };
        let is_vti = subject.kind == Kind::Vti;
        for ((key, field), side) in subnets.into_iter().zip([&mut sides.local, &mut sides.remote]) {
            if let Some(at) = field.span().filter(|_| !is_vti) {
                let error = found.error(at, format!("the tunnel itself decides: `{key}`"));
                let error = error.label("only a vti tunnel has this here");
                found.push(error.help("remove this line; an esp tunnel has it in [[tunnel]]"));
                return None;
            }
            if !field.is_absent() {
                let list = field.optional()?.into_inner();
                let nets: Vec<_> = list.iter().map(|net| address::prefix(net, found)).collect();
                let nets = nets.into_iter().collect::<Option<Vec<_>>>()?;
                *side = nets.iter().map(|net| of_net(*net.get_ref())).collect();
            }
        }
        if v1 {
            sides.make_single(is_vti || subject.kind == Kind::Ipip, at, found)?;
        }
        Some(sides)
    }

    fn of_selectors(selectors: &[Selector]) -> Self {
        let mut sides = Self { local: Vec::new(), remote: Vec::new() };
        for selector in selectors {
            let ours = (&selector.local, &selector.local_ports, &mut sides.local);
            let theirs = (&selector.remote, &selector.remote_ports, &mut sides.remote);
            for (ranges, ports, side) in [ours, theirs] {
                let ports = ports.as_ref().map_or((0, u16::MAX), |it| (*it.start(), *it.end()));
                let protocol = selector.protocol.unwrap_or(0);
                let ranges = ranges.iter().map(|range| (range.first, range.last));
                for (first, last) in ranges {
                    let addresses = SelectorAddresses::Range(first, last);
                    let template = SelectorTemplate { addresses, protocol, ports };
                    if !side.contains(&template) {
                        side.push(template);
                    }
                }
            }
        }
        sides
    }

    /// Between the ends of the tunnel's own header: in transport mode those of IKE, wherever they
    /// are.
    fn between_ends(
        subject: &Subject<'_>,
        mode: EspMode,
        protocols: &[u8],
        ports: (u16, u16),
    ) -> Self {
        let side = |end: Option<&Spanned<IpAddr>>| {
            let addresses = match (mode, end) {
                (EspMode::Tunnel, Some(end)) => {
                    SelectorAddresses::Range(*end.get_ref(), *end.get_ref())
                }
                _ => SelectorAddresses::Dynamic,
            };
            let one = |protocol: &u8| SelectorTemplate {
                addresses: addresses.clone(),
                protocol: *protocol,
                ports,
            };
            protocols.iter().map(one).collect()
        };
        Self { local: side(subject.local), remote: side(subject.remote) }
    }

    /// RFC 2409 section 5.5: quick mode has one identity of each side. Where the kind of tunnel
    /// says what is protected, the first is meant.
    fn make_single(&mut self, implied: bool, at: Range<usize>, found: &mut Findings) -> Option<()> {
        if implied {
            self.local.truncate(1);
            self.remote.truncate(1);
        }
        if self.local.len() > 1 || self.remote.len() > 1 {
            let error = found.error(at, "IKEv1 negotiates one network on each side");
            let error = error.label("this tunnel has more");
            let help = "write a tunnel for each pair, `kind = \"vti\"`, or `version = 2`";
            found.push(error.help(help));
            return None;
        }
        Some(())
    }
}

/// Everything; first that of the outer IP version.
fn any(local: Option<&Spanned<IpAddr>>) -> Vec<SelectorTemplate> {
    let v4 = SelectorAddresses::Range(
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
    );
    let v6 = SelectorAddresses::Range(
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from(u128::MAX)),
    );
    let mut both = vec![of_addresses(v4), of_addresses(v6)];
    if local.is_some_and(|local| local.get_ref().is_ipv6()) {
        both.reverse();
    }
    both
}

fn of_net(net: IpNet) -> SelectorTemplate {
    of_addresses(SelectorAddresses::Range(net.network(), net.broadcast()))
}

const fn of_addresses(addresses: SelectorAddresses) -> SelectorTemplate {
    SelectorTemplate { addresses, protocol: 0, ports: (0, u16::MAX) }
}

/// What IP in IP carries: the versions that the tunnel has addresses of, or else that of its ends.
fn inner_protocols(subject: &Subject<'_>) -> Vec<u8> {
    let versions = subject.addresses.iter().map(|net| net.get_ref().addr().is_ipv4());
    let outer = subject.local.is_none_or(|local| local.get_ref().is_ipv4());
    let mut protocols: Vec<u8> = Vec::new();
    for is_v4 in versions.chain(subject.addresses.is_empty().then_some(outer)) {
        let protocol = if is_v4 { 4 } else { 41 };
        if !protocols.contains(&protocol) {
            protocols.push(protocol);
        }
    }
    protocols
}
