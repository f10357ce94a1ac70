//! The rig: devices, threads and cores on which one load after another is run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::clock::Clock;
use super::device::{Losses, Station};
use super::ledger::Ledger;
use super::mirror::Mirror;
use super::packet::Blueprint;
use super::schedule::{Schedule, frames_of};
use super::sender::{Interval, Sender, Sent};
use super::sink::{Seen, Sink};
use super::size::Sizes;
use super::trial::{Asked, Limit, Trial};

/// Between the call and the first frame: threads start meanwhile.
const LEAD_NS: u64 = 3_000_000;
/// A load that takes longer than this many times its duration is broken off.
const OVERTIME: f64 = 1.02;
const OVERTIME_MIN_NS: u64 = 20_000_000;
/// How long frames that were handed over may take to leave.
const LEAVE_NS: u64 = 500_000_000;
/// When everything has arrived, duplicates are waited for this much of the drain time.
const DRAIN_SHARE: u64 = 8;
/// Drain times after which nothing is waited for any more.
const LOOP_PATIENCE: u64 = 8;
const REPORT: Duration = Duration::from_millis(50);

/// What threads do when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Idle {
    /// Keep polling: for machines with a core for each thread.
    Spin,
    /// Let others run, and poll again at once.
    Yield,
    /// Sleep for 50 microseconds: kind to others, and latencies show it.
    Sleep,
}

/// How the rig's threads run.
#[derive(Clone, Debug)]
pub struct Threads {
    /// Sender and sink on one thread.
    pub single: bool,
    /// Cores to pin to, the sender's first; empty leaves it to the scheduler.
    pub cores: Vec<usize>,
    /// When there is nothing to do.
    pub idle: Idle,
}

/// One load.
pub struct Load<'a> {
    /// What its packets are.
    pub blueprint: &'a Blueprint,
    /// Their sizes.
    pub sizes: &'a Sizes,
    /// UDP port.
    pub port: u16,
    /// Frames a second; `None` is as fast as possible.
    pub pps: Option<f64>,
    /// How long to send.
    pub seconds: f64,
    /// How many frames to send, where it is not the duration that counts.
    pub frames: Option<u64>,
    /// How long to wait for the last packets, seconds.
    pub drain_s: f64,
}

/// Devices and threads.
pub struct Rig {
    /// Where frames are sent, and received when there is no other.
    pub sending: Station,
    /// Where they are received.
    pub receiving: Option<Station>,
    /// Seals what is sent.
    pub sealing: Option<Mirror>,
    /// Opens what is received.
    pub opening: Option<Mirror>,
    /// How threads run.
    pub threads: Threads,
    /// The clock of stamps.
    pub clock: Clock,
    trial: u8,
}

/// What threads tell each other.
#[derive(Default)]
struct Live {
    sent: AtomicU64,
    unique: AtomicU64,
    reordered: AtomicU64,
    duplicates: AtomicU64,
    /// When the last frame had left; zero before.
    done_ns: AtomicU64,
}

/// How a load stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Since it began, seconds.
    pub elapsed_s: f64,
    /// Frames sent.
    pub sent: u64,
    /// Packets that arrived.
    pub received: u64,
    /// Of those, reordered.
    pub reordered: u64,
    /// Arrivals of what had come.
    pub duplicates: u64,
}

/// Both halves of a load, ready to run.
struct Halves<'a> {
    sender: Sender<'a>,
    sink: Sink<'a>,
}

impl Rig {
    /// A rig that has run nothing yet.
    #[must_use]
    pub fn new(
        sending: Station,
        receiving: Option<Station>,
        sealing: Option<Mirror>,
        opening: Option<Mirror>,
        threads: Threads,
    ) -> Self {
        // A first number that another generator on the same wire hardly has.
        let clock = Clock::new();
        let trial = (clock.now_ns() / 1_000_003) as u8;
        Self { sending, receiving, sealing, opening, threads, clock, trial }
    }

    /// Runs a load to its end, or until `stop`; `progress` is called now and then.
    pub fn run(
        &mut self,
        load: &Load<'_>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Trial {
        self.trial = self.trial.wrapping_add(1);
        let frames = load.frames.unwrap_or_else(|| match load.pps {
            Some(pps) => frames_of(pps, load.seconds),
            None => u64::MAX,
        });
        let start_ns = self.clock.now_ns() + LEAD_NS;
        let cut = cut(start_ns, load.seconds);
        let before = self.losses();
        let reasons_before = self.sealing.as_ref().map(Mirror::drops);
        let schedule = Schedule::new(start_ns, load.pps, frames);
        let ledger = Ledger::new(load.blueprint.flows());
        let Self { sending, receiving, sealing, opening, threads, clock, trial } = self;
        let sender = Sender::new(load.blueprint, schedule, *trial, sealing.as_mut(), cut);
        let sink = Sink::new(load.port, Some(*trial), ledger, opening.as_mut(), *clock, cut);
        let pace = Pace::new(load, start_ns, *clock, stop);
        let live = Live::default();
        let (sent, seen) = thread::scope(|scope| {
            let halves = Halves { sender, sink };
            let run = Run { pace: &pace, live: &live, threads };
            run.start(scope, halves, sending, receiving.as_mut(), || {
                progress(live.progress(&pace));
            })
        });
        let lost = self.losses();
        let limits = self.limits(&before, &lost, &sent, reasons_before.as_deref());
        let asked = Asked {
            size: load.sizes.name().to_owned(),
            target_pps: load.pps,
            intended: if frames == u64::MAX { sent.frames } else { frames },
            cut,
        };
        Trial::new(asked, &sent, seen, limits, stop.load(Relaxed))
    }

    fn losses(&self) -> (Losses, Losses) {
        let receiving = self.receiving.as_ref().unwrap_or(&self.sending);
        (self.sending.losses(), receiving.losses())
    }

    fn limits(
        &self,
        before: &(Losses, Losses),
        after: &(Losses, Losses),
        sent: &Sent,
        reasons_before: Option<&[(&'static str, u64)]>,
    ) -> Vec<Limit> {
        let (out, back) = (after.0.since(before.0), after.1.since(before.1));
        let mut limits = Vec::new();
        if back.sockets > 0 {
            limits.push(Limit::Sink { dropped: back.sockets });
        }
        if back.received > 0 {
            limits.push(Limit::ReceivingDevice { dropped: back.received });
        }
        if out.sent > 0 {
            limits.push(Limit::SendingDevice { dropped: out.sent });
        }
        if sent.unsealed > 0 {
            let old = |reason| {
                let known = reasons_before.unwrap_or(&[]).iter();
                known.filter(|(known, _)| *known == reason).map(|(_, count)| *count).sum::<u64>()
            };
            let now = self.sealing.as_ref().map(Mirror::drops).unwrap_or_default();
            let new = now.iter().filter(|(reason, count)| *count > old(*reason));
            let reasons = new.map(|(reason, _)| *reason).collect::<Vec<_>>().join(" ");
            limits.push(Limit::Sealing { dropped: sent.unsealed, reasons });
        }
        limits
    }
}

/// About twenty intervals, of a second at most unless those would be very many.
fn cut(start_ns: u64, seconds: f64) -> Interval {
    let len_s = (seconds / 20.0).clamp(0.01, 1.0).max(seconds / 120.0);
    Interval { start_ns, len_ns: (len_s * 1e9) as u64 }
}

/// When a load ends.
struct Pace<'a> {
    clock: Clock,
    start_ns: u64,
    /// Nothing is sent from here on.
    deadline_ns: u64,
    drain_ns: u64,
    stop: &'a AtomicBool,
}

impl<'a> Pace<'a> {
    fn new(load: &Load<'_>, start_ns: u64, clock: Clock, stop: &'a AtomicBool) -> Self {
        let exact = (load.seconds * 1e9) as u64;
        let late = ((load.seconds * OVERTIME * 1e9) as u64).max(exact + OVERTIME_MIN_NS);
        // An unpaced load ends by the clock alone.
        let lasts = if load.pps.is_none() && load.frames.is_none() { exact } else { late };
        let drain_ns = (load.drain_s * 1e9) as u64;
        Self { clock, start_ns, deadline_ns: start_ns + lasts, drain_ns, stop }
    }

    fn sends_at(&self, now_ns: u64) -> bool {
        now_ns < self.deadline_ns && !self.stop.load(Relaxed)
    }

    /// Whether a sink has waited long enough.
    fn is_drained(&self, live: &Live, sink: &Sink<'_>, now_ns: u64) -> bool {
        let done_ns = live.done_ns.load(Relaxed);
        if done_ns == 0 {
            return false;
        }
        let all = sink.unique() >= live.sent.load(Relaxed);
        let wait = if all { self.drain_ns / DRAIN_SHARE } else { self.drain_ns };
        // Frames that go round in a loop come for ever.
        let at_most = done_ns + LOOP_PATIENCE * self.drain_ns;
        now_ns > at_most.min(done_ns.max(sink.last_ns()) + wait)
    }
}

impl Live {
    fn progress(&self, pace: &Pace<'_>) -> Progress {
        let elapsed = pace.clock.now_ns().saturating_sub(pace.start_ns);
        Progress {
            elapsed_s: elapsed as f64 / 1e9,
            sent: self.sent.load(Relaxed),
            received: self.unique.load(Relaxed),
            reordered: self.reordered.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
        }
    }

    fn note(&self, sink: &Sink<'_>) {
        let totals = sink.totals();
        self.unique.store(totals.unique, Relaxed);
        self.reordered.store(totals.reordered, Relaxed);
        self.duplicates.store(totals.duplicates, Relaxed);
    }
}

/// What all threads of a load share.
#[derive(Clone, Copy)]
struct Run<'a> {
    pace: &'a Pace<'a>,
    live: &'a Live,
    threads: &'a Threads,
}

impl<'a> Run<'a> {
    /// Runs both halves and reports meanwhile.
    fn start<'s>(
        self,
        scope: &'s thread::Scope<'s, '_>,
        halves: Halves<'a>,
        sending: &'a mut Station,
        receiving: Option<&'a mut Station>,
        mut report: impl FnMut(),
    ) -> (Sent, Seen)
    where
        'a: 's,
    {
        let Halves { sender, sink } = halves;
        let (sent, seen) = match receiving {
            Some(receiving) if !self.threads.single => {
                let sent = scope.spawn(move || self.send(sender, sending));
                let seen = scope.spawn(move || self.receive(sink, receiving));
                while !(sent.is_finished() && seen.is_finished()) {
                    thread::sleep(REPORT);
                    report();
                }
                (sent.join(), seen.join())
            }
            receiving => {
                let both = scope.spawn(move || self.both(sender, sink, sending, receiving));
                while !both.is_finished() {
                    thread::sleep(REPORT);
                    report();
                }
                match both.join() {
                    Ok((sent, seen)) => (Ok(sent), Ok(seen)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        };
        // A thread that panicked has said why.
        match (sent, seen) {
            (Ok(sent), Ok(seen)) => (sent, seen),
            (Err(panic), _) | (_, Err(panic)) => std::panic::resume_unwind(panic),
        }
    }

    fn send(self, mut sender: Sender<'_>, station: &mut Station) -> Sent {
        self.pin(0);
        let Self { pace, live, .. } = self;
        loop {
            let now_ns = pace.clock.now_ns();
            if sender.is_done() || !pace.sends_at(now_ns) {
                break;
            }
            if sender.step(&mut station.port, &mut station.pool, now_ns) == 0 {
                self.rest();
            }
            live.sent.store(sender.sent(), Relaxed);
        }
        let until = pace.clock.now_ns() + LEAVE_NS;
        while station.in_flight() > 0 && pace.clock.now_ns() < until {
            flush(station);
        }
        live.done_ns.store(pace.clock.now_ns(), Relaxed);
        sender.finish(&mut station.pool)
    }

    fn receive(self, mut sink: Sink<'_>, station: &mut Station) -> Seen {
        self.pin(1);
        loop {
            let n = sink.step(&mut station.port, &mut station.pool);
            self.live.note(&sink);
            if self.pace.is_drained(self.live, &sink, self.pace.clock.now_ns()) {
                return sink.finish();
            }
            if n == 0 {
                self.rest();
            }
        }
    }

    fn both(
        self,
        mut sender: Sender<'_>,
        mut sink: Sink<'_>,
        sending: &mut Station,
        mut receiving: Option<&mut Station>,
    ) -> (Sent, Seen) {
        self.pin(0);
        let Self { pace, live, .. } = self;
        let mut over_ns = 0;
        loop {
            let now_ns = pace.clock.now_ns();
            let sends = over_ns == 0 && !sender.is_done() && pace.sends_at(now_ns);
            let mut work = 0;
            if sends {
                work += sender.step(&mut sending.port, &mut sending.pool, now_ns);
                live.sent.store(sender.sent(), Relaxed);
            } else {
                if over_ns == 0 {
                    over_ns = now_ns.max(1);
                }
                flush(sending);
                let left = sending.in_flight() == 0 || now_ns > over_ns + LEAVE_NS;
                if left && live.done_ns.load(Relaxed) == 0 {
                    live.done_ns.store(now_ns, Relaxed);
                }
            }
            let station = receiving.as_deref_mut().unwrap_or(&mut *sending);
            work += sink.step(&mut station.port, &mut station.pool);
            live.note(&sink);
            if pace.is_drained(live, &sink, now_ns) {
                break;
            }
            if work == 0 {
                self.rest();
            }
        }
        (sender.finish(&mut sending.pool), sink.finish())
    }

    fn pin(self, thread: usize) {
        let Some(id) = self.threads.cores.get(thread) else { return };
        // A core that is not there was refused when the options were read.
        core_affinity::set_for_current(core_affinity::CoreId { id: *id });
    }

    fn rest(self) {
        match self.threads.idle {
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => thread::yield_now(),
            Idle::Sleep => thread::sleep(Duration::from_micros(50)),
        }
    }
}

fn flush(station: &mut Station) {
    port::Port::flush(&mut station.port, &mut station.pool);
}
