//! Whatever changes in the kernel while traffic flows, the gateway follows by itself.

use std::time::Duration;

use tests::{
    capture::Capture,
    manual_sa::Suite,
    netns::{Netns, veth},
    process::{output, said, wait_for},
    site::{Join, Side},
    tshark::Tshark,
};

use crate::{
    lab::{Lab, answers},
    status::Status,
};

/// Longest time in which traffic is to flow again.
const RECOVERY: Duration = Duration::from_secs(5);

fn gcm() -> Join {
    Join::Esp(Suite::named("aes128gcm16"))
}

fn vti() -> Join {
    Join::Vti(Suite::named("aes128gcm16"))
}

/// Host A is a router for 10.1.9.0/24.
#[test]
fn a_route_behind_an_inside_router_comes_and_goes() {
    let lab = Lab::new();
    let a = lab.a.start(vti());
    let to_a = "\n[[route]]\nprefix = \"10.1.9.0/24\"\ntunnel = \"join\"\n";
    let _b = lab.b.start_with(vti(), 1, to_a);
    lab.a.host.nic("lo").address("10.1.9.1/32");
    assert!(lab.a.reaches_other_host());
    let reached = || answers(&lab.b.host, "10.1.9.1");
    assert!(!reached(), "reached without a route");
    assert!(Status(a.show()).drops("no_route") > 0);
    lab.a.gateway.ip("route add 10.1.9.0/24 via 10.1.0.2");
    wait_for("way to the network behind", RECOVERY, || reached().then_some(()));
    lab.a.gateway.ip("route del 10.1.9.0/24");
    wait_for("end of that way", RECOVERY, || (!reached()).then_some(()));
    lab.a.gateway.ip("route add blackhole 10.1.9.0/24");
    lab.a.gateway.ip("route add 10.1.9.1/32 via 10.1.0.2");
    wait_for("way through the longer prefix", RECOVERY, || reached().then_some(()));
}

/// As after a failover: a gateway, and a host, with the same address and another card. Either says
/// so by ARP.
#[test]
fn a_peer_with_a_new_mac_is_found() {
    let lab = Lab::new();
    let (_a, b) = lab.join(gcm());
    assert!(lab.a.reaches_other_host());
    lab.b.gateway.ip("link set wan0 address 02:00:00:00:0b:0b");
    let found = lab.a.wait_for_other_host(RECOVERY);
    println!("outside: {found:?}");
    assert_eq!(Status(b.show()).named("ports", "wan")["mac"], "02:00:00:00:0b:0b");
    lab.b.host.set("net/ipv4/conf/eth0/arp_notify", "1");
    lab.b.host.ip("link set eth0 address 02:00:00:00:0b:02");
    println!("inside: {:?}", lab.a.wait_for_other_host(RECOVERY));
}

#[test]
fn links_that_go_down_and_up_carry_again() {
    let lab = Lab::new();
    let (a, _b) = lab.join(gcm());
    assert!(lab.a.reaches_other_host());
    let tunnel_is = |wanted: &str| {
        let shown = || (Status(a.show()).named("tunnels", "join")["state"] == wanted).then_some(());
        wait_for(&format!("tunnel that is {wanted}"), RECOVERY, shown);
    };
    for (netns, link) in [(&lab.a.gateway, "wan0"), (&lab.wire, "wan-a")] {
        netns.ip(&format!("link set {link} down"));
        tunnel_is("no path");
        assert!(!answers(&lab.a.host, Side::B.host()));
        netns.ip(&format!("link set {link} up"));
        tunnel_is("up");
        println!("{link}: {:?}", lab.a.wait_for_other_host(RECOVERY));
    }
    lab.a.gateway.ip("link set lan0 down");
    wait_for("port that is down", RECOVERY, || {
        (Status(a.show()).named("ports", "lan")["up"] == false).then_some(())
    });
    lab.a.gateway.ip("link set lan0 up");
    println!("lan0: {:?}", lab.a.wait_for_other_host(RECOVERY));
}

#[test]
fn a_lan_address_that_changes_is_the_new_face_of_the_gateway() {
    let lab = Lab::new();
    let (_a, _b) = lab.join(gcm());
    assert!(lab.a.reaches_other_host());
    lab.a.gateway.ip("addr del 10.1.0.1/24 dev lan0");
    lab.a.gateway.ip("addr add 10.1.0.254/24 dev lan0");
    lab.a.host.ip("route replace default via 10.1.0.254");
    println!("{:?}", lab.a.wait_for_other_host(RECOVERY));
    let probe = ["-n", "-c", "1", "-W", "1", "-t", "1", Side::B.host()];
    let heard = || {
        let said = said(&output(lab.a.host.command("ping").args(probe)));
        said.contains("From 10.1.0.254 ").then_some(())
    };
    wait_for("error from the new address", RECOVERY, heard);
    assert!(answers(&lab.a.host, "10.1.0.254"), "the kernel no longer has its address");
    assert!(answers(&lab.b.host, "10.1.0.254"), "nobody answers at the far end of the tunnel");
}

/// A second card towards the same provider.
#[test]
fn a_tunnel_follows_its_route_to_another_port() {
    let lab = Lab::new();
    veth(lab.a.gateway.nic("wan1"), lab.wire.nic("wan-a2"), 1);
    lab.wire.nic("wan-a2").enslave("bridge");
    lab.a.gateway.nic("wan1").address("198.51.100.1/24");
    let port = "\n[[port]]\nname = \"second\"\ndevice = \"wan1\"\nrole = \"outside\"\n\
                addresses = [\"198.51.100.1/24\"]\n";
    let a = lab.a.start_with(gcm(), 1, port);
    let _b = lab.b.start(gcm());
    assert!(lab.a.reaches_other_host());
    assert_eq!(Status(a.show()).named("tunnels", "join")["egress"], "wan");
    for (route, port, other) in [("add", "second", "wan"), ("del", "wan", "second")] {
        lab.a.gateway.ip(&format!("route {route} 203.0.113.2/32 dev wan1"));
        let moved = || (Status(a.show()).named("tunnels", "join")["egress"] == port).then_some(());
        wait_for(&format!("tunnel on port {port}"), RECOVERY, moved);
        println!("{port}: {:?}", lab.a.wait_for_other_host(RECOVERY));
        let before = Status(a.show());
        assert_eq!(lab.a.host.ping(Side::B.host(), 3, 100), 3);
        let after = Status(a.show());
        let sent = |port| after.port(port, "tx_packets") - before.port(port, "tx_packets");
        assert_eq!((sent(port), sent(other)), (3, 0), "{port}");
    }
}

/// Nothing of a site may leave in clear while the way of its tunnel comes and goes.
#[test]
fn nothing_leaves_in_clear_while_the_way_changes() {
    let lab = Lab::new();
    let (_a, _b) = lab.join(gcm());
    assert!(lab.a.reaches_other_host());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("wire.pcap");
    let capture = Capture::start(lab.wire.nic("bridge"), "ip", &file);
    let mut load = lab.a.host.spawn(&format!("ping -n -q -i 0.01 -w 3 {}", Side::B.host()));
    change_ways(&lab.a.gateway);
    wait_for("end of the load", Duration::from_secs(10), || load.ended());
    let wire = Tshark::new(&capture.finish());
    let clear = "ip.addr == 10.0.0.0/8";
    assert_eq!(wire.count(clear), 0, "{}", wire.summary(clear));
    lab.a.wait_for_other_host(RECOVERY);
}

fn change_ways(gateway: &Netns) {
    for _ in 0..5 {
        gateway.ip("link set wan0 down");
        gateway.ip("link set wan0 up");
        gateway.ip("addr del 203.0.113.1/24 dev wan0");
        gateway.ip("route add 10.2.0.0/24 dev wan0");
        gateway.ip("addr add 203.0.113.1/24 dev wan0");
        gateway.ip("route del 10.2.0.0/24 dev wan0");
    }
}
