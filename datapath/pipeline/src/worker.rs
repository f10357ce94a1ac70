//! One worker: its ports' queues, its lists, its turn.

use std::sync::Arc;

use port::{Batch, FramePool, Port};
use tables::PortId;
use tables::counters::WorkerCounters;
use tables::latency::Stage;
use tables::publish::Reader;

use crate::context::{Context, Identification};
use crate::hold::{HELD_MAX, HoldQueue};
use crate::icmp::ErrorBudget;
use crate::latency::{Clock, Stopwatch};
use crate::packet::Packet;
use crate::queues::Queues;
use crate::rings::Rings;
use crate::{arrival, emit, punt};

/// Frames received from one port at a time: enough to pay for what a turn costs, and for the lanes
/// of the ciphers; their first bytes still fit the second cache.
pub const BATCH: usize = 256;

/// Which worker, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId {
    /// Counted from zero.
    pub index: u16,
    /// Workers in the process.
    pub of: u16,
}

/// One queue of a port, and what waits to be transmitted there.
pub(crate) struct Queue<P> {
    port: P,
    pub(crate) transmit: Batch,
}

/// Carries packets between one queue of every port. It has no clock, no thread and no I/O but its
/// ports: whoever owns it calls [`Worker::turn`] as often as there is something to do.
pub struct Worker<P: Port> {
    index: usize,
    queues: Vec<Queue<P>>,
    received: Batch,
    lists: Queues,
    made: Vec<Packet>,
    hold: HoldQueue,
    pool: FramePool,
    reader: Reader,
    counters: Arc<WorkerCounters>,
    identification: Identification,
    errors: ErrorBudget,
    rings: Rings,
    stopwatch: Stopwatch,
}

impl<P: Port> Worker<P> {
    /// A worker over these ports, in the order of their [`PortId`]s.
    #[must_use]
    pub fn new(
        id: WorkerId,
        ports: Vec<P>,
        pool: FramePool,
        reader: Reader,
        counters: Arc<WorkerCounters>,
        rings: Rings,
    ) -> Self {
        // A whole batch may become fragments or be released from hold in one turn.
        let capacity = 16 * BATCH + HELD_MAX;
        // What waits here is late already: no more than a batch of jumbo packets in fragments.
        let queue = |port| Queue { port, transmit: Batch::new(8 * BATCH + HELD_MAX) };
        Self {
            index: usize::from(id.index),
            queues: ports.into_iter().map(queue).collect(),
            received: Batch::new(BATCH),
            lists: Queues::new(capacity),
            made: Vec::with_capacity(capacity),
            hold: HoldQueue::new(),
            pool,
            reader,
            counters,
            identification: Identification::new(id.index, id.of),
            errors: ErrorBudget::new(),
            rings,
            stopwatch: Stopwatch::new(),
        }
    }

    /// Has the worker measure how long a batch takes, at most every `every_ns` nanoseconds of the
    /// time that [`Worker::turn`] is told, into its counters' `latency`. The clock is read up to
    /// ten times for such a batch, and otherwise never.
    pub fn measure(&mut self, clock: Clock, every_ns: u64) {
        self.stopwatch = Stopwatch::sampling(clock, every_ns);
    }

    /// Receives one batch from each port, carries it all the way, and transmits. `now_ns` is
    /// monotonic time, nanoseconds. Returns how many frames came in or are still to go out: zero
    /// means that the caller may sleep until a port has something or 100 ms have passed.
    pub fn turn(&mut self, now_ns: u64) -> usize {
        let timed = self.stopwatch.turn(now_ns);
        let injected = self.rings.injected.len().min(BATCH);
        let mut work = 0;
        for at in 0..self.queues.len() {
            let Some(queue) = self.queues.get_mut(at) else { break };
            work += queue.port.rx(&mut self.pool, &mut self.received);
            // Not before: keys are published before a peer may send by them, so that what has been
            // received is never newer than these tables, however long this thread was kept waiting.
            let (tables, generation) = self.reader.refresh();
            let mut ctx = Context {
                tables,
                worker: self.index,
                counters: &self.counters,
                pool: &mut self.pool,
                identification: &mut self.identification,
                errors: &mut self.errors,
                made: &mut self.made,
                events: &self.rings.events,
                punts: &self.rings.punts,
                stopwatch: &mut self.stopwatch,
                now_ns,
            };
            // What has waited leaves before what has come meanwhile.
            let (out, encap) = (self.lists.out.len(), self.lists.encap.len());
            self.hold.release(&mut ctx, generation, &mut self.lists.out);
            self.hold.for_sa.release(&mut ctx, generation, &mut self.lists.encap);
            work += self.lists.out.len() - out + self.lists.encap.len() - encap;
            if at == 0 {
                self.lists.route.append(ctx.made);
                for injected in (0..injected).filter_map(|_| self.rings.injected.pop()) {
                    if let Some(packet) = punt::inject(&mut ctx, &injected) {
                        self.lists.send(&mut ctx, &mut self.hold, packet);
                    }
                    work += 1;
                }
            }
            if timed {
                ctx.stopwatch.begin(at, self.received.len());
            }
            let port = PortId(at as u32);
            arrival::receive(&mut ctx, port, &mut self.received, &mut self.lists.route);
            if timed {
                ctx.stopwatch.lap(Stage::Arrival);
            }
            self.lists.run(&mut ctx, &mut self.hold);
            let leaving = self.lists.out.len();
            emit::emit(&mut ctx, &mut self.hold, &mut self.lists.out, &mut self.queues);
            if timed {
                ctx.stopwatch.emitted(leaving);
            }
        }
        // Errors about packets that could not be emitted are sent with the next turn.
        self.lists.route.append(&mut self.made);
        if timed {
            self.stopwatch.transmit();
        }
        for queue in &mut self.queues {
            queue.port.tx(&mut self.pool, &mut queue.transmit);
            queue.port.flush(&mut self.pool);
            work += queue.transmit.len();
        }
        if timed {
            self.stopwatch.end(&self.counters.latency);
        }
        if work > 0 {
            self.counters.busy_turns.add(1);
        }
        work + self.lists.route.len()
    }

    /// The ports, in the order of their ids.
    pub fn ports_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.queues.iter_mut().map(|queue| &mut queue.port)
    }
}

impl<P: Port> Drop for Worker<P> {
    fn drop(&mut self) {
        self.received.release(&mut self.pool);
        self.lists.release(&mut self.pool);
        self.hold.clear(&mut self.pool);
        for packet in self.made.drain(..) {
            self.pool.free(packet.frame);
        }
        for queue in &mut self.queues {
            queue.transmit.release(&mut self.pool);
        }
    }
}
