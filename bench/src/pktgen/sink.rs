//! The receiving half: every frame recognised, entered into the ledger and timed.

use hdrhistogram::Histogram;
use port::{Batch, FramePool, Port};

use super::clock::Clock;
use super::ledger::{Arrival, Ledger, Totals};
use super::mirror::Mirror;
use super::packet::{Recognised, recognise};
use super::sender::{BURST, Interval, latencies};
use super::size::FCS;

/// Intervals that are kept; a longer load adds the rest to the last one.
const INTERVALS_MAX: usize = 3600;

/// What one load's sink has seen.
pub struct Sink<'a> {
    port: u16,
    /// Frames of other trials are none of this one's; `None` takes any.
    trial: Option<u8>,
    /// Opens what comes sealed; without it frames come in clear.
    mirror: Option<&'a mut Mirror>,
    clock: Clock,
    received: Batch,
    ledger: Ledger,
    seen: Seen,
    interval: Interval,
    current: Slice,
    last_ns: u64,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// Fate of the packets.
    pub totals: Totals,
    /// Packets that the numbers tell were sent; exact only up to the last that came.
    pub spanned: u64,
    /// Flows of which anything came.
    pub flows: usize,
    /// Bytes of packets that came for the first time, check sequences included.
    pub bytes: u64,
    /// Frames to our port that are not as they were sent.
    pub corrupt: u64,
    /// Frames that are no generator's.
    pub foreign: u64,
    /// Frames of another trial, too late for theirs.
    pub other_trials: u64,
    /// From the intended time of sending to receipt, nanoseconds; first arrivals.
    pub latency: Histogram<u64>,
    /// By time.
    pub slices: Vec<Slice>,
    /// When the first and the last of ours came, nanoseconds.
    pub span: Option<(u64, u64)>,
}

/// One interval of a load.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Its number.
    pub number: u64,
    /// Packets that came for the first time.
    pub received: u64,
    /// Their latencies, nanoseconds.
    pub latency: Histogram<u64>,
}

impl Slice {
    fn new(number: u64) -> Self {
        Self { number, received: 0, latency: latencies() }
    }
}

impl<'a> Sink<'a> {
    /// A sink for what goes to UDP port `port`.
    #[must_use]
    pub fn new(
        port: u16,
        trial: Option<u8>,
        ledger: Ledger,
        mirror: Option<&'a mut Mirror>,
        clock: Clock,
        interval: Interval,
    ) -> Self {
        let seen = Seen {
            totals: Totals::default(),
            spanned: 0,
            flows: 0,
            bytes: 0,
            corrupt: 0,
            foreign: 0,
            other_trials: 0,
            latency: latencies(),
            slices: Vec::new(),
            span: None,
        };
        Self {
            port,
            trial,
            mirror,
            clock,
            received: Batch::new(BURST),
            ledger,
            seen,
            interval,
            current: Slice::new(0),
            last_ns: 0,
        }
    }

    /// Takes what has come; gives how many frames that were.
    pub fn step<P: Port>(&mut self, port: &mut P, pool: &mut FramePool) -> usize {
        let n = port.rx(pool, &mut self.received);
        if n == 0 {
            return 0;
        }
        let now_ns = self.clock.now_ns();
        if let Some(mirror) = &mut self.mirror {
            let before = self.received.len();
            mirror.open(&mut self.received, now_ns);
            self.seen.foreign += before.saturating_sub(self.received.len()) as u64;
        }
        self.turn_page(now_ns);
        // An empty batch in its place takes no memory.
        let mut received = std::mem::replace(&mut self.received, Batch::new(0));
        for frame in received.drain(BURST) {
            self.enter(frame.data(), now_ns);
            pool.free(frame);
        }
        self.received = received;
        n
    }

    /// Packets that came for the first time so far.
    #[must_use]
    pub fn unique(&self) -> u64 {
        self.ledger.totals().unique
    }

    /// When the last of ours came, nanoseconds; zero before the first.
    #[must_use]
    pub fn last_ns(&self) -> u64 {
        self.last_ns
    }

    /// Everything so far, for progress.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// What was seen.
    #[must_use]
    pub fn finish(mut self) -> Seen {
        self.close_slice(u64::MAX);
        self.seen.totals = self.ledger.totals();
        self.seen.spanned = self.ledger.spanned();
        self.seen.flows = self.ledger.flows_seen();
        self.seen
    }

    fn enter(&mut self, bytes: &[u8], now_ns: u64) {
        let stamp = match recognise(bytes, self.port) {
            Recognised::Ours(stamp) => stamp,
            Recognised::Corrupt => return self.seen.corrupt += 1,
            Recognised::Foreign => return self.seen.foreign += 1,
        };
        if self.trial.is_some_and(|trial| trial != stamp.trial) {
            self.seen.other_trials += 1;
            return;
        }
        self.last_ns = now_ns;
        let first = self.seen.span.map_or(now_ns, |(first, _)| first);
        self.seen.span = Some((first, now_ns));
        if let Arrival::InOrder | Arrival::Reordered(_) = self.ledger.record(stamp.flow, stamp.seq)
        {
            let age = stamp.age_ns(now_ns);
            self.current.latency.saturating_record(age);
            self.current.received += 1;
            self.seen.bytes += (bytes.len() + FCS) as u64;
        }
    }

    /// Begins a new slice when its time has come.
    fn turn_page(&mut self, now_ns: u64) {
        let number = self.interval.at(now_ns);
        if number > self.current.number {
            self.close_slice(number);
        }
    }

    fn close_slice(&mut self, next: u64) {
        if self.current.received == 0 {
            self.current.number = next;
            return;
        }
        // Both histograms have the same bounds.
        let _ = self.seen.latency.add(&self.current.latency);
        let full = std::mem::replace(&mut self.current, Slice::new(next));
        let room = self.seen.slices.len() < INTERVALS_MAX;
        match self.seen.slices.last_mut().filter(|_| !room) {
            Some(last) => {
                last.received += full.received;
                let _ = last.latency.add(&full.latency);
            }
            None => self.seen.slices.push(full),
        }
    }
}
