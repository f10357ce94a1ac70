//! `[[tunnel]]`: what each kind needs and refuses, and how tunnels are told apart.

use std::{collections::BTreeMap, net::IpAddr, ops::Range};

use ipnet::IpNet;
use toml::Spanned;

use super::{
    Surroundings, address,
    sa::Sas,
    value::{Unique, choice, name, number},
};
use crate::{
    findings::Findings,
    model::{Df, Dscp, EspMode, ManualSa, OuterRules, Tunnel, TunnelKind},
    schema,
    section::{Field, Many, One, WordOrNumber},
    spelling::shown,
};

/// Bounds of an inner MTU in bytes: what every IPv4 host accepts (RFC 791 section 3.1), and what
/// fits a jumbo frame.
const MTU_MIN: i64 = 576;
const MTU_MAX: i64 = 9200;

/// The default time to live (RFC 1700).
const TTL_DEFAULT: u8 = 64;

/// A kind before its parts are known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Esp,
    Vti,
    Gre,
    Ipip,
}

/// The tunnels that are sound, and what is known of all of them.
pub(super) struct Tunnels {
    pub(super) list: Vec<Tunnel>,
    /// Where each of `list` is named.
    pub(super) places: Vec<Range<usize>>,
    /// By name, the refused ones included, so that a route to one is not refused as well.
    pub(super) known: BTreeMap<String, Known>,
}

/// What a route may ask about a tunnel.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// `None` if the kind was refused.
    pub(super) kind: Option<Kind>,
    /// Index in the list; `None` if the tunnel was refused.
    pub(super) index: Option<usize>,
}

/// What must not occur twice, over all tunnels.
struct Taken {
    names: Unique<String>,
    /// Kind by name, endpoints, key.
    endpoints: Unique<(&'static str, IpAddr, IpAddr, Option<u32>)>,
    sas: Sas,
}

/// Converts the sections and compares their names, SPIs, keys and GRE endpoints.
pub(super) fn resolve(
    sections: Many<schema::Tunnel>,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Tunnels {
    let mut taken = Taken { names: Unique::new(), endpoints: Unique::new(), sas: Sas::new() };
    let mut tunnels = Tunnels { list: Vec::new(), places: Vec::new(), known: BTreeMap::new() };
    for section in sections.0 {
        one(section, &mut taken, &mut tunnels, surroundings, found);
    }
    taken.sas.check_secrecy(surroundings, found);
    tunnels
}

fn one(
    section: Spanned<schema::Tunnel>,
    taken: &mut Taken,
    tunnels: &mut Tunnels,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) {
    let at = section.span();
    let section = section.into_inner();
    let name = name(section.name.required(at.clone(), found), found);
    if let Some(name) = &name {
        taken.names.take_name("tunnels", name, "give each tunnel a name of its own", found);
    }
    let kinds = [("esp", Kind::Esp), ("vti", Kind::Vti), ("gre", Kind::Gre), ("ipip", Kind::Ipip)];
    let kind = choice(section.kind.required(at.clone(), found), "kind", &kinds, found);
    let local = address::host(section.local.required(at.clone(), found), "local", found);
    let remote = address::host(section.remote.required(at.clone(), found), "remote", found);
    let key_at = section.key.span();
    let key = number(section.key.optional(), "key", 0..=i64::from(u32::MAX), "", found);
    if let (Some(at), Some(Kind::Esp | Kind::Vti | Kind::Ipip)) = (key_at, kind) {
        let error = found.error(at, "only a gre tunnel has a `key`");
        found.push(error.label("not part of this kind of tunnel").help("remove this line"));
    }
    if let (Some(local), Some(remote)) = (&local, &remote) {
        check_endpoints(kind, key, local, remote, taken, found);
    }
    let outer = outer(section.ttl, section.dscp, section.df, found);
    let mtu = number(section.mtu.optional(), "mtu", MTU_MIN..=MTU_MAX, " bytes", found);
    let parts = Parts {
        local_subnets: section.local_subnets,
        remote_subnets: section.remote_subnets,
        address: section.address,
        key,
        sa: section.sa,
    };
    let peer = remote.as_ref().map(|remote| *remote.get_ref());
    let body = parts.resolve(kind, at, &mut taken.sas, peer, surroundings, found);

    let Some(name) = name else { return };
    let index = match (body, local, remote) {
        (Some(body), Some(local), Some(remote)) => {
            let name = name.get_ref().clone();
            tunnels.list.push(Tunnel { name, kind: body, local, remote, outer, mtu });
            Some(tunnels.list.len() - 1)
        }
        _ => None,
    };
    if index.is_some() {
        tunnels.places.push(name.span());
    }
    tunnels.known.entry(name.into_inner()).or_insert(Known { kind, index });
}

fn check_endpoints(
    kind: Option<Kind>,
    key: Option<u32>,
    local: &Spanned<IpAddr>,
    remote: &Spanned<IpAddr>,
    taken: &mut Taken,
    found: &mut Findings,
) {
    let endpoints = (*local.get_ref(), *remote.get_ref());
    if endpoints.0 == endpoints.1 {
        let error = found.error(remote.span(), "the tunnel leads to itself");
        let error = error.label("the same address as `local`").also(local.span(), "`local`");
        found.push(error.help("write the other gateway's address as `remote`"));
        return;
    }
    let (kind, help) = match kind {
        Some(Kind::Gre) => ("gre", "use another `local` or `remote` address, or another `key`"),
        Some(Kind::Ipip) => ("ipip", "use another `local` or `remote` address"),
        _ => return,
    };
    if let Err(first) = taken.endpoints.take((kind, endpoints.0, endpoints.1, key), remote.span()) {
        let error =
            found.error(remote.span(), format!("two {kind} tunnels have the same endpoints"));
        let error = error.label("packets of the two cannot be told apart");
        found.push(error.also(first, "the other one").help(help));
    }
}

fn outer(
    ttl: Field<i64>,
    dscp: Field<WordOrNumber>,
    df: Field<String>,
    found: &mut Findings,
) -> OuterRules {
    let ttl = number(ttl.optional(), "ttl", 1..=255, "", found);
    let dscp = dscp.optional().and_then(|value| {
        let at = value.span();
        match value.into_inner() {
            WordOrNumber::Word(word) => {
                if word == "copy" {
                    return Some(Dscp::Copy);
                }
                let error = found.error(at, format!("unknown dscp {}", shown(&word)));
                let error = error.label("no such dscp");
                found.push(error.help("write `dscp = \"copy\"`, or its number, 0 to 63"));
                None
            }
            WordOrNumber::Number(value) => {
                let or_copy = ", or \"copy\"";
                number(Some(Spanned::new(at, value)), "dscp", 0..=63, or_copy, found)
                    .map(Dscp::Fixed)
            }
        }
    });
    let dfs = [("copy", Df::Copy), ("set", Df::Set), ("clear", Df::Clear)];
    let df = choice(df.optional(), "df", &dfs, found);
    OuterRules {
        ttl: ttl.unwrap_or(TTL_DEFAULT),
        dscp: dscp.unwrap_or(Dscp::Copy),
        df: df.unwrap_or(Df::Copy),
    }
}

/// What some kinds need and others refuse.
struct Parts {
    local_subnets: Field<Vec<Spanned<String>>>,
    remote_subnets: Field<Vec<Spanned<String>>>,
    address: Field<String>,
    key: Option<u32>,
    sa: Field<One<schema::Sa>>,
}

impl Parts {
    /// `kind` is `None` if it was refused; then the parts are only looked at for their own errors.
    fn resolve(
        self,
        kind: Option<Kind>,
        at: Range<usize>,
        sas: &mut Sas,
        peer: Option<IpAddr>,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Option<TunnelKind> {
        self.check_belongs(kind, found);
        let address = self.address.optional().and_then(|value| address::interface(&value, found));
        let (local_field, remote_field) = match kind {
            Some(Kind::Esp) => (
                self.local_subnets.required(at.clone(), found),
                self.remote_subnets.required(at.clone(), found),
            ),
            _ => (self.local_subnets.optional(), self.remote_subnets.optional()),
        };
        let local_subnets = local_field.and_then(|l| subnets(l, "local_subnets", found));
        let remote_subnets = remote_field.and_then(|l| subnets(l, "remote_subnets", found));
        let sa = match kind {
            Some(Kind::Esp | Kind::Vti) => self.sa.required(at, found),
            Some(Kind::Gre | Kind::Ipip) | None => self.sa.optional(),
        };
        let default_mode = match kind {
            Some(Kind::Gre | Kind::Ipip) => EspMode::Transport,
            _ => EspMode::Tunnel,
        };
        let protected = sa.is_some();
        let sa = sa.and_then(|sa| sas.resolve(sa, peer, default_mode, surroundings, found));
        if protected && sa.is_none() {
            return None;
        }
        match kind? {
            Kind::Esp => esp(local_subnets?, remote_subnets?, sa, found),
            Kind::Vti => Some(TunnelKind::Vti { address, sa: sa? }),
            Kind::Gre => Some(TunnelKind::Gre { address, key: self.key, sa }),
            Kind::Ipip => Some(TunnelKind::Ipip { address, sa }),
        }
    }

    /// Reports what the kind has no use for.
    fn check_belongs(&self, kind: Option<Kind>, found: &mut Findings) {
        let mut refuse = |at: Option<Range<usize>>, title: String, help: &str| {
            if let Some(at) = at {
                let error = found.error(at, title).label("not part of this kind of tunnel");
                found.push(error.help(help));
            }
        };
        match kind {
            Some(Kind::Esp) => refuse(
                self.address.span(),
                "an esp tunnel has no `address`".to_owned(),
                "remove this line, or write `kind = \"vti\"` for a tunnel that routes lead into",
            ),
            Some(Kind::Vti | Kind::Gre | Kind::Ipip) => {
                let kind_name = match kind {
                    Some(Kind::Gre) => "gre",
                    Some(Kind::Ipip) => "ipip",
                    _ => "vti",
                };
                for (at, key) in [
                    (self.local_subnets.span(), "local_subnets"),
                    (self.remote_subnets.span(), "remote_subnets"),
                ] {
                    refuse(
                        at,
                        format!("a {kind_name} tunnel has no `{key}`"),
                        "say what enters it in [[route]] sections, or write `kind = \"esp\"`",
                    );
                }
            }
            None => {}
        }
    }
}

fn esp(
    local_subnets: Vec<Spanned<IpNet>>,
    remote_subnets: Vec<Spanned<IpNet>>,
    sa: Option<ManualSa>,
    found: &mut Findings,
) -> Option<TunnelKind> {
    for remote in &remote_subnets {
        let net = remote.get_ref();
        let overlaps = |local: &&Spanned<IpNet>| {
            local.get_ref().contains(net) || net.contains(local.get_ref())
        };
        if let Some(local) = local_subnets.iter().find(overlaps) {
            let title = format!("{net} is on both sides of the tunnel");
            let error = found.error(remote.span(), title);
            let error = error.label(format!("overlaps {}", local.get_ref()));
            found.push(
                error
                    .also(local.span(), "on our side")
                    .help("write prefixes that lie on one side only"),
            );
        }
    }
    Some(TunnelKind::Esp { local_subnets, remote_subnets, sa: sa? })
}

/// The sound prefixes of a list that is not empty.
fn subnets(
    list: Spanned<Vec<Spanned<String>>>,
    key: &str,
    found: &mut Findings,
) -> Option<Vec<Spanned<IpNet>>> {
    if list.get_ref().is_empty() {
        let error = found.error(list.span(), format!("`{key}` is empty"));
        let error = error.label("nothing would enter the tunnel");
        found.push(
            error.help(format!(
                "write the networks of that side, as in `{key} = [\"10.2.0.0/24\"]`"
            )),
        );
        return None;
    }
    let prefixes = list.into_inner();
    Some(prefixes.iter().filter_map(|value| address::prefix(value, found)).collect())
}
