//! One load and what became of it.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::sender::{Interval, Sent};
use super::sink::{Seen, Slice};

/// What became of one load.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Frame sizes: a number, `imix` or a list.
    pub size: String,
    /// Frames a second that were to be offered; `None` is as fast as possible.
    pub target_pps: Option<f64>,
    /// From the first frame sent to the last, seconds.
    pub duration_s: f64,
    /// Frames that the schedule held.
    pub intended: u64,
    /// Frames that were handed to the device.
    pub sent: u64,
    /// Packets that arrived, each counted once.
    pub received: u64,
    /// Packets that did not; those that arrived damaged are among them.
    pub lost: u64,
    /// Of those sent.
    pub loss_ratio: f64,
    /// Further arrivals of packets that had come.
    pub duplicates: u64,
    /// Packets that came behind a later one of their flow.
    pub reordered: u64,
    /// The longest way back of a reordered packet, in sequence numbers of its flow.
    pub reorder_extent: u32,
    /// Frames to the load's port that are not as they were sent.
    pub corrupt: u64,
    /// Arrivals so late that they may be late first ones or duplicates.
    pub stale: u64,
    /// Frames that are no generator's.
    pub foreign: u64,
    /// Frames of another trial.
    pub other_trials: u64,
    /// Flows of which anything came.
    pub flows_seen: usize,
    /// Frames a second that were offered.
    pub tx_pps: f64,
    /// Frames a second that arrived.
    pub rx_pps: f64,
    /// Bits a second offered, in clear, check sequences included.
    pub tx_bps: f64,
    /// Bits a second that arrived, likewise.
    pub rx_bps: f64,
    /// Bits a second that left the generator, tunnel headers included.
    pub wire_bps: f64,
    /// From intended sending to receipt.
    pub latency: Latency,
    /// From intended sending to the making of the frame: the generator's own lateness, which the
    /// latency contains.
    pub lag: Latency,
    /// What the figures are limited by besides the gateway.
    pub limits: Vec<Limit>,
    /// By time.
    pub intervals: Vec<IntervalReport>,
    /// All latencies, nanoseconds.
    #[serde(skip)]
    pub histogram: Histogram<u64>,
    /// Latencies by time, nanoseconds.
    #[serde(skip)]
    pub slices: Vec<Slice>,
    /// How the slices are cut.
    #[serde(skip)]
    pub cut: Interval,
}

/// Something of our own that the figures may show in the gateway's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "limit", rename_all = "kebab-case")]
pub enum Limit {
    /// The generator could not offer so many frames in time.
    Generator {
        /// Frames that were not offered.
        unsent: u64,
    },
    /// The sink's rings were full, or had no free chunk: it is slower than what arrived.
    Sink {
        /// Frames that it dropped.
        dropped: u64,
    },
    /// The receiving device dropped frames before the sink could see them.
    ReceivingDevice {
        /// Frames.
        dropped: u64,
    },
    /// The sending device dropped frames, on a veth pair because its peer's queue was full.
    SendingDevice {
        /// Frames.
        dropped: u64,
    },
    /// Frames could not be sealed.
    Sealing {
        /// Frames.
        dropped: u64,
        /// Why.
        reasons: String,
    },
}

impl Limit {
    /// In words.
    #[must_use]
    pub fn explain(&self) -> String {
        match self {
            Self::Generator { unsent } => format!(
                "the generator fell behind: {unsent} frames were not offered, so these figures \
                 are for the lower rate that it reached"
            ),
            Self::Sink { dropped } => format!(
                "the sink was overrun: it dropped {dropped} frames itself, so the loss is its own \
                 limit, not the gateway's"
            ),
            Self::ReceivingDevice { dropped } => format!(
                "the receiving device dropped {dropped} frames before the sink could see them: \
                 that part of the loss is not the gateway's"
            ),
            Self::SendingDevice { dropped } => format!(
                "the sending device dropped {dropped} frames; on a veth pair that is the queue \
                 into the gateway, which was full"
            ),
            Self::Sealing { dropped, reasons } => {
                format!("{dropped} frames could not be sealed: {reasons}")
            }
        }
    }
}

/// Percentiles of times, microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Packets.
    pub count: u64,
    /// The shortest.
    pub min_us: f64,
    /// The mean.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// 90 of 100 are not above it.
    pub p90_us: f64,
    /// 99 of 100 are not above it.
    pub p99_us: f64,
    /// 999 of 1,000 are not above it.
    pub p999_us: f64,
    /// 9,999 of 10,000 are not above it.
    pub p9999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    /// Those of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            count: histogram.len(),
            min_us: histogram.min() as f64 / 1e3,
            mean_us: histogram.mean() / 1e3,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: histogram.max() as f64 / 1e3,
        }
    }
}

/// One interval of a load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct IntervalReport {
    /// Where it begins, seconds after the load.
    pub at_s: f64,
    /// Frames a second that were offered.
    pub tx_pps: f64,
    /// Frames a second that arrived.
    pub rx_pps: f64,
    /// Median latency, microseconds.
    pub p50_us: f64,
    /// 99th percentile, microseconds.
    pub p99_us: f64,
    /// Longest, microseconds.
    pub max_us: f64,
}

/// What a trial was to be.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Frame sizes.
    pub size: String,
    /// Frames a second; `None` is as fast as possible.
    pub target_pps: Option<f64>,
    /// Frames of the schedule.
    pub intended: u64,
    /// How time is cut.
    pub cut: Interval,
}

impl Trial {
    /// Puts both halves together.
    #[must_use]
    pub fn new(
        asked: Asked,
        sent: &Sent,
        seen: Seen,
        mut limits: Vec<Limit>,
        stopped: bool,
    ) -> Self {
        let Asked { size, target_pps, intended, cut } = asked;
        let span = |span: Option<(u64, u64)>| span.map_or(0.0, |(a, b)| (b - a) as f64 / 1e9);
        let duration_s = span(sent.span);
        let per_second = |amount: u64, count: u64, span: f64| match span {
            _ if count < 2 || span <= 0.0 => 0.0,
            // The last frame ends the span and does not fill it.
            span => amount as f64 / span * (count - 1) as f64 / count as f64,
        };
        let offered = |amount| per_second(amount, sent.frames, duration_s);
        let received = seen.totals.unique;
        // A burst that was handed over at once arrives over a longer time.
        let arrived_s = span(seen.span).max(duration_s);
        let arrived = |amount| per_second(amount, received, arrived_s);
        let lost = sent.frames.saturating_sub(received);
        let unsent = intended.saturating_sub(sent.frames + sent.unsealed);
        if unsent > 0 && !stopped && target_pps.is_some() {
            limits.insert(0, Limit::Generator { unsent });
        }
        let intervals = intervals(&cut, sent, &seen.slices);
        Self {
            size,
            target_pps,
            duration_s,
            intended,
            sent: sent.frames,
            received,
            lost,
            loss_ratio: if sent.frames > 0 { lost as f64 / sent.frames as f64 } else { 0.0 },
            duplicates: seen.totals.duplicates,
            reordered: seen.totals.reordered,
            reorder_extent: seen.totals.reorder_extent,
            corrupt: seen.corrupt,
            stale: seen.totals.stale,
            foreign: seen.foreign + seen.totals.strangers,
            other_trials: seen.other_trials,
            flows_seen: seen.flows,
            tx_pps: offered(sent.frames),
            rx_pps: arrived(received),
            tx_bps: 8.0 * offered(sent.bytes),
            rx_bps: 8.0 * arrived(seen.bytes),
            wire_bps: 8.0 * offered(sent.wire_bytes),
            latency: Latency::of(&seen.latency),
            lag: Latency::of(&sent.lag),
            limits,
            intervals,
            histogram: seen.latency,
            slices: seen.slices,
            cut,
        }
    }

    /// Whether the generator offered less than it was asked for.
    #[must_use]
    pub fn generator_limited(&self) -> bool {
        self.limits.iter().any(|limit| matches!(limit, Limit::Generator { .. }))
    }

    /// Whether the sink dropped frames itself.
    #[must_use]
    pub fn sink_limited(&self) -> bool {
        let own =
            |limit: &Limit| matches!(limit, Limit::Sink { .. } | Limit::ReceivingDevice { .. });
        self.limits.iter().any(own)
    }
}

fn intervals(cut: &Interval, sent: &Sent, slices: &[Slice]) -> Vec<IntervalReport> {
    let seconds = cut.len_ns as f64 / 1e9;
    let last = sent.by_interval.keys().max().copied().unwrap_or(0);
    let last = last.max(slices.last().map_or(0, |slice| slice.number));
    let report = |number: u64| {
        let slice = slices.iter().find(|slice| slice.number == number);
        let at = |quantile| {
            slice.map_or(0.0, |slice| slice.latency.value_at_quantile(quantile) as f64 / 1e3)
        };
        let tx = sent.by_interval.get(&number).copied().unwrap_or(0);
        IntervalReport {
            at_s: number as f64 * seconds,
            tx_pps: tx as f64 / seconds,
            rx_pps: slice.map_or(0, |slice| slice.received) as f64 / seconds,
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: slice.map_or(0.0, |slice| slice.latency.max() as f64 / 1e3),
        }
    };
    (0..=last.min(10_000)).map(report).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::pktgen::ledger::Totals;
    use crate::pktgen::sender::latencies;

    /// A trial of a second: so many intended, sent, and arrived.
    fn trial(intended: u64, frames: u64, unique: u64, limits: Vec<Limit>) -> Trial {
        let span = Some((1_000_000_000, 2_000_000_000));
        let sent = Sent {
            frames,
            bytes: 64 * frames,
            wire_bytes: 100 * frames,
            unsealed: 0,
            lag: latencies(),
            by_interval: BTreeMap::from([(0, frames)]),
            span,
        };
        let seen = Seen {
            totals: Totals { unique, ..Totals::default() },
            spanned: unique,
            flows: 1,
            bytes: 64 * unique,
            corrupt: 0,
            foreign: 0,
            other_trials: 0,
            latency: latencies(),
            slices: Vec::new(),
            span,
        };
        let cut = Interval { start_ns: 1_000_000_000, len_ns: 1_000_000_000 };
        let asked = Asked { size: "64".into(), target_pps: Some(1e3), intended, cut };
        Trial::new(asked, &sent, seen, limits, false)
    }

    #[test]
    fn what_was_not_offered_is_the_generators_limit_and_no_loss() {
        let trial = trial(1000, 900, 900, Vec::new());
        assert_eq!((trial.lost, trial.loss_ratio), (0, 0.0));
        assert_eq!(trial.limits, [Limit::Generator { unsent: 100 }]);
        assert!(trial.generator_limited() && !trial.sink_limited());
        assert!(trial.limits[0].explain().contains("100 frames were not offered"));
    }

    #[test]
    fn an_overrun_sink_says_that_its_figures_are_its_own_limit() {
        let trial = trial(1000, 1000, 900, vec![Limit::Sink { dropped: 100 }]);
        assert_eq!((trial.lost, trial.loss_ratio), (100, 0.1));
        assert!(trial.sink_limited() && !trial.generator_limited());
        assert!(trial.limits[0].explain().contains("its own limit, not the gateway's"));
    }

    #[test]
    fn rates_are_those_of_the_time_between_the_first_frame_and_the_last() {
        let trial = trial(1001, 1001, 1001, Vec::new());
        assert!((trial.tx_pps - 1000.0).abs() < 1e-6 && (trial.rx_pps - 1000.0).abs() < 1e-6);
        assert!((trial.tx_bps - 512_000.0).abs() < 1e-3, "{}", trial.tx_bps);
        assert!((trial.wire_bps - 800_000.0).abs() < 1e-3);
        let cold = super::Latency::of(&latencies());
        assert_eq!(cold.count, 0);
    }
}
