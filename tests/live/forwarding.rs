//! Traffic of many flows and several workers, and between two inside ports.

use tests::{
    iperf::{Way, serve},
    manual_sa::Suite,
    netns::{Netns, veth},
    process::{output, said},
    site::{Join, Side},
};

use crate::{
    lab::Lab,
    load::Load,
    status::{Status, number},
};

const GENTLE: Load = Load { way: Way::Up, seconds: 2, flows: 16, rate: "300k", length: 300 };

#[test]
fn two_workers_share_many_flows_both_ways_and_lose_nothing() {
    let lab = Lab::with_queues(2);
    let join = Join::Esp(Suite::named("aes128gcm16"));
    let a = lab.a.start_with(join, 2, "");
    let b = lab.b.start_with(join, 2, "");
    let _server = serve(&lab.b.host);
    for way in [Way::Up, Way::Down] {
        let outcome = Load { way, ..GENTLE }.run(&lab.a.host, Side::B.host());
        println!("{way:?}: {outcome:?}");
        assert!(outcome.sent > 3000 && outcome.lost == 0, "{way:?}: {outcome:?}");
        // A server takes its socket down for a moment after each client.
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    for (name, gateway) in [("A", &a), ("B", &b)] {
        let show = gateway.show();
        let workers = show["workers"].as_array().expect("workers");
        let busy: Vec<u64> = workers.iter().map(|worker| number(&worker["busy_turns"])).collect();
        println!("{name}: busy turns {busy:?}");
        assert_eq!(busy.len(), 2);
        let total: u64 = busy.iter().sum();
        assert!(busy.iter().all(|turns| turns * 5 > total), "{name}: one idles: {busy:?}");
        let status = Status(show);
        // iperf3's own TCP connection learns the size of the path from one packet that is too big.
        let drops = status.all_drops();
        assert!(drops.iter().all(|(reason, _)| *reason == "too_big"), "{name}: {drops:?}");
        for port in ["lan", "wan"] {
            let lost = ["kernel_rx_dropped", "ring_full"].map(|field| status.port(port, field));
            assert_eq!(lost, [0, 0], "{name}, {port}");
        }
    }
}

/// 10.9.0.2 is behind a port of its own at gateway A. The kernels forward nothing.
#[test]
fn two_inside_ports_are_joined_in_clear() {
    let lab = Lab::new();
    let dmz = Netns::new("dmz");
    veth(dmz.nic("eth0"), lab.a.gateway.nic("dmz0"), 1);
    dmz.nic("eth0").address("10.9.0.2/24");
    dmz.ip("route add default via 10.9.0.1");
    lab.a.gateway.nic("dmz0").address("10.9.0.1/24");
    let port = "\n[[port]]\nname = \"dmz\"\ndevice = \"dmz0\"\nrole = \"inside\"\n\
                addresses = [\"10.9.0.1/24\"]\n";
    let a = lab.a.start_with(Join::Gre, 1, port);
    assert_eq!(lab.a.host.ping("10.9.0.2", 3, 1400), 3);
    assert_eq!(dmz.ping(Side::A.host(), 3, 1400), 3);
    let said = |words: &[&str]| said(&output(lab.a.host.command("ping").args(words)));
    let once = said(&["-n", "-c", "1", "-W", "2", "10.9.0.2"]);
    assert!(once.contains("ttl=63"), "the gateway is one hop: {once}");
    let _server = serve(&dmz);
    let outcome = GENTLE.run(&lab.a.host, "10.9.0.2");
    assert!(outcome.sent > 3000 && outcome.lost == 0, "{outcome:?}");

    lab.a.gateway.ip("link set dmz0 mtu 1300");
    let big = || said(&["-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1400", "10.9.0.2"]);
    let told = || big().contains("(mtu = 1300)").then_some(());
    tests::process::wait_for("the new MTU", std::time::Duration::from_secs(5), told);
    let status = Status(a.show());
    assert_eq!(status.all_drops(), [("too_big", status.drops("too_big"))]);
}
