//! Stage 5: Ethernet on, into the transmit batch of the port.

use port::Frame;
use tables::{DropReason, Neighbour, NexthopId, PortEntry, PortId};
use wire::ethernet::{Ethernet, Mac};
use zerocopy::FromBytes;
use zerocopy::byteorder::network_endian::U16;

use crate::context::Context;
use crate::hold::HoldQueue;
use crate::icmp::{Problem, report};
use crate::ip::Ip;
use crate::packet::{Packet, Verdict};

/// Hands every packet of the list to the port of its next hop: `push` adds a frame to that port's
/// transmit batch, or gives it back when there is no room.
pub(crate) fn emit(
    ctx: &mut Context<'_>,
    hold: &mut HoldQueue,
    list: &mut Vec<Packet>,
    mut push: impl FnMut(PortId, Frame) -> Result<(), Frame>,
) {
    for mut packet in list.drain(..) {
        let Verdict::Out(id) = packet.verdict else {
            ctx.drop(packet.frame, DropReason::NoRoute);
            continue;
        };
        match address(ctx, id, &mut packet) {
            Ok(Some(port)) => {
                let len = packet.frame.len() as u64;
                match (push(port, packet.frame), ctx.counters.port(port)) {
                    (Ok(()), Some(counters)) => counters.tx.add(1, len),
                    (Ok(()), None) => {}
                    (Err(frame), _) => ctx.drop(frame, DropReason::TxFull),
                }
            }
            Ok(None) => {
                if let Some(hop) = ctx.tables.nexthops.by_id(id) {
                    hold.keep(ctx, packet, hop.port, hop.address);
                } else {
                    ctx.drop(packet.frame, DropReason::NoRoute);
                }
            }
            Err(reason) => ctx.drop(packet.frame, reason),
        }
    }
}

/// Writes the link header and gives the port, or `None` while the MAC is not known.
fn address(
    ctx: &mut Context<'_>,
    id: NexthopId,
    packet: &mut Packet,
) -> Result<Option<PortId>, DropReason> {
    let hop = ctx.tables.nexthops.by_id(id).ok_or(DropReason::NoRoute)?;
    let port = ctx.tables.ports.get(usize::from(hop.port.0)).ok_or(DropReason::NoRoute)?;
    if !port.up {
        return Err(DropReason::PortDown);
    }
    match hop.neighbour {
        Neighbour::Resolved(mac) => {
            frame_for(port, mac, packet)?;
            Ok(Some(hop.port))
        }
        Neighbour::Unresolved => Ok(None),
        Neighbour::Failed => {
            ctx.ask(hop.port, hop.address);
            report(ctx, packet, Problem::Unreachable);
            Err(DropReason::NeighbourFailed)
        }
    }
}

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
