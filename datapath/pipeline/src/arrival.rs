//! Stage 1: Ethernet off, the IPv4 header checked once.

use port::{Batch, Frame};
use tables::{DropReason, PortEntry, PortId};
use wire::Malformed;
use wire::ethernet::{self, Ethernet};
use wire::ipv4::Ipv4;

use crate::context::Context;
use crate::packet::{Origin, Packet};

/// Turns received frames into packets at the end of `list`.
pub(crate) fn receive(
    ctx: &mut Context<'_>,
    port: PortId,
    batch: &mut Batch,
    list: &mut Vec<Packet>,
) {
    let Some(entry) = ctx.tables.ports.get(usize::from(port.0)) else {
        batch.release(ctx.pool);
        return;
    };
    let (mut packets, mut bytes) = (0, 0);
    for mut frame in batch.drain(usize::MAX) {
        packets += 1;
        bytes += frame.len() as u64;
        match unwrap_frame(entry, &mut frame) {
            Ok(header_len) => list.push(Packet::new(frame, Origin::Port(port), header_len)),
            Err(reason) => ctx.drop(frame, reason),
        }
    }
    if let Some(counters) = ctx.counters.port(port) {
        counters.rx.add(packets, bytes);
    }
}

fn unwrap_frame(port: &PortEntry, frame: &mut Frame) -> Result<usize, DropReason> {
    let (link, _) = Ethernet::split(frame.data()).map_err(|_| DropReason::FrameTruncated)?;
    if port.mac.is_some_and(|mac| mac != link.destination) {
        return Err(DropReason::FrameNotOurs);
    }
    if link.ethertype.get() != ethernet::IPV4 {
        return Err(DropReason::FrameNotIpv4);
    }
    frame.trim_front(Ethernet::LEN);
    check_ipv4(frame)
}

/// Checks the IPv4 packet that the frame starts with, cuts off what follows it, and gives the
/// header's length. Used for what arrives and for what comes out of tunnels.
pub(crate) fn check_ipv4(frame: &mut Frame) -> Result<usize, DropReason> {
    let (header, header_len, total_len) =
        Ipv4::parse(frame.data()).map_err(|error| match error {
            Malformed::Truncated => DropReason::Ipv4Truncated,
            Malformed::Version => DropReason::Ipv4Version,
            Malformed::HeaderLength => DropReason::Ipv4HeaderLength,
            Malformed::Checksum => DropReason::Ipv4Checksum,
            Malformed::TotalLength | Malformed::Reserved => DropReason::Ipv4TotalLength,
        })?;
    let source = header.source_addr();
    if source.is_multicast()
        || source.is_broadcast()
        || source.is_loopback()
        || source.is_unspecified()
    {
        return Err(DropReason::Ipv4Martian);
    }
    if header_len > Ipv4::LEN
        && frame.data().get(Ipv4::LEN..header_len).is_none_or(asks_for_source_route)
    {
        return Err(DropReason::Ipv4SourceRoute);
    }
    frame.truncate(total_len);
    Ok(header_len)
}

/// Whether options hold a loose or strict source route (RFC 791 3.1).
fn asks_for_source_route(mut options: &[u8]) -> bool {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;
    loop {
        match options {
            [] | [END, ..] => return false,
            [NO_OPERATION, rest @ ..] => options = rest,
            [LOOSE | STRICT, ..] => return true,
            [_, len, ..] => match options.get(usize::from(*len).max(2)..) {
                Some(rest) => options = rest,
                None => return false,
            },
            [_] => return false,
        }
    }
}
