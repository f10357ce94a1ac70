//! `fastgw-bench` as it is called: what it prints, what it refuses.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

const NUMBERS: [&str; 9] =
    ["size", "sas", "routes", "flows", "workers", "ns", "ns_median", "windows", "packets"];

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fastgw-bench"));
    command.args(arguments).output().expect("the binary that was just built")
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    let output = bench(&[&["cycles", "--quick", "--json"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("an array of objects")
}

/// What holds for every row, whatever it is of.
fn check(row: &Value) {
    for name in NUMBERS {
        assert!(row[name].as_f64().is_some_and(|number| number > 0.0), "{name} in {row}");
    }
    // Each packet of each window came out on the other side, or there would be no row.
    assert!(row["packets"].as_u64() >= Some(4096 * row["windows"].as_u64().unwrap_or(1)), "{row}");
    let (best, median) = (&row["ns"], &row["ns_median"]);
    assert!(best.as_f64() <= median.as_f64(), "{row}");
    let counted = row["cycles_by"] == "counter";
    let instructions = row["instructions"].as_f64();
    assert!(!counted || instructions.is_some_and(|count| count > 10.0), "{row}");
    assert!(!counted || row["cycles"].as_f64().is_some_and(|count| count > 10.0), "{row}");
    assert!(row["branch_misses"].is_null() || row["branch_misses"].is_number(), "{row}");
    assert!(row["cache_misses"].is_null() || row["cache_misses"].is_number(), "{row}");
}

#[test]
fn each_way_of_each_kind_of_tunnel_gives_a_row_for_each_size() {
    let wanted = [
        ["forward", "none"],
        ["gre-checksum-encap", "none"],
        ["ipip-decap", "none"],
        ["esp-tunnel-encap", "aes128gcm16"],
        ["esp-tunnel-decap", "aes128gcm16"],
        ["gre-esp-tunnel-decap", "null-sha1"],
        ["l2tp-esp-transport-decap", "aes128-sha1"],
        ["dmvpn-esp-transport-encap", "aes128-sha1"],
    ];
    for [pipeline, suite] in wanted {
        let rows = rows(&["--pipeline", pipeline, "--suite", suite]);
        let sizes: Vec<_> = rows.iter().map(|row| row["size"].as_u64()).collect();
        assert_eq!(sizes, [64, 512, 1400].map(Some));
        for row in rows {
            assert_eq!((&row["pipeline"], &row["suite"]), (&pipeline.into(), &suite.into()));
            check(&row);
        }
    }
}

#[test]
fn many_sas_routes_and_flows_are_rows_of_their_own() {
    let scale = ["--size", "64", "--sas", "1,300", "--routes", "1,5000", "--flows", "1000"];
    for pipeline in ["esp-tunnel-decap", "vti-encap", "dmvpn-esp-transport-decap"] {
        let arguments = ["--pipeline", pipeline, "--suite", "aes128gcm16"];
        let rows = rows(&[&arguments[..], &scale].concat());
        let scales: Vec<_> =
            rows.iter().map(|row| (row["sas"].as_u64(), row["routes"].as_u64())).collect();
        let expected = [(1, 1), (1, 5000), (300, 1), (300, 5000)];
        assert_eq!(scales, expected.map(|(sas, routes)| (Some(sas), Some(routes))));
        rows.iter().for_each(check);
    }
}

#[test]
fn workers_share_a_tunnel_without_false_replays_and_keep_each_flow_in_order() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        eprintln!("one processor: two workers cannot run at once");
        return;
    }
    for deal in ["flow", "packet"] {
        let way = ["--workers", "2", "--suite", "aes128gcm16", "--size", "512", "--deal", deal];
        let rows = rows(&way);
        let workers: Vec<_> = rows.iter().map(|row| row["workers"].as_u64()).collect();
        assert_eq!(workers, [1, 2, 1, 2].map(Some), "both directions, one worker and two");
        for row in rows {
            check(&row);
            assert!(row["pps"].as_f64().is_some_and(|pps| pps > 0.0));
            if row["workers"] == 2 {
                assert_eq!(row["sharing"]["replay_drops"], 0);
                assert_eq!(row["sharing"]["reordered"], 0);
                assert!(row["sharing"]["speedup"].as_f64().is_some_and(|ratio| ratio > 0.0));
            }
        }
    }
}

#[test]
fn a_baseline_gives_each_row_a_ratio_and_marks_what_got_worse() {
    let arguments = ["--pipeline", "gre-encap", "--pipeline", "forward", "--size", "64"];
    let mut before = rows(&arguments);
    // One that was twice as fast, one that was twice as slow.
    for (row, factor) in before.iter_mut().zip([1e-3, 1e3]) {
        for name in ["cycles", "ns"] {
            let figure = row[name].as_f64().map(|figure| figure * factor);
            row[name] = figure.into();
        }
    }
    let file = std::env::temp_dir().join(format!("fastgw-bench-{}.json", std::process::id()));
    fs::write(&file, serde_json::to_vec(&before).expect("JSON")).expect("a temporary file");
    let path = file.to_str().expect("a path of text");
    let after = rows(&[&arguments[..], &["--baseline", path]].concat());
    let text = bench(&[&["cycles", "--quick", "--baseline", path], &arguments[..]].concat());
    fs::remove_file(&file).expect("the file that was just written");
    let worse: Vec<_> = after.iter().map(|row| row["baseline"]["worse"].as_bool()).collect();
    assert_eq!(worse, [Some(true), Some(false)]);
    assert!(after[0]["baseline"]["cycles"].as_f64() > Some(5.0));
    assert!(after[1]["baseline"]["cycles"].as_f64() < Some(0.2));
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("now / baseline") && text.contains("better"), "{text}");
    assert!(text.contains("1 of 2 figures took more cycles"), "{text}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_can() {
    let refused = |arguments: &[&str]| {
        let output = bench(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = refused(&["cycles", "--pipeline", "wireguard"]);
    for known in ["wireguard", "forward", "esp-tunnel-encap", "dmvpn-esp-transport-decap"] {
        assert!(text.contains(known), "{text}");
    }
    let text = refused(&["cycles", "--suite", "rot13"]);
    assert!(text.contains("aes128gcm16") && text.contains("null-sha1"), "{text}");
    assert!(refused(&["cycles", "--size", "1500"]).contains("64 to 1400"));
    assert!(refused(&["cycles", "--sas", "0"]).contains("1..=100000"));
    assert!(refused(&["cycles", "--workers", "63"]).contains("processors"));
    assert!(refused(&["cycles", "--workers", "2", "--sas", "5"]).contains("one tunnel"));
    assert!(refused(&["cycles", "--pipeline", "gre-encap", "--suite", "sha"]).contains("none"));
    assert!(refused(&["cycles", "--baseline", "/nonexistent"]).contains("/nonexistent"));
}

#[test]
fn memory_is_that_of_the_tables_and_grows_with_the_window_only_by_it() {
    let output = bench(&["memory", "--quick", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("an object");
    let footprints = report["footprints"].as_array().expect("a list");
    let many = footprints.iter().filter(|print| print["pairs"] == 1000);
    for print in many {
        let (alone, all_in) = (print["sa_alone"].as_f64(), print["per_sa"].as_f64());
        assert!(alone > Some(300.0) && all_in > alone && all_in < Some(10_000.0), "{print}");
    }
    let windows = report["windows"].as_array().expect("a list");
    for window in windows {
        let (packets, bytes) = (window["packets"].as_u64(), window["bytes"].as_u64());
        // A bit for each packet, in a ring of twice as many.
        assert!(bytes >= packets.map(|packets| packets / 8), "{window}");
        assert!(bytes <= packets.map(|packets| packets + 64), "{window}");
    }
    assert_eq!(windows.len(), 6);
}
