//! Stage 1: Ethernet off, the IP header checked once.

use port::{Batch, Frame};
use tables::{DropReason, PortEntry, PortId, Version};
use wire::ethernet::{self, Ethernet};

use crate::context::Context;
use crate::ip;
use crate::packet::{Origin, Packet, Verdict};

/// How many packets ahead the first bytes are asked for: as far as a miss of the last cache takes.
const AHEAD: usize = 4;

/// Turns received frames into packets at the end of `list`, those that end here too.
pub(crate) fn receive(
    ctx: &mut Context<'_>,
    port: PortId,
    batch: &mut Batch,
    list: &mut Vec<Packet>,
) {
    let Some(entry) = ctx.tables.ports.get(port.index()) else {
        batch.release(ctx.pool);
        return;
    };
    let first = list.len();
    let origin = Origin::Port(port);
    list.extend(batch.drain(usize::MAX).map(|frame| Packet::new(frame, origin, 0)));
    let received = list.get_mut(first..).unwrap_or_default();
    let (packets, mut bytes) = (received.len() as u64, 0);
    for at in 0..received.len() {
        if let Some(ahead) = received.get(at + AHEAD) {
            ahead.frame.prefetch();
        }
        let Some(packet) = received.get_mut(at) else { break };
        bytes += packet.frame.len() as u64;
        match unwrap_frame(entry, &mut packet.frame) {
            Ok(header_len) => packet.header_len = header_len as u8,
            Err(reason) => packet.verdict = Verdict::Drop(reason),
        }
    }
    if let Some(counters) = ctx.counters.port(port) {
        counters.rx.add(packets, bytes);
    }
}

/// Copies a packet that control handed over into a frame, and checks its header; `None` where that
/// ends it.
#[cold]
pub(crate) fn load(ctx: &mut Context<'_>, packet: &[u8], origin: Origin) -> Option<Packet> {
    let Some(mut frame) = ctx.pool.alloc() else {
        ctx.counters.drop(DropReason::NoChunk, 1);
        return None;
    };
    let Some(room) = frame.append(packet.len()) else {
        ctx.drop(frame, DropReason::NoRoom);
        return None;
    };
    room.copy_from_slice(packet);
    let version =
        if packet.first().is_some_and(|byte| byte >> 4 == 6) { Version::V6 } else { Version::V4 };
    match ip::check(&mut frame, version) {
        Ok(header_len) => Some(Packet::new(frame, origin, header_len)),
        Err(reason) => {
            ctx.drop(frame, reason);
            None
        }
    }
}

fn unwrap_frame(port: &PortEntry, frame: &mut Frame) -> Result<usize, DropReason> {
    let (link, _) = Ethernet::split(frame.data()).map_err(|_| DropReason::FrameTruncated)?;
    let version = match link.ethertype.get() {
        ethernet::IPV4 => Version::V4,
        ethernet::IPV6 => Version::V6,
        _ => return Err(DropReason::FrameNotIp),
    };
    let to = link.destination;
    let to_group = to.is_group();
    if port.mac.is_some_and(|mac| mac != to) && !to_group {
        return Err(DropReason::FrameNotOurs);
    }
    frame.trim_front(Ethernet::LEN);
    let header_len = ip::check(frame, version)?;
    // RFC 1122 3.3.6: a unicast packet in a link-layer broadcast or multicast is not forwarded.
    if to_group && !ip::Ip::of(frame.data())?.destination().is_multicast() {
        return Err(DropReason::FrameNotOurs);
    }
    Ok(header_len)
}
