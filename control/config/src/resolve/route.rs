//! `[[route]]`: what leads where.

use std::net::IpAddr;

use ipnet::IpNet;
use toml::Spanned;

use super::{
    address,
    port::Ports,
    tunnel::{Kind, Known, Tunnels},
};
use crate::{
    findings::Findings,
    model::{Port, Role, Route, RouteTarget, TunnelKind},
    schema,
    section::Many,
    spelling::shown,
};

/// Converts the sections and finds the tunnels they name.
pub(super) fn resolve(
    sections: Many<schema::Route>,
    tunnels: &Tunnels,
    ports: &Ports,
    found: &mut Findings,
) -> Vec<Route> {
    sections.0.into_iter().filter_map(|section| one(section, tunnels, ports, found)).collect()
}

/// A tunnel that no packet can enter is legal, because routes may come later, but rarely meant.
pub(super) fn warn_of_idle_tunnels(tunnels: &Tunnels, routes: &[Route], found: &mut Findings) {
    let mut has_route = vec![false; tunnels.list.len()];
    for route in routes {
        if let RouteTarget::Tunnel(index) | RouteTarget::Peer(index, _) = route.target
            && let Some(has_route) = has_route.get_mut(index)
        {
            *has_route = true;
        }
    }
    for ((tunnel, at), has_route) in tunnels.list.iter().zip(&tunnels.places).zip(has_route) {
        let by_route = !matches!(tunnel.kind, TunnelKind::Esp(_) | TunnelKind::DynamicVti);
        if by_route && !has_route && tunnel.addresses.is_empty() {
            let title = format!("nothing leads into tunnel {}", shown(&tunnel.name));
            let warning = found.warning(at.clone(), title).label("it has no route and no address");
            found.push(
                warning.help(format!(
                    "add [[route]] with `prefix` and `tunnel = \"{}\"`",
                    tunnel.name
                )),
            );
        }
    }
}

fn one(
    section: Spanned<schema::Route>,
    tunnels: &Tunnels,
    ports: &Ports,
    found: &mut Findings,
) -> Option<Route> {
    let at = section.span();
    let section = section.into_inner();
    let prefix = section.prefix.required(at.clone(), found);
    let prefix = prefix.and_then(|value| address::prefix(&value, found));
    let places = [section.tunnel.span(), section.via.span(), section.port.span()];
    let absent = section.tunnel.is_absent() && section.via.is_absent() && section.port.is_absent();
    if absent {
        let error = found.error(at, "the route leads nowhere").label("neither `tunnel` nor `via`");
        found.push(
            error.help(
                "add `tunnel = \"NAME\"`, or `via = \"ADDRESS\"` of a router on an inside port",
            ),
        );
        return None;
    }
    let tunnel = section.tunnel.optional();
    let known = match &tunnel {
        Some(name) => Some(tunnels.find(name, found)?),
        None => None,
    };
    let to_peer = known.is_some_and(|known| known.kind == Some(Kind::Mgre));
    if let [Some(first), Some(second), _]
    | [Some(first), _, Some(second)]
    | [_, Some(first), Some(second)] = &places
        && !(to_peer && places[2].is_none())
    {
        let error = found.error(second.clone(), "the route has two targets").label("a second one");
        found.push(error.also(first.clone(), "the first one").help("remove one of the two lines"));
        return None;
    }
    let has_via = places[1].is_some();
    let via = address::host(section.via.optional(), "via", found);
    let target = match (known, tunnel, section.port.optional()) {
        (Some(known), Some(name), _) if to_peer => {
            let index = known.index?;
            check_overlay(via.as_ref(), index, &name, tunnels, found);
            if has_via && via.is_none() {
                return None;
            }
            Some(RouteTarget::Peer(index, via))
        }
        (Some(known), Some(name), _) => to_tunnel(known, &name, tunnels, found),
        (_, _, Some(port)) => to_port(&port, prefix.as_ref(), ports, found),
        _ => {
            let via = via?;
            check_reachable(&via, ports, found);
            Some(RouteTarget::Via(via))
        }
    };
    let (prefix, target) = (prefix?, target?);
    check_version(&prefix, &target, found);
    Some(Route { prefix, target })
}

/// A next hop is of the prefix's IP version.
fn check_version(prefix: &Spanned<IpNet>, target: &RouteTarget, found: &mut Findings) {
    if let RouteTarget::Via(via) | RouteTarget::Peer(_, Some(via)) = target
        && via.get_ref().is_ipv4() != prefix.get_ref().addr().is_ipv4()
        && matches!(target, RouteTarget::Via(_))
    {
        let error = found.error(via.span(), "prefix and next hop differ in IP version");
        let error = error.label("not as the prefix").also(prefix.span(), "the prefix");
        found.push(error.help("write a next hop of the prefix's IP version"));
    }
}

fn to_tunnel(
    known: Known,
    name: &Spanned<String>,
    tunnels: &Tunnels,
    found: &mut Findings,
) -> Option<RouteTarget> {
    let tunnel = known.index.and_then(|index| tunnels.list.get(index));
    if tunnel.is_some_and(|tunnel| matches!(tunnel.kind, TunnelKind::DynamicVti)) {
        let title = format!("tunnel {} has many peers", shown(name.get_ref()));
        let error = found.error(name.span(), title).label("to which of them?");
        found.push(error.help("add the prefix to the `subnets` of a [[tunnel.peer]]"));
        return None;
    }
    if known.kind == Some(Kind::Esp) {
        let title = format!("no route leads into the esp tunnel {}", shown(name.get_ref()));
        let error = found.error(name.span(), title);
        let error = error.label("its subnets alone decide what enters it");
        found.push(error.help(
            "add the prefix to its `remote_subnets`, or write `kind = \"vti\"` for that tunnel",
        ));
        return None;
    }
    known.index.map(RouteTarget::Tunnel)
}

/// The next hop of a route into a multipoint tunnel is in its network.
fn check_overlay(
    via: Option<&Spanned<IpAddr>>,
    index: usize,
    name: &Spanned<String>,
    tunnels: &Tunnels,
    found: &mut Findings,
) {
    let (Some(via), Some(tunnel)) = (via, tunnels.list.get(index)) else { return };
    let inside = |net: &Spanned<IpNet>| net.get_ref().contains(via.get_ref());
    if !tunnel.addresses.iter().any(inside) {
        let title = format!("{} is not in the network of {}", via.get_ref(), shown(name.get_ref()));
        let error = found.error(via.span(), title).label("no peer has such an address");
        found.push(error.help("write the `address` of a [[tunnel.peer]]"));
    }
}

/// Out of an inside port, for what has no next hop.
fn to_port(
    name: &Spanned<String>,
    prefix: Option<&Spanned<IpNet>>,
    ports: &Ports,
    found: &mut Findings,
) -> Option<RouteTarget> {
    let is_it = |port: &Port| port.name == *name.get_ref() && port.role == Role::Inside;
    let Some(index) = ports.list.iter().position(is_it) else {
        let error =
            found.error(name.span(), format!("{} is not an inside port", shown(name.get_ref())));
        let error = error.label("no [[port]] of this name has `role = \"inside\"`");
        found.push(error.help("write the name of an inside port"));
        return None;
    };
    let multicast = |prefix: &&Spanned<IpNet>| prefix.get_ref().network().is_multicast();
    if prefix.is_some() && prefix.filter(multicast).is_none() {
        let error = found.error(name.span(), "only multicast is routed to a port");
        let error = error.label("the network of a port needs no route");
        found.push(error.help("write `via = \"ADDRESS\"` of a router, or remove the route"));
        return None;
    }
    Some(RouteTarget::Port(index))
}

/// Tells when no inside port is near the address, if the file says where all of them are.
fn check_reachable(via: &Spanned<IpAddr>, ports: &Ports, found: &mut Findings) {
    let address = via.get_ref();
    let mut all_known = !ports.incomplete && !ports.list.is_empty();
    for port in &ports.list {
        for own in &port.addresses {
            let net = own.get_ref();
            if net.addr() == *address {
                let error = found.error(via.span(), format!("{address} is our own address"));
                let error = error.label("the route leads to the gateway itself");
                let error = error.also(own.span(), format!("of port {}", port.name));
                found.push(error.help("write the address of another router"));
                return;
            }
            if net.contains(address) {
                if port.role == Role::Outside {
                    let error = found.error(via.span(), "the route leads out of an outside port");
                    let error = error.label("its packets would leave in clear");
                    let error = error.also(own.span(), format!("port {} is outside", port.name));
                    found.push(error.help("lead it into a tunnel, or to a router inside"));
                }
                return;
            }
        }
        all_known &= port.role == Role::Outside || !port.addresses.is_empty();
    }
    if all_known {
        let error = found.error(via.span(), format!("{address} is not on an inside port"));
        let error = error.label("no inside port has an address in its network");
        found.push(error.help("write the address of a router next to an inside port"));
    }
}
