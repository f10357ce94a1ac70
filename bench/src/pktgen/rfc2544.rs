//! `fastgw-pktgen rfc2544`: throughput, latency, frame loss rate and back-to-back frames (RFC 2544
//! sections 26.1 to 26.4) for each frame size of a profile.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::Serialize;

use super::cli::Rfc2544Args;
use super::machine::Machine;
use super::packet::Blueprint;
use super::profile::Profile;
use super::rate;
use super::report::Results;
use super::rig::Load;
use super::run::{ProgressLine, publish, say, stop_at_signals, stopped};
use super::search::{End, Found, Goal, Outcome, longest_burst, search};
use super::setup::{Setup, Wanted};
use super::size::Sizes;
use super::text;
use super::trial::Trial;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// By frame size.
    pub sizes: Vec<OfSize>,
    /// Whether it was broken off.
    pub stopped: bool,
    /// Seconds that it took.
    pub took_s: f64,
}

/// What was measured with one size.
#[derive(Debug, Serialize)]
pub struct OfSize {
    /// A number, `imix` or a list.
    pub size: String,
    /// Mean bytes of a frame.
    pub mean_bytes: f64,
    /// NDR first, then the other goals (RFC 2544 section 26.1).
    pub throughput: Vec<Throughput>,
    /// At parts of the NDR (section 26.2).
    pub latency: Vec<AtLoad>,
    /// From the highest load downwards (section 26.3).
    pub loss: Vec<LossAt>,
    /// The longest that passed whole (section 26.4, RFC 9004).
    pub burst: Option<Burst>,
    /// Trials of the search.
    pub trials: u32,
    /// Of those, trials in which the sink dropped frames itself.
    pub sink_overrun: u32,
    /// Of those, trials in which the generator fell behind.
    pub generator_behind: u32,
    /// What a reader must know about these figures.
    pub notes: Vec<String>,
}

/// The result for one goal.
#[derive(Debug, Serialize)]
pub struct Throughput {
    /// `NDR`, or `PDR` with its loss.
    pub name: String,
    /// What the search found.
    #[serde(flatten)]
    pub found: Found,
    /// The lower bound in bits a second, check sequences included.
    pub lower_bps: Option<f64>,
}

/// Latency at a part of the NDR.
#[derive(Debug, Serialize)]
pub struct AtLoad {
    /// Part of the NDR, 0 to 1.
    pub share: f64,
    /// The trial.
    pub trial: Trial,
}

/// Loss at one load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LossAt {
    /// Frames a second that were offered.
    pub offered_pps: f64,
    /// Frames a second that arrived.
    pub received_pps: f64,
    /// Of those sent.
    pub loss_ratio: f64,
}

/// The longest burst that passed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Burst {
    /// Its frames.
    pub frames: u64,
    /// Whether it was the longest that was tried: longer ones may pass, too.
    pub at_least: bool,
    /// Frames a second with which bursts were sent: this generator's, not the line's.
    pub sent_pps: f64,
}

/// Measures what the profile says.
///
/// # Errors
/// What is wrong with the profile, with its line; what is missing or refused.
pub fn run(args: &Rfc2544Args) -> Result<(), Box<dyn Error>> {
    let profile = Profile::load(&args.config)?;
    let options = profile.threads();
    let sealed = profile.sealed();
    let devices = &profile.devices;
    let setup = Setup::new(&Wanted {
        tx: &devices.tx,
        rx: devices.rx.as_deref(),
        via: devices.gateway,
        from: *profile.traffic.from.get_ref(),
        to: profile.traffic.to,
        flows: profile.traffic.flows,
        port: profile.traffic.port,
        sealed: &sealed,
        threads: options.plan()?,
        copying: options.mode,
    })?;
    let modes = setup.modes();
    let line = ProgressLine::new(args.output.quiet);
    let stop = stop_at_signals()?;
    let mut session = Session { setup, profile: &profile, line, stop };
    session.line.say(&modes);
    let plans = session.plans()?;
    if args.check {
        let profile = args.config.display();
        say(&format!("{profile} can be measured with {} frame sizes\n", plans.len()))?;
        return Ok(());
    }
    let begin = Instant::now();
    let mut sizes = Vec::new();
    for plan in &plans {
        if stopped(&session.stop) {
            break;
        }
        sizes.push(session.measure(plan));
    }
    session.line.end();
    let stopped = stopped(&session.stop);
    let measured = Measured { sizes, stopped, took_s: begin.elapsed().as_secs_f64() };
    let text = text::rfc2544(&measured);
    publish(&Results::of_rfc2544(Machine::here(), modes, measured), &args.output, text)
}

struct Session<'a> {
    setup: Setup,
    profile: &'a Profile,
    line: ProgressLine,
    stop: Arc<AtomicBool>,
}

/// One size, checked.
struct Plan {
    sizes: Sizes,
    blueprint: Blueprint,
    min_pps: f64,
    max_pps: f64,
}

impl Session<'_> {
    /// Everything that can be refused is refused before the first trial.
    fn plans(&mut self) -> Result<Vec<Plan>, String> {
        let keys = &self.profile.search;
        let mut plans = Vec::new();
        for sizes in &keys.sizes {
            let sizes = sizes.get_ref();
            let blueprint = self.setup.blueprint(sizes)?;
            let pps = |rate| self.setup.pps(rate, sizes);
            let both = pps(keys.min_rate)?.zip(pps(*keys.max_rate.get_ref())?);
            let (min_pps, max_pps) = both.ok_or("max is no rate to search from")?;
            plans.push(Plan { sizes: sizes.clone(), blueprint, min_pps, max_pps });
        }
        for plan in &plans {
            self.setup.probe(&plan.blueprint)?;
        }
        Ok(plans)
    }

    fn measure(&mut self, plan: &Plan) -> OfSize {
        let mut of_size = OfSize {
            size: plan.sizes.name().to_owned(),
            mean_bytes: plan.sizes.mean(),
            throughput: Vec::new(),
            latency: Vec::new(),
            loss: Vec::new(),
            burst: None,
            trials: 0,
            sink_overrun: 0,
            generator_behind: 0,
            notes: Vec::new(),
        };
        self.throughput(plan, &mut of_size);
        let ndr = of_size.throughput.first().and_then(|ndr| ndr.found.lower_pps);
        self.latency(plan, ndr, &mut of_size);
        if self.profile.loss.measure {
            self.loss_rate(plan, &mut of_size);
        }
        if self.profile.bursts.measure {
            self.bursts(plan, &mut of_size);
        }
        of_size.notes = notes(&of_size);
        of_size
    }

    fn throughput(&mut self, plan: &Plan, of_size: &mut OfSize) {
        let goals: Vec<Goal> =
            self.profile.search.losses.iter().map(|loss| Goal { loss_ratio: *loss }).collect();
        let settings = self.profile.settings(plan.min_pps, plan.max_pps);
        let found = search(&goals, settings, &mut |pps| {
            let begin = Instant::now();
            let what = format!("{} bytes, trial {}", plan.sizes, of_size.trials + 1);
            let trial = self.trial(plan, Some(pps), settings.trial_s, None, &what)?;
            of_size.trials += 1;
            of_size.sink_overrun += u32::from(trial.sink_limited());
            of_size.generator_behind += u32::from(trial.generator_limited());
            // What could not be offered in time was not offered, however fast the rest was.
            let offered = trial.sent as f64 / trial.intended as f64;
            Some(Outcome {
                offered_pps: pps * offered.min(1.0),
                loss_ratio: trial.loss_ratio,
                took_s: begin.elapsed().as_secs_f64(),
            })
        });
        let named = |found: Found| Throughput {
            name: match found.goal.loss_ratio {
                0.0 => "NDR".to_owned(),
                loss => format!("PDR {} %", 100.0 * loss),
            },
            lower_bps: found.lower_pps.map(|pps| 8.0 * pps * plan.sizes.mean()),
            found,
        };
        of_size.throughput = found.into_iter().map(named).collect();
    }

    fn latency(&mut self, plan: &Plan, ndr: Option<f64>, of_size: &mut OfSize) {
        let Some(ndr) = ndr else { return };
        let (loads, seconds) = (&self.profile.latency.loads, self.profile.latency.trial_s);
        for share in loads {
            let what = format!("{} bytes, latency at {:.0} %", plan.sizes, 100.0 * share);
            let Some(trial) = self.trial(plan, Some(ndr * share), seconds, None, &what) else {
                return;
            };
            of_size.latency.push(AtLoad { share: *share, trial });
        }
    }

    /// RFC 2544 26.3: from the highest load down in steps of 10 %, until nothing is lost twice.
    fn loss_rate(&mut self, plan: &Plan, of_size: &mut OfSize) {
        let highest = of_size
            .throughput
            .iter()
            .filter_map(|goal| goal.found.upper_pps.or(goal.found.lower_pps))
            .fold(0.0, f64::max);
        let highest = (highest * 1.5).min(plan.max_pps);
        let mut whole = 0;
        for tenths in (1..=10).rev() {
            let pps = highest * f64::from(tenths) / 10.0;
            if pps < plan.min_pps || whole == 2 {
                break;
            }
            let what = format!("{} bytes, loss at {}0 %", plan.sizes, tenths);
            let seconds = self.profile.loss.trial_s;
            let Some(trial) = self.trial(plan, Some(pps), seconds, None, &what) else { return };
            whole = if trial.lost == 0 { whole + 1 } else { 0 };
            of_size.loss.push(LossAt {
                offered_pps: trial.tx_pps,
                received_pps: trial.rx_pps,
                loss_ratio: trial.loss_ratio,
            });
        }
    }

    fn bursts(&mut self, plan: &Plan, of_size: &mut OfSize) {
        let (most, repeats) = (self.profile.bursts.longest, self.profile.bursts.repeats);
        let mut sent_pps = 0.0;
        let longest = longest_burst(most, repeats, &mut |frames| {
            let what = format!("{} bytes, burst of {frames}", plan.sizes);
            let trial = self.trial(plan, None, BURST_S, Some(frames), &what)?;
            sent_pps = trial.tx_pps;
            Some(trial.lost)
        });
        let burst = |frames| Burst { frames, at_least: frames == most, sent_pps };
        of_size.burst = longest.map(burst);
    }

    /// One load; `None` when it was broken off.
    fn trial(
        &mut self,
        plan: &Plan,
        pps: Option<f64>,
        seconds: f64,
        frames: Option<u64>,
        what: &str,
    ) -> Option<Trial> {
        if stopped(&self.stop) {
            return None;
        }
        let at = pps.map_or(String::new(), |pps| format!(" at {}", rate::frames(pps)));
        self.line.begin(format!("{what}{at}: "));
        let load = Load {
            blueprint: &plan.blueprint,
            sizes: &plan.sizes,
            port: self.profile.traffic.port,
            pps,
            seconds,
            frames,
            drain_s: self.profile.search.drain_s,
        };
        let line = &mut self.line;
        let trial = self.setup.rig.run(&load, &self.stop, &mut |progress| line.show(&progress));
        self.line.step(&format!(
            "{what}{at}: {} of {} frames, {:.4} % lost",
            trial.sent,
            trial.intended,
            100.0 * trial.loss_ratio
        ));
        (!stopped(&self.stop)).then_some(trial)
    }
}

/// A burst that takes longer is none.
const BURST_S: f64 = 60.0;

fn notes(of_size: &OfSize) -> Vec<String> {
    let mut notes = Vec::new();
    for Throughput { name, found, .. } in &of_size.throughput {
        match found.end {
            End::Converged => {}
            End::MaxPassed => notes.push(format!(
                "{name}: the highest load that could be offered passed, so this is a limit of the \
                 generator, or the profile's `max_rate`, and the gateway can do more"
            )),
            End::MinFailed => notes.push(format!(
                "{name}: even the lowest load was lossier than the goal; raise the goal, lower \
                 `min_rate`, or look for what loses packets at rest"
            )),
            End::NotConverged => notes.push(format!(
                "{name}: the search did not converge in its time: {}; a quieter machine, longer \
                 trials, a wider `width` or a larger `budget_s` would help",
                spread(found)
            )),
            End::Stopped => notes.push(format!("{name}: broken off")),
        }
    }
    for AtLoad { share, trial } in &of_size.latency {
        let limits = trial.limits.iter().map(|limit| {
            format!("latency at {:.0} % of the NDR: {}", 100.0 * share, limit.explain())
        });
        notes.extend(limits);
    }
    if of_size.sink_overrun > 0 {
        notes.push(format!(
            "the sink was overrun in {} of {} trials: it dropped frames itself, so these figures \
             are its own limit, not the gateway's",
            of_size.sink_overrun, of_size.trials
        ));
    }
    if of_size.generator_behind > 0 {
        notes.push(format!(
            "the generator fell behind in {} of {} trials, which were done again",
            of_size.generator_behind, of_size.trials
        ));
    }
    notes
}

fn spread(found: &Found) -> String {
    let bounds = match (found.lower_pps, found.upper_pps) {
        (Some(lower), Some(upper)) => {
            format!("it lies between {} and {}", rate::frames(lower), rate::frames(upper))
        }
        (Some(lower), None) => format!("it is at least {}", rate::frames(lower)),
        (None, Some(upper)) => format!("it is below {}", rate::frames(upper)),
        (None, None) => "nothing is known of it".to_owned(),
    };
    let tentative = match found.tentative_pps {
        Some(pps) => format!(", single trials passed up to {}", rate::frames(pps)),
        None => String::new(),
    };
    let spread = match found.spread_pps {
        Some((least, most)) => {
            let (least, most) = (rate::frames(least), rate::frames(most));
            format!(", and trials from {least} to {most} were of both minds")
        }
        None => String::new(),
    };
    format!("{bounds}{tentative}{spread}")
}
