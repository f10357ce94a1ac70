//! What an attacker on either side can put on the wire: nothing of it gets through, each is counted
//! under its reason, and the gateway works on.

use std::time::SystemTime;

use tests::{
    capture::Capture,
    manual_sa::Suite,
    site::{Join, Side},
    tshark::Tshark,
};

use crate::{inject::inject, lab::Lab, status::Status};

#[test]
fn replayed_and_made_up_esp_is_counted_and_never_reaches_the_lan() {
    let lab = Lab::new();
    let (_a, b) = lab.join(Join::Esp(Suite::named("aes128gcm16")));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("esp.pcap");
    let capture = Capture::start(lab.outside(&lab.a), "esp and src 203.0.113.1", &file);
    assert_eq!(lab.a.host.ping(Side::B.host(), 20, 100), 20);
    let file = capture.finish();
    let before = Status(b.show());
    assert_eq!(before.all_drops(), []);
    let lan = Capture::start(lab.b.host.nic("eth0"), "ip", &folder.path().join("lan.pcap"));

    let wire = lab.outside(&lab.b);
    let path = file.to_string_lossy();
    assert_eq!(inject(wire, &["replay", &path]), 20);
    let mac = lab.b.gateway.nic("wan0").mac();
    let from_a = [mac.as_str(), Side::A.wan(), Side::B.wan()];
    let from_elsewhere = [mac.as_str(), "203.0.113.66", Side::B.wan()];
    // An SPI that nobody has, the tunnel's from the wrong peer, and the tunnel's from the right
    // one with content that its key did not seal.
    inject(wire, &[&["spi", "3735928559"], &from_a[..], &["30"]].concat());
    inject(wire, &[&["spi", "4097"], &from_elsewhere[..], &["40"]].concat());
    inject(wire, &[&["spi", "4097"], &from_a[..], &["50"]].concat());

    // What comes next through the same queue has come behind all of that.
    assert_eq!(lab.a.host.ping(Side::B.host(), 1, 100), 1);
    let after = Status(b.show());
    // The first twenty of the fifty have numbers that were used.
    let expected = [
        ("esp_no_sa", 30),
        ("esp_wrong_peer", 40),
        ("esp_replayed", 20 + 20),
        ("esp_integrity", 30),
    ];
    assert_eq!(after.all_drops(), expected);
    assert_eq!(after.port("lan", "tx_packets"), before.port("lan", "tx_packets") + 1);
    let lan = Tshark::new(&lan.finish());
    assert_eq!(lan.count("ip.dst == 10.2.0.2"), 1, "{}", lan.summary("ip"));
}

#[test]
fn a_stream_of_random_frames_at_both_ports_does_not_stop_it() {
    let lab = Lab::new();
    let (mut a, _b) = lab.join(Join::Gre);
    assert!(lab.a.reaches_other_host());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = since.expect("a clock that is set").as_secs().to_string();
    println!("seed {seed}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wire = Capture::start(lab.outside(&lab.a), "ip", &folder.path().join("wire.pcap"));
    let [lan, wan] = ["lan0", "wan0"].map(|device| lab.a.gateway.nic(device).mac());
    inject(lab.a.host.nic("eth0"), &["random", &seed, &lan, "8000"]);
    inject(lab.outside(&lab.a), &["random", &seed, &wan, "8000"]);
    a.assert_runs();
    assert!(lab.a.reaches_other_host(), "{}", a.log());
    let status = Status(a.show());
    let drops = status.all_drops();
    println!("{drops:?}");
    for reason in ["ipv4_checksum", "ipv4_martian", "esp_no_sa", "gre_version", "no_route"] {
        assert!(drops.iter().any(|(name, _)| *name == reason), "no {reason}: {drops:?}");
    }
    let wire = Tshark::new(&wire.finish());
    // What the gateway sends is GRE; its kernel answers as itself.
    let mac = format!("eth.src == {wan}");
    let leaked = format!("{mac} && !gre && ip.src != 203.0.113.1");
    assert_eq!(wire.count(&leaked), 0, "{}", wire.summary(&leaked));
    let (status, log) = a.stop_by("TERM");
    assert!(status.success(), "{log}");
}

#[test]
fn fragments_of_outer_packets_are_put_together_unless_they_overlap() {
    let lab = Lab::new();
    let (_a, b) = lab.join(Join::Esp(Suite::named("aes128gcm16")));
    lab.a.wait_for_other_host(std::time::Duration::from_secs(5));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("esp.pcap");
    // Recorded on its way and then lost, so that it can be sent in pieces afterwards.
    let lose = |at: &str| {
        let capture = Capture::start(lab.outside(&lab.a), "esp and src 203.0.113.1", &file);
        lab.wire.ip("link set wan-b down");
        assert_eq!(lab.a.host.ping(Side::B.host(), 1, 1200), 0, "{at}");
        lab.wire.ip("link set wan-b up");
        capture.finish()
    };
    let received = || Status(b.show()).port("lan", "tx_packets");
    for (overlap, arrive) in [("0", 1), ("8", 0), ("200", 0), ("0", 1)] {
        let file = lose(overlap);
        lab.a.wait_for_other_host(std::time::Duration::from_secs(5));
        let before = received();
        inject(lab.outside(&lab.b), &["pieces", &file.to_string_lossy(), overlap]);
        let limit = std::time::Duration::from_secs(if arrive > 0 { 5 } else { 1 });
        let start = std::time::Instant::now();
        while received() - before < arrive || (arrive == 0 && start.elapsed() < limit) {
            assert!(start.elapsed() < limit || arrive == 0, "overlap of {overlap} bytes");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(received() - before, arrive, "overlap of {overlap} bytes");
    }
    assert!(lab.a.reaches_other_host());
}
