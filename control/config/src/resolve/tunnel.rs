//! `[[tunnel]]`: what each kind needs and refuses, and how tunnels are told apart.

use std::{collections::BTreeMap, net::IpAddr, ops::Range};

use ipnet::IpNet;
use toml::Spanned;

use super::{
    Surroundings, address,
    child::{self, Subject},
    ike::Peers,
    outer,
    peer::{self, Hub},
    sa::Sas,
    tunnel_kind::{self, KindFields},
    value::{Unique, choice, name, number},
};
use crate::{
    findings::Findings,
    model::{EspMode, Peer, Protection, Tunnel, TunnelKind},
    schema,
    section::{Field, Many, One, Words},
    spelling::{list, nearest, shown},
};

/// Bounds of an inner MTU in bytes: what every IPv4 host accepts (RFC 791 section 3.1), and what
/// fits a jumbo frame.
const MTU_MIN: i64 = 576;
const MTU_MAX: i64 = 9200;

/// IPv6's smallest link (RFC 8200 section 5).
const IPV6_MTU_MIN: u16 = 1280;

/// A kind before its parts are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Esp,
    Vti,
    Gre,
    Ipip,
    L2tp,
    Mgre,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Esp, Self::Vti, Self::Gre, Self::Ipip, Self::L2tp, Self::Mgre];

    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Esp => "esp",
            Self::Vti => "vti",
            Self::Gre => "gre",
            Self::Ipip => "ipip",
            Self::L2tp => "l2tp",
            Self::Mgre => "mgre",
        }
    }

    /// The name with its article.
    pub(super) fn one(self) -> String {
        let article = if matches!(self, Self::Vti | Self::Gre) { "a" } else { "an" };
        format!("{article} {}", self.name())
    }

    /// What ESP covers unless the file says otherwise.
    pub(super) fn default_mode(self) -> EspMode {
        match self {
            Self::Esp | Self::Vti => EspMode::Tunnel,
            Self::Gre | Self::Ipip | Self::L2tp | Self::Mgre => EspMode::Transport,
        }
    }
}

/// The tunnels that are sound, and what is known of all of them.
pub(super) struct Tunnels {
    pub(super) list: Vec<Tunnel>,
    /// Where each of `list` is named.
    pub(super) places: Vec<Range<usize>>,
    /// By name, the refused ones included, so that a route to one is not refused as well.
    known: BTreeMap<String, Known>,
}

/// What a route or a policy may ask about a tunnel.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// `None` if the kind was refused.
    pub(super) kind: Option<Kind>,
    /// Index in the list; `None` if the tunnel was refused.
    pub(super) index: Option<usize>,
}

impl Tunnels {
    /// The tunnel of this name; reports that there is none.
    pub(super) fn find(&self, name: &Spanned<String>, found: &mut Findings) -> Option<Known> {
        if let Some(known) = self.known.get(name.get_ref()) {
            return Some(*known);
        }
        let names: Vec<_> = self.known.keys().map(String::as_str).collect();
        let help = match nearest(name.get_ref(), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "add a [[tunnel]] of that name".to_owned(),
            None if names.len() > 8 => "write the name of a [[tunnel]]".to_owned(),
            None => format!("the tunnels here are {}", list(&names)),
        };
        let title = format!("there is no tunnel {}", shown(name.get_ref()));
        found.push(found.error(name.span(), title).label("no [[tunnel]] has this name").help(help));
        None
    }
}

/// What must not occur twice, over all tunnels.
pub(super) struct Taken {
    pub(super) names: Unique<String>,
    /// Kind by name, endpoints, and what tells tunnels with the same ones apart.
    endpoints: Unique<(&'static str, IpAddr, IpAddr, Option<u32>)>,
    pub(super) sas: Sas,
    /// Who keys are negotiated with, and the children so far.
    pub(super) ike: Peers,
    pub(super) workers: u16,
}

/// Converts the sections and compares their names, SPIs, keys and endpoints.
pub(super) fn resolve(
    sections: Many<schema::Tunnel>,
    ike: Peers,
    workers: u16,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> (Tunnels, Peers) {
    let (names, endpoints) = (Unique::new(), Unique::new());
    let mut taken = Taken { names, endpoints, sas: Sas::new(), ike, workers };
    let mut tunnels = Tunnels { list: Vec::new(), places: Vec::new(), known: BTreeMap::new() };
    for section in sections.0 {
        one(section, &mut taken, &mut tunnels, surroundings, found);
    }
    taken.sas.check_secrecy(surroundings, found);
    (tunnels, taken.ike)
}

fn one(
    section: Spanned<schema::Tunnel>,
    taken: &mut Taken,
    tunnels: &mut Tunnels,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) {
    let at = section.span();
    let mut section = section.into_inner();
    let name = name(section.name.take().required(at.clone(), found), found);
    if let Some(name) = &name {
        taken.names.take_name("tunnels", name, "give each tunnel a name of its own", found);
    }
    let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
    let kind = choice(section.kind.take().required(at.clone(), found), "kind", &kinds, found);
    if let Some(kind) = kind {
        check_shape(kind, &section, found);
    }
    let fields = outer::Fields {
        ttl: section.ttl.take(),
        dscp: section.dscp.take(),
        ecn: section.ecn.take(),
        df: section.df.take(),
    };
    let outer = outer::rules(fields, found);
    let mtu_at = section.mtu.span();
    let mtu = number(section.mtu.take().optional(), "mtu", MTU_MIN..=MTU_MAX, " bytes", found);
    let mss = outer::mss(section.mss.take().optional(), found);
    let parts = parts(section, kind, name.as_ref(), at, taken, surroundings, found);
    warn_of_small_mtu(mtu_at.zip(mtu), &parts.addresses, found);

    let Some(name) = name else { return };
    let one_remote = parts.one_remote;
    let index = match (parts.kind, parts.local, parts.protection) {
        (Some(kind), Some(local), Some(protection))
            if !one_remote || parts.remote.is_some() || parts.anywhere =>
        {
            warn_of_clear_l2tp(&kind, &protection, &name, found);
            let (remote, addresses, peers) = (parts.remote, parts.addresses, parts.peers);
            let name = name.get_ref().clone();
            let tunnel =
                Tunnel { name, kind, local, remote, addresses, outer, mtu, mss, protection, peers };
            tunnels.list.push(tunnel);
            Some(tunnels.list.len() - 1)
        }
        _ => None,
    };
    if index.is_some() {
        tunnels.places.push(name.span());
    }
    tunnels.known.entry(name.into_inner()).or_insert(Known { kind, index });
}

/// What depends on the kind and on each other: ends, headers, SAs, peers.
struct Parts {
    kind: Option<TunnelKind>,
    local: Option<Spanned<IpAddr>>,
    remote: Option<Spanned<IpAddr>>,
    one_remote: bool,
    /// Its one peer may be anywhere.
    anywhere: bool,
    addresses: Vec<Spanned<IpNet>>,
    /// `None` follows an error.
    protection: Option<Protection>,
    peers: Vec<Peer>,
}

fn parts(
    mut section: schema::Tunnel,
    kind: Option<Kind>,
    name: Option<&Spanned<String>>,
    at: Range<usize>,
    taken: &mut Taken,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Parts {
    let has_peers = !section.peers.is_absent();
    let negotiates = !section.ike.is_absent();
    // A VTI without a peer of its own stands for all that IKE lets in.
    let is_template = kind == Some(Kind::Vti) && negotiates && section.remote.is_absent();
    let has_peers = has_peers || is_template;
    let one_remote = !has_peers && kind != Some(Kind::Mgre);
    let anywhere = one_remote && negotiates && takes_anywhere(&mut section, kind);
    let local = address::host(section.local.take().required(at.clone(), found), "local", found);
    let remote = match one_remote && !anywhere {
        true => address::host(section.remote.take().required(at.clone(), found), "remote", found),
        false => None,
    };
    let addresses = addresses(section.address.take(), kind, at.clone(), found);
    let (sa, ike, peers) = (section.sa.take(), section.ike.take(), section.peers.take());
    let fields = KindFields::of(section);
    if let Some(kind) = kind {
        fields.check_belongs(kind, found);
    }
    let body = fields.resolve(kind, has_peers, at.clone(), found);
    let apart = body.as_ref().and_then(tunnel_kind::told_apart_by);
    if let (Some(local), Some(remote)) = (&local, &remote) {
        taken.check_endpoints(kind, apart, local, remote, found);
    }
    let to = remote.as_ref().map(|remote| *remote.get_ref());
    let protection = match (ike.optional(), kind, &body, name) {
        (Some(section), Some(kind), Some(body), Some(name)) => {
            refuse_both(sa.span(), section.span(), found);
            let subject = Subject {
                name: name.get_ref(),
                kind,
                body,
                local: local.as_ref(),
                remote: remote.as_ref(),
                addresses: &addresses,
                is_template: !one_remote,
                workers: taken.workers,
            };
            child::resolve(section, &subject, &mut taken.ike, found).map(Protection::Ike)
        }
        (Some(_), ..) => None,
        (None, ..) if negotiates => None,
        (None, ..) => one_sa(sa, kind.filter(|_| one_remote), to, at, taken, surroundings, found),
    };
    let kind = kind.unwrap_or(Kind::Vti);
    let hub =
        Hub { kind, key: apart, local: local.as_ref(), addresses: &addresses, body: body.as_ref() };
    let peers = peers.optional().map_or(Many(Vec::new()), Spanned::into_inner);
    let peers = peer::resolve(peers, &hub, taken, surroundings, found);
    Parts { kind: body, local, remote, one_remote, anywhere, addresses, protection, peers }
}

/// Whether the tunnel's peer may be anywhere; it is then no address to be read.
fn takes_anywhere(section: &mut schema::Tunnel, kind: Option<Kind>) -> bool {
    let may = matches!(kind, Some(Kind::Esp | Kind::Vti));
    let anywhere = may && section.remote.given().is_some_and(|remote| remote == "any");
    if anywhere {
        section.remote.take();
    }
    anywhere
}

/// Reports that `what` has neither manual keys nor negotiated ones.
pub(super) fn unprotected(what: &str, at: Range<usize>, found: &mut Findings) {
    let place = if what == "peer" { "tunnel.peer" } else { "tunnel" };
    let error = found.error(at, format!("nothing protects the {what}"));
    let error = error.label(format!("there is no [{place}.ike] here, and no [{place}.sa]"));
    found.push(error.help(format!(
        "add a section [{place}.ike], or [{place}.sa] for keys that are written down"
    )));
}

/// A tunnel has written keys or negotiated ones.
pub(super) fn refuse_both(sa: Option<Range<usize>>, ike: Range<usize>, found: &mut Findings) {
    if let Some(at) = sa {
        let error = found.error(at, "the tunnel has manual keys and negotiated ones");
        let error = error.label("written keys").also(ike, "IKE");
        found.push(error.help("remove one of the two"));
    }
}

/// Reports what does not go together with the kind: peers, one remote, an SA, an address.
fn check_shape(kind: Kind, section: &schema::Tunnel, found: &mut Findings) {
    let schema::Tunnel { address, peers, sa, remote, .. } = section;
    let mut refuse = |at: Option<Range<usize>>, title: String, help: &str| {
        if let Some(at) = at {
            let error = found.error(at, title).label("not part of this kind of tunnel");
            found.push(error.help(help));
        }
    };
    if kind == Kind::Esp {
        refuse(
            address.span(),
            "an esp tunnel has no `address`".to_owned(),
            "remove this line, or write `kind = \"vti\"` for a tunnel that routes lead into",
        );
    }
    let many = match kind {
        Kind::Mgre => true,
        Kind::Vti => !peers.is_absent(),
        Kind::Esp | Kind::Gre | Kind::Ipip | Kind::L2tp => {
            refuse(
                peers.span(),
                format!("{} tunnel has one peer", kind.one()),
                "remove [[tunnel.peer]], or write `kind = \"vti\"` or `kind = \"mgre\"`",
            );
            false
        }
    };
    if many {
        refuse(
            remote.span(),
            "a tunnel with many peers has no `remote`".to_owned(),
            "write `remote` in each [[tunnel.peer]]",
        );
        refuse(
            sa.span(),
            "a tunnel with many peers has no SA of its own".to_owned(),
            "write a section [tunnel.peer.sa] for each [[tunnel.peer]]",
        );
    }
}

/// `None` follows an error.
fn one_sa(
    field: Field<One<schema::Sa>>,
    kind: Option<Kind>,
    to: Option<IpAddr>,
    at: Range<usize>,
    taken: &mut Taken,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Protection> {
    let Some(kind) = kind else { return Some(Protection::Clear) };
    let absent = field.is_absent();
    let needed = matches!(kind, Kind::Esp | Kind::Vti);
    if absent && needed {
        unprotected("tunnel", at, found);
        return None;
    }
    match field.optional() {
        None if absent => Some(Protection::Clear),
        None => None,
        Some(section) => {
            let mode = kind.default_mode();
            let sa = taken.sas.resolve(section, to, mode, surroundings, found);
            sa.map(|sa| Protection::Manual(Box::new(sa)))
        }
    }
}

impl Taken {
    /// Compares the ends with each other and with those of other tunnels. `apart` is what tells
    /// tunnels with the same ends apart: a key, or L2TP's numbers.
    pub(super) fn check_endpoints(
        &mut self,
        kind: Option<Kind>,
        apart: Option<u32>,
        local: &Spanned<IpAddr>,
        remote: &Spanned<IpAddr>,
        found: &mut Findings,
    ) {
        let ends = (*local.get_ref(), *remote.get_ref());
        if ends.0 == ends.1 {
            let error = found.error(remote.span(), "the tunnel leads to itself");
            let error = error.label("the same address as `local`").also(local.span(), "`local`");
            found.push(error.help("write the other gateway's address as `remote`"));
            return;
        }
        if ends.0.is_ipv4() != ends.1.is_ipv4() {
            let error = found.error(remote.span(), "the tunnel's ends differ in IP version");
            let error = error.label("not as `local`").also(local.span(), "`local`");
            found.push(error.help("write both as IPv4 or both as IPv6 addresses"));
            return;
        }
        if kind == Some(Kind::L2tp) && ends.0.is_ipv6() {
            let error = found.error(local.span(), "L2TP is carried over IPv4 only");
            let error = error.label("an IPv6 address");
            found.push(error.help("write IPv4 addresses; IPv6 packets fit inside"));
            return;
        }
        // A multipoint tunnel is GRE on the wire.
        let (on_wire, help) = match kind {
            Some(Kind::Gre | Kind::Mgre) => {
                ("gre", "use another `local` or `remote` address, or another `key`")
            }
            Some(Kind::Ipip) => ("ipip", "use another `local` or `remote` address"),
            Some(Kind::L2tp) => ("l2tp", "use another `local_tunnel_id` or `local_session_id`"),
            Some(Kind::Esp | Kind::Vti) | None => return,
        };
        if let Err(first) = self.endpoints.take((on_wire, ends.0, ends.1, apart), remote.span()) {
            let title = format!("two {on_wire} tunnels have the same endpoints");
            let error = found.error(remote.span(), title);
            let error = error.label("packets of the two cannot be told apart");
            found.push(error.also(first, "the other one").help(help));
        }
    }
}

/// The tunnel's own addresses, at most one of each IP version.
fn addresses(
    field: Field<Words>,
    kind: Option<Kind>,
    at: Range<usize>,
    found: &mut Findings,
) -> Vec<Spanned<IpNet>> {
    let words = match kind {
        Some(Kind::Mgre) => field.required(at, found),
        _ => field.optional(),
    };
    let words = words.map(|words| words.into_inner().0).unwrap_or_default();
    let mut nets: Vec<Spanned<IpNet>> = Vec::new();
    for word in &words {
        let Some(net) = address::interface(word, found) else { continue };
        let version = |net: &Spanned<IpNet>| net.get_ref().addr().is_ipv4();
        if let Some(first) = nets.iter().find(|first| version(first) == version(&net)) {
            let error = found.error(net.span(), "a tunnel has one address of each IP version");
            let error = error.label("a second one").also(first.span(), "the first one");
            found.push(error.help("remove one of the two"));
        }
        nets.push(net);
    }
    nets
}

fn warn_of_small_mtu(
    mtu: Option<(Range<usize>, u16)>,
    addresses: &[Spanned<IpNet>],
    found: &mut Findings,
) {
    let v6 = addresses.iter().find(|net| net.get_ref().addr().is_ipv6());
    if let (Some((at, mtu)), Some(v6)) = (mtu, v6)
        && mtu < IPV6_MTU_MIN
    {
        let warning = found.warning(at, "the tunnel is too small for IPv6");
        let warning = warning.label(format!("less than {IPV6_MTU_MIN}"));
        let warning = warning.also(v6.span(), "an IPv6 address");
        found.push(warning.help(format!("write `mtu = {IPV6_MTU_MIN}` or more (RFC 8200 5)")));
    }
}

fn warn_of_clear_l2tp(
    kind: &TunnelKind,
    protection: &Protection,
    name: &Spanned<String>,
    found: &mut Findings,
) {
    if let (TunnelKind::L2tp(_), Protection::Clear) = (kind, protection) {
        let title = format!("L2TP tunnel {} is in clear", shown(name.get_ref()));
        let warning = found.warning(name.span(), title);
        let warning = warning.label("anyone on the path reads and forges its packets");
        found.push(warning.help("add a section [tunnel.sa]"));
    }
}
