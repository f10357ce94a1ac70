//! `[[tunnel.peer]]`: the many ends of a dynamic VTI or a multipoint GRE tunnel.

use std::{collections::BTreeMap, net::IpAddr, ops::Range};

use ipnet::IpNet;
use toml::Spanned;

use super::{
    Surroundings, address,
    child::{self, Subject},
    tunnel::{Kind, Taken, refuse_both, unprotected},
    value::name,
};
use crate::{
    findings::Findings,
    model::{Peer, Protection, TunnelKind},
    schema,
    section::{Field, Many, One, OneOrName},
    spelling::shown,
};

/// What peers share with their tunnel.
pub(super) struct Hub<'a> {
    pub(super) kind: Kind,
    pub(super) key: Option<u32>,
    pub(super) local: Option<&'a Spanned<IpAddr>>,
    pub(super) addresses: &'a [Spanned<IpNet>],
    pub(super) body: Option<&'a TunnelKind>,
}

/// Converts the sections; those with errors are left out.
pub(super) fn resolve(
    sections: Many<schema::Peer>,
    hub: &Hub<'_>,
    taken: &mut Taken,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Vec<Peer> {
    let mut overlay = BTreeMap::new();
    let mut peers = Vec::new();
    let mut clear: Option<Range<usize>> = None;
    let mut protected = false;
    for section in sections.0 {
        let at = section.span();
        let Some(peer) = one(section, hub, &mut overlay, taken, surroundings, found) else {
            continue;
        };
        protected |= !peer.protection.is_clear();
        if peer.protection.is_clear() && clear.is_none() {
            clear = Some(at);
        }
        peers.push(peer);
    }
    if let Some(at) = clear.filter(|_| protected) {
        let error = found.error(at, "this peer is in clear and others are not");
        let error = error.label("there is no [tunnel.peer.sa] here");
        found
            .push(error.help("add a section [tunnel.peer.sa]: one tunnel is all clear or all ESP"));
    }
    peers
}

fn one(
    section: Spanned<schema::Peer>,
    hub: &Hub<'_>,
    overlay: &mut BTreeMap<IpAddr, Range<usize>>,
    taken: &mut Taken,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Peer> {
    let at = section.span();
    let section = section.into_inner();
    let name = name(section.name.required(at.clone(), found), found);
    if let Some(name) = &name {
        taken.names.take_name("tunnels or peers", name, "give each a name of its own", found);
    }
    let remote = remote(section.remote, hub.kind, at.clone(), found);
    if let (Some(Some(remote)), Some(local)) = (&remote, hub.local) {
        taken.check_endpoints(Some(hub.kind), hub.key, local, remote, found);
    }
    let address = match hub.kind {
        Kind::Mgre => section.address.required(at.clone(), found),
        _ => section.address.optional(),
    };
    let address = address::host(address, "address", found);
    if let Some(address) = &address {
        check_overlay(address, hub.addresses, overlay, found);
    }
    let subnets = subnets(section.subnets, hub.kind, found);
    let name = name?;
    let remote = remote?;
    let fields = (section.sa, section.ike);
    let protection =
        protection(fields, hub, &name, remote.as_ref(), at, taken, surroundings, found)?;
    Some(Peer { name: name.into_inner(), remote, address, subnets, protection })
}

/// `None` after an error.
#[expect(clippy::too_many_arguments, reason = "what a peer is and where it is written")]
fn protection(
    (sa, ike): (Field<One<schema::Sa>>, Field<OneOrName<schema::Child>>),
    hub: &Hub<'_>,
    name: &Spanned<String>,
    remote: Option<&Spanned<IpAddr>>,
    at: Range<usize>,
    taken: &mut Taken,
    surroundings: Surroundings<'_>,
    found: &mut Findings,
) -> Option<Protection> {
    if !ike.is_absent() {
        let section = ike.optional()?;
        refuse_both(sa.span(), section.span(), found);
        let subject = Subject {
            name: name.get_ref(),
            kind: hub.kind,
            body: hub.body?,
            local: hub.local,
            remote,
            addresses: hub.addresses,
            is_template: false,
            workers: taken.workers,
        };
        return child::resolve(section, &subject, &mut taken.ike, found).map(Protection::Ike);
    }
    let absent = sa.is_absent();
    if absent && hub.kind != Kind::Mgre {
        unprotected("peer", at, found);
        return None;
    }
    let to = remote.map(|at| *at.get_ref());
    match sa.optional() {
        Some(section) => {
            let mode = hub.kind.default_mode();
            let sa = taken.sas.resolve(section, to, mode, surroundings, found);
            sa.map(|sa| Protection::Manual(Box::new(sa)))
        }
        None => absent.then_some(Protection::Clear),
    }
}

/// Where the peer is: `Some(None)` is not known yet.
fn remote(
    field: Field<String>,
    kind: Kind,
    at: Range<usize>,
    found: &mut Findings,
) -> Option<Option<Spanned<IpAddr>>> {
    let value = field.required(at, found)?;
    if value.get_ref() != "any" {
        return address::host(Some(value), "remote", found).map(Some);
    }
    if kind == Kind::Vti {
        return Some(None);
    }
    let error = found.error(value.span(), "only a peer of a vti tunnel may be anywhere");
    let error = error.label("where packets to it would go is not known");
    found.push(error.help("write its address as `remote`"));
    None
}

fn subnets(
    field: Field<Vec<Spanned<String>>>,
    kind: Kind,
    found: &mut Findings,
) -> Vec<Spanned<IpNet>> {
    if let (Some(at), Kind::Mgre) = (field.span(), kind) {
        let error = found.error(at, "a peer of an mgre tunnel has no `subnets`");
        let error = error.label("not part of this kind of tunnel");
        found.push(error.help("add [[route]] with `tunnel` and `via`, the peer's `address`"));
        return Vec::new();
    }
    let list = field.optional().map(Spanned::into_inner).unwrap_or_default();
    list.iter().filter_map(|value| address::prefix(value, found)).collect()
}

fn check_overlay(
    address: &Spanned<IpAddr>,
    own: &[Spanned<IpNet>],
    overlay: &mut BTreeMap<IpAddr, Range<usize>>,
    found: &mut Findings,
) {
    let at = address.span();
    if let Some(first) = overlay.insert(*address.get_ref(), at.clone()) {
        let title = format!("two peers have the address {}", address.get_ref());
        let error = found.error(at, title).label("taken").also(first, "first used here");
        found.push(error.help("give each peer an address of its own"));
        return;
    }
    let inside = |net: &&Spanned<IpNet>| net.get_ref().contains(address.get_ref());
    match own.iter().find(inside) {
        Some(net) if net.get_ref().addr() == *address.get_ref() => {
            let error = found.error(at, format!("{} is our own address", address.get_ref()));
            let error = error.label("the same as the tunnel's").also(net.span(), "ours");
            found.push(error.help("write the peer's address"));
        }
        None if !own.is_empty() => {
            let title =
                format!("{} is not in the tunnel's network", shown(&address.get_ref().to_string()));
            let error = found.error(at, title).label("outside of the tunnel's `address`");
            found.push(error.help("write an address of the network that the tunnel's is in"));
        }
        Some(_) | None => {}
    }
}
