//! Two gateways that negotiate their keys with IKEv2: from nothing to traffic, new keys under
//! traffic, and back again after an end of any kind.

use std::time::Duration;

use serde_json::Value;
use tests::{
    gateway::Gateway,
    process::{output, said, wait_for},
    site::{Join, Side},
};

use crate::{lab::Lab, status::Status};

/// Longest time in which a tunnel is to be there, or to be back.
const LIMIT: Duration = Duration::from_secs(10);

const ON_DEMAND: Join = Join::Ike("dpd = \"5s\"\ndpd_timeout = \"5s\"", "start = \"demand\"");
const AT_START: Join = Join::Ike("dpd = \"5s\"\ndpd_timeout = \"5s\"", "start = \"always\"");

/// The established IKE SAs that a gateway shows.
pub fn established(gateway: &Gateway) -> Vec<Value> {
    let show = gateway.show();
    let all = show["ike"].as_array().expect("a list of IKE SAs").clone();
    all.into_iter().filter(|sa| sa["state"] == "established").collect()
}

/// The inbound SPIs of an established IKE SA's children.
pub fn spis(gateway: &Gateway) -> Vec<u64> {
    let children = established(gateway).into_iter().filter_map(|mut sa| {
        let children = sa["children"].take();
        children.as_array().cloned()
    });
    children.flatten().filter_map(|child| child["inbound_spi"].as_u64()).collect()
}

#[test]
fn the_first_packet_has_the_gateways_negotiate() {
    let lab = Lab::new();
    let (a, b) = lab.join(ON_DEMAND);
    assert!(established(&a).is_empty());
    println!("{:?}", lab.a.wait_for_other_host(LIMIT));
    assert_eq!(lab.a.host.ping(Side::B.host(), 5, 100), 5);
    for gateway in [&a, &b] {
        let sas = established(gateway);
        assert_eq!(sas.len(), 1, "{sas:?}");
        let child = &sas[0]["children"][0];
        assert_eq!(sas[0]["peer"], "other");
        assert_eq!(child["child"], "join");
        assert!(child["in_packets"].as_u64() >= Some(5), "{child}");
        assert!(child["out_packets"].as_u64() >= Some(5), "{child}");
    }
}

/// Without an SA, and with nobody who answers: what is not protected does not leave.
#[test]
fn nothing_leaves_in_clear_while_there_are_no_keys() {
    let lab = Lab::new();
    let a = lab.a.start(ON_DEMAND);
    assert!(!lab.a.reaches_other_host());
    // It has waited for keys, for as long as a packet does.
    let dropped = || (Status(a.show()).drops("tunnel_no_sa") > 0).then_some(());
    wait_for("end of its wait", LIMIT, dropped);
    assert_eq!(Status(a.show()).named("tunnels", "join")["state"], "no sa");
}

#[test]
fn new_keys_under_traffic_lose_no_packet() {
    let lab = Lab::new();
    let (a, b) = lab.join(ON_DEMAND);
    lab.a.wait_for_other_host(LIMIT);
    for (round, gateway) in [&a, &b, &a, &b].into_iter().enumerate() {
        let before = spis(&a);
        let ping = ["-n", "-q", "-i", "0.002", "-c", "1000", "-W", "2", Side::B.host()];
        let flood = std::thread::scope(|scope| {
            let flood = scope.spawn(|| said(&output(lab.a.host.command("ping").args(ping))));
            std::thread::sleep(Duration::from_millis(500));
            let words: &[&str] = match round {
                0 | 1 => &["rekey", "other"],
                _ => &["rekey", "other", "--ike"],
            };
            gateway.ike(words);
            flood.join().expect("ping runs")
        });
        assert!(flood.contains(" 0% packet loss"), "round {round}: {flood}\n{}", a.log());
        let changed = || spis(&a).iter().all(|spi| !before.contains(spi)).then_some(());
        wait_for("end of the old keys", LIMIT, changed);
    }
}

#[test]
fn a_gateway_that_was_killed_is_back_by_itself() {
    let lab = Lab::new();
    let (mut a, b) = lab.join(AT_START);
    lab.a.wait_for_other_host(LIMIT);
    a.kill();
    a.start_again(&lab.a.gateway);
    println!("restarted: {:?}", lab.a.wait_for_other_host(LIMIT));
    wait_for("one IKE SA", LIMIT, || (established(&b).len() == 1).then_some(()));
}

#[test]
fn a_peer_that_dies_is_noticed() {
    let lab = Lab::new();
    let (a, mut b) = lab.join(ON_DEMAND);
    lab.a.wait_for_other_host(LIMIT);
    b.kill();
    wait_for("end of the dead peer's SAs", 2 * LIMIT, || established(&a).is_empty().then_some(()));
    b.start_again(&lab.b.gateway);
    println!("back: {:?}", lab.a.wait_for_other_host(LIMIT));
}

#[test]
fn an_operator_ends_and_begins_it() {
    let lab = Lab::new();
    let (a, b) = lab.join(ON_DEMAND);
    a.ike(&["initiate", "other"]);
    for gateway in [&a, &b] {
        wait_for("an IKE SA", LIMIT, || (established(gateway).len() == 1).then_some(()));
    }
    assert!(lab.a.reaches_other_host());
    b.ike(&["terminate", "other"]);
    for gateway in [&a, &b] {
        wait_for("end of it", LIMIT, || established(gateway).is_empty().then_some(()));
    }
    b.ike(&["initiate", "other"]);
    println!("again: {:?}", lab.a.wait_for_other_host(LIMIT));
}

#[test]
fn a_gateway_that_stops_tells_its_peer() {
    let lab = Lab::new();
    let (a, b) = lab.join(ON_DEMAND);
    lab.a.wait_for_other_host(LIMIT);
    let (status, log) = a.stop();
    assert!(status.success(), "{log}");
    wait_for("end of its SAs", Duration::from_secs(2), || established(&b).is_empty().then_some(()));
}
