//! The kernel stays the host's stack, and the gateway is a router among routers: what it does not
//! own reaches the kernel, and what it does own gets the answers that routers give.

use std::time::Duration;

use tests::{
    capture::Capture,
    iperf::{Way, measure, serve},
    manual_sa::Suite,
    netns::Netns,
    process::{output, said, wait_for},
    site::{Join, Side},
    tshark::Tshark,
};

use crate::{
    lab::Lab,
    status::{Status, number},
};

#[test]
fn ping_and_tcp_to_the_gateway_itself_are_the_kernels() {
    let lab = Lab::new();
    let a = lab.a.start(Join::Esp(Suite::named("aes256gcm16")));
    let _server = serve(&lab.a.gateway);
    for (client, address) in [(&lab.a.host, Side::A.gateway()), (&lab.b.gateway, Side::A.wan())] {
        assert_eq!(client.ping(address, 3, 1400), 3, "{address}");
        let rate = measure(client, address, Way::Up, 1, "20M").expect(address);
        assert!(rate > 10e6, "{address}: {rate} bit/s");
    }
    let status = Status(a.show());
    for port in ["lan", "wan"] {
        assert_eq!(status.port(port, "rx_packets"), 0, "{port}: the gateway took the kernel's");
    }
}

/// The first ping needs a neighbour on the outside of A, on the inside of B, and on the way back on
/// the outside of B and the inside of A.
#[test]
fn the_first_ping_through_unresolved_neighbours_is_not_lost() {
    let lab = Lab::new();
    let (a, b) = lab.join(Join::Esp(Suite::named("aes128gcm16")));
    let mut times = Vec::new();
    for round in 0..5 {
        for netns in [&lab.a.host, &lab.a.gateway, &lab.b.gateway, &lab.b.host] {
            netns.ip("neigh flush all");
        }
        let unresolved = |show| Status(show).0["neighbors"].to_string().contains("unresolved");
        let cold = || (unresolved(a.show()) && unresolved(b.show())).then_some(());
        if round > 0 {
            wait_for("cold neighbours", Duration::from_secs(5), cold);
        }
        let said = ping(&lab.a.host, Side::B.host());
        assert!(said.contains(" 1 received"), "round {round}: {said}");
        let ms = said.split("time=").nth(1).and_then(|rest| rest.split(' ').next());
        times.extend(ms.map(|ms| ms.parse::<f64>().expect("milliseconds")));
    }
    println!("{times:?} ms");
    // A request that gets lost inside is made again, after half a second.
    assert!(times.iter().any(|ms| *ms < 100.0), "{times:?} ms");
    for gateway in [&a, &b] {
        assert_eq!(Status(gateway.show()).all_drops(), []);
    }
    let held = number(&a.show()["workers"][0]["held"]);
    assert!(held >= 5, "{held} packets were held: the neighbours were not cold");
}

#[test]
fn a_packet_that_does_not_fit_is_told_the_exact_size_or_cut() {
    // 1500 less: 20 of IP, 8 of ESP, IV, ICV, and what the block and two bytes of trailer take.
    let joins = [
        (Join::Esp(Suite::named("aes128gcm16")), 1446),
        (Join::Vti(Suite::named("aes256-sha256")), 1438),
        (Join::Gre, 1476),
    ];
    let lab = Lab::new();
    for (join, mtu) in joins {
        let (a, _b) = lab.join(join);
        lab.a.host.ip("route flush cache");
        let said = ping(&lab.a.host, &format!("-M do -s 1472 {}", Side::B.host()));
        let told = format!("From {} icmp_seq=1 Frag needed and DF set (mtu = {mtu})", "10.1.0.1");
        assert!(said.contains(&told), "{join}: {said}");
        let said = ping(&lab.a.host, &format!("-M do -s {} {}", mtu - 28, Side::B.host()));
        assert!(said.contains(" 1 received"), "{join}: the told size does not fit: {said}");
        assert_eq!(number(&Status(a.show()).named("tunnels", "join")["mtu"]), mtu, "{join}");

        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("host.pcap");
        let capture = Capture::start(lab.b.host.nic("eth0"), "icmp", &file);
        // Forgotten, what was told is no longer obeyed: the host cuts to 1500.
        lab.a.host.ip("route flush cache");
        let said = ping(&lab.a.host, &format!("-M dont -s 3000 {}", Side::B.host()));
        assert!(said.contains(" 1 received"), "{join}: {said}");
        let arrived = Tshark::new(&capture.finish());
        arrived.assert_well_formed();
        let from_a = format!("ip.src == {}", Side::A.host());
        // The host cuts to 1500; the gateway cuts what is still too big.
        let pieces =
            arrived.count(&format!("{from_a} && (ip.flags.mf == 1 || ip.frag_offset > 0)"));
        assert!(pieces > 3, "{join}: {pieces} pieces");
        assert_eq!(arrived.count(&format!("{from_a} && ip.len > {mtu}")), 0, "{join}");
    }
}

#[test]
fn a_probe_whose_ttl_ends_here_is_answered_from_the_lan_address() {
    let lab = Lab::new();
    let (a, _b) = lab.join(Join::Esp(Suite::named("aes128-sha1")));
    let said = ping(&lab.a.host, &format!("-t 1 {}", Side::B.host()));
    assert!(said.contains("From 10.1.0.1 icmp_seq=1 Time to live exceeded"), "{said}");
    assert_eq!(Status(a.show()).drops("ttl_expired"), 1);
    // The second hop is the other gateway, and it answers through the tunnel.
    let said = ping(&lab.a.host, &format!("-t 2 {}", Side::B.host()));
    assert!(said.contains("icmp_seq=1 Time to live exceeded"), "{said}");
}

/// One ping; what it said.
fn ping(from: &Netns, words: &str) -> String {
    let mut command = from.command("ping");
    said(&output(command.args(["-n", "-c", "1", "-W", "2"]).args(words.split(' '))))
}
