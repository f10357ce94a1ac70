//! Percentiles of what workers measured.

use std::sync::Arc;

use hdrhistogram::Histogram;
use tables::{
    counters::WorkerCounters,
    latency::{self, Stage},
};

use super::status::{Latency, Percentiles, Stages, WorkerLatency};

/// What workers recorded for one stage, nanoseconds, over all of `workers`.
pub fn histogram<'a>(
    workers: impl IntoIterator<Item = &'a Arc<WorkerCounters>>,
    stage: Stage,
) -> Histogram<u64> {
    let (longest, digits) = (latency::Histogram::NS_MAX, latency::Histogram::DIGITS);
    let mut all = Histogram::new_with_bounds(1, longest, digits).expect("bounds that it allows");
    for worker in workers {
        for (ns, count) in worker.latency.of(stage).counts() {
            all.saturating_record_n(ns, count);
        }
    }
    all
}

/// The percentiles of every stage, over all workers and for each.
pub fn latency(workers: &[Arc<WorkerCounters>]) -> Latency {
    let each = workers.iter().enumerate();
    let each = each.map(|(index, worker)| WorkerLatency { index, stages: stages([worker]) });
    Latency { total: stages(workers), workers: each.collect() }
}

fn stages<'a>(workers: impl IntoIterator<Item = &'a Arc<WorkerCounters>> + Copy) -> Stages {
    let named =
        |stage: Stage| (stage.name().to_owned(), Percentiles::from(&histogram(workers, stage)));
    Stage::ALL.into_iter().map(named).collect()
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(all: &Histogram<u64>) -> Self {
        Self {
            count: all.len(),
            p50_ns: all.value_at_quantile(0.5),
            p90_ns: all.value_at_quantile(0.9),
            p99_ns: all.value_at_quantile(0.99),
            p99_9_ns: all.value_at_quantile(0.999),
            p99_99_ns: all.value_at_quantile(0.9999),
            max_ns: all.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_merged_over_workers() {
        let workers = [(); 2].map(|()| Arc::new(WorkerCounters::new(1)));
        for (worker, base) in workers.iter().zip([0, 100]) {
            (1..=100).for_each(|ns| worker.latency.of(Stage::Route).record(base + ns));
        }
        workers[1].latency.of(Stage::EndToEnd).record(u64::MAX);
        let Latency { total, workers } = latency(&workers);
        let whole = Percentiles {
            count: 200,
            p50_ns: 100,
            p90_ns: 180,
            p99_ns: 198,
            p99_9_ns: 200,
            p99_99_ns: 200,
            max_ns: 200,
        };
        assert_eq!(total["route"], whole);
        assert_eq!(workers[0].stages["route"].p50_ns, 50);
        assert_eq!(workers[1].stages["route"].p50_ns, 150);
        assert_eq!(total["end_to_end"].max_ns, latency::Histogram::NS_MAX);
        assert_eq!((total.len(), total["open"].count), (Stage::ALL.len(), 0));
    }
}
