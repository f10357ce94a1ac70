//! The seeds of the fuzz targets, replayed: what a target found once, or is to start from, holds
//! with every plain test run.

#![forbid(unsafe_code)]

#[path = "src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::{Path, PathBuf};

/// Gives every file of a folder below the crate's to `target`.
fn replay(folder: &str, target: fn(&[u8])) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut seeds = 0;
    for entry in fs::read_dir(&folder).expect("a folder of seeds") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            println!("{}", path.display());
            target(&fs::read(&path).expect("a seed"));
            seeds += 1;
        }
    }
    assert!(seeds > 0, "no seeds in {}", folder.display());
}

#[test]
fn esp_seeds_hold() {
    replay("fuzz/seeds/decap_esp", fuzz::decap_esp);
}

#[test]
fn gre_seeds_hold() {
    replay("fuzz/seeds/decap_gre", fuzz::decap_gre);
}

#[test]
fn carried_seeds_hold() {
    replay("fuzz/seeds/decap_carried", fuzz::decap_carried);
}

#[test]
fn frames_from_the_inside_hold() {
    replay("fuzz/seeds/frame_inside", fuzz::frame_inside);
}

#[test]
fn frames_from_the_outside_hold() {
    replay("fuzz/seeds/frame_outside", fuzz::frame_outside);
}

#[test]
fn configurations_hold() {
    replay("fuzz/seeds/config", fuzz::config);
    replay("../configs", fuzz::config);
}

#[test]
fn captures_hold() {
    replay("fuzz/seeds/capture", fuzz::capture);
}

#[test]
fn ike_messages_hold() {
    replay("fuzz/seeds/ike_v1", fuzz::ike_v1);
    replay("fuzz/seeds/ike_v2", fuzz::ike_v2);
    replay("fuzz/seeds/ike_sealed", fuzz::ike_sealed);
}

#[test]
fn ike_engines_hold() {
    replay("fuzz/seeds/ike_engine_v1", fuzz::ike_engine_v1);
    replay("fuzz/seeds/ike_engine_v2", fuzz::ike_engine_v2);
}

#[test]
fn ospf_packets_hold() {
    replay("fuzz/seeds/ospf", fuzz::ospf);
}

#[test]
fn bfd_sessions_hold() {
    replay("fuzz/seeds/bfd", fuzz::bfd);
}

#[test]
fn certificates_hold() {
    replay("fuzz/seeds/certificate", fuzz::certificate);
}

#[test]
fn identities_hold() {
    replay("fuzz/seeds/identity", fuzz::identity);
}
