//! Who claims which addresses: ports and tunnels by being connected to a network, esp tunnels by
//! their policy, routes by their prefix. What two of them claim would have no clear way.
//!
//! Prefixes either nest or are disjoint, so one pass in address order with a stack of the
//! enclosing ones finds every conflict without comparing each with each.

use std::{fmt, ops::Range};

use ipnet::IpNet;

use super::tunnel::Tunnels;
use crate::{
    diagnostic::Diagnostic,
    findings::Findings,
    model::{Port, Role, Route, Selector, TunnelKind},
    spelling::shown,
};

/// Reports every overlap between ports, tunnels and routes that leaves a packet's way unclear.
pub(super) fn check(ports: &[Port], tunnels: &Tunnels, routes: &[Route], found: &mut Findings) {
    let mut claims = claims(ports, tunnels, routes);
    // Wider before narrower, and those of one prefix in the order of the file.
    claims.sort_by_key(|c| (c.net.network(), c.net.prefix_len(), c.at.start));
    let mut enclosing: Vec<&Claim> = Vec::new();
    for claim in &claims {
        while enclosing.last().is_some_and(|outer| !outer.net.contains(&claim.net)) {
            enclosing.pop();
        }
        if let Some(conflict) = enclosing.iter().rev().find_map(|c| conflict(c, claim, found)) {
            found.push(conflict);
        }
        enclosing.push(claim);
    }
}

/// A prefix and who claims it.
struct Claim<'a> {
    net: IpNet,
    at: Range<usize>,
    by: Claimant<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Claimant<'a> {
    InsidePort(&'a str),
    OutsidePort(&'a str),
    TunnelInterface(&'a str),
    Policy(&'a str),
    Route,
}

impl Claimant<'_> {
    fn is_connected(self) -> bool {
        matches!(self, Self::InsidePort(_) | Self::OutsidePort(_) | Self::TunnelInterface(_))
    }
}

impl fmt::Display for Claimant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InsidePort(name) | Self::OutsidePort(name) => write!(f, "port {}", shown(name)),
            Self::TunnelInterface(name) | Self::Policy(name) => {
                write!(f, "tunnel {}", shown(name))
            }
            Self::Route => f.write_str("a route"),
        }
    }
}

fn claims<'a>(ports: &'a [Port], tunnels: &'a Tunnels, routes: &[Route]) -> Vec<Claim<'a>> {
    let mut claims = Vec::new();
    for port in ports {
        let by = match port.role {
            Role::Inside => Claimant::InsidePort(&port.name),
            Role::Outside => Claimant::OutsidePort(&port.name),
        };
        for own in &port.addresses {
            claims.push(Claim { net: own.get_ref().trunc(), at: own.span(), by });
        }
    }
    for tunnel in &tunnels.list {
        for own in &tunnel.addresses {
            let by = Claimant::TunnelInterface(&tunnel.name);
            claims.push(Claim { net: own.get_ref().trunc(), at: own.span(), by });
        }
        for peer in &tunnel.peers {
            let by = Claimant::Policy(&peer.name);
            let subnets = peer.subnets.iter();
            claims.extend(subnets.map(|net| Claim { net: *net.get_ref(), at: net.span(), by }));
        }
        // Selectors that look further than addresses share them with others: the first that
        // covers a packet decides.
        let whole = |selector: &&Selector| selector.protocol.is_none();
        let TunnelKind::Esp(selectors) = &tunnel.kind else { continue };
        for range in selectors.iter().filter(whole).flat_map(|selector| &selector.remote) {
            let by = Claimant::Policy(&tunnel.name);
            let prefixes = range.prefixes().into_iter();
            claims.extend(prefixes.map(|net| Claim { net, at: range.at.clone(), by }));
        }
    }
    let of_route = |route: &Route| Claim {
        net: *route.prefix.get_ref(),
        at: route.prefix.span(),
        by: Claimant::Route,
    };
    claims.extend(routes.iter().map(of_route));
    claims
}

/// What is wrong with `inner` lying in `outer`, if anything is. The longest prefix decides a
/// packet's way, so that a narrower claim inside a wider one is clear unless it undoes it.
fn conflict(outer: &Claim<'_>, inner: &Claim<'_>, found: &Findings) -> Option<Diagnostic> {
    use Claimant::{InsidePort, Policy, Route, TunnelInterface};
    let same = outer.net == inner.net;
    let overlap = |help: &str| {
        // The later line is the offending one: the file is read from above.
        let (first, second) =
            if outer.at.start < inner.at.start { (outer, inner) } else { (inner, outer) };
        let title = if same {
            format!("{} is claimed twice", inner.net)
        } else {
            format!("{} overlaps {}", second.net, first.net)
        };
        let error = found.error(second.at.clone(), title).label(format!("by {}", second.by));
        error.also(first.at.clone(), format!("by {}", first.by)).help(help)
    };
    match (outer.by, inner.by) {
        (a, b) if a.is_connected() && b.is_connected() => {
            (a != b).then(|| overlap("give each port and tunnel a network of its own"))
        }
        (Policy(a), Policy(b)) if a == b => {
            let title = format!("{} is already part of {}", inner.net, outer.net);
            let warning = found.warning(inner.at.clone(), title).label("adds nothing");
            Some(warning.also(outer.at.clone(), "listed here").help("remove it"))
        }
        (Policy(_), Policy(_)) => {
            Some(overlap("write prefixes that do not overlap: a packet can take only one tunnel"))
        }
        (Policy(_), Route) => Some(overlap(TWO_WAYS)),
        (Route, Policy(_)) if same => Some(overlap(TWO_WAYS)),
        (Route, Route) if same => Some(overlap("remove one of the two routes")),
        (InsidePort(_) | TunnelInterface(_), Policy(_)) => Some(overlap(CONNECTED)),
        (Policy(_), InsidePort(_) | TunnelInterface(_)) if same => Some(overlap(CONNECTED)),
        (Route, b) if same && b.is_connected() => Some(overlap(NEEDS_NO_ROUTE)),
        (a, Route) if same && a.is_connected() => Some(overlap(NEEDS_NO_ROUTE)),
        _ => None,
    }
}

const TWO_WAYS: &str = "remove the route, or take its prefix out of the tunnel's `remote_subnets`";
const CONNECTED: &str = "a network that we are connected to cannot lie behind a tunnel";
const NEEDS_NO_ROUTE: &str = "we are connected to this network: it needs no route";
