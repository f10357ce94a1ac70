//! The sending half: frames made when they are due, and handed to a port.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use port::{Batch, FramePool, Port};

use super::mirror::Mirror;
use super::packet::Blueprint;
use super::schedule::Schedule;
use super::size::FCS;
use super::stamp::Stamp;

/// Frames made at a time, at most.
pub const BURST: usize = 64;

/// What one load sends.
pub struct Sender<'a> {
    blueprint: &'a Blueprint,
    schedule: Schedule,
    trial: u8,
    /// Seals what is made; without it frames leave in clear.
    mirror: Option<&'a mut Mirror>,
    /// Number of the next frame to make.
    next: u64,
    /// Frames after which the sizes' round begins one place later, so that no flow always has the
    /// same size.
    rotation: u64,
    waiting: Batch,
    tally: Sent,
    interval: Interval,
}

/// What was sent.
#[derive(Debug)]
pub struct Sent {
    /// Frames handed to the device.
    pub frames: u64,
    /// Their bytes in clear, check sequences included.
    pub bytes: u64,
    /// Bytes that left, with tunnel headers, check sequences included.
    pub wire_bytes: u64,
    /// Frames that were made and could not be sealed.
    pub unsealed: u64,
    /// How long after its intended time each frame was made, nanoseconds.
    pub lag: Histogram<u64>,
    /// Frames in each interval, by its number.
    pub by_interval: BTreeMap<u64, u64>,
    /// When the first and the last were handed over, nanoseconds.
    pub span: Option<(u64, u64)>,
}

/// How time is cut for the report.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    /// Where the first one begins, nanoseconds.
    pub start_ns: u64,
    /// Nanoseconds.
    pub len_ns: u64,
}

impl Interval {
    /// The number of the interval that holds `now_ns`.
    #[must_use]
    pub fn at(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns) / self.len_ns.max(1)
    }
}

impl<'a> Sender<'a> {
    /// A load that is yet to be sent.
    #[must_use]
    pub fn new(
        blueprint: &'a Blueprint,
        schedule: Schedule,
        trial: u8,
        mirror: Option<&'a mut Mirror>,
        interval: Interval,
    ) -> Self {
        let (flows, round) = (blueprint.flows() as u64, blueprint.round() as u64);
        let tally = Sent {
            frames: 0,
            bytes: 0,
            wire_bytes: 0,
            unsealed: 0,
            lag: latencies(),
            by_interval: BTreeMap::new(),
            span: None,
        };
        Self {
            blueprint,
            schedule,
            trial,
            mirror,
            next: 0,
            rotation: least_common_multiple(flows, round),
            waiting: Batch::new(BURST),
            tally,
            interval,
        }
    }

    /// Makes what is due and hands over what the port takes; gives how many frames that were.
    pub fn step<P: Port>(&mut self, port: &mut P, pool: &mut FramePool, now_ns: u64) -> usize {
        if self.waiting.is_empty() {
            self.make(pool, now_ns);
        }
        let before: usize = self.waiting.len();
        if before == 0 {
            port.flush(pool);
            return 0;
        }
        let sent = port.tx(pool, &mut self.waiting);
        port.flush(pool);
        if sent > 0 {
            self.tally.frames += sent as u64;
            *self.tally.by_interval.entry(self.interval.at(now_ns)).or_default() += sent as u64;
            let first = self.tally.span.map_or(now_ns, |(first, _)| first);
            self.tally.span = Some((first, now_ns));
        }
        sent
    }

    /// Whether every frame of the load was made and handed over.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next >= self.schedule.frames() && self.waiting.is_empty()
    }

    /// Frames handed over so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.tally.frames
    }

    /// Gives up what is not handed over yet, and tells what was.
    pub fn finish(mut self, pool: &mut FramePool) -> Sent {
        let kept = self.waiting.len() as u64;
        self.waiting.release(pool);
        // Bytes are counted when frames are made.
        let made = self.tally.frames + kept;
        if kept > 0 && made > 0 {
            let share = |bytes: u64| (bytes as f64 * self.tally.frames as f64 / made as f64) as u64;
            self.tally.bytes = share(self.tally.bytes);
            self.tally.wire_bytes = share(self.tally.wire_bytes);
        }
        self.tally
    }

    fn make(&mut self, pool: &mut FramePool, now_ns: u64) {
        let due = self.schedule.due(now_ns);
        let (flows, round) = (self.blueprint.flows() as u64, self.blueprint.round() as u64);
        while self.next < due && self.waiting.room() > 0 {
            let Some(mut frame) = pool.alloc() else { break };
            let n = self.next;
            let place = ((n + n / self.rotation) % round) as usize;
            let intended_ns = self.schedule.intended_ns(n, now_ns);
            let (flow, seq) = ((n % flows) as u32, (n / flows) as u32);
            let stamp = Stamp { trial: self.trial, flow, seq, intended_ns };
            let len = self.blueprint.len(place);
            if let Some(bytes) = frame.append(len) {
                self.blueprint.write(place, stamp, bytes);
            }
            self.tally.bytes += (len + FCS) as u64;
            self.tally.wire_bytes += (len + FCS) as u64;
            self.tally.lag.saturating_record(now_ns.saturating_sub(intended_ns));
            self.next += 1;
            if let Err(frame) = self.waiting.push(frame) {
                pool.free(frame);
            }
        }
        if let Some(mirror) = &mut self.mirror
            && !self.waiting.is_empty()
        {
            let made = self.waiting.len();
            let grown = mirror.seal(&mut self.waiting, now_ns);
            self.tally.unsealed += (made - self.waiting.len()) as u64;
            self.tally.wire_bytes += grown;
        }
    }
}

/// An empty histogram for times in nanoseconds: three digits, up to a minute.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds")
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    let (mut x, mut y) = (a.max(1), b.max(1));
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a.max(1) / x * b.max(1)
}
