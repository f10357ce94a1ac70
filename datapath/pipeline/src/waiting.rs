//! Packets that wait for their tunnel's SA to be negotiated, so that the first ones are not lost.

use port::FramePool;
use tables::{DropReason, Protection, TunnelId};

use crate::context::Context;
use crate::packet::{Packet, Verdict};

/// Most packets that wait at one worker.
const WAITING_MAX: usize = 256;
/// Most packets that wait for one tunnel: one without a peer must not take the others' room.
const WAITING_PER_TUNNEL_MAX: usize = 16;
/// How long a packet waits, nanoseconds: a second later hosts send again by themselves (RFC 6298
/// 2.1), and what waited longer would come twice.
const WAIT_NS: u64 = 1_000_000_000;
/// How often those that have waited too long are looked for, nanoseconds.
const LOOK_NS: u64 = 100_000_000;

struct Waiting {
    packet: Packet,
    tunnel: TunnelId,
    /// Which tunnel that is: a changed configuration gives its id to another.
    demand: u64,
    since_ns: u64,
}

/// The waiting packets of one worker, oldest first.
pub(crate) struct SaQueue {
    waiting: Vec<Waiting>,
    generation: u64,
    looked_ns: u64,
}

impl SaQueue {
    pub(crate) fn new() -> Self {
        Self { waiting: Vec::with_capacity(WAITING_MAX), generation: 0, looked_ns: 0 }
    }

    /// Keeps a packet until `tunnel` has an SA.
    pub(crate) fn keep(&mut self, ctx: &mut Context<'_>, packet: Packet, tunnel: TunnelId) {
        let entry = ctx.tables.tunnels.get(tunnel.0 as usize);
        let demand = entry.and_then(|tunnel| tunnel.demand.as_ref()).map(|demand| demand.serial());
        let same = |waiting: &&Waiting| Some(waiting.demand) == demand;
        let room = self.waiting.len() < WAITING_MAX
            && self.waiting.iter().filter(same).count() < WAITING_PER_TUNNEL_MAX;
        let Some(demand) = demand.filter(|_| room) else {
            return ctx.drop(packet.frame, DropReason::TunnelNoSa);
        };
        if self.waiting.is_empty() {
            self.looked_ns = ctx.now_ns;
        }
        ctx.counters.held.add(1);
        self.waiting.push(Waiting { packet, tunnel, demand, since_ns: ctx.now_ns });
    }

    /// Moves packets whose tunnel has an SA now to `encap`, and ends those that waited in vain.
    /// Looks only when the tables have changed or some may have waited too long.
    pub(crate) fn release(
        &mut self,
        ctx: &mut Context<'_>,
        generation: u64,
        encap: &mut Vec<Packet>,
    ) {
        let due = ctx.now_ns.saturating_sub(self.looked_ns) >= LOOK_NS;
        if self.waiting.is_empty() || (generation == self.generation && !due) {
            return;
        }
        (self.generation, self.looked_ns) = (generation, ctx.now_ns);
        let mut at = 0;
        while let Some(Waiting { tunnel, demand, since_ns, .. }) = self.waiting.get(at) {
            let entry = ctx.tables.tunnels.get(tunnel.0 as usize).filter(|tunnel| {
                tunnel.demand.as_ref().is_some_and(|known| known.serial() == *demand)
            });
            let expired = ctx.now_ns.saturating_sub(*since_ns) >= WAIT_NS;
            match entry.map(|tunnel| &tunnel.protection) {
                Some(Protection::Esp(Some(_))) => {
                    let Waiting { mut packet, tunnel, .. } = self.waiting.remove(at);
                    packet.verdict = Verdict::Encap(tunnel);
                    encap.push(packet);
                }
                Some(Protection::Esp(None)) if !expired => at += 1,
                _ => {
                    let frame = self.waiting.remove(at).packet.frame;
                    ctx.drop(frame, DropReason::TunnelNoSa);
                }
            }
        }
    }

    /// Gives every frame back.
    pub(crate) fn clear(&mut self, pool: &mut FramePool) {
        for waiting in self.waiting.drain(..) {
            pool.free(waiting.packet.frame);
        }
    }
}
