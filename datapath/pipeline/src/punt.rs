//! Packets of control's own protocols: out of tunnels to control, and from control into tunnels.
//!
//! A worker neither waits nor allocates: it copies the packet into one of a fixed number of
//! buffers, and control gives each back when it has read it. That number is also what bounds a
//! flood: while control has not caught up, further packets are dropped and counted.

use std::net::Ipv4Addr;

use crossbeam_queue::ArrayQueue;
use tables::{DropReason, Entrance, Selectors, TunnelId};
use wire::protocol;

use crate::arrival;
use crate::context::Context;
use crate::ip::{Direction, Ip, upper};
use crate::packet::{Origin, Packet, Verdict};
use crate::replicate;

/// Longest packet that is handed to control, bytes: what a chunk that AF_XDP takes can hold.
pub const PUNT_LEN_MAX: usize = 4096;
/// The groups of OSPF routers and of their designated routers (RFC 2328 A.1).
const OSPF_GROUPS: [Ipv4Addr; 2] = [Ipv4Addr::new(224, 0, 0, 5), Ipv4Addr::new(224, 0, 0, 6)];

/// What a neighbour's BFD packets have, and no packet that has passed a router (RFC 5881 5).
const BFD_TTL: u8 = 255;

/// A packet that came out of a tunnel, for control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Punted<'a> {
    /// The tunnel; of a multipoint one, the peer's.
    pub tunnel: TunnelId,
    /// The [`tables::Tables::numbering`] by which `tunnel` is to be understood.
    pub numbering: u64,
    /// The whole packet, from its IP header on, which was checked.
    pub packet: &'a [u8],
}

/// Where a worker leaves packets for control.
pub struct PuntRing {
    waiting: ArrayQueue<Waiting>,
    /// Buffers that hold no packet: as many as `waiting` has places, less those in it.
    empty: ArrayQueue<Box<[u8]>>,
}

struct Waiting {
    tunnel: TunnelId,
    numbering: u64,
    len: usize,
    buffer: Box<[u8]>,
}

impl PuntRing {
    /// A ring for `capacity` packets, at least one, with a buffer of [`PUNT_LEN_MAX`] bytes for
    /// each.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let empty = ArrayQueue::new(capacity);
        for _ in 0..capacity {
            // There is a place for each.
            let _full = empty.push(vec![0; PUNT_LEN_MAX].into_boxed_slice());
        }
        Self { waiting: ArrayQueue::new(capacity), empty }
    }

    /// Shows `read` the oldest packet that waits and takes it off; `None` when there is none.
    pub fn take<T>(&self, read: impl FnOnce(Punted<'_>) -> T) -> Option<T> {
        let Waiting { tunnel, numbering, len, buffer } = self.waiting.pop()?;
        let packet = buffer.get(..len).unwrap_or_default();
        let outcome = read(Punted { tunnel, numbering, packet });
        let _full = self.empty.push(buffer);
        Some(outcome)
    }

    /// How many packets wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Copies a packet into the ring; false when there is no buffer for it.
    fn put(&self, tunnel: TunnelId, numbering: u64, packet: &[u8]) -> bool {
        let Some(mut buffer) = self.empty.pop() else { return false };
        let Some(room) = buffer.get_mut(..packet.len()) else {
            let _full = self.empty.push(buffer);
            return false;
        };
        room.copy_from_slice(packet);
        // Whoever has a buffer has a place, too.
        self.waiting.push(Waiting { tunnel, numbering, len: packet.len(), buffer }).is_ok()
    }
}

/// A whole packet, from its IP header on, that control hands to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Injected {
    /// The kernel received it for a tunnel and put it together out of fragments. It counts as
    /// received outside.
    Received(Box<[u8]>),
    /// Control made it, to be sent past all routes, with the TTL that it has, and to leave a
    /// tunnel with selectors only where they allow it.
    Made {
        /// Where it enters.
        into: Entrance,
        /// The [`tables::Tables::numbering`] by which `into` is to be understood.
        numbering: u64,
        /// The packet.
        packet: Box<[u8]>,
    },
}

/// Where control leaves packets for a worker.
pub type InjectRing = ArrayQueue<Injected>;

/// The verdict on a packet that control asked for; `None` for any other. UDP is BFD's: other ports
/// are not asked for here.
#[cold]
pub(crate) fn wanted(ctx: &Context<'_>, packet: &Packet) -> Option<Result<Verdict, DropReason>> {
    let Origin::Tunnel(id) = packet.origin else { return None };
    let tunnel = ctx.tables.tunnels.get(id.0 as usize)?;
    let Ok(Ip::V4(header)) = Ip::of(packet.frame.data()) else { return None };
    let to = header.destination_addr();
    let is_ours = tunnel.addresses.v4 == Some(to);
    let is_wanted = match header.protocol {
        protocol::OSPF => tunnel.punts_ospf && (is_ours || OSPF_GROUPS.contains(&to)),
        protocol::UDP => tunnel.punts_bfd && is_ours,
        _ => false,
    };
    is_wanted.then(|| {
        if header.is_fragment() {
            Err(DropReason::PuntFragment)
        } else if header.protocol == protocol::UDP && header.ttl != BFD_TTL {
            Err(DropReason::BfdTtl)
        } else {
            Ok(Verdict::Punt(id))
        }
    })
}

/// Hands a packet that came out of a tunnel to control.
pub(crate) fn punt(ctx: &mut Context<'_>, packet: Packet, tunnel: TunnelId) {
    if ctx.punts.put(tunnel, ctx.tables.numbering, packet.frame.data()) {
        ctx.counters.punted.add(1);
        ctx.pool.free(packet.frame);
    } else {
        ctx.drop(packet.frame, DropReason::PuntFull);
    }
}

/// Turns what control handed over into a packet with a verdict; `None` where it has ended.
#[cold]
pub(crate) fn inject(ctx: &mut Context<'_>, injected: &Injected) -> Option<Packet> {
    let (bytes, origin) = match injected {
        Injected::Received(bytes) => (bytes, Origin::Kernel),
        Injected::Made { packet, .. } => (packet, Origin::Gateway),
    };
    let mut packet = arrival::load(ctx, bytes, origin)?;
    let Injected::Made { into, numbering, .. } = injected else { return Some(packet) };
    packet.verdict = match enter(ctx, &packet, *into, *numbering) {
        Ok(verdict) => verdict,
        Err(reason) => Verdict::Drop(reason),
    };
    Some(packet)
}

fn enter(
    ctx: &mut Context<'_>,
    packet: &Packet,
    into: Entrance,
    numbering: u64,
) -> Result<Verdict, DropReason> {
    let tables = ctx.tables;
    if numbering != tables.numbering {
        return Err(DropReason::TunnelGone);
    }
    match into {
        Entrance::Tunnel(id) => {
            let tunnel = tables.tunnels.get(id.0 as usize).ok_or(DropReason::TunnelGone)?;
            let (data, ip) = (packet.frame.data(), Ip::of(packet.frame.data())?);
            let upper = || upper(data, Direction::Outbound);
            let holds =
                |selectors: &Selectors| selectors.hold(ip.source(), ip.destination(), upper);
            match tunnel.selectors.as_ref().is_none_or(holds) {
                true => Ok(Verdict::Encap(id)),
                false => Err(DropReason::NoPolicy),
            }
        }
        Entrance::AllPeers(id) => {
            let cloud = tables.clouds.get(id.0 as usize).ok_or(DropReason::TunnelGone)?;
            replicate::to_all(ctx, packet, cloud)
        }
    }
}
