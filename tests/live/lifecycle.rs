//! Starts and ends: nothing is left behind, nothing that was accepted is lost, and what keeps a
//! gateway from starting is said.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use tests::{
    gateway::binary,
    manual_sa::Suite,
    netns::Netns,
    process::{Background, output, said, wait_for},
    site::{Join, Side, Site},
};

use crate::{inject::injection, lab::Lab};

const STATISTICS: &str = "/sys/class/net/wan0/statistics";

fn gcm() -> Join {
    Join::Esp(Suite::named("aes128gcm16"))
}

#[test]
fn sigterm_and_sigint_end_it_without_a_trace_and_the_host_works_on() {
    let lab = Lab::new();
    for signal in ["TERM", "INT"] {
        let gateway = lab.a.start(gcm());
        let socket = gateway.socket();
        assert!(lab.a.has_xdp());
        let (status, log) = gateway.stop_by(signal);
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(!lab.a.has_xdp(), "an XDP program is left behind");
        assert!(!socket.exists(), "the control socket is left behind");
        assert_eq!(lab.a.host.ping(Side::A.gateway(), 2, 56), 2, "the host no longer answers");
        assert_eq!(lab.b.gateway.ping(Side::A.wan(), 2, 56), 2, "the host no longer answers");
    }
}

/// In clear, since a restarted sender counts from one again, which ESP takes for a replay.
#[test]
fn a_killed_gateway_leaves_the_devices_free_and_starts_again_at_once() {
    let lab = Lab::new();
    let (mut a, _b) = lab.join(Join::Gre);
    assert!(lab.a.reaches_other_host());
    a.kill();
    // The kernel closes what a dead process held; that takes it a moment.
    wait_for("devices without XDP", Duration::from_secs(2), || (!lab.a.has_xdp()).then_some(()));
    assert_eq!(lab.a.host.ping(Side::A.gateway(), 1, 56), 1);
    assert!(a.socket().exists(), "a killed process cannot remove its socket");
    a.start_again(&lab.a.gateway);
    assert!(lab.a.reaches_other_host());
}

/// Counted by the kernel: what it handed to the gateway on its LAN, and what it was handed outside.
#[test]
fn what_was_accepted_is_sent_also_by_a_gateway_that_is_stopped_in_a_flood() {
    let lab = Lab::new();
    let (gateway, lan) = (&lab.a.gateway, lab.a.gateway.nic("lan0").mac());
    // Nothing but the tunnel's packets leaves by wan0: nobody has to be asked for, or asks.
    let (lan_host, peer) = (lab.a.host.nic("eth0"), lab.b.gateway.nic("wan0"));
    for (at, address, whose) in [
        (gateway.nic("lan0"), Side::A.host(), lan_host),
        (gateway.nic("wan0"), Side::B.wan(), peer),
        (peer, Side::A.wan(), gateway.nic("wan0")),
    ] {
        let words = format!("neigh replace {address} lladdr {} dev {}", whose.mac(), at.device);
        at.netns.ip(&format!("{words} nud permanent"));
    }
    let accepted = || number_in(gateway, "ethtool -S lan0", "rx_queue_0_xdp_redirect:");
    let sent = || {
        let of = |name: &str| number_in(gateway, &format!("cat {STATISTICS}/{name}"), "");
        of("tx_packets") + of("tx_dropped")
    };
    for round in 0..3 {
        let a = lab.a.start(gcm());
        let before = (accepted(), sent());
        let words = ["flood", &lan, Side::A.host(), Side::B.host(), "1.5"];
        let mut load = Background::spawn(&mut injection(lan_host, &words));
        let busy = || (accepted() > before.0 + 5000).then_some(());
        wait_for("load", Duration::from_secs(10), busy);
        let (status, log) = a.stop_by("TERM");
        assert!(status.success(), "{log}");
        wait_for("end of the load", Duration::from_secs(10), || load.ended());
        let (accepted, sent) = (accepted() - before.0, sent() - before.1);
        println!("round {round}: accepted {accepted}, sent {sent}");
        assert_eq!(sent, accepted, "round {round}: {log}");
    }
}

#[test]
fn the_control_socket_is_private_and_taken_once() {
    let lab = Lab::new();
    let first = lab.a.start(gcm());
    let mode = fs::metadata(first.socket()).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = output(fastgw(&lab).arg("--config").arg(first.config()));
    let said = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let socket = first.socket().display().to_string();
    for word in ["another fastgw", &socket, &first.id().to_string(), "control_socket"] {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
    assert!(lab.a.has_xdp(), "the first one has lost its devices");
}

#[test]
fn a_second_gateway_on_the_same_devices_is_refused_and_the_first_one_works_on() {
    let lab = Lab::new();
    let (_a, _b) = lab.join(gcm());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("second.toml");
    let socket = folder.path().join("second.sock");
    let site = Site { side: Side::A, join: gcm(), workers: 1, socket: Some(&socket) };
    write_private(&file, &site.toml());
    let refused = output(fastgw(&lab).arg("--config").arg(&file));
    let said = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("lan") && said.contains("busy"), "{said}");
    assert!(lab.a.reaches_other_host());
}

#[test]
fn a_missing_interface_is_refused_at_its_line() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("fastgw.toml");
    let socket = folder.path().join("fastgw.sock");
    let site = Site { side: Side::A, join: gcm(), workers: 1, socket: Some(&socket) };
    let toml = site.toml().replace("\"wan0\"", "\"wan7\"");
    write_private(&file, &toml);
    let line = toml.lines().position(|line| line.contains("wan7")).expect("the line") + 1;
    let refused = output(fastgw(&lab).arg("--config").arg(&file));
    let said = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for word in ["no interface wan7", &format!("fastgw.toml:{line}:"), "ip link"] {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
    assert!(!socket.exists() && !lab.a.has_xdp());
}

/// The number behind `label` in what a line of shell prints.
fn number_in(netns: &Netns, line: &str, label: &str) -> u64 {
    let said = netns.sh(line);
    let found = said.lines().find_map(|line| line.trim().strip_prefix(label));
    let number = found.and_then(|number| number.trim().parse().ok());
    number.unwrap_or_else(|| panic!("no number {label} in {said}"))
}

/// fastgw in the namespace of gateway A.
fn fastgw(lab: &Lab) -> Command {
    lab.a.gateway.command(&binary().to_string_lossy())
}

fn write_private(file: &Path, text: &str) {
    fs::write(file, text).expect("a writable temporary folder");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a file of ours");
}
