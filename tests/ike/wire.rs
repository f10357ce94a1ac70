//! What is said on the wire, opened with our keys and judged by tshark.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tests::{capture::Capture, process::run, tshark::Tshark};

use crate::{
    case::{Auth, Case, Event, Side},
    certificates::{Certificates, Kind},
    checks::Bench,
    fastgw::Fastgw,
    lab::{Lab, Theirs},
    strongswan,
};

/// A few rows that together have every exchange, a NAT, certificates and fragments.
fn rows() -> [Case; 3] {
    let v2 = Case::new(Side::Ours);
    let (ike, esp) = ("aes128-sha1-modp2048", "aes128-sha1-modp2048");
    let v1 = Case { version: 1, ike, esp, ..v2.clone() };
    [
        Case { nat: Some(Side::Ours), event: Event::RekeyIkeBoth, ..v2.clone() },
        Case { event: Event::RekeyChildBoth, ..v1 },
        Case {
            narrow: true,
            auth: Auth::Certificate(Kind::LongChain),
            event: Event::Delete(Side::Theirs),
            ..v2
        },
    ]
}

/// Lets a row happen, and gives the recording of it.
fn record(case: &Case, certificates: &Certificates, keys: &Path, file: &Path) -> PathBuf {
    let lab = Lab::with_namespace(false);
    lab.prepare(case);
    let capture = Capture::start(lab.ours.nic("wan0"), "udp port 500 or udp port 4500", file);
    let Theirs::Namespace(netns) = &lab.theirs else { unreachable!("as it was made") };
    let mut theirs = strongswan(netns, case, Side::Theirs, certificates);
    let mut ours = Fastgw::new(&lab.ours, case, certificates).logging_keys(keys);
    let mut bench = Bench { lab: &lab, ours: &mut ours, theirs: &mut theirs };
    let outcome = bench.connect(case).and_then(|_| bench.event(case));
    let logs = [bench.ours.log(), bench.theirs.log()];
    outcome.unwrap_or_else(|error| panic!("{}: {error}\n{}", case.name(), logs.join("\n")));
    capture.finish()
}

#[test]
fn nothing_is_wrong_with_what_is_said_on_the_wire() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (keys, all) = (folder.path().join("keys"), folder.path().join("all.pcap"));
    let certificates = Certificates::new();
    let files = rows().into_iter().zip(0..).map(|(case, number)| {
        let file = folder.path().join(format!("{number}.pcap"));
        record(&case, &certificates, &keys, &file)
    });
    let files: Vec<_> = files.collect();
    run(Command::new("mergecap").arg("-w").arg(&all).args(&files));
    let open = Tshark::new(&all).with_key_log(&keys);
    if let Err(complaint) = open.nothing_matches(&["isakmp && _ws.malformed"]) {
        panic!("{complaint}\n{}", open.text("isakmp && _ws.malformed"));
    }
    // The keys have opened what was said: proofs of both versions, new keys, a deletion.
    for seen in [
        "isakmp.version == 0x10 && isakmp.id.type",
        "isakmp.version == 0x20 && isakmp.auth.method",
        "isakmp.exchangetype == 36 && isakmp.nonce",
        "isakmp.delete.protoid || isakmp.delete.spi",
    ] {
        assert!(open.count(seen) > 0, "{seen}:\n{}", open.summary("isakmp"));
    }
}
