//! Stage 2: where a packet goes: to ourselves, out of a port, or into a tunnel.

use std::net::Ipv4Addr;

use tables::{ClearKind, DropReason, NexthopId, PortId, Role, Route};
use wire::esp::Esp;
use wire::icmp;
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::FromBytes;

use crate::context::Context;
use crate::decap::parse_gre;
use crate::fragment;
use crate::icmp::{answer_echo, report};
use crate::packet::{Origin, Packet, Verdict};

/// Gives every packet of the list its next verdict.
pub(crate) fn route(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for packet in list {
        packet.verdict = match next(ctx, packet) {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Drop(reason),
        };
    }
}

fn next(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<Verdict, DropReason> {
    let (header, _) =
        Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    let (destination, ttl) = (header.destination_addr(), header.ttl);
    let route = ctx.tables.fib.lookup(destination);
    if route == Some(Route::Local) {
        return local(ctx, packet);
    }
    if came_from_outside(ctx, packet) {
        return Err(DropReason::ClearFromOutside);
    }
    let Some(route) = route else {
        report(ctx, packet, icmp::UNREACHABLE, icmp::NET_UNREACHABLE, 0);
        return Err(DropReason::NoRoute);
    };
    if route == Route::Blackhole {
        return Err(DropReason::Blackhole);
    }
    if packet.origin != Origin::Gateway {
        if ttl <= 1 {
            report(ctx, packet, icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED, 0);
            return Err(DropReason::TtlExpired);
        }
        if let Ok((header, _)) = Ipv4::mut_from_prefix(packet.frame.data_mut()) {
            header.decrement_ttl();
        }
    }
    match route {
        Route::Tunnel(tunnel) => Ok(Verdict::Encap(tunnel)),
        Route::Connected(port) => leave(ctx, packet, port, destination),
        Route::Via(id) => leave_through(ctx, packet, id),
        Route::Local | Route::Blackhole => Err(DropReason::NoRoute),
    }
}

/// Clear traffic from an outside port is never forwarded: only tunnels come from there.
fn came_from_outside(ctx: &Context<'_>, packet: &Packet) -> bool {
    let Origin::Port(port) = packet.origin else { return false };
    let entry = ctx.tables.ports.get(usize::from(port.0));
    entry.is_none_or(|entry| entry.role == Role::Outside)
}

/// To a neighbour on a port's own network.
fn leave(
    ctx: &mut Context<'_>,
    packet: &mut Packet,
    port: PortId,
    address: Ipv4Addr,
) -> Result<Verdict, DropReason> {
    let id = ctx.tables.nexthops.id_on_link(port, address);
    let verdict = id.map_or(Verdict::Hold(port, address), Verdict::Out);
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
    let entry = ctx.tables.ports.get(usize::from(port.0)).ok_or(DropReason::NoRoute)?;
    packet.verdict = verdict;
    if packet.frame.len() > usize::from(entry.mtu) {
        fragment::fit(ctx, packet, entry.mtu)?;
    }
    Ok(verdict)
}

/// Addressed to the gateway: a tunnel's packet, an echo request, or nothing that is served here.
fn local(ctx: &mut Context<'_>, packet: &mut Packet) -> Result<Verdict, DropReason> {
    let (header, _) =
        Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    let header = *header;
    match header.protocol {
        protocol::ESP | protocol::GRE | protocol::IPV4 if header.is_fragment() => {
            Err(DropReason::OuterFragment)
        }
        protocol::ESP | protocol::GRE | protocol::IPV4
            if usize::from(packet.header_len) > Ipv4::LEN =>
        {
            Err(DropReason::OuterOptions)
        }
        protocol::ESP => {
            let esp = packet.frame.data().get(Ipv4::LEN..).unwrap_or_default();
            let (esp, _) = Esp::split(esp).map_err(|_| DropReason::EspTruncated)?;
            let slot = ctx.tables.sad.slot(esp.spi.get()).ok_or(DropReason::EspNoSa)?;
            Ok(Verdict::Open(slot))
        }
        protocol::GRE => {
            let gre = packet.frame.data().get(Ipv4::LEN..).unwrap_or_default();
            let kind = ClearKind::Gre(parse_gre(gre)?.key);
            clear_tunnel(ctx, kind, &header).ok_or(DropReason::GreNoTunnel)
        }
        protocol::IPV4 => {
            clear_tunnel(ctx, ClearKind::Ipip, &header).ok_or(DropReason::IpipNoTunnel)
        }
        protocol::ICMP if !came_from_outside(ctx, packet) => {
            answer_echo(ctx, packet)?;
            Ok(Verdict::Route)
        }
        _ => Err(DropReason::NotServed),
    }
}

fn clear_tunnel(ctx: &Context<'_>, kind: ClearKind, outer: &Ipv4) -> Option<Verdict> {
    let (local, remote) = (outer.destination_addr(), outer.source_addr());
    ctx.tables.clear_tunnels.find(kind, local, remote).map(Verdict::Decap)
}
