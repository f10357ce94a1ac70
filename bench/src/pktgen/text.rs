//! Results to be read.

use std::fmt::Write;

use super::listen::Heard;
use super::rate::{bits, frames};
use super::report::Results;
use super::rfc2544::{Burst, Measured, Throughput};
use super::search::End;
use super::trial::{Latency, Limit, Trial};

/// One load.
#[must_use]
pub fn load(results: &Results) -> String {
    let mut out = String::new();
    if let Some(load) = &results.load {
        trial(&mut out, load);
    }
    out
}

/// What a sink of its own has seen.
#[must_use]
pub fn heard(heard: &Heard) -> String {
    let Heard { received, flows, missing, duplicates, reordered, corrupt, .. } = heard;
    let mut text = format!(
        "{received} packets of {flows} flows; {missing} missing, {duplicates} duplicates, \
         {reordered} reordered, {corrupt} corrupt, {} too late, {} others'\n  latency     {}\n",
        heard.stale,
        heard.foreign,
        percentiles(&heard.latency)
    );
    if heard.overrun > 0 {
        let limit = Limit::Sink { dropped: heard.overrun };
        text.push_str(&format!("  note: {}\n", limit.explain()));
    }
    text
}

/// A measurement after RFC 2544.
#[must_use]
pub fn rfc2544(measured: &Measured) -> String {
    let mut out = String::new();
    // A String takes everything.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!(
        "{:<8} {:<10} {:>14} {:>16} {:>14}  {}",
        "SIZE", "GOAL", "FRAMES", "BITS", "CONDITIONAL", "END"
    ));
    for of_size in &measured.sizes {
        for Throughput { name, found, lower_bps } in &of_size.throughput {
            let known = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            line(format!(
                "{:<8} {name:<10} {:>14} {:>16} {:>14}  {}",
                of_size.size,
                known(found.lower_pps.map(frames)),
                known(lower_bps.map(bits)),
                known(found.conditional_pps.map(frames)),
                end(found.end),
            ));
        }
    }
    line(String::new());
    for of_size in &measured.sizes {
        for at in &of_size.latency {
            let (share, latency) = (100.0 * at.share, percentiles(&at.trial.latency));
            line(format!("{:<8} latency at {share:>3.0} % of NDR: {latency}", of_size.size));
        }
    }
    for of_size in &measured.sizes {
        if let Some(Burst { frames: longest, at_least, sent_pps }) = of_size.burst {
            let least = if at_least { "at least " } else { "" };
            let speed = frames(sent_pps);
            line(format!(
                "{:<8} longest burst without loss: {least}{longest} frames, sent at {speed}",
                of_size.size
            ));
        }
    }
    for of_size in &measured.sizes {
        for note in &of_size.notes {
            line(format!("{:<8} note: {note}", of_size.size));
        }
    }
    if measured.stopped {
        line("Broken off: what is missing was not measured.".to_owned());
    }
    out
}

/// How a search ended, in a word or two.
#[must_use]
pub fn end(end: End) -> &'static str {
    match end {
        End::Converged => "converged",
        End::MaxPassed => "generator's limit",
        End::MinFailed => "lossy at rest",
        End::NotConverged => "not converged",
        End::Stopped => "broken off",
    }
}

fn trial(out: &mut String, trial: &Trial) {
    let Trial { sent, received, lost, duration_s, .. } = trial;
    let target = trial.target_pps.map_or("max".to_owned(), frames);
    // A String takes everything.
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!("Frames of {} bytes at {target} for {duration_s:.2} s", trial.size));
    line(format!(
        "  sent        {sent:>12}   {:>14}   {:>16}",
        frames(trial.tx_pps),
        bits(trial.tx_bps)
    ));
    line(format!(
        "  received    {received:>12}   {:>14}   {:>16}",
        frames(trial.rx_pps),
        bits(trial.rx_bps)
    ));
    line(format!("  lost        {lost:>12}   {:.4} %", 100.0 * trial.loss_ratio));
    line(format!("  duplicates  {:>12}", trial.duplicates));
    let extent = match trial.reorder_extent {
        0 => String::new(),
        extent => format!("   by at most {extent} packets of their flow"),
    };
    line(format!("  reordered   {:>12}{extent}", trial.reordered));
    line(format!("  corrupt     {:>12}", trial.corrupt));
    for (name, count) in
        [("too late", trial.stale), ("others'", trial.foreign), ("old trials'", trial.other_trials)]
    {
        if count > 0 {
            line(format!("  {name:<11} {count:>12}"));
        }
    }
    line(format!("  latency     {}", percentiles(&trial.latency)));
    line(format!("  own delay   {}", percentiles(&trial.lag)));
    for limit in &trial.limits {
        line(format!("  note: {}", limit.explain()));
    }
    if *received == 0 && *sent > 0 {
        line(format!("  note: {NOTHING_CAME}"));
    }
}

const NOTHING_CAME: &str = "nothing came. Is there a route to the destination, and a neighbour \
    that answers for it? Do frames of this size fit the tunnel's MTU? Has the gateway seen these \
    ESP sequence numbers before (--sequence-from)? `fastgw show` counts drops by reason";

/// Percentiles on one line, microseconds.
#[must_use]
pub fn percentiles(latency: &Latency) -> String {
    if latency.count == 0 {
        return "none".to_owned();
    }
    format!(
        "min {} p50 {} p90 {} p99 {} p99.9 {} p99.99 {} max {} us of {} packets",
        us(latency.min_us),
        us(latency.p50_us),
        us(latency.p90_us),
        us(latency.p99_us),
        us(latency.p999_us),
        us(latency.p9999_us),
        us(latency.max_us),
        latency.count
    )
}

fn us(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
