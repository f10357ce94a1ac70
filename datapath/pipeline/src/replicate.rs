//! A multicast packet copied to every peer of a multipoint tunnel.

use tables::{Cloud, DropReason, TunnelId};

use crate::context::Context;
use crate::packet::{Origin, Packet, Verdict};

/// Sends the packet itself to one peer and makes a copy for each other, but for the one that it
/// came from.
///
/// # Errors
/// [`DropReason::NbmaUnknown`] when there is nobody to send it to.
#[cold]
pub(crate) fn to_all(
    ctx: &mut Context<'_>,
    packet: &Packet,
    cloud: &Cloud,
) -> Result<Verdict, DropReason> {
    let elsewhere = |peer: &TunnelId| packet.origin != Origin::Tunnel(*peer);
    let mut peers = cloud.peers().iter().map(|(_, peer)| *peer).filter(elsewhere);
    let first = peers.next().ok_or(DropReason::NbmaUnknown)?;
    for peer in peers {
        copy(ctx, packet, peer);
    }
    Ok(Verdict::Encap(first))
}

fn copy(ctx: &mut Context<'_>, packet: &Packet, peer: TunnelId) {
    let Some(mut frame) = ctx.pool.alloc() else {
        ctx.counters.drop(DropReason::NoChunk, 1);
        return;
    };
    let data = packet.frame.data();
    let Some(room) = frame.append(data.len()) else {
        ctx.drop(frame, DropReason::NoRoom);
        return;
    };
    room.copy_from_slice(data);
    let mut copy = packet.sibling(frame);
    copy.verdict = Verdict::Encap(peer);
    ctx.make(copy);
}
