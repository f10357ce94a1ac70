//! Several workers that share one tunnel and its SAs, on a thread and a processor each.
//!
//! A window's packets are laid out before: those of an inner flow at the queue of one worker, as
//! flows are spread, or one after the other at all queues in turn. The clock runs from the first
//! worker's begin to the last one's end. Afterwards each packet is looked at: all must have come
//! out, and those of a flow in their order.
//!
//! A queue is as long as a receive ring, which bounds how far ahead of one worker another can be
//! in the peer's sequence numbers, however long that one's processor did something else; the
//! anti-replay window is twice as wide as all queues together are long.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use pipeline::WorkerId;
use port::{Frame, FramePool, Umem};
use serde::{Deserialize, Serialize};
use tables::DropReason;
use tables::publish::Publisher;

use crate::clock::cycles_per_ns;
use crate::gateway::{Gateway, Lost, PER_TURN, filled, readdress, umem};
use crate::lane::Load;
use crate::pipelines::Direction;
use crate::scale::{stamp, stamp_of};
use crate::tape::Tape;

/// Packets in a worker's queue.
const PER_QUEUE: usize = 2048;
/// A window that holds a whole measurement, for whoever only checks.
const WIDEST: u32 = 65_536;
/// Where the IP packet begins in a frame.
const ETHERNET: usize = 14;

/// How inbound packets of one tunnel come to the workers' queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deal {
    /// All of an inner flow to one worker
    Flow,
    /// One packet to each worker in turn: the most that sequence numbers can be mixed up; order
    /// is not looked at
    Packet,
}

/// What became of a window.
pub(crate) struct Outcome {
    /// Wall clock, nanoseconds.
    pub(crate) ns: u64,
    /// Cycles of all workers together, waiting included; `None` where the clock is not known.
    pub(crate) cycles: Option<f64>,
    /// Packets refused as seen before or too old, though none was sent twice.
    pub(crate) replay_drops: u64,
    /// Packets that came out after a later one of their flow.
    pub(crate) reordered: u64,
}

/// An anti-replay window in which `workers` have room to run.
pub(crate) fn replay_window(workers: usize) -> u32 {
    (2 * per_window(workers)).next_power_of_two().min(WIDEST as usize) as u32
}

/// Packets of a window of `workers`.
pub(crate) fn per_window(workers: usize) -> usize {
    workers * PER_QUEUE
}

/// Workers and the gateway on the far side.
pub(crate) struct Crew {
    workers: Vec<Gateway>,
    /// Seals what is opened here, or opens what is sealed here; none for plain forwarding.
    far: Option<Gateway>,
    direction: Direction,
    deal: Deal,
    /// Packets of a window.
    packets: usize,
    hosts: Tape,
    pool: FramePool,
    /// Numbers of the next packets, by flow.
    numbers: Vec<u64>,
}

impl Crew {
    /// `workers` that carry windows of `packets`.
    pub(crate) fn new(
        umem: &'static Umem,
        load: &Load,
        workers: usize,
        packets: usize,
        deal: Deal,
    ) -> Self {
        let mut scale = load.scale();
        let inbound = load.pipeline.direction == Direction::Decap;
        let publisher = Publisher::new(scale.tables(inbound));
        let worker = |index| {
            let id = WorkerId { index, of: workers as u16 };
            Gateway::worker(umem, publisher.reader(), id, inbound, packets)
        };
        let workers: Vec<_> = (0..workers as u16).map(worker).collect();
        scale.window = WIDEST;
        let far = load.pipeline.is_tunnel();
        let far = far.then(|| Gateway::new(umem, scale.tables(!inbound), !inbound));
        Self {
            workers,
            far,
            direction: load.pipeline.direction,
            deal,
            packets,
            hosts: load.hosts(),
            pool: umem.pool(packets),
            numbers: vec![0; load.flows as usize],
        }
    }

    /// Memory for crews that work one after the other.
    pub(crate) fn umem(workers: usize) -> &'static Umem {
        umem(2 * per_window(workers) + 32 * workers * PER_TURN)
    }

    /// Carries one window of packets.
    pub(crate) fn window(&mut self) -> Result<Outcome, Lost> {
        self.lay_out()?;
        let before = self.drops();
        let spans = self.carry();
        let begin = spans.iter().map(|span| span.begin).min();
        let end = spans.iter().map(|span| span.end).max();
        let ns = begin.zip(end).map_or(0, |(begin, end)| (end - begin).as_nanos() as u64);
        let cycles =
            spans.iter().map(|span| Some((span.end - span.begin).as_nanos() as f64 * span.clock?));
        let cycles = cycles.sum();
        let replay_drops = self.drops() - before;
        let reordered = self.inspect(replay_drops as usize)?;
        Ok(Outcome { ns, cycles, replay_drops, reordered })
    }

    fn drops(&self) -> u64 {
        let counted = |gateway: &Gateway| {
            let reasons = [DropReason::EspReplayed, DropReason::EspTooOld];
            reasons.iter().map(|reason| gateway.counters.drops(*reason)).sum::<u64>()
        };
        self.workers.iter().map(counted).sum()
    }

    /// Deals a window's packets.
    fn lay_out(&mut self) -> Result<(), Lost> {
        let mut frames = Vec::with_capacity(self.packets);
        for n in 0..self.packets {
            let flow = n % self.numbers.len();
            let mut frame = filled(&mut self.pool, self.hosts.at(flow));
            let number = &mut self.numbers[flow];
            stamp(&mut frame.data_mut()[ETHERNET..], flow as u32, *number);
            *number += 1;
            frames.push(frame);
        }
        if let (Direction::Decap, Some(far)) = (self.direction, &mut self.far) {
            frames = through(far, frames)?;
        }
        let workers = self.workers.len();
        for (n, frame) in frames.into_iter().enumerate() {
            let key = match self.deal {
                Deal::Flow => n % self.numbers.len(),
                Deal::Packet => n,
            };
            self.workers[key % workers].lay_out(frame);
        }
        Ok(())
    }

    fn carry(&mut self) -> Vec<Span> {
        let waiting = AtomicUsize::new(self.workers.len());
        std::thread::scope(|scope| {
            let numbered = self.workers.iter_mut().enumerate();
            let begin = |(index, worker)| {
                let waiting = &waiting;
                scope.spawn(move || work(worker, index, waiting))
            };
            let begun: Vec<_> = numbered.map(begin).collect();
            begun.into_iter().map(|thread| thread.join().expect("a worker that ends")).collect()
        })
    }

    /// Takes away what came out and counts what came out of order.
    fn inspect(&mut self, replay_drops: usize) -> Result<u64, Lost> {
        let mut left: Vec<Vec<Frame>> =
            self.workers.iter_mut().map(|worker| worker.take().collect()).collect();
        let came: usize = left.iter().map(Vec::len).sum();
        if came + replay_drops != self.packets {
            let counters: Vec<_> = self.workers.iter().map(|worker| &*worker.counters).collect();
            left.into_iter().flatten().for_each(|frame| self.pool.free(frame));
            return Err(Lost::new(came, self.packets, &counters));
        }
        if let (Direction::Encap, Some(far)) = (self.direction, &mut self.far) {
            let opened = left.into_iter().map(|frames| through(far, frames));
            left = opened.collect::<Result<_, _>>()?;
        }
        let mut reordered = 0;
        let mut newest = vec![None; self.numbers.len()];
        for frame in left.into_iter().flatten() {
            let stamp = frame.data().get(ETHERNET..).and_then(stamp_of);
            let newest = stamp.and_then(|(flow, _)| newest.get_mut(flow as usize));
            let (Some((_, number)), Some(newest)) = (stamp, newest) else {
                return Err(Lost::because("a packet came out that nobody sent"));
            };
            if newest.is_some_and(|newest| number <= newest) {
                reordered += 1;
            }
            *newest = Some(number);
            self.pool.free(frame);
        }
        Ok(if self.deal == Deal::Flow { reordered } else { 0 })
    }
}

/// When a worker carried its packets.
struct Span {
    begin: Instant,
    end: Instant,
    clock: Option<f64>,
}

fn work(worker: &mut Gateway, index: usize, waiting: &AtomicUsize) -> Span {
    core_affinity::set_for_current(core_affinity::CoreId { id: index });
    let clock = cycles_per_ns();
    waiting.fetch_sub(1, Ordering::AcqRel);
    while waiting.load(Ordering::Acquire) > 0 {
        // One that has not begun may be waiting for this very processor.
        std::thread::yield_now();
    }
    let begin = Instant::now();
    while worker.has_more() {
        worker.carry();
    }
    Span { begin, end: Instant::now(), clock }
}

/// What a gateway makes of these frames.
fn through(gateway: &mut Gateway, frames: Vec<Frame>) -> Result<Vec<Frame>, Lost> {
    let (mut made, expected) = (Vec::with_capacity(frames.len()), frames.len());
    let mut frames = frames.into_iter();
    while made.len() < expected {
        let before = made.len();
        for mut frame in frames.by_ref().take(PER_TURN) {
            readdress(&mut frame);
            gateway.lay_out(frame);
        }
        gateway.carry();
        made.extend(gateway.take().map(|mut frame| {
            readdress(&mut frame);
            frame
        }));
        if made.len() == before {
            return Err(Lost::new(made.len(), expected, &[&gateway.counters]));
        }
    }
    Ok(made)
}
