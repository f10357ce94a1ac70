//! Packets that wait for a next hop's MAC, so that the first ones to a new neighbour are not lost.

use std::net::IpAddr;

use port::FramePool;
use tables::{DropReason, Neighbour, PortId};

use crate::context::Context;
use crate::icmp::{Problem, report};
use crate::packet::{Packet, Verdict};
use crate::waiting::SaQueue;

/// Most packets that wait at one worker.
pub(crate) const HELD_MAX: usize = 512;
/// Most packets that wait for one next hop: a silent one must not take the others' room.
const HELD_PER_NEIGHBOUR_MAX: usize = 64;
/// How long a packet waits before its next hop counts as failed, nanoseconds: the kernel asks
/// three times, a second apart.
const WAIT_NS: u64 = 4_000_000_000;
/// How often control is asked again while packets wait, nanoseconds.
const ASK_AGAIN_NS: u64 = 500_000_000;

struct Held {
    packet: Packet,
    port: PortId,
    address: IpAddr,
    since_ns: u64,
}

/// The waiting packets of one worker, oldest first.
pub(crate) struct HoldQueue {
    held: Vec<Held>,
    generation: u64,
    asked_ns: u64,
    /// Those that wait for an SA.
    pub(crate) for_sa: SaQueue,
}

impl HoldQueue {
    pub(crate) fn new() -> Self {
        let held = Vec::with_capacity(HELD_MAX);
        Self { held, generation: 0, asked_ns: 0, for_sa: SaQueue::new() }
    }

    /// Keeps a packet until `address` on `port` is resolved, and asks control to do that.
    pub(crate) fn keep(
        &mut self,
        ctx: &mut Context<'_>,
        packet: Packet,
        port: PortId,
        address: IpAddr,
    ) {
        let same = |held: &&Held| held.port == port && held.address == address;
        let waiting = self.held.iter().filter(same).count();
        if self.held.is_empty() {
            // The first request is made here; from now on the time to ask again counts.
            self.asked_ns = ctx.now_ns;
        }
        if waiting == 0 {
            ctx.ask(port, address);
        }
        if waiting >= HELD_PER_NEIGHBOUR_MAX || self.held.len() >= HELD_MAX {
            ctx.drop(packet.frame, DropReason::NeighbourQueueFull);
            return;
        }
        ctx.counters.held.add(1);
        self.held.push(Held { packet, port, address, since_ns: ctx.now_ns });
    }

    /// Moves packets whose next hop is known now to `out`, and ends those that waited in vain.
    /// Looks only when the tables have changed or the time to ask again has come.
    pub(crate) fn release(
        &mut self,
        ctx: &mut Context<'_>,
        generation: u64,
        out: &mut Vec<Packet>,
    ) {
        let due = ctx.now_ns.saturating_sub(self.asked_ns) >= ASK_AGAIN_NS;
        if self.held.is_empty() || (generation == self.generation && !due) {
            return;
        }
        self.generation = generation;
        if due {
            self.asked_ns = ctx.now_ns;
        }
        let mut at = 0;
        while let Some(held) = self.held.get(at) {
            let id = ctx.tables.nexthops.id_on_link(held.port, held.address);
            let state = id.and_then(|id| ctx.tables.nexthops.by_id(id)).map(|hop| hop.neighbour);
            let expired = ctx.now_ns.saturating_sub(held.since_ns) >= WAIT_NS;
            match (id, state) {
                (Some(id), Some(Neighbour::Resolved(_))) => {
                    let mut packet = self.held.remove(at).packet;
                    packet.verdict = Verdict::Out(id);
                    out.push(packet);
                }
                (_, Some(Neighbour::Failed)) => self.fail(ctx, at),
                _ if expired => self.fail(ctx, at),
                _ => {
                    if due && self.is_first_of_its_neighbour(at) {
                        ctx.ask(held.port, held.address);
                    }
                    at += 1;
                }
            }
        }
    }

    /// Whether no older packet waits for the same next hop as the one at `at`: one request is
    /// enough for all of them.
    fn is_first_of_its_neighbour(&self, at: usize) -> bool {
        let of = |held: &Held| (held.port, held.address);
        let wanted = self.held.get(at).map(of);
        self.held.iter().take(at).all(|older| Some(of(older)) != wanted)
    }

    fn fail(&mut self, ctx: &mut Context<'_>, at: usize) {
        let held = self.held.remove(at);
        report(ctx, &held.packet, Problem::Unreachable);
        ctx.drop(held.packet.frame, DropReason::NeighbourFailed);
    }

    /// Gives every frame back.
    pub(crate) fn clear(&mut self, pool: &mut FramePool) {
        for held in self.held.drain(..) {
            pool.free(held.packet.frame);
        }
        self.for_sa.clear(pool);
    }
}
