//! A multicast packet copied to every peer of a multipoint tunnel.

use tables::{Cloud, DropReason, TunnelId};

use crate::context::Context;
use crate::packet::{Origin, Packet, Verdict};

/// Sends the packet itself to one peer and makes a copy for each other. What came from one of them
/// goes to none: every gateway of a mesh would send it on again.
///
/// # Errors
/// [`DropReason::MulticastLoop`] for such a packet, [`DropReason::NbmaUnknown`] when there is
/// nobody to send it to.
#[cold]
pub(crate) fn to_all(
    ctx: &mut Context<'_>,
    packet: &Packet,
    cloud: &Cloud,
) -> Result<Verdict, DropReason> {
    let mut peers = cloud.peers().iter().map(|(_, peer)| *peer);
    if let Origin::Tunnel(from) = packet.origin
        && peers.clone().any(|peer| peer == from)
    {
        return Err(DropReason::MulticastLoop);
    }
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
