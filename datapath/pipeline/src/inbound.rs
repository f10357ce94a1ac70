//! Stage 3: ESP opened (RFC 4303 3.4), one run of packets for each SA.

use esp::OpenError;
use port::Frame;
use tables::{DropReason, InboundEntry, Tunnel};
use wire::ipv4::Ipv4;
use wire::protocol;
use zerocopy::FromBytes;

use crate::context::Context;
use crate::decap::unwrap;
use crate::packet::{Origin, Packet, Verdict};
use crate::queues::run_key;

/// Opens every packet of the list, which is sorted into runs of one SA each.
pub(crate) fn open(ctx: &mut Context<'_>, list: &mut [Packet]) {
    for run in list.chunk_by_mut(|a, b| run_key(a) == run_key(b)) {
        let entry = run.first().and_then(|packet| ctx.tables.sad.entry(run_key(packet)));
        let tunnel = entry.and_then(|entry| ctx.tables.tunnels.get(entry.tunnel.0 as usize));
        let (Some(entry), Some(tunnel)) = (entry, tunnel) else {
            run.iter_mut().for_each(|packet| packet.verdict = Verdict::Drop(DropReason::EspNoSa));
            continue;
        };
        let (mut packets, mut bytes) = (0, 0);
        for packet in run {
            packet.verdict = match open_one(entry, tunnel, packet) {
                Ok(()) => {
                    packets += 1;
                    bytes += packet.frame.len() as u64;
                    Verdict::Route
                }
                Err(reason) => Verdict::Drop(reason),
            };
        }
        entry.sa.count(packets, bytes);
        tunnel.counters.inbound.add(packets, bytes);
    }
}

fn open_one(entry: &InboundEntry, tunnel: &Tunnel, packet: &mut Packet) -> Result<(), DropReason> {
    let (outer, _) =
        Ipv4::ref_from_prefix(packet.frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    if outer.source_addr() != entry.remote || outer.destination_addr() != entry.local {
        return Err(DropReason::EspWrongPeer);
    }
    let outer_tos = outer.tos;
    packet.frame.trim_front(usize::from(packet.header_len));
    unseal(entry, tunnel.payload.next_header(), &mut packet.frame)?;
    packet.header_len = unwrap(&mut packet.frame, tunnel.payload, outer_tos)? as u8;
    check_selectors(tunnel, &packet.frame)?;
    packet.origin = Origin::Tunnel(entry.tunnel);
    packet.depth += 1;
    Ok(())
}

/// Leaves the decrypted payload in the frame.
fn unseal(entry: &InboundEntry, expected: u8, frame: &mut Frame) -> Result<(), DropReason> {
    let opened = entry.sa.open(frame.data_mut()).map_err(|error| match error {
        OpenError::Truncated => DropReason::EspTruncated,
        OpenError::Alignment => DropReason::EspAlignment,
        OpenError::Replayed => DropReason::EspReplayed,
        OpenError::TooOld => DropReason::EspTooOld,
        OpenError::Integrity => DropReason::EspIntegrity,
        OpenError::Padding => DropReason::EspPadding,
    })?;
    match opened.next_header {
        found if found == expected => {
            frame.truncate(opened.payload.end);
            frame.trim_front(opened.payload.start);
            Ok(())
        }
        protocol::NONE => Err(DropReason::EspDummy),
        _ => Err(DropReason::EspNextHeader),
    }
}

/// RFC 4301 5.2 step 4: what came out must be what the SA was made for.
fn check_selectors(tunnel: &Tunnel, frame: &Frame) -> Result<(), DropReason> {
    let Some(selectors) = &tunnel.selectors else { return Ok(()) };
    let (inner, _) = Ipv4::ref_from_prefix(frame.data()).map_err(|_| DropReason::Ipv4Truncated)?;
    if selectors.hold(inner.destination_addr(), inner.source_addr()) {
        Ok(())
    } else {
        Err(DropReason::EspSelectors)
    }
}
