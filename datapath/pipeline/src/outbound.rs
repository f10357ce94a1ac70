//! Stage 4: size, ESP sealed (RFC 4303 3.3), outer headers put on; one run for each tunnel.

use esp::OutboundSa;
use port::Frame;
use tables::{DropReason, Protection, Rewrite, Tunnel};
use wire::ipv4::Ipv4;
use zerocopy::FromBytes;

use crate::context::Context;
use crate::fragment;
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;

/// Encapsulates every packet of the list, which is sorted into runs of one tunnel each.
pub(crate) fn encap(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for run in list.chunk_by_mut(|a, b| run_key(a) == run_key(b)) {
        let tunnel = run.first().and_then(|first| ctx.tables.tunnels.get(run_key(first) as usize));
        match tunnel {
            Some(tunnel) => encap_run(ctx, tunnel, run),
            None => refuse(run, DropReason::TunnelNoPath),
        }
    }
}

fn encap_run(ctx: &mut Context<'_>, tunnel: &Tunnel, run: &mut [Packet]) {
    let Some(egress) = tunnel.egress else { return refuse(run, DropReason::TunnelNoPath) };
    let sa = match &tunnel.protection {
        Protection::Clear => None,
        Protection::Esp(Some(sa)) => Some(&**sa),
        Protection::Esp(None) => return refuse(run, DropReason::TunnelNoSa),
    };
    let mut fitting = 0;
    for packet in run.iter_mut() {
        match admit(ctx, tunnel, packet) {
            Ok(()) => fitting += 1,
            Err(reason) => packet.verdict = Verdict::Drop(reason),
        }
    }
    let admitted = run.iter_mut().filter(|packet| matches!(packet.verdict, Verdict::Encap(_)));
    let first = match sa.map(|sa| sa.reserve(fitting)) {
        None => 0,
        Some(Some(first)) => first,
        Some(None) => {
            admitted.for_each(|p| p.verdict = Verdict::Drop(DropReason::SequenceExhausted));
            return;
        }
    };
    let (mut packets, mut bytes) = (0, 0);
    for (seq, packet) in (first..).zip(admitted) {
        let inner_len = packet.frame.len() as u64;
        let sealing = sa.map(|sa| (sa, seq));
        let ids = [ctx.identification.next(), ctx.identification.next()];
        packet.verdict = match wrap(tunnel, sealing, ids, &mut packet.frame) {
            Ok(()) => {
                packets += 1;
                bytes += inner_len;
                // The outer packet is ours: nobody else is to hear of its errors.
                packet.origin = Origin::Gateway;
                Verdict::Out(egress)
            }
            Err(reason) => Verdict::Drop(reason),
        };
        packet.header_len = Ipv4::LEN as u8;
        packet.depth += 1;
    }
    if let Some(sa) = sa {
        sa.count(packets, bytes);
    }
    tunnel.counters.outbound.add(packets, bytes);
}

fn refuse(run: &mut [Packet], reason: DropReason) {
    run.iter_mut().for_each(|packet| packet.verdict = Verdict::Drop(reason));
}

/// Whether the packet may enter the tunnel, cut to size if need be; its fragments follow later.
fn admit(ctx: &mut Context<'_>, tunnel: &Tunnel, packet: &mut Packet) -> Result<(), DropReason> {
    if let Some(selectors) = &tunnel.selectors {
        let (inner, _) =
            Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
        if !selectors.hold(inner.source_addr(), inner.destination_addr()) {
            return Err(DropReason::TunnelSelectors);
        }
    }
    if packet.frame.len() > usize::from(tunnel.mtu) {
        fragment::fit(ctx, packet, tunnel.mtu)?;
    }
    Ok(())
}

/// Seals the packet, if there is an SA, and puts the outer headers in front.
fn wrap(
    tunnel: &Tunnel,
    sealing: Option<(&OutboundSa, u64)>,
    [id, inner_id]: [u16; 2],
    frame: &mut Frame,
) -> Result<(), DropReason> {
    let (inner, _) = Ipv4::ref_from_prefix(frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    let (tos, dont_fragment) = (inner.tos, inner.dont_fragment());
    if let Some(inner) = &tunnel.inner {
        put_on(inner, inner_id, tos, dont_fragment, frame)?;
    }
    if let Some((sa, seq)) = sealing {
        let (suite, payload_len) = (sa.suite(), frame.len());
        frame.append(suite.trailer_len(payload_len)).ok_or(DropReason::NoRoom)?;
        let packet = frame.prepend(suite.header_len()).ok_or(DropReason::NoRoom)?;
        sa.seal(seq, tunnel.payload.next_header(), packet, payload_len)
            .map_err(|_| DropReason::NoRoom)?;
    }
    put_on(&tunnel.rewrite, id, tos, dont_fragment, frame)
}

fn put_on(
    rewrite: &Rewrite,
    id: u16,
    tos: u8,
    dont_fragment: bool,
    frame: &mut Frame,
) -> Result<(), DropReason> {
    let packet = frame.prepend(rewrite.header_len()).ok_or(DropReason::NoRoom)?;
    if rewrite.apply(packet, id, tos, dont_fragment) { Ok(()) } else { Err(DropReason::NoRoom) }
}
