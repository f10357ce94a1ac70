//! Stage 5: Ethernet on, into the transmit batch of the port.

use port::Port;
use tables::{DropReason, Neighbour, NexthopId, PortEntry, PortId};
use wire::ethernet::{Ethernet, Mac};
use zerocopy::FromBytes;
use zerocopy::byteorder::network_endian::U16;

use crate::context::Context;
use crate::hold::HoldQueue;
use crate::icmp::{Problem, report};
use crate::ip::Ip;
use crate::packet::{Packet, Verdict};
use crate::worker::Queue;

/// Hands every packet of the list to the port of its next hop. A frame that its port's transmit
/// batch has no room for is lost.
pub(crate) fn emit<P: Port>(
    ctx: &mut Context<'_>,
    hold: &mut HoldQueue,
    list: &mut Vec<Packet>,
    queues: &mut [Queue<P>],
) {
    // Headers first and moves later: a frame whose bounds were just written is slow to move.
    for packet in list.iter_mut() {
        let Verdict::Out(id) = packet.verdict else { continue };
        packet.verdict = match address(ctx, id, packet) {
            Ok(verdict) => verdict,
            Err(reason) => Verdict::Drop(reason),
        };
    }
    let mut sent = Sent::default();
    for packet in list.drain(..) {
        let Verdict::Transmit(port) = packet.verdict else {
            keep_or_end(ctx, hold, packet);
            continue;
        };
        if sent.port != Some(port) {
            sent.count(ctx);
            sent = Sent { port: Some(port), ..Sent::default() };
        }
        let len = packet.frame.len() as u64;
        match queues.get_mut(port.index()).map(|queue| &mut queue.transmit) {
            Some(transmit) => match transmit.push(packet.frame) {
                Ok(()) => sent.add(len),
                Err(frame) => ctx.drop(frame, DropReason::TxFull),
            },
            None => ctx.drop(packet.frame, DropReason::NoRoute),
        }
    }
    sent.count(ctx);
}

#[cold]
fn keep_or_end(ctx: &mut Context<'_>, hold: &mut HoldQueue, packet: Packet) {
    match packet.verdict {
        Verdict::Out(id) => match ctx.tables.nexthops.by_id(id) {
            Some(hop) => hold.keep(ctx, packet, hop.port, hop.address),
            None => ctx.drop(packet.frame, DropReason::NoRoute),
        },
        Verdict::Drop(reason) => ctx.drop(packet.frame, reason),
        _ => ctx.drop(packet.frame, DropReason::NoRoute),
    }
}

/// What has been sent to one port and not yet been counted there.
#[derive(Default)]
struct Sent {
    port: Option<PortId>,
    packets: u64,
    bytes: u64,
}

impl Sent {
    #[inline]
    fn add(&mut self, len: u64) {
        self.packets += 1;
        self.bytes += len;
    }

    fn count(&self, ctx: &Context<'_>) {
        if let Some(counters) = self.port.and_then(|port| ctx.counters.port(port)) {
            counters.tx.add(self.packets, self.bytes);
        }
    }
}

/// Writes the link header; the verdict stays as it is while the next hop's MAC is not known.
#[inline]
fn address(
    ctx: &mut Context<'_>,
    id: NexthopId,
    packet: &mut Packet,
) -> Result<Verdict, DropReason> {
    let tables = ctx.tables;
    let hop = tables.nexthops.by_id(id).ok_or(DropReason::NoRoute)?;
    let port = tables.ports.get(hop.port.index()).ok_or(DropReason::NoRoute)?;
    if !port.up {
        return Err(DropReason::PortDown);
    }
    match hop.neighbour {
        Neighbour::Resolved(mac) => {
            frame_for(port, mac, packet)?;
            Ok(Verdict::Transmit(hop.port))
        }
        Neighbour::Unresolved => Ok(Verdict::Out(id)),
        Neighbour::Failed => {
            ctx.ask(hop.port, hop.address);
            report(ctx, packet, Problem::Unreachable);
            Err(DropReason::NeighbourFailed)
        }
    }
}

#[inline]
fn frame_for(port: &PortEntry, to: Mac, packet: &mut Packet) -> Result<(), DropReason> {
    let version = Ip::of(packet.frame.data())?.version();
    let room = packet.frame.prepend(Ethernet::LEN).ok_or(DropReason::NoRoom)?;
    let (link, _) = Ethernet::mut_from_prefix(room).map_err(|_| DropReason::NoRoom)?;
    *link = Ethernet {
        destination: to,
        source: port.mac.unwrap_or_default(),
        ethertype: U16::new(version.ethertype()),
    };
    Ok(())
}
