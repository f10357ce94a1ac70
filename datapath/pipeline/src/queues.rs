//! The lists between stages and the loop that empties them.

use port::FramePool;
use tables::latency::Stage;
use tables::{DropReason, TunnelId};

use crate::context::Context;
use crate::hold::HoldQueue;
use crate::ip::Ip;
use crate::packet::{Next, Packet, Verdict};
use crate::{decap, forward, inbound, outbound, punt};

/// Packets by the stage that they wait for.
pub(crate) struct Queues {
    pub(crate) route: Vec<Packet>,
    open: Vec<Packet>,
    decap: Vec<Packet>,
    pub(crate) encap: Vec<Packet>,
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
    #[inline]
    fn dispatch(
        &mut self,
        ctx: &mut Context<'_>,
        hold: &mut HoldQueue,
        list: fn(&mut Self) -> &mut Vec<Packet>,
    ) {
        // What this stage sends to itself waits in the list that is empty until then.
        let spare = core::mem::take(&mut self.spare);
        let mut done = core::mem::replace(list(self), spare);
        // Most batches go one way: their list becomes the next one's, and no packet is moved.
        if let Some(next) = self.common_list(&done).filter(|next| next.is_empty()) {
            core::mem::swap(next, &mut done);
        }
        for packet in done.drain(..) {
            self.send(ctx, hold, packet);
        }
        self.spare = done;
        if ctx.made.is_empty() {
            return;
        }
        // In the order they were made: a packet's fragments leave in the order of their offsets.
        let mut made = core::mem::take(ctx.made);
        for packet in made.drain(..) {
            self.send(ctx, hold, packet);
        }
        // Sending makes nothing, so nothing is overwritten here.
        *ctx.made = made;
    }

    /// The list that all these packets go to.
    #[inline]
    fn common_list(&mut self, packets: &[Packet]) -> Option<&mut Vec<Packet>> {
        let first = packets.first()?;
        let next = first.next()?;
        packets.iter().all(|packet| packet.goes_with(first)).then(|| self.list(next))
    }

    #[inline]
    fn list(&mut self, next: Next) -> &mut Vec<Packet> {
        match next {
            Next::Route => &mut self.route,
            Next::Open => &mut self.open,
            Next::Decap => &mut self.decap,
            Next::Encap => &mut self.encap,
            Next::Out => &mut self.out,
        }
    }

    /// Moves a packet to where its verdict says.
    #[inline]
    pub(crate) fn send(&mut self, ctx: &mut Context<'_>, hold: &mut HoldQueue, packet: Packet) {
        let Some(next) = packet.next() else { return end(ctx, hold, packet) };
        let list = self.list(next);
        // A worker does not allocate: what a flood of copies adds beyond the list's room is lost.
        if list.len() == list.capacity() {
            ctx.drop(packet.frame, DropReason::NoChunk);
            return;
        }
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

/// Keeps a packet that waits, hands control what is for it, and ends the way of any other.
#[cold]
fn end(ctx: &mut Context<'_>, hold: &mut HoldQueue, packet: Packet) {
    match packet.verdict {
        Verdict::Hold(port) => match Ip::of(packet.frame.data()).map(Ip::destination) {
            Ok(address) => hold.keep(ctx, packet, port, address),
            Err(reason) => ctx.drop(packet.frame, reason),
        },
        Verdict::Punt(tunnel) => punt::punt(ctx, packet, tunnel),
        Verdict::Await(tunnel) => hold.for_sa.keep(ctx, packet, tunnel),
        Verdict::Drop(reason) => ctx.drop(packet.frame, reason),
        // Every other verdict has a next stage.
        _ => ctx.drop(packet.frame, DropReason::NestedTooDeep),
    }
}

/// Brings packets with the same verdict together and keeps their order.
fn sort_runs(list: &mut [Packet]) {
    if !list.is_sorted_by_key(run_key) {
        for (ordinal, packet) in (0..).zip(list.iter_mut()) {
            packet.ordinal = ordinal;
        }
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
