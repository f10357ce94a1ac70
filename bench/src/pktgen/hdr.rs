//! Latencies in the formats of HdrHistogram, which its plotter and others read.

use std::fmt::Write;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use super::sender::Interval;
use super::sink::Slice;

/// Ticks of the table for each halving of what is left to 100 %.
const TICKS: u32 = 5;

/// A percentile table (`.hgrm`) in microseconds.
#[must_use]
pub fn percentile_table(histogram: &Histogram<u64>) -> String {
    let mut table = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let (value, quantile) =
            (step.value_iterated_to() as f64 / 1e3, step.quantile_iterated_to());
        // A String takes everything.
        let _ = match quantile {
            quantile if quantile < 1.0 => {
                let inverse = 1.0 / (1.0 - quantile);
                writeln!(table, "{value:12.3} {quantile:2.12} {total:10} {inverse:14.2}")
            }
            quantile => writeln!(table, "{value:12.3} {quantile:2.12} {total:10}"),
        };
    }
    let (mean, deviation) = (histogram.mean() / 1e3, histogram.stdev() / 1e3);
    let (max, count) = (histogram.max() as f64 / 1e3, histogram.len());
    let _ = writeln!(table, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(table, "#[Max     = {max:12.3}, Total count    = {count:12}]");
    let _ = writeln!(table, "#[Buckets = {:12}, SubBuckets     = {:12}]", 26, 2048);
    table
}

/// An interval log (`.hlog`, version 1.3 with V2 histograms, compressed): one line a slice, values
/// in nanoseconds, maxima in microseconds.
///
/// # Errors
/// A histogram that cannot be serialised.
pub fn interval_log(slices: &[Slice], cut: &Interval) -> io::Result<Vec<u8>> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let start = UNIX_EPOCH + Duration::from_nanos(cut.start_ns);
    let mut writer = IntervalLogWriterBuilder::new()
        .add_comment("fastgw-pktgen: latency from intended sending to receipt, nanoseconds")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(1e3)
        .begin_log_with(&mut log, &mut serializer)?;
    for slice in slices {
        let at = Duration::from_nanos(slice.number * cut.len_ns);
        writer
            .write_histogram(&slice.latency, at, Duration::from_nanos(cut.len_ns), None)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    Ok(log)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::pktgen::sender::latencies;

    #[test]
    fn the_table_ends_with_the_longest_and_counts_all() {
        let mut histogram = latencies();
        (1..=10_000u64).for_each(|us| histogram.record(us * 1000).unwrap());
        let table = percentile_table(&histogram);
        let median = table.lines().find(|line| line.contains(" 0.500000000000 ")).unwrap();
        let words: Vec<f64> = median.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert!((words[0] - 5000.0).abs() < 10.0, "{median}");
        assert!((words[2] - 5000.0).abs() < 10.0 && words[3] == 2.0, "{median}");
        let last = table.lines().rfind(|line| !line.starts_with('#')).unwrap();
        assert!(last.contains("1.000000000000      10000"), "{last}");
    }

    #[test]
    fn the_log_is_read_back_by_its_own_crate() {
        let mut latency = latencies();
        latency.record_n(123_000, 7).unwrap();
        let slices = [0, 3].map(|number| Slice { number, received: 7, latency: latency.clone() });
        let cut = Interval { start_ns: 1_700_000_000_000_000_000, len_ns: 500_000_000 };
        let log = interval_log(&slices, &cut).unwrap();
        let entries: Vec<_> = IntervalLogIterator::new(&log).collect::<Result<_, _>>().unwrap();
        let intervals = entries.iter().filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let read: Vec<_> = intervals
            .map(|interval| {
                use base64::Engine;
                let engine = base64::engine::general_purpose::STANDARD;
                let bytes = engine.decode(interval.encoded_histogram()).unwrap();
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
                (interval.start_timestamp().as_millis(), histogram.len())
            })
            .collect();
        assert_eq!(read, [(0, 7), (1500, 7)]);
    }
}
