//! `fastgw-pktgen run`: one load.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::cli::{OutputArgs, RunArgs};
use super::machine::Machine;
use super::rate;
use super::report::{self, Results};
use super::rig::{Load, Progress};
use super::setup::{Setup, Wanted};
use super::text;

/// Longest load, seconds: stamps tell 3 days apart.
const SECONDS_MAX: f64 = 86_400.0;
const WARM_UP_PPS: f64 = 1_000.0;

/// Runs a load as the options say, and gives whether every packet came.
///
/// # Errors
/// What is impossible, missing or refused.
pub fn run(args: &RunArgs) -> Result<(), Box<dyn Error>> {
    check_seconds("--duration", args.duration)?;
    check_seconds("--drain", args.drain)?;
    let ipv6 = args.to.at(0).is_ipv6();
    // Before devices are opened: sizes and rates need none to be refused.
    args.size.check(super::packet::smallest(ipv6))?;
    args.rate.check(args.size.mean(), None)?;
    let threads = args.threads.plan()?;
    let mut setup = Setup::new(&Wanted {
        tx: &args.tx,
        rx: args.rx.as_deref(),
        via: args.via,
        from: args.from,
        to: args.to,
        flows: args.flows,
        port: args.port,
        sealed: &args.sealed,
        threads,
        copying: args.threads.mode,
    })?;
    let blueprint = setup.blueprint(&args.size)?;
    let pps = setup.pps(args.rate, &args.size)?;
    setup.probe(&blueprint)?;
    let stop = stop_at_signals()?;
    let mut line = ProgressLine::new(args.output.quiet);
    line.say(&setup.modes());
    // A number of frames takes as long as it takes at its rate, and some more.
    let seconds = match (args.frames, pps) {
        (Some(frames), Some(pps)) => frames as f64 / pps + 1.0,
        (Some(_), None) => SECONDS_MAX,
        (None, _) => args.duration,
    };
    let load = Load {
        blueprint: &blueprint,
        sizes: &args.size,
        port: args.port,
        pps,
        seconds,
        frames: args.frames,
        drain_s: args.drain,
    };
    if args.warm_up > 0 {
        let warm_up = Load {
            pps: Some(WARM_UP_PPS),
            seconds: args.warm_up as f64 / WARM_UP_PPS + 1.0,
            frames: Some(args.warm_up),
            ..load
        };
        setup.rig.run(&warm_up, &stop, &mut |_| {});
    }
    let trial = setup.rig.run(&load, &stop, &mut |progress| line.show(&progress));
    line.end();
    let results = Results::of_load(Machine::here(), setup.modes(), trial);
    publish(&results, &args.output, text::load(&results))
}

/// Prints the results and writes the files that were asked for.
///
/// # Errors
/// A file that cannot be written.
pub fn publish(results: &Results, output: &OutputArgs, text: String) -> Result<(), Box<dyn Error>> {
    say(&if output.json { serde_json::to_string_pretty(results)? + "\n" } else { text })?;
    if let Some(folder) = &output.report {
        let written = report::write(results, folder)?;
        if !output.json {
            say(&format!("\nWritten: {}\n", written.join(", ")))?;
        }
    }
    Ok(())
}

/// Prints to standard output; whoever has stopped reading it misses nothing.
///
/// # Errors
/// It cannot be written.
pub fn say(text: &str) -> io::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Refuses times that are none.
///
/// # Errors
/// Which option it was, and what it may be.
pub fn check_seconds(option: &str, seconds: f64) -> Result<(), String> {
    if seconds.is_finite() && seconds > 0.0 && seconds <= SECONDS_MAX {
        return Ok(());
    }
    Err(format!("{option} {seconds} is impossible: write seconds, above 0 and at most 86400"))
}

/// Set when the process is told to stop.
///
/// # Errors
/// The system refuses a handler.
pub fn stop_at_signals() -> Result<Arc<AtomicBool>, Box<dyn Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal ends the process at once.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// The line on standard error that changes once a second.
pub struct ProgressLine {
    quiet: bool,
    terminal: bool,
    prefix: String,
    last: Progress,
    shown: bool,
}

impl ProgressLine {
    /// Nothing is shown yet, and nothing ever when `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let last = Progress { elapsed_s: 0.0, sent: 0, received: 0, reordered: 0, duplicates: 0 };
        let terminal = io::stderr().is_terminal();
        Self { quiet, terminal, prefix: String::new(), last, shown: false }
    }

    /// What stands before every line from here on.
    pub fn begin(&mut self, prefix: String) {
        self.prefix = prefix;
        self.last = Progress { elapsed_s: 0.0, sent: 0, received: 0, reordered: 0, duplicates: 0 };
    }

    /// A line of its own.
    pub fn say(&mut self, text: &str) {
        if !self.quiet {
            self.end();
            eprintln!("{text}");
        }
    }

    /// Shows how a load stands, if a second has passed since it did.
    pub fn show(&mut self, now: &Progress) {
        let elapsed = now.elapsed_s - self.last.elapsed_s;
        if self.quiet || elapsed < 1.0 {
            return;
        }
        let per_second = |now: u64, then: u64| rate::frames((now - then) as f64 / elapsed);
        let line = format!(
            "{}{:.0} s: sent {} ({}), received {} ({}), missing {}, reordered {}, duplicates {}",
            self.prefix,
            now.elapsed_s,
            now.sent,
            per_second(now.sent, self.last.sent),
            now.received,
            per_second(now.received, self.last.received),
            now.sent.saturating_sub(now.received),
            now.reordered,
            now.duplicates,
        );
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _ = io::stderr().flush();
            self.shown = true;
        } else {
            eprintln!("{line}");
        }
        self.last = *now;
    }

    /// Tells of a step that is done: in place on a terminal, as a line of its own elsewhere.
    pub fn step(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        if self.terminal {
            eprint!("\r\x1b[K{text}");
            let _ = io::stderr().flush();
            self.shown = true;
        } else {
            eprintln!("{text}");
        }
    }

    /// Ends a line that would be changed.
    pub fn end(&mut self) {
        if self.shown {
            eprintln!();
            self.shown = false;
        }
    }
}

/// Whether a stop was asked for.
#[must_use]
pub fn stopped(stop: &AtomicBool) -> bool {
    stop.load(Relaxed)
}
