//! Stage 4: size, ESP sealed (RFC 4303 3.3), outer headers put on; one run for each tunnel.

use esp::{OutboundSa, Unavailable};
use port::Frame;
use tables::{DropReason, Inner, Protection, Rewrite, Tunnel, Varying};

use crate::context::Context;
use crate::ip::Ip;
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;
use crate::{fragment, mss};

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
    if fitting == 0 {
        return;
    }
    let admitted = run.iter_mut().filter(|packet| matches!(packet.verdict, Verdict::Encap(_)));
    let first = match sa.map(|sa| sa.reserve(fitting)) {
        None => 0,
        Some(Ok(first)) => first,
        Some(Err(unavailable)) => {
            let reason = match unavailable {
                Unavailable::Exhausted => DropReason::SequenceExhausted,
                Unavailable::Expired => DropReason::SaExpired,
            };
            admitted.for_each(|packet| packet.verdict = Verdict::Drop(reason));
            return;
        }
    };
    let sequenced = tunnel.inner.as_ref().unwrap_or(&tunnel.rewrite).is_sequenced();
    let mut sequence = if sequenced { tunnel.sequences.reserve(fitting) } else { 0 };
    let (mut packets, mut bytes) = (0, 0);
    for (seq, packet) in (first..).zip(admitted) {
        let inner_len = packet.frame.len() as u64;
        let sealing = sa.map(|sa| (sa, seq));
        let ids = [ctx.identification.next(), ctx.identification.next()];
        packet.verdict = match wrap(tunnel, sealing, ids, sequence, &mut packet.frame) {
            Ok(()) => {
                packets += 1;
                bytes += inner_len;
                // The outer packet is ours: nobody else is to hear of its errors.
                packet.origin = Origin::Gateway;
                Verdict::Out(egress)
            }
            Err(reason) => Verdict::Drop(reason),
        };
        sequence = sequence.wrapping_add(1);
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
    if packet.frame.len() > usize::from(tunnel.mtu) {
        fragment::fit(ctx, packet, tunnel.mtu)?;
    }
    let header_len = usize::from(packet.header_len);
    mss::clamp(tunnel, packet.frame.data_mut(), header_len);
    Ok(())
}

/// Seals the packet, if there is an SA, and puts the outer headers in front.
fn wrap(
    tunnel: &Tunnel,
    sealing: Option<(&OutboundSa, u64)>,
    [id, inner_id]: [u16; 2],
    sequence: u32,
    frame: &mut Frame,
) -> Result<(), DropReason> {
    let inner = Ip::of(frame.data())?.inner();
    let padding = tunnel.padded_len.map_or(0, |len| usize::from(len).saturating_sub(frame.len()));
    if let Some(rewrite) = &tunnel.inner {
        put_on(rewrite, &Varying { id: inner_id, sequence, inner }, frame)?;
    }
    if let Some((sa, seq)) = sealing {
        if padding > 0 {
            pad(frame, padding)?;
        }
        seal(tunnel, sa, seq, &inner, frame)?;
    }
    put_on(&tunnel.rewrite, &Varying { id, sequence, inner }, frame)
}

fn seal(
    tunnel: &Tunnel,
    sa: &OutboundSa,
    seq: u64,
    inner: &Inner,
    frame: &mut Frame,
) -> Result<(), DropReason> {
    let (suite, payload_len) = (sa.suite(), frame.len());
    frame.append(suite.trailer_len(payload_len)).ok_or(DropReason::NoRoom)?;
    let packet = frame.prepend(suite.header_len()).ok_or(DropReason::NoRoom)?;
    let next_header = tunnel.payload.next_header(inner.version);
    sa.seal(seq, next_header, packet, payload_len).map_err(|_| DropReason::NoRoom)
}

/// Hides the packet's length (RFC 4303 2.7); the receiver finds the end by the IP header.
fn pad(frame: &mut Frame, padding: usize) -> Result<(), DropReason> {
    let len = frame.len();
    let packet = frame.append(padding).ok_or(DropReason::NoRoom)?;
    packet.get_mut(len..).unwrap_or_default().fill(0);
    Ok(())
}

fn put_on(rewrite: &Rewrite, varying: &Varying, frame: &mut Frame) -> Result<(), DropReason> {
    let packet = frame.prepend(rewrite.header_len()).ok_or(DropReason::NoRoom)?;
    if rewrite.apply(packet, varying) { Ok(()) } else { Err(DropReason::NoRoom) }
}
