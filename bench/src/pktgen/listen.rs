//! `fastgw-pktgen sink`: what another generator sends, accounted for as far as the numbers in the
//! packets tell.

use std::error::Error;
use std::thread;
use std::time::Duration;

use af_xdp::Take;
use serde::Serialize;

use super::cli::SinkArgs;
use super::clock::Clock;
use super::device::{Device, Station, Takes, memory};
use super::ledger::Ledger;
use super::machine::Machine;
use super::rig::{Idle, Progress};
use super::run::{ProgressLine, check_seconds, say, stop_at_signals, stopped};
use super::sender::Interval;
use super::sink::{Seen, Sink};
use super::text;
use super::trial::Latency;

/// What a sink of its own has seen.
#[derive(Debug, Serialize)]
pub struct Heard {
    /// The machine.
    pub machine: Machine,
    /// Packets that arrived, each counted once.
    pub received: u64,
    /// Packets that the numbers show to be missing between the first and the last of each flow.
    pub missing: u64,
    /// Further arrivals of packets that had come.
    pub duplicates: u64,
    /// Packets that came behind a later one of their flow.
    pub reordered: u64,
    /// Frames that are not as they were sent.
    pub corrupt: u64,
    /// Arrivals beyond the ledger's window.
    pub stale: u64,
    /// Frames that are no generator's.
    pub foreign: u64,
    /// Flows.
    pub flows: usize,
    /// Frames that this sink dropped itself; some of the missing are among them.
    pub overrun: u64,
    /// From intended sending to receipt, as far as both clocks agree.
    pub latency: Latency,
}

/// Receives until it is told to stop.
///
/// # Errors
/// What is missing or refused.
pub fn run(args: &SinkArgs) -> Result<(), Box<dyn Error>> {
    if let Some(seconds) = args.duration {
        check_seconds("--duration", seconds)?;
    }
    let threads = args.threads.plan()?;
    let device = Device::find(&args.rx)?;
    let takes = Takes::Frames(Take::UdpTo(args.port));
    let umem = memory(device.queues)?;
    let mut station = Station::open(&device, &takes, args.threads.mode, umem, None)?;
    if let Some(id) = threads.cores.first() {
        core_affinity::set_for_current(core_affinity::CoreId { id: *id });
    }
    let stop = stop_at_signals()?;
    let mut line = ProgressLine::new(args.quiet);
    line.say(&format!("{}: {}", device.name, station.mode()));
    let clock = Clock::new();
    let start_ns = clock.now_ns();
    // Nobody asks for its times: one slice holds them all.
    let interval = Interval { start_ns, len_ns: u64::MAX };
    let before = station.losses();
    let mut sink = Sink::new(args.port, None, Ledger::open(), None, clock, interval);
    loop {
        let elapsed_s = (clock.now_ns() - start_ns) as f64 / 1e9;
        if stopped(&stop) || args.duration.is_some_and(|most| elapsed_s > most) {
            break;
        }
        let n = sink.step(&mut station.port, &mut station.pool);
        let totals = sink.totals();
        // What was sent is not known here; what came stands for it.
        let (sent, received) = (totals.unique, totals.unique);
        let (reordered, duplicates) = (totals.reordered, totals.duplicates);
        line.show(&Progress { elapsed_s, sent, received, reordered, duplicates });
        match threads.idle {
            _ if n > 0 => {}
            Idle::Spin => std::hint::spin_loop(),
            Idle::Yield => thread::yield_now(),
            Idle::Sleep => thread::sleep(Duration::from_micros(50)),
        }
    }
    line.end();
    let lost = station.losses().since(before);
    let heard = Heard::new(&sink.finish(), lost.sockets + lost.received);
    let json = args.json.then(|| serde_json::to_string_pretty(&heard)).transpose()?;
    say(&json.map_or_else(|| text::heard(&heard), |json| json + "\n"))?;
    Ok(())
}

impl Heard {
    fn new(seen: &Seen, overrun: u64) -> Self {
        let totals = seen.totals;
        Self {
            machine: Machine::here(),
            received: totals.unique,
            missing: seen.spanned.saturating_sub(totals.unique),
            duplicates: totals.duplicates,
            reordered: totals.reordered,
            corrupt: seen.corrupt,
            stale: totals.stale,
            foreign: seen.foreign + totals.strangers,
            flows: seen.flows,
            overrun,
            latency: Latency::of(&seen.latency),
        }
    }
}
