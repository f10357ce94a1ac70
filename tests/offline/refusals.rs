//! What cannot be played is refused with exit code 1 and a sentence that names it.

use std::{fs, path::Path, process::Output};

use tests::{
    manual_sa::Suite,
    process::said,
    site::{Join, Side, Site},
};

use crate::play::{Offline, drops, packets, record_lan};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/offline/esp-manual.pcap");

fn site_a() -> Offline {
    let join = Join::Esp(Suite::named("null-sha1"));
    Offline::new(&Site { side: Side::A, join, workers: 1, socket: None }.toml())
}

/// Asserts that it was refused, told on standard error in one line with all of `words`.
#[track_caller]
fn assert_refused(refused: &Output, words: &[&str]) {
    let said = said(refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(refused.stdout.is_empty(), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

#[test]
fn a_port_that_does_not_exist_is_named_with_those_that_do() {
    let offline = site_a();
    let input = format!("uplink={CAPTURE}");
    assert_refused(&offline.try_play(&["--in", &input]), &["\"uplink\"", "lan, wan"]);
    let input = format!("wan={CAPTURE}");
    let output = ["--in", &input, "--out", "dmz=dmz.pcap"];
    assert_refused(&offline.try_play(&output), &["\"dmz\"", "lan, wan"]);
    assert!(!offline.path("dmz.pcap").exists());
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let offline = site_a();
    let missing = offline.try_play(&["--in", "wan=nowhere.pcap"]);
    assert_refused(&missing, &["nowhere.pcap", "No such file"]);
    let input = format!("wan={CAPTURE}");
    let unwritable = offline.try_play(&["--in", &input, "--out", "lan=no/such/folder.pcap"]);
    assert_refused(&unwritable, &["no/such/folder.pcap", "No such file"]);
}

#[test]
fn a_file_that_is_no_capture_is_named() {
    let offline = site_a();
    for (name, bytes) in [("empty", &b""[..]), ("text", b"this is not a capture, but text\n")] {
        fs::write(offline.path(name), bytes).expect("a writable folder");
        let refused = offline.try_play(&["--in", &format!("wan={name}")]);
        assert_refused(&refused, &[&format!("{name}: ")]);
    }
}

#[test]
fn a_truncated_capture_is_played_up_to_where_it_ends_and_then_named() {
    let offline = site_a();
    record_lan(&offline.path("whole.pcap"));
    let whole = fs::read(offline.path("whole.pcap")).expect("a capture");
    let count = packets(&offline.path("whole.pcap")).len();
    fs::write(offline.path("part.pcap"), &whole[..whole.len() - 10]).expect("a writable folder");
    let refused = offline.try_play(&["--in", "lan=part.pcap", "--out", "wan=wan.pcap"]);
    assert_refused(&refused, &[&format!("part.pcap: packet {count}: "), "truncated"]);
    assert_eq!(packets(&offline.path("wan.pcap")).len(), count - 1);
}

#[test]
fn a_capture_that_is_read_is_not_overwritten_by_whatever_name() {
    let offline = site_a();
    record_lan(&offline.path("lan.pcap"));
    let before = fs::read(offline.path("lan.pcap")).expect("a capture");
    let refused = offline.try_play(&["--in", "lan=lan.pcap", "--out", "wan=./lan.pcap"]);
    assert_refused(&refused, &["./lan.pcap", "overwrite"]);
    assert_eq!(fs::read(offline.path("lan.pcap")).expect("a capture"), before);
}

/// The site's keys are not those of the capture.
#[test]
fn the_counters_come_as_text_or_json() {
    let offline = site_a();
    let text = offline.try_play(&["--in", &format!("wan={CAPTURE}")]);
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.starts_with("port lan: 0 frames in, 0 out\nport wan: 14 frames in, 0 out\n"));
    assert!(text.contains("tunnel join: 0 packets taken out, 0 put in\n"), "{text}");
    assert!(text.contains("dropped 5: esp_integrity (The integrity check failed"), "{text}");
    let json = offline.play("wan", Path::new(CAPTURE));
    assert_eq!(json["ports"][1]["name"], "wan");
    assert_eq!(json["ports"][1]["received"], 14);
    assert_eq!(json["tunnels"][0]["inbound"], 0);
    let expected = [("clear_from_outside", 7), ("esp_integrity", 5), ("outer_fragment", 2)];
    assert_eq!(drops(&json), expected);
}
