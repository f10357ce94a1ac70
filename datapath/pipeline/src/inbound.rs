//! Stage 3: ESP opened (RFC 4303 3.4), one run of packets for each SA.

use std::net::IpAddr;

use esp::{OpenError, Opened};
use tables::{DropReason, InboundEntry, Tunnel};
use wire::protocol;
use wire::udp::Udp;

use crate::context::Context;
use crate::decap::{Outer, unwrap};
use crate::event::Event;
use crate::ip::{Direction, Ip, upper};
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;

/// Opens every packet of the list, which is sorted into runs of one SA each.
pub(crate) fn open(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for run in list.chunk_by_mut(|a, b| run_key(a) == run_key(b)) {
        let entry = run.first().and_then(|packet| ctx.tables.sad.entry(run_key(packet)));
        let tunnel = entry.and_then(|entry| ctx.tables.tunnels.get(entry.tunnel.0 as usize));
        let (Some(entry), Some(tunnel)) = (entry, tunnel) else {
            refuse(run, DropReason::EspNoSa);
            continue;
        };
        if !entry.sa.admits() {
            refuse(run, DropReason::EspExpired);
            continue;
        }
        open_run(ctx, entry, tunnel, run);
    }
}

fn refuse(run: &mut [Packet], reason: DropReason) {
    run.iter_mut().for_each(|packet| packet.verdict = Verdict::Drop(reason));
}

fn open_run(ctx: &mut Context<'_>, entry: &InboundEntry, tunnel: &Tunnel, run: &mut [Packet]) {
    let (mut packets, mut bytes) = (0, 0);
    let mut moved = None;
    for packet in run {
        packet.verdict = match open_one(entry, tunnel, packet, &mut moved) {
            Ok(()) => {
                packets += 1;
                bytes += packet.frame.len() as u64;
                Verdict::Route
            }
            Err(reason) => Verdict::Drop(reason),
        };
    }
    if let Some(((address, port), seq)) = moved {
        ctx.tell(Event::PeerMoved { spi: entry.sa.spi(), seq, address, port });
    }
    entry.sa.count(packets, bytes);
    tunnel.counters.inbound.add(packets, bytes);
}

/// Where a packet of ESP came from: the outer source and, in UDP, its port.
type Source = (IpAddr, Option<u16>);

fn open_one(
    entry: &InboundEntry,
    tunnel: &Tunnel,
    packet: &mut Packet,
    moved: &mut Option<(Source, u64)>,
) -> Result<(), DropReason> {
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
    let opened = unseal(entry, tunnel, packet)?;
    if elsewhere && opened.newest {
        // RFC 7296 2.23: only an authentic packet, and only the newest, tells where the peer is.
        *moved = Some((source, opened.seq));
    }
    packet.header_len = unwrap(tunnel, &mut packet.frame, opened.next_header, outer)? as u8;
    check_selectors(tunnel, packet.frame.data())?;
    packet.origin = Origin::Tunnel(entry.tunnel);
    packet.depth += 1;
    Ok(())
}

/// Leaves the decrypted payload in the frame.
fn unseal(
    entry: &InboundEntry,
    tunnel: &Tunnel,
    packet: &mut Packet,
) -> Result<Opened, DropReason> {
    let frame = &mut packet.frame;
    let opened = entry.sa.open(frame.data_mut()).map_err(|error| match error {
        OpenError::Truncated => DropReason::EspTruncated,
        OpenError::Alignment => DropReason::EspAlignment,
        OpenError::Replayed => DropReason::EspReplayed,
        OpenError::TooOld => DropReason::EspTooOld,
        OpenError::Integrity => DropReason::EspIntegrity,
        OpenError::Padding => DropReason::EspPadding,
    })?;
    match opened.next_header {
        next if tunnel.payload.admits(next) => {
            frame.truncate(opened.payload.end);
            frame.trim_front(opened.payload.start);
            Ok(opened)
        }
        protocol::NONE => Err(DropReason::EspDummy),
        _ => Err(DropReason::EspNextHeader),
    }
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
