//! What becomes of packets is told exactly, whatever becomes of them.

use std::{path::Path, time::Duration};

use serde_json::Value;
use tests::{
    netns::Netns,
    process::{Background, said, wait_for},
};

use crate::generator::{Tester, binary, count};

const ENDS: [&str; 4] = ["--from", "10.1.0.2", "--to", "10.2.0.2"];
/// Packets of a load, each tenth of which a box mistreats.
const SENT: u64 = 3000;
/// Somebody on the wire; nobody looks at it.
const ANYONE: &str = "02:00:00:00:00:01";

/// A generator's two devices with a box between them.
struct Course {
    tester: Tester,
    _box: (Netns, Background),
}

impl Course {
    fn new(how: &str) -> Self {
        let (tester, middle) = (Tester::new(), Netns::new("box"));
        tester.cable("eth-a", middle.nic("in0"));
        tester.cable("eth-b", middle.nic("out0"));
        let running = mistreat(&middle, &format!("in0 out0 {how}"));
        Self { tester, _box: (middle, running) }
    }

    fn load(&self, more: &[&str]) -> Value {
        let frames = SENT.to_string();
        let words = ["--frames", &frames, "--size", "80"];
        let words: Vec<_> = ENDS.iter().chain(&words).chain(more).copied().collect();
        let load = self.tester.load(ANYONE, &words);
        assert_eq!(count(&load, "sent"), SENT, "{load}");
        load
    }
}

/// Runs the box's script with these words until it is dropped.
fn mistreat(at: &Netns, words: &str) -> Background {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pktgen/middlebox.py");
    let running = at.spawn(&format!("/usr/bin/python3 -B {} {words}", script.display()));
    let ready = || running.log().contains("ready").then_some(());
    wait_for("box", Duration::from_secs(20), ready);
    running
}

/// Lost, duplicates, reordered, corrupt.
fn fates(load: &Value) -> [u64; 4] {
    ["lost", "duplicates", "reordered", "corrupt"].map(|name| count(load, name))
}

#[test]
fn every_packet_over_a_plain_link_is_counted_once() {
    let tester = Tester::looped();
    let words = ["--frames", "4000", "--size", "imix", "--flows", "7"];
    let words: Vec<_> = ENDS.iter().chain(&words).copied().collect();
    for threads in ["1", "2"] {
        let more: Vec<_> = words.iter().copied().chain(["--threads", threads]).collect();
        let load = tester.load(ANYONE, &more);
        assert_eq!((count(&load, "sent"), count(&load, "received")), (4000, 4000), "{load}");
        assert_eq!(fates(&load), [0; 4], "{load}");
        assert_eq!(count(&load["latency"], "count"), 4000);
        assert_eq!(count(&load, "flows_seen"), 7);
    }
}

#[test]
fn every_size_of_both_ip_versions_passes_from_the_smallest_on() {
    let tester = Tester::looped();
    for (from, to, sizes) in
        [("10.1.0.2", "10.2.0.2", "64,65,1518"), ("fd01::2-fd01::9", "fd02::2", "84,85,1518")]
    {
        let words = ["--from", from, "--to", to, "--flows", "5", "--frames", "600"];
        let load = tester.load(ANYONE, &[&words[..], &["--size", sizes]].concat());
        assert_eq!((count(&load, "received"), fates(&load)), (600, [0; 4]), "{load}");
    }
}

#[test]
fn lost_packets_are_counted() {
    let load = Course::new("drop").load(&[]);
    assert_eq!(fates(&load), [SENT / 10, 0, 0, 0], "{load}");
    assert_eq!(load["loss_ratio"].as_f64(), Some(0.1));
}

#[test]
fn repeated_packets_are_counted() {
    let load = Course::new("repeat").load(&["--flows", "4"]);
    assert_eq!(fates(&load), [0, SENT / 10, 0, 0], "{load}");
}

/// The last packet is held for one that never comes.
#[test]
fn swapped_packets_are_counted_unless_they_are_of_two_flows() {
    let course = Course::new("swap");
    let load = course.load(&[]);
    assert_eq!(fates(&load), [1, 0, SENT / 10 - 1, 0], "{load}");
    assert_eq!(count(&load, "reorder_extent"), 1);
    drop(course);
    let load = Course::new("swap").load(&["--flows", "3"]);
    assert_eq!(fates(&load), [1, 0, 0, 0], "neighbours are of two flows: {load}");
}

#[test]
fn damaged_packets_are_counted_and_are_lost() {
    let load = Course::new("damage").load(&[]);
    assert_eq!(fates(&load), [SENT / 10, 0, 0, SENT / 10], "{load}");
}

#[test]
fn one_device_sends_and_receives() {
    let (tester, mirror) = (Tester::new(), Netns::new("mirror"));
    tester.cable("eth-a", mirror.nic("in0"));
    let _running = mistreat(&mirror, "in0 in0 pass");
    let words = ["run", "--tx", "eth-a", "--via", ANYONE, "--rate", "2kpps", "--frames", "2000"];
    let quiet = ["--idle", "sleep", "--drain", "1", "--json", "--quiet"];
    let done = tester.generate(&[&words[..], &ENDS, &quiet].concat());
    let results: Value = serde_json::from_slice(&done.stdout).expect("--json gives JSON");
    let load = &results["load"];
    assert_eq!((count(load, "received"), fates(load)), (2000, [0; 4]), "{load}");
}

#[test]
fn the_bare_loop_forwards_every_packet() {
    let (tester, middle) = (Tester::new(), Netns::new("l2fwd"));
    tester.cable("eth-a", middle.nic("in0"));
    tester.cable("eth-b", middle.nic("out0"));
    let line = format!("{} l2fwd in0 out0 --idle sleep --json", binary().display());
    let mut running = middle.spawn(&line);
    let ready = || running.log().contains("out0: ").then_some(());
    wait_for("l2fwd", Duration::from_secs(20), ready);
    let words: Vec<_> = ENDS.iter().copied().chain(["--frames", "3000"]).collect();
    let load = tester.load(ANYONE, &words);
    assert_eq!((count(&load, "received"), fates(&load)), (3000, [0; 4]), "{load}");
    running.stop().expect("a child of ours");
    let log = running.log();
    let json = &log[log.find('{').expect("JSON")..];
    let done: Value = serde_json::from_str(json).expect("--json gives JSON");
    assert_eq!((count(&done, "there"), count(&done, "dropped")), (3000, 0), "{done}");
}

#[test]
fn a_sink_of_its_own_tells_what_the_numbers_tell() {
    let (tester, far) = (Tester::new(), Tester::new());
    tester.cable("eth-a", far.netns.nic("eth-b"));
    tester.netns.ip("link add eth-b type veth peer name other");
    tester.netns.ip("link set eth-b up");
    let sink = format!("{} sink --rx eth-b --idle sleep --json", binary().display());
    let mut sink = far.netns.spawn(&sink);
    let ready = || sink.log().contains("eth-b: ").then_some(());
    wait_for("sink", Duration::from_secs(20), ready);
    let words: Vec<_> = ENDS.iter().copied().chain(["--frames", "2000", "--flows", "3"]).collect();
    let load = tester.load(ANYONE, &words);
    assert_eq!((count(&load, "sent"), count(&load, "received")), (2000, 0), "{load}");
    let status = sink.stop().expect("a child of ours");
    let log = sink.log();
    assert!(status.success(), "{status}: {log}");
    let heard: Value = serde_json::from_str(&log[log.find('{').expect("JSON")..]).expect("JSON");
    assert_eq!((count(&heard, "received"), count(&heard, "missing")), (2000, 0), "{heard}");
    assert_eq!((count(&heard, "flows"), count(&heard, "duplicates")), (3, 0), "{heard}");
}

#[test]
fn a_load_that_is_broken_off_still_tells_what_came() {
    let tester = Tester::looped();
    let line = format!(
        "{} run --tx eth-a --rx eth-b --via {ANYONE} {} --rate 1kpps --duration 600 --json",
        binary().display(),
        ENDS.join(" ")
    );
    let mut running = tester.netns.spawn(&line);
    let under_way = || running.log().contains("1 s: sent").then_some(());
    wait_for("progress line", Duration::from_secs(30), under_way);
    let status = running.stop().expect("a child of ours");
    let log = running.log();
    assert!(status.success(), "{status}: {log}");
    let results: Value =
        serde_json::from_str(&log[log.find("\n{").expect("JSON")..]).expect("JSON");
    let load = &results["load"];
    assert_eq!(count(load, "sent"), count(load, "received"), "{load}");
    assert!(count(load, "sent") > 0, "{load}");
    assert_eq!(said(&tester.generate(&["--version"])).trim(), "fastgw-pktgen 0.1.0");
}
