//! Stage 3: ESP opened (RFC 4303 3.4); runs of packets of one SA, of which the ciphers get a batch
//! at once.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use esp::{OpenError, Opened, Opening, open_batch};
use tables::{DropReason, InboundEntry, Tunnel};
use wire::protocol;
use wire::udp::Udp;

use crate::context::Context;
use crate::decap::{Outer, unwrap};
use crate::event::Event;
use crate::ip::{Direction, Ip, upper};
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;

/// Most packets that are opened in one call.
const BATCH: usize = 64;

/// Opens every packet of the list, which is sorted into runs of one SA each.
pub(crate) fn open(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for batch in list.chunks_mut(BATCH) {
        let mut admitted = ArrayVec::new();
        for run in batch.chunk_by_mut(|a, b| run_key(a) == run_key(b)) {
            admit_run(ctx, run, &mut admitted);
        }
        let mut outcomes = ArrayVec::new();
        unseal(batch, &admitted, &mut outcomes);
        finish(ctx, batch, &admitted, outcomes);
    }
}

/// What is known of a packet from the headers in front of ESP. There is one for each packet whose
/// verdict still is to be opened, in their order.
struct Admitted<'a> {
    entry: &'a InboundEntry,
    tunnel: &'a Tunnel,
    outer: Outer,
    /// Where it came from, if that is not where the SA's packets come from.
    elsewhere: Option<Source>,
}

type Outcomes = ArrayVec<Result<Opened, OpenError>, BATCH>;

fn still_admitted(packet: &&mut Packet) -> bool {
    matches!(packet.verdict, Verdict::Open(_))
}

fn refuse(run: &mut [Packet], reason: DropReason) {
    run.iter_mut().for_each(|packet| packet.verdict = Verdict::Drop(reason));
}

/// Takes off what is in front of ESP and holds it against the SA.
fn admit_run<'a>(
    ctx: &mut Context<'a>,
    run: &mut [Packet],
    admitted: &mut ArrayVec<Admitted<'a>, BATCH>,
) {
    let tables = ctx.tables;
    let entry = run.first().and_then(|packet| tables.sad.entry(run_key(packet)));
    let tunnel = entry.and_then(|entry| tables.tunnels.get(entry.tunnel.0 as usize));
    let (Some(entry), Some(tunnel)) = (entry, tunnel) else {
        return refuse(run, DropReason::EspNoSa);
    };
    if !entry.sa.admits() {
        return refuse(run, DropReason::EspExpired);
    }
    for packet in run {
        match admit(entry, packet) {
            Ok((outer, elsewhere)) => admitted.push(Admitted { entry, tunnel, outer, elsewhere }),
            Err(reason) => packet.verdict = Verdict::Drop(reason),
        }
    }
}

/// Where a packet of ESP came from: the outer source and, in UDP, its port.
type Source = (IpAddr, Option<u16>);

/// Leaves ESP in the frame.
#[inline]
fn admit(entry: &InboundEntry, packet: &mut Packet) -> Result<(Outer, Option<Source>), DropReason> {
    let data = packet.frame.data();
    let ip = Ip::of(data)?;
    let outer = Outer {
        source: ip.source(),
        destination: ip.destination(),
        tos: ip.tos(),
        translated: ip.protocol() == protocol::UDP,
    };
    let mut esp_at = usize::from(packet.header_len);
    let (mut source, mut end) = ((outer.source, None), data.len());
    if outer.translated {
        let udp = data.get(esp_at..).unwrap_or_default();
        let (udp, _) = Udp::split(udp).map_err(|_| DropReason::UdpMalformed)?;
        let len = usize::from(udp.len.get());
        if len < Udp::LEN || esp_at + len > data.len() {
            return Err(DropReason::UdpMalformed);
        }
        source.1 = Some(udp.source_port.get());
        end = esp_at + len;
        esp_at += Udp::LEN;
    }
    let elsewhere = source != (entry.remote, entry.remote_port);
    if outer.destination != entry.local
        || source.1.is_some() != entry.remote_port.is_some()
        || elsewhere && !entry.follows
    {
        return Err(DropReason::EspWrongPeer);
    }
    packet.frame.truncate(end);
    packet.frame.trim_front(esp_at);
    Ok((outer, elsewhere.then_some(source)))
}

/// Verifies and decrypts the packets of the batch, whichever SAs they belong to.
fn unseal(batch: &mut [Packet], admitted: &ArrayVec<Admitted<'_>, BATCH>, outcomes: &mut Outcomes) {
    let mut opening = ArrayVec::<_, BATCH>::new();
    for (packet, known) in batch.iter_mut().filter(still_admitted).zip(admitted) {
        opening.push(Opening::new(&known.entry.sa, packet.frame.data_mut()));
    }
    open_batch(&mut opening);
    for opening in &mut opening {
        outcomes.push(core::mem::replace(&mut opening.outcome, Err(OpenError::Truncated)));
    }
}

/// Takes off what was sealed with the packets and counts what has left each tunnel.
fn finish(
    ctx: &Context<'_>,
    batch: &mut [Packet],
    admitted: &ArrayVec<Admitted<'_>, BATCH>,
    outcomes: Outcomes,
) {
    let (mut packets, mut bytes, mut moved) = (0, 0, None);
    let mut next = admitted.iter().skip(1);
    let opened = batch.iter_mut().filter(still_admitted).zip(admitted);
    for ((packet, known), outcome) in opened.zip(outcomes) {
        packet.verdict = match take_off(known, packet, outcome, &mut moved) {
            Ok(()) => {
                packets += 1;
                bytes += packet.frame.len() as u64;
                Verdict::Route
            }
            Err(reason) => Verdict::Drop(reason),
        };
        let entry = known.entry;
        if next.next().is_some_and(|next| core::ptr::eq(next.entry, entry)) {
            continue;
        }
        if let Some(((address, port), seq)) = moved.take() {
            ctx.tell(Event::PeerMoved { spi: entry.sa.spi(), seq, address, port });
        }
        if entry.sa.count(packets, bytes) {
            ctx.tell(Event::FirstPacket { spi: entry.sa.spi() });
        }
        known.tunnel.counters.inbound.add(packets, bytes);
        (packets, bytes) = (0, 0);
    }
}

/// Leaves the packet that was inside in the frame.
#[inline]
fn take_off(
    Admitted { entry, tunnel, outer, elsewhere }: &Admitted<'_>,
    packet: &mut Packet,
    outcome: Result<Opened, OpenError>,
    moved: &mut Option<(Source, u64)>,
) -> Result<(), DropReason> {
    let opened = outcome.map_err(|error| match error {
        OpenError::Truncated => DropReason::EspTruncated,
        OpenError::Alignment => DropReason::EspAlignment,
        OpenError::Replayed => DropReason::EspReplayed,
        OpenError::TooOld => DropReason::EspTooOld,
        OpenError::Integrity => DropReason::EspIntegrity,
        OpenError::Padding => DropReason::EspPadding,
    })?;
    if !tunnel.payload.admits(opened.next_header) {
        let dummy = opened.next_header == protocol::NONE;
        return Err(if dummy { DropReason::EspDummy } else { DropReason::EspNextHeader });
    }
    packet.frame.truncate(opened.payload.end);
    packet.frame.trim_front(opened.payload.start);
    if let Some(source) = elsewhere
        && opened.newest
    {
        // RFC 7296 2.23: only an authentic packet, and only the newest, tells where the peer is.
        *moved = Some((*source, opened.seq));
    }
    packet.header_len = unwrap(tunnel, &mut packet.frame, opened.next_header, *outer)? as u8;
    check_selectors(tunnel, packet.frame.data())?;
    packet.origin = Origin::Tunnel(entry.tunnel);
    packet.depth += 1;
    Ok(())
}

/// RFC 4301 5.2 step 4: what came out must be what the SA was made for.
fn check_selectors(tunnel: &Tunnel, packet: &[u8]) -> Result<(), DropReason> {
    let Some(selectors) = &tunnel.selectors else { return Ok(()) };
    let inner = Ip::of(packet)?;
    let upper = || upper(packet, Direction::Inbound);
    if selectors.hold(inner.destination(), inner.source(), upper) {
        Ok(())
    } else {
        Err(DropReason::EspSelectors)
    }
}
