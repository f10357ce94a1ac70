//! Stage 2: where a packet goes: to ourselves, out of a port, or into a tunnel.

use std::net::IpAddr;

use tables::{
    Action, CloudId, DropReason, NexthopId, PolicyListId, PortId, Role, Route, TunnelId, Way,
};

use crate::context::Context;
use crate::icmp::{Problem, report};
use crate::ip::{Direction, Ip, decrement_ttl, flow, upper};
use crate::local::local;
use crate::packet::{Origin, Packet, Verdict};
use crate::{fragment, punt, replicate};

/// Gives every packet of the list that has not ended its next verdict.
pub(crate) fn route(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for packet in list {
        if let Verdict::Drop(_) = packet.verdict {
            continue;
        }
        packet.verdict = match next(ctx, packet) {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Drop(reason),
        };
    }
}

fn next(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<Verdict, DropReason> {
    let tables = ctx.tables;
    let ip = Ip::of(packet.frame.data())?;
    let (destination, ttl) = (ip.destination(), ip.ttl());
    let route = tables.fib.lookup(destination);
    if let Some(Route::Local) = route {
        return local(ctx, packet);
    }
    if came_from_outside(ctx, packet) {
        return Err(DropReason::ClearFromOutside);
    }
    if packet.origin != Origin::Gateway && ip.is_link_local() {
        return punt::wanted(ctx, packet).unwrap_or(Err(DropReason::LinkLocal));
    }
    let Some(route) = route else {
        report(ctx, packet, Problem::NoRoute);
        return Err(DropReason::NoRoute);
    };
    if let Route::Blackhole = route {
        return Err(DropReason::Blackhole);
    }
    if packet.origin != Origin::Gateway {
        if ttl <= 1 {
            report(ctx, packet, Problem::TtlExpired);
            return Err(DropReason::TtlExpired);
        }
        decrement_ttl(packet.frame.data_mut());
    }
    let route = match *route {
        Route::Multipath(id) => {
            let path = tables.multipaths.choose(id, &flow(packet.frame.data())?);
            path.ok_or(DropReason::NoRoute)?
        }
        single => single,
    };
    match route {
        Route::Tunnel(tunnel) if is_loop(packet, destination, tunnel) => {
            Err(DropReason::MulticastLoop)
        }
        Route::Tunnel(tunnel) => Ok(Verdict::Encap(tunnel)),
        Route::Connected(port) => leave(ctx, packet, port, destination),
        Route::Via(id) => leave_through(ctx, packet, id),
        Route::Multipoint(cloud, via) => multipoint(ctx, packet, cloud, via, destination),
        Route::Policy(list) => by_policy(ctx, packet, list),
        Route::Local | Route::Blackhole | Route::Multipath(_) => Err(DropReason::NoRoute),
    }
}

/// A group's packet does not go back where it came from.
fn is_loop(packet: &Packet, destination: IpAddr, tunnel: TunnelId) -> bool {
    destination.is_multicast() && packet.origin == Origin::Tunnel(tunnel)
}

/// Clear traffic from an outside port is never forwarded: only tunnels come from there.
pub(crate) fn came_from_outside(ctx: &Context<'_>, packet: &Packet) -> bool {
    match packet.origin {
        Origin::Kernel => true,
        Origin::Tunnel(_) | Origin::Gateway => false,
        Origin::Port(port) => {
            let entry = ctx.tables.ports.get(port.index());
            entry.is_none_or(|entry| entry.role == Role::Outside)
        }
    }
}

/// To the peer of a multipoint tunnel that is the next hop, or to all of them.
fn multipoint(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    cloud: CloudId,
    via: Option<IpAddr>,
    destination: IpAddr,
) -> Result<Verdict, DropReason> {
    let peers = ctx.tables.clouds.get(cloud.0 as usize).ok_or(DropReason::NbmaUnknown)?;
    if destination.is_multicast() {
        return replicate::to_all(ctx, packet, peers);
    }
    let Some(peer) = peers.peer(via.unwrap_or(destination)) else {
        report(ctx, packet, Problem::Unreachable);
        return Err(DropReason::NbmaUnknown);
    };
    Ok(Verdict::Encap(peer))
}

/// Where the security policies send it (RFC 4301 5.1).
fn by_policy(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    list: PolicyListId,
) -> Result<Verdict, DropReason> {
    let data = packet.frame.data();
    let ip = Ip::of(data)?;
    let upper = || upper(data, Direction::Outbound);
    match ctx.tables.spd.lookup(list, ip.source(), ip.destination(), upper) {
        Some(Action::Protect(tunnel)) => Ok(Verdict::Encap(tunnel)),
        Some(Action::Bypass(Way::Via(id))) => leave_through(ctx, packet, id),
        Some(Action::Bypass(Way::OnLink(port))) => {
            let destination = ip.destination();
            leave(ctx, packet, port, destination)
        }
        Some(Action::Bypass(Way::None)) => {
            report(ctx, packet, Problem::NoRoute);
            Err(DropReason::NoRoute)
        }
        Some(Action::Discard) => Err(DropReason::PolicyDiscard),
        None => Err(DropReason::NoPolicy),
    }
}

/// To a neighbour on a port's own network.
fn leave(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    port: PortId,
    address: IpAddr,
) -> Result<Verdict, DropReason> {
    let id = ctx.tables.nexthops.id_on_link(port, address);
    let verdict = id.map_or(Verdict::Hold(port), Verdict::Out);
    fit(ctx, packet, port, verdict)
}

/// To a router.
fn leave_through(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    id: NexthopId,
) -> Result<Verdict, DropReason> {
    let port = ctx.tables.nexthops.by_id(id).ok_or(DropReason::NoRoute)?.port;
    fit(ctx, packet, port, Verdict::Out(id))
}

/// Makes the packet fit the port: as it is, in fragments, or not at all.
fn fit(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    port: PortId,
    verdict: Verdict,
) -> Result<Verdict, DropReason> {
    let entry = ctx.tables.ports.get(port.index()).ok_or(DropReason::NoRoute)?;
    packet.verdict = verdict;
    if packet.frame.len() > usize::from(entry.mtu) {
        fragment::fit(ctx, packet, entry.mtu)?;
    }
    Ok(verdict)
}
