//! `[[route]]`: what leads where.

use std::net::IpAddr;

use toml::Spanned;

use super::{
    address,
    port::Ports,
    tunnel::{Kind, Tunnels},
};
use crate::{
    findings::Findings,
    model::{Role, Route, RouteTarget, TunnelKind},
    schema,
    section::Many,
    spelling::{list, nearest, shown},
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
        if let RouteTarget::Tunnel(index) = route.target
            && let Some(has_route) = has_route.get_mut(index)
        {
            *has_route = true;
        }
    }
    for ((tunnel, at), has_route) in tunnels.list.iter().zip(&tunnels.places).zip(has_route) {
        let by_route = !matches!(tunnel.kind, TunnelKind::Esp { .. });
        if by_route && !has_route && tunnel.address().is_none() {
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
    if section.tunnel.is_absent() && section.via.is_absent() {
        let error = found.error(at, "the route leads nowhere").label("neither `tunnel` nor `via`");
        found.push(
            error.help(
                "add `tunnel = \"NAME\"`, or `via = \"ADDRESS\"` of a router on an inside port",
            ),
        );
        return None;
    }
    if let (Some(tunnel), Some(via)) = (section.tunnel.span(), section.via.span()) {
        let error = found.error(via, "the route has two targets").label("a second one");
        found.push(error.also(tunnel, "the first one").help("remove one of the two lines"));
        return None;
    }
    let target = match section.tunnel.optional() {
        Some(name) => to_tunnel(&name, tunnels, found),
        None => {
            let address = address::host(section.via.optional(), "via", found)?;
            check_reachable(&address, ports, found);
            Some(RouteTarget::Via(address))
        }
    };
    Some(Route { prefix: prefix?, target: target? })
}

fn to_tunnel(
    name: &Spanned<String>,
    tunnels: &Tunnels,
    found: &mut Findings,
) -> Option<RouteTarget> {
    let Some(known) = tunnels.known.get(name.get_ref()) else {
        let names: Vec<_> = tunnels.known.keys().map(String::as_str).collect();
        let help = match nearest(name.get_ref(), &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "add a [[tunnel]] of that name".to_owned(),
            None if names.len() > 8 => "write the name of a [[tunnel]]".to_owned(),
            None => format!("the tunnels here are {}", list(&names)),
        };
        let title = format!("there is no tunnel {}", shown(name.get_ref()));
        found.push(found.error(name.span(), title).label("no [[tunnel]] has this name").help(help));
        return None;
    };
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
