//! What every stage may use during one turn.

use std::net::IpAddr;

use port::{Frame, FramePool};
use tables::counters::WorkerCounters;
use tables::{DropReason, PortId, Tables};

use crate::event::{Event, EventRing};
use crate::icmp::ErrorBudget;
use crate::latency::Stopwatch;
use crate::packet::Packet;
use crate::punt::PuntRing;

/// The outer identifications of one worker: every worker counts in steps of the number of
/// workers, so that two of them never give out the same one at a time (RFC 6864 4.1).
#[derive(Debug)]
pub(crate) struct Identification {
    next: u16,
    step: u16,
}

impl Identification {
    pub(crate) fn new(worker: u16, workers: u16) -> Self {
        Self { next: worker, step: workers.max(1) }
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u16 {
        let id = self.next;
        self.next = self.next.wrapping_add(self.step);
        id
    }
}

/// One batch's view of the tables and of what the worker owns.
pub(crate) struct Context<'a> {
    pub(crate) tables: &'a Tables,
    /// Which worker this is, counted from zero.
    pub(crate) worker: usize,
    pub(crate) counters: &'a WorkerCounters,
    pub(crate) pool: &'a mut FramePool,
    pub(crate) identification: &'a mut Identification,
    pub(crate) errors: &'a mut ErrorBudget,
    /// Packets that stages made (ICMP, fragments), with their verdicts; dispatched with the rest.
    pub(crate) made: &'a mut Vec<Packet>,
    pub(crate) events: &'a EventRing,
    pub(crate) punts: &'a PuntRing,
    pub(crate) stopwatch: &'a mut Stopwatch,
    /// Monotonic time of this turn, nanoseconds.
    pub(crate) now_ns: u64,
}

impl Context<'_> {
    /// Ends a frame's way and counts why.
    #[inline]
    pub(crate) fn drop(&mut self, frame: Frame, reason: DropReason) {
        self.counters.drop(reason, 1);
        self.pool.free(frame);
    }

    /// Asks control to resolve a next hop.
    pub(crate) fn ask(&self, port: PortId, address: IpAddr) {
        self.tell(Event::Resolve { port, address });
    }

    /// Leaves an event for control. A full ring loses nothing: the event is repeated while its
    /// reason lasts.
    pub(crate) fn tell(&self, event: Event) {
        let _full = self.events.push(event);
    }

    /// Adds a packet made here to those that are dispatched after this stage.
    #[inline]
    pub(crate) fn make(&mut self, packet: Packet) {
        // One turn's packets always fit; a flood of fragments must not make the list grow.
        if self.made.len() == self.made.capacity() {
            self.drop(packet.frame, DropReason::NoChunk);
        } else {
            self.made.push(packet);
        }
    }
}
