//! `--latency-report FILE`: what workers measured, written when the gateway stops.
//!
//! The file is written beside its place and moved there once it is whole, so that whatever goes
//! wrong, a file that was there before stays as it was.

use std::{
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use hdrhistogram::Histogram;
use tables::{counters::WorkerCounters, latency::Stage};

use crate::show::{latency::histogram, status::Status, text};

/// Lines of a table for each halving of the distance to 100 %, as HdrHistogram's tools have them.
const TICKS_PER_HALF: u32 = 5;

/// Where a report goes.
#[derive(Debug)]
pub struct LatencyReport {
    path: PathBuf,
}

impl LatencyReport {
    /// A report to be written to `path` later.
    ///
    /// # Errors
    /// No file can be written there now.
    pub fn at(path: &Path) -> Result<Self, Box<dyn Error>> {
        // A link leads to the file that is meant.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let report = Self { path };
        if fs::metadata(&report.path).is_ok_and(|there| !there.is_file()) {
            let why = "it is there and not a file; name a file, new or to be replaced";
            return Err(report.failed(&why));
        }
        let beside = report.beside();
        File::create_new(&beside)
            .and_then(|_| fs::remove_file(&beside))
            .map_err(|error| report.failed(&error))?;
        Ok(report)
    }

    /// Writes the report, in place of what was there: JSON when the name ends in `.json`, and
    /// else a table of percentiles for each stage. Gives its path.
    ///
    /// # Errors
    /// It cannot be written; a file that was there is as it was.
    pub fn write(
        &self,
        status: &Status,
        workers: &[Arc<WorkerCounters>],
    ) -> Result<&Path, Box<dyn Error>> {
        let json = self.path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"));
        let text = if json {
            serde_json::to_string_pretty(status)? + "\n"
        } else {
            tables(status, workers)
        };
        self.replace(text.as_bytes()).map_err(|error| self.failed(&error))?;
        Ok(&self.path)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let beside = self.beside();
        let mut file = File::create_new(&beside)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let moved = written.and_then(|()| fs::rename(&beside, &self.path));
        if moved.is_err() {
            // What failed first is what is told.
            let _removed = fs::remove_file(&beside);
        }
        moved
    }

    /// A file beside the report's place that no other process writes.
    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", process::id()));
        self.path.with_file_name(name)
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Box<dyn Error> {
        format!("cannot write the latency report {}: {why}", self.path.display()).into()
    }
}

/// What `fastgw show latency` prints, as a comment; then a table in HdrHistogram's text format for
/// every stage that was passed, over all workers and, where there are several, for each.
fn tables(status: &Status, workers: &[Arc<WorkerCounters>]) -> String {
    let mut out = String::new();
    for line in text(status, usize::MAX).lines() {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{}", format!("# {line}").trim_end());
    }
    out.push_str("#\n# Below: nanoseconds.\n");
    let mut add = |whose: &str, workers: &[Arc<WorkerCounters>]| {
        for stage in Stage::ALL {
            let all = histogram(workers, stage);
            if !all.is_empty() {
                let _ = writeln!(out, "\n#[Stage = {}, Worker = {whose}]", stage.name());
                out.push_str(&table(&all));
            }
        }
    };
    add("all", workers);
    if workers.len() > 1 {
        for (index, worker) in workers.iter().enumerate() {
            add(&index.to_string(), std::slice::from_ref(worker));
        }
    }
    out
}

/// As HdrHistogram's `outputPercentileDistribution` prints it, which its plotter reads.
fn table(all: &Histogram<u64>) -> String {
    let heads = ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
    let [value, percentile, count, inverse] = heads;
    let mut out = format!("{value:>12} {percentile:>14} {count:>10} {inverse:>16}\n\n");
    let mut total = 0;
    for step in all.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (ns, quantile) = (step.value_iterated_to(), step.quantile_iterated_to());
        let _ = write!(out, "{ns:12} {quantile:14.12} {total:10}");
        let _ = match quantile < 1.0 {
            true => writeln!(out, " {:16.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(out),
        };
    }
    let (mean, deviation) = (all.mean(), all.stdev());
    let _ = writeln!(out, "#[Mean    = {mean:12.2}, StdDeviation   = {deviation:12.2}]");
    let _ = writeln!(out, "#[Max     = {:12.2}, Total count    = {:12}]", all.max(), all.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::latency::latency;

    fn measured() -> (Status, Vec<Arc<WorkerCounters>>) {
        let workers = vec![Arc::new(WorkerCounters::new(1)), Arc::new(WorkerCounters::new(1))];
        for ns in [100, 200, 5_000] {
            workers[0].latency.of(Stage::Route).record(ns);
        }
        let status = Status {
            ospf: None,
            bfd: None,
            name: "site-a".to_owned(),
            version: "0.1.0".to_owned(),
            pid: 1234,
            uptime_s: 7_500,
            workers: None,
            ports: None,
            tunnels: None,
            sas: None,
            ike: None,
            drops: None,
            routes: None,
            neighbors: None,
            latency: Some(latency(&workers)),
        };
        (status, workers)
    }

    #[test]
    fn text_has_a_table_for_each_stage_and_worker_that_measured() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.hgrm");
        let (status, workers) = measured();
        LatencyReport::at(&path).unwrap().write(&status, &workers).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# site-a: fastgw 0.1.0, pid 1234, up 2 h 5 min\n#\n"), "{text}");
        assert!(text.contains("\n# route    all           3  200 ns  "), "{text}");
        let titles: Vec<_> = text.lines().filter(|line| line.contains("Stage")).collect();
        let expected = ["#[Stage = route, Worker = all]", "#[Stage = route, Worker = 0]"];
        assert_eq!(titles, expected);
        assert!(
            text.contains("\n         100 0.000000000000          1             1.00\n"),
            "{text}"
        );
        assert!(text.contains("\n        5023 1.000000000000          3\n"), "{text}");
        assert!(
            text.contains("#[Max     =         5023, Total count    =            3]"),
            "{text}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn json_is_what_show_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        fs::write(&path, "an older one").unwrap();
        let (status, workers) = measured();
        LatencyReport::at(&path).unwrap().write(&status, &workers).unwrap();
        let read: Status = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, status);
    }

    #[test]
    fn a_place_without_room_for_a_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["", "none/report.json", ".."] {
            let path = folder.path().join(place);
            let why = LatencyReport::at(&path).unwrap_err().to_string();
            assert!(why.starts_with("cannot write the latency report "), "{why}");
        }
        let why = LatencyReport::at(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(why.contains("/dev/null") && why.contains("not a file"), "{why}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// The place is taken by a folder while the gateway runs.
    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report");
        let report = LatencyReport::at(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("kept"), "of value").unwrap();
        let (status, workers) = measured();
        let why = report.write(&status, &workers).unwrap_err().to_string();
        assert!(why.contains(path.to_str().unwrap()), "{why}");
        assert_eq!(fs::read_to_string(path.join("kept")).unwrap(), "of value");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_leads_to_the_file_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file.json", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "an older one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let (status, workers) = measured();
        LatencyReport::at(&link).unwrap().write(&status, &workers).unwrap();
        assert!(fs::read_to_string(&file).unwrap().starts_with('{'));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
