//! How long packets take inside the gateway: shown while it runs, and reported when it ends.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use tests::{
    gateway::{Gateway, binary},
    manual_sa::Suite,
    process::{output, run, said},
    site::{Join, Side, Site},
};

use crate::lab::Lab;

const PERCENTILES: [&str; 6] = ["p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns"];
/// The stages of an ESP tunnel, both ways.
const PASSED: [&str; 8] =
    ["arrival", "route", "open", "encap", "emit", "wait", "transmit", "end_to_end"];

fn gcm() -> Join {
    Join::Esp(Suite::named("aes128gcm16"))
}

fn show(gateway: &Gateway, words: &[&str]) -> String {
    let mut command = Command::new(binary());
    run(command.arg("show").args(words).arg("--socket").arg(gateway.socket()))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, not {value}"))
}

/// What holds of any measurement: percentiles rise, and the whole is no shorter than its parts.
fn assert_sound(stages: &Value) {
    let all = stages.as_object().expect("an object of stages");
    for (name, stage) in all {
        let values = PERCENTILES.map(|percentile| number(&stage[percentile]));
        assert!(values.is_sorted(), "{name}: {stage:#}");
        assert!(number(&stage["count"]) > 0 || values[5] == 0, "{name}: {stage:#}");
        let whole = &stages["end_to_end"];
        assert!(number(&whole["max_ns"]) >= values[5], "{name} of {stages:#}");
        assert!(number(&whole["count"]) >= number(&stage["count"]), "{name} of {stages:#}");
    }
}

#[test]
fn latency_of_pings_is_shown_by_stage() {
    let lab = Lab::new();
    let (a, _b) = lab.join(gcm());
    assert_eq!(lab.a.host.ping(Side::B.host(), 20, 56), 20);
    let shown = json(&show(&a, &["latency", "--json"]));
    let latency = &shown["latency"];
    let total = &latency["total"];
    assert_sound(total);
    let passed =
        total.as_object().expect("stages").iter().filter(|(_, stage)| number(&stage["count"]) > 0);
    let passed: BTreeSet<_> = passed.map(|(name, _)| name.as_str()).collect();
    assert_eq!(passed, PASSED.into(), "{total:#}");
    // Every batch passes these.
    for stage in ["arrival", "route", "emit", "wait", "transmit"] {
        let (part, whole) = (&total[stage], &total["end_to_end"]);
        assert_eq!(part["count"], whole["count"], "{stage} of {total:#}");
        for percentile in PERCENTILES {
            assert!(number(&whole[percentile]) >= number(&part[percentile]), "{total:#}");
        }
    }
    assert_eq!(&latency["workers"][0]["stages"], total, "there is one worker");
    let table = show(&a, &["latency"]);
    for word in ["LATENCY", "P99.99", "end_to_end", "encap"] {
        assert!(table.contains(word), "no {word} in:\n{table}");
    }
    assert!(show(&a, &[]).contains("end_to_end"), "it is in the summary");
}

/// With several workers their measurements are merged.
#[test]
fn each_worker_measures_on_its_own() {
    let lab = Lab::with_queues(2);
    let (a, _b) = (lab.a.start_with(gcm(), 2, ""), lab.b.start_with(gcm(), 2, ""));
    assert_eq!(lab.a.host.ping(Side::B.host(), 20, 56), 20);
    let shown = json(&show(&a, &["latency", "--json"]));
    let (total, workers) = (&shown["latency"]["total"], &shown["latency"]["workers"]);
    assert_sound(total);
    let workers = workers.as_array().expect("an array of workers");
    assert_eq!(workers.len(), 2);
    workers.iter().for_each(|worker| assert_sound(&worker["stages"]));
    let counts = workers.iter().map(|worker| number(&worker["stages"]["end_to_end"]["count"]));
    assert_eq!(counts.sum::<u64>(), number(&total["end_to_end"]["count"]));
}

#[test]
fn a_report_is_written_when_the_gateway_is_told_to_stop() {
    let lab = Lab::new();
    let _b = lab.b.start(gcm());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("latency.json");
    fs::write(&report, "an older one").expect("a writable folder");
    let a = start_with_report(&lab, &report);
    assert_eq!(lab.a.host.ping(Side::B.host(), 5, 56), 5);
    let shown = json(&show(&a, &["latency", "--json"]));
    assert_eq!(fs::read_to_string(&report).expect("a file"), "an older one");
    let (status, log) = a.stop_by("TERM");
    assert!(status.success(), "{log}");
    assert!(log.contains("latency.json"), "{log}");
    let reported = json(&fs::read_to_string(&report).expect("a report"));
    assert_sound(&reported["latency"]["total"]);
    let count = |of: &Value| number(&of["latency"]["total"]["end_to_end"]["count"]);
    assert!(count(&reported) >= count(&shown), "{reported:#}");
    assert_eq!(reported["name"], "site-A");

    let report = folder.path().join("latency.hgrm");
    let a = start_with_report(&lab, &report);
    assert_eq!(lab.a.host.ping(Side::A.gateway(), 1, 56), 1);
    let (status, log) = a.stop_by("INT");
    assert!(status.success(), "{log}");
    let text = fs::read_to_string(&report).expect("a report");
    assert!(text.starts_with("# site-A: fastgw "), "{text}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing else is left");
}

#[test]
fn a_report_without_a_place_keeps_the_gateway_from_starting() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let a = lab.a.start(gcm());
    let report = folder.path().join("none/latency.json");
    let mut second = lab.a.gateway.command(&binary().to_string_lossy());
    second.arg("--config").arg(a.config()).arg("--latency-report").arg(&report);
    let refused = output(&mut second);
    let said = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for word in ["cannot write the latency report", "none/latency.json"] {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

fn start_with_report(lab: &Lab, report: &Path) -> Gateway {
    let arguments = ["--latency-report".as_ref(), report.as_os_str()];
    Gateway::start_with(&lab.a.gateway, &arguments, |socket| {
        Site { side: Side::A, join: gcm(), workers: 1, socket: Some(socket) }.toml()
    })
}
