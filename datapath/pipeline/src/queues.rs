//! The lists between stages and the loop that empties them.

use port::FramePool;
use tables::latency::Stage;
use tables::{DropReason, TunnelId};

use crate::context::Context;
use crate::hold::HoldQueue;
use crate::packet::{Packet, Verdict};
use crate::{decap, forward, inbound, outbound};

/// How many tunnels one packet may enter or leave in one turn. Two are GRE under ESP; a packet
/// that needs more than this is an attempt to keep the worker busy.
const DEPTH_MAX: u8 = 4;

/// Packets by the stage that they wait for.
pub(crate) struct Queues {
    pub(crate) route: Vec<Packet>,
    open: Vec<Packet>,
    decap: Vec<Packet>,
    encap: Vec<Packet>,
    pub(crate) out: Vec<Packet>,
    /// Takes the place of a list while that one is emptied.
    spare: Vec<Packet>,
}

impl Queues {
    /// Empty lists that hold `capacity` packets each without growing.
    pub(crate) fn new(capacity: usize) -> Self {
        let list = || Vec::with_capacity(capacity);
        Self {
            route: list(),
            open: list(),
            decap: list(),
            encap: list(),
            out: list(),
            spare: list(),
        }
    }

    /// Takes every packet through the stages until all that still live wait for `emit`.
    pub(crate) fn run(&mut self, ctx: &mut Context<'_>, hold: &mut HoldQueue) {
        loop {
            if !self.route.is_empty() {
                forward::route(ctx, &mut self.route);
                self.dispatch(ctx, hold, |queues| &mut queues.route);
                ctx.stopwatch.lap(Stage::Route);
            } else if !self.open.is_empty() {
                sort_runs(&mut self.open);
                inbound::open(ctx, &mut self.open);
                self.dispatch(ctx, hold, |queues| &mut queues.open);
                ctx.stopwatch.lap(Stage::Open);
            } else if !self.decap.is_empty() {
                decap::decap(ctx, &mut self.decap);
                self.dispatch(ctx, hold, |queues| &mut queues.decap);
                ctx.stopwatch.lap(Stage::Decap);
            } else if !self.encap.is_empty() {
                sort_runs(&mut self.encap);
                outbound::encap(ctx, &mut self.encap);
                self.dispatch(ctx, hold, |queues| &mut queues.encap);
                ctx.stopwatch.lap(Stage::Encap);
            } else {
                return;
            }
        }
    }

    /// Moves the packets of one stage's list, and those it made, to where their verdicts say.
    fn dispatch(
        &mut self,
        ctx: &mut Context<'_>,
        hold: &mut HoldQueue,
        list: fn(&mut Self) -> &mut Vec<Packet>,
    ) {
        // What this stage sends to itself waits in the list that is empty until then.
        let spare = core::mem::take(&mut self.spare);
        let mut done = core::mem::replace(list(self), spare);
        for packet in done.drain(..) {
            self.send(ctx, hold, packet);
        }
        self.spare = done;
        // In the order they were made: a packet's fragments leave in the order of their offsets.
        let mut made = core::mem::take(ctx.made);
        for packet in made.drain(..) {
            self.send(ctx, hold, packet);
        }
        // Sending makes nothing, so nothing is overwritten here.
        *ctx.made = made;
    }

    fn send(&mut self, ctx: &mut Context<'_>, hold: &mut HoldQueue, mut packet: Packet) {
        let list = match packet.verdict {
            Verdict::Route => &mut self.route,
            Verdict::Open(_) | Verdict::Decap(_) | Verdict::Encap(_)
                if packet.depth >= DEPTH_MAX =>
            {
                ctx.drop(packet.frame, DropReason::NestedTooDeep);
                return;
            }
            Verdict::Open(_) => &mut self.open,
            Verdict::Decap(_) => &mut self.decap,
            Verdict::Encap(_) => &mut self.encap,
            Verdict::Out(_) => &mut self.out,
            Verdict::Hold(port, address) => {
                hold.keep(ctx, packet, port, address);
                return;
            }
            Verdict::Drop(reason) => {
                ctx.drop(packet.frame, reason);
                return;
            }
        };
        // A worker does not allocate: what a flood of copies adds beyond the list's room is lost.
        if list.len() == list.capacity() {
            ctx.drop(packet.frame, DropReason::NoChunk);
            return;
        }
        packet.ordinal = list.len() as u32;
        list.push(packet);
    }

    /// Gives every frame back.
    pub(crate) fn release(&mut self, pool: &mut FramePool) {
        let lists =
            [&mut self.route, &mut self.open, &mut self.decap, &mut self.encap, &mut self.out];
        for packet in lists.into_iter().flat_map(|list| list.drain(..)) {
            pool.free(packet.frame);
        }
    }
}

/// Brings packets with the same verdict together and keeps their order.
fn sort_runs(list: &mut [Packet]) {
    if !list.is_sorted_by_key(run_key) {
        list.sort_unstable_by_key(|packet| (run_key(packet), packet.ordinal));
    }
}

/// What the packets of one run share.
pub(crate) fn run_key(packet: &Packet) -> u32 {
    match packet.verdict {
        Verdict::Open(slot) => slot,
        Verdict::Encap(TunnelId(tunnel)) | Verdict::Decap(TunnelId(tunnel)) => tunnel,
        _ => u32::MAX,
    }
}
