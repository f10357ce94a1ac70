//! Stage 4: size, ESP sealed (RFC 4303 3.3), outer headers put on; runs of packets of one tunnel,
//! of which the ciphers get a batch at once.

use arrayvec::ArrayVec;
use esp::{OutboundSa, Sealing, Unavailable, seal_batch};
use port::Frame;
use tables::{DropReason, Protection, Rewrite, Selectors, Tunnel, TunnelId, Varying};

use crate::context::Context;
use crate::event::Event;
use crate::ip::{Direction, Ip, upper};
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;
use crate::{fragment, mss};

/// Most packets that are sealed in one call.
const BATCH: usize = 64;

/// Encapsulates every packet of the list, which is sorted into runs of one tunnel each: run by run
/// puts on what goes under the seal, then all are sealed together, then outer headers follow.
pub(crate) fn encap(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for batch in list.chunks_mut(BATCH) {
        let mut admitted = ArrayVec::new();
        for run in batch.chunk_by_mut(|a, b| run_key(a) == run_key(b)) {
            let id = run.first().map(run_key).unwrap_or_default();
            match ctx.tables.tunnels.get(id as usize) {
                Some(tunnel) => prepare_run(ctx, tunnel, run, &mut admitted),
                None => refuse(run, DropReason::TunnelNoPath),
            }
        }
        seal(batch, &admitted);
        finish(batch, &admitted);
    }
}

/// What is known of a packet from its admission until its outer headers are on. There is one for
/// each packet whose verdict still is to enter a tunnel, in their order.
struct Admitted<'a> {
    tunnel: &'a Tunnel,
    sa: Option<(&'a OutboundSa, u64)>,
    varying: Varying,
    /// Length of the packet as it came.
    inner_len: u16,
    /// Length of what is to be sealed.
    payload_len: u16,
}

fn still_admitted(packet: &&mut Packet) -> bool {
    matches!(packet.verdict, Verdict::Encap(_))
}

fn refuse(run: &mut [Packet], reason: DropReason) {
    let admitted = run.iter_mut().filter(still_admitted);
    admitted.for_each(|packet| packet.verdict = Verdict::Drop(reason));
}

/// Admits what fits of a run, numbers it, and puts on what goes under the seal.
fn prepare_run<'a>(
    ctx: &mut Context<'a>,
    tunnel: &'a Tunnel,
    run: &mut [Packet],
    admitted: &mut ArrayVec<Admitted<'a>, BATCH>,
) {
    if tunnel.egress.is_none() {
        return refuse(run, DropReason::TunnelNoPath);
    }
    let sa = match &tunnel.protection {
        Protection::Clear => None,
        Protection::Esp(Some(sa)) => Some(&**sa),
        Protection::Esp(None) => {
            ask(ctx, tunnel, run);
            return wait_or_end(tunnel, run);
        }
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
    let first = match sa.map(|sa| sa.reserve(fitting)) {
        None => 0,
        Some(Ok(first)) => first,
        Some(Err(Unavailable::Exhausted)) => return refuse(run, DropReason::SequenceExhausted),
        Some(Err(Unavailable::Expired)) => return refuse(run, DropReason::SaExpired),
    };
    let sequenced = tunnel.inner.as_ref().unwrap_or(&tunnel.rewrite).is_sequenced();
    let mut sequence = if sequenced { tunnel.sequences.reserve(fitting) } else { 0 };
    for (seq, packet) in (first..).zip(run.iter_mut().filter(still_admitted)) {
        let inner_len = packet.frame.len() as u16;
        let ids = [ctx.identification.next(), ctx.identification.next()];
        match wrap_inside(tunnel, sa, ids, sequence, &mut packet.frame) {
            Ok((varying, payload_len)) => {
                let sa = sa.map(|sa| (sa, seq));
                admitted.push(Admitted { tunnel, sa, varying, inner_len, payload_len });
            }
            Err(reason) => packet.verdict = Verdict::Drop(reason),
        }
        sequence = sequence.wrapping_add(1);
    }
}

/// Packets wait for an SA that is negotiated; where nobody does that they end.
#[cold]
fn wait_or_end(tunnel: &Tunnel, run: &mut [Packet]) {
    if tunnel.demand.is_none() {
        return refuse(run, DropReason::TunnelNoSa);
    }
    for packet in run {
        if let Verdict::Encap(id) = packet.verdict {
            packet.verdict = Verdict::Await(id);
        }
    }
}

/// Asks for an SA, for the sake of the run's first packet.
#[cold]
fn ask(ctx: &Context<'_>, tunnel: &Tunnel, run: &[Packet]) {
    let Some(packet) = run.iter().find(|packet| matches!(packet.verdict, Verdict::Encap(_))) else {
        return;
    };
    let is_due = tunnel.demand.as_ref().is_some_and(|demand| demand.is_due(ctx.now_ns));
    let (true, Ok(ip)) = (is_due, Ip::of(packet.frame.data())) else { return };
    let upper = upper(packet.frame.data(), Direction::Outbound);
    ctx.tell(Event::Acquire {
        tunnel: TunnelId(run_key(packet)),
        source: ip.source(),
        destination: ip.destination(),
        protocol: upper.protocol,
        ports: upper.ports,
    });
}

/// Seals those packets of the batch that an SA protects.
fn seal(batch: &mut [Packet], admitted: &ArrayVec<Admitted<'_>, BATCH>) {
    let mut sealing = ArrayVec::<_, BATCH>::new();
    for (packet, known) in batch.iter_mut().filter(still_admitted).zip(admitted) {
        let Some((sa, seq)) = known.sa else { continue };
        let next_header = known.tunnel.payload.next_header(known.varying.inner.version);
        let (data, payload_len) = (packet.frame.data_mut(), usize::from(known.payload_len));
        sealing.push(Sealing::new(sa, seq, next_header, data, payload_len));
    }
    seal_batch(&mut sealing);
    let sealed = sealing.iter().all(|sealing| sealing.outcome.is_ok());
    drop(sealing);
    if !sealed {
        // The lengths are those that the suite asked for. Were it otherwise, nothing may leave.
        refuse(batch, DropReason::NoRoom);
    }
}

/// Puts the outer headers on and counts what has entered each tunnel.
fn finish(batch: &mut [Packet], admitted: &ArrayVec<Admitted<'_>, BATCH>) {
    let (mut packets, mut bytes) = (0, 0);
    let mut next = admitted.iter().skip(1);
    for (packet, known) in batch.iter_mut().filter(still_admitted).zip(admitted) {
        let Admitted { tunnel, sa, varying, inner_len, .. } = known;
        packet.verdict = match (put_on(&tunnel.rewrite, varying, &mut packet.frame), tunnel.egress)
        {
            (Ok(()), Some(egress)) => {
                packets += 1;
                bytes += u64::from(*inner_len);
                // The outer packet is ours: nobody else is to hear of its errors.
                packet.origin = Origin::Gateway;
                Verdict::Out(egress)
            }
            (Err(reason), _) => Verdict::Drop(reason),
            (_, None) => Verdict::Drop(DropReason::TunnelNoPath),
        };
        packet.depth += 1;
        if next.next().is_some_and(|next| core::ptr::eq(next.tunnel, *tunnel)) {
            continue;
        }
        if let Some((sa, _)) = sa {
            sa.count(packets, bytes);
        }
        tunnel.counters.outbound.add(packets, bytes);
        (packets, bytes) = (0, 0);
    }
}

/// Whether the packet may enter the tunnel, cut to size if need be; its fragments follow later.
fn admit(ctx: &mut Context<'_>, tunnel: &Tunnel, packet: &mut Packet) -> Result<(), DropReason> {
    if let Some(agreed) = &tunnel.narrowed {
        check_selectors(agreed, packet.frame.data())?;
    }
    if packet.frame.len() > usize::from(tunnel.mtu) {
        fragment::fit(ctx, packet, tunnel.mtu)?;
    }
    let header_len = usize::from(packet.header_len);
    mss::clamp(tunnel, packet.frame.data_mut(), header_len);
    Ok(())
}

/// RFC 4301 5.1: an SA carries nothing but what it was made for.
fn check_selectors(agreed: &Selectors, packet: &[u8]) -> Result<(), DropReason> {
    let ip = Ip::of(packet)?;
    let upper = || upper(packet, Direction::Outbound);
    if agreed.hold(ip.source(), ip.destination(), upper) {
        Ok(())
    } else {
        Err(DropReason::TunnelSelectors)
    }
}

/// Puts on the header under the seal, and makes room for what sealing adds; gives what the outer
/// headers need to know and the length of what is to be sealed.
#[inline]
fn wrap_inside(
    tunnel: &Tunnel,
    sa: Option<&OutboundSa>,
    [id, inner_id]: [u16; 2],
    sequence: u32,
    frame: &mut Frame,
) -> Result<(Varying, u16), DropReason> {
    let inner = Ip::of(frame.data())?.inner();
    let padding = tunnel.padded_len.map_or(0, |len| usize::from(len).saturating_sub(frame.len()));
    if let Some(rewrite) = &tunnel.inner {
        put_on(rewrite, &Varying { id: inner_id, sequence, inner }, frame)?;
    }
    let Some(sa) = sa else { return Ok((Varying { id, sequence, inner }, 0)) };
    if padding > 0 {
        pad(frame, padding)?;
    }
    let (suite, payload_len) = (sa.suite(), frame.len());
    frame.append(suite.trailer_len(payload_len)).ok_or(DropReason::NoRoom)?;
    frame.prepend(suite.header_len()).ok_or(DropReason::NoRoom)?;
    Ok((Varying { id, sequence, inner }, payload_len as u16))
}

/// Hides the packet's length (RFC 4303 2.7); the receiver finds the end by the IP header.
fn pad(frame: &mut Frame, padding: usize) -> Result<(), DropReason> {
    let len = frame.len();
    let packet = frame.append(padding).ok_or(DropReason::NoRoom)?;
    packet.get_mut(len..).unwrap_or_default().fill(0);
    Ok(())
}

#[inline]
fn put_on(rewrite: &Rewrite, varying: &Varying, frame: &mut Frame) -> Result<(), DropReason> {
    let packet = frame.prepend(rewrite.header_len()).ok_or(DropReason::NoRoom)?;
    if rewrite.apply(packet, varying) { Ok(()) } else { Err(DropReason::NoRoom) }
}
