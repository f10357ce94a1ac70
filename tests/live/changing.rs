//! What changes while the gateway runs: its configuration, its peers, the way to them.

use std::time::Duration;

use tests::{
    capture::Capture,
    gateway::Gateway,
    manual_sa::Suite,
    process::{output, run, wait_for},
    site::{Join, Side, port_tables, sa_tables},
    tshark::Tshark,
};

use crate::{
    inject::inject,
    lab::{End, Lab, answers},
    status::{Status, number},
};

/// Longest time in which a change is to have its effect.
const EFFECT: Duration = Duration::from_secs(5);

const OVERLAY: [&str; 2] = ["10.255.0.1", "10.255.0.2"];

fn overlay(side: Side) -> &'static str {
    OVERLAY[usize::from(side == Side::B)]
}

/// A multipoint tunnel, with the other site as its peer or without any.
fn cloud(side: Side, with_peer: bool, more: &str, socket: &std::path::Path) -> String {
    let (local, remote) = (side.wan(), side.other().wan());
    let (ours, theirs) = (overlay(side), overlay(side.other()));
    let sa = sa_tables(side, Suite::named("aes128gcm16"), "tunnel.peer.sa", "");
    let peer = format!(
        "[[tunnel.peer]]\nname = \"other\"\nremote = \"{remote}\"\naddress = \"{theirs}\"\n{sa}\n"
    );
    format!(
        "[gateway]\nname = \"cloud\"\ncontrol_socket = \"{}\"\n\n{}\n[[tunnel]]\n\
         name = \"dmvpn\"\nkind = \"mgre\"\nlocal = \"{local}\"\nkey = 7\n\
         address = \"{ours}/24\"\n{more}\n{}\n[[route]]\nprefix = \"{}\"\ntunnel = \"dmvpn\"\n\
         via = \"{theirs}\"\n",
        socket.display(),
        port_tables(side),
        if with_peer { peer.as_str() } else { "" },
        side.other().lan(),
    )
}

fn sequence(gateway: &Gateway) -> u64 {
    let show = gateway.show();
    let sas = show["sas"].as_array().expect("SAs");
    let outbound = sas.iter().find(|sa| sa["direction"] == "out").expect("an outbound SA");
    number(&outbound["sequence"])
}

#[test]
fn peers_of_a_multipoint_tunnel_come_and_go_and_the_rest_is_not_touched() {
    let lab = Lab::new();
    let start = |end: &End, with_peer: bool| {
        Gateway::start(&end.gateway, |socket| cloud(end.side, with_peer, "", socket))
    };
    let (a, _b) = (start(&lab.a, false), start(&lab.b, true));
    assert!(!lab.a.reaches_other_host());
    assert!(Status(a.show()).drops("nbma_unknown") > 0);

    let text = |with_peer, more: &str| cloud(Side::A, with_peer, more, &a.socket());
    a.reload(&text(true, ""));
    lab.a.wait_for_other_host(EFFECT);
    assert_eq!(lab.a.host.ping(Side::B.host(), 3, 1000), 3);

    // The SA goes on counting: with a number that was seen before its packets would be dropped.
    let before = sequence(&a);
    a.reload(&text(true, "mtu = 1300"));
    assert_eq!(sequence(&a), before);
    assert_eq!(number(&Status(a.show()).named("tunnels", "other")["mtu"]), 1300);
    assert_eq!(lab.a.host.ping(Side::B.host(), 3, 1000), 3);

    a.try_to_reload("[gateway]\nname = 7\n");
    let told = || a.log().contains("is not applied; all stays as it was").then_some(());
    wait_for("refusal of a broken file", EFFECT, told);
    assert!(lab.a.reaches_other_host());

    a.reload(&text(false, ""));
    assert!(!answers(&lab.a.host, Side::B.host()));
    let (status, _) = a.stop();
    assert!(status.success());
}

#[test]
fn a_router_that_cannot_carry_our_packets_is_believed_within_bounds() {
    let lab = Lab::new();
    let (a, _b) = lab.join(Join::Esp(Suite::named("aes128gcm16")));
    assert!(lab.a.reaches_other_host());
    let mtu = || number(&Status(a.show()).named("tunnels", "join")["mtu"]);
    let whole = mtu();
    let said = run(lab.a.gateway.command("cat").arg("/sys/class/net/wan0/address"));
    let mac = said.trim();
    let (ours, theirs) = (Side::A.wan(), Side::B.wan());
    let complain = |spi: &str, size: &str| {
        let words = ["too_big", mac, "203.0.113.99", ours, theirs, spi, size];
        assert_eq!(inject(lab.outside(&lab.a), &words), 1);
    };
    complain("4242", "1000");
    complain("4097", "1400");
    wait_for("the smaller path MTU", EFFECT, || (mtu() == whole - 100).then_some(()));
    // What a path carries only falls, and not to nothing.
    complain("4097", "1450");
    complain("4097", "100");
    // IPv6 needs this much: from here on routers may cut what we send (RFC 4213 3.2.2).
    wait_for("the smallest MTU", EFFECT, || (mtu() >= 1280 && mtu() < whole - 100).then_some(()));
    // The first is answered with the size that fits, the second goes in fragments.
    assert!(lab.a.host.ping(Side::B.host(), 2, 1400) >= 1);
}

#[test]
fn a_nat_is_reminded_of_us_when_nothing_else_is_sent() {
    let lab = Lab::new();
    let start = |end: &End| {
        Gateway::start(&end.gateway, |socket| {
            let side = end.side;
            let (local, remote) = (side.wan(), side.other().wan());
            let lines = "udp_encapsulation = true\nkeepalive = 1\n";
            let sa = sa_tables(side, Suite::named("aes256gcm16"), "tunnel.sa", lines);
            format!(
                "[gateway]\nname = \"nat\"\ncontrol_socket = \"{}\"\n\n{}\n[[tunnel]]\n\
                 name = \"join\"\nkind = \"vti\"\nlocal = \"{local}\"\nremote = \"{remote}\"\n\
                 {sa}\n[[route]]\nprefix = \"{}\"\ntunnel = \"join\"\n",
                socket.display(),
                port_tables(side),
                side.other().lan(),
            )
        })
    };
    let _gateways = (start(&lab.a), start(&lab.b));
    lab.a.wait_for_other_host(EFFECT);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let filter = "udp port 4500 or icmp";
    let capture = Capture::start(lab.outside(&lab.a), filter, &folder.path().join("wan.pcap"));
    assert_eq!(lab.a.host.ping(Side::B.host(), 2, 100), 2);
    output(std::process::Command::new("sleep").arg("3.5"));
    let capture = Tshark::new(&capture.finish());
    capture.assert_well_formed();
    assert_eq!(capture.count("esp"), 4);
    for side in [Side::A, Side::B] {
        let from = format!("ip.src == {} && udp.length == 9 && udpencap.nat_keepalive", side.wan());
        assert!(capture.count(&from) >= 2, "{}", capture.summary("udp"));
    }
    assert_eq!(capture.count("icmp && !esp"), 0, "nobody complains about a keepalive");
}

/// One site's end of a VTI; `peer` is what stands for the other one.
fn vti(side: Side, peer: &str, more: &str, socket: &std::path::Path) -> String {
    format!(
        "[gateway]\nname = \"vti\"\ncontrol_socket = \"{}\"\n\n{}\n[[tunnel]]\nname = \"join\"\n\
         kind = \"vti\"\nlocal = \"{}\"\n{peer}\n{more}",
        socket.display(),
        port_tables(side),
        side.wan(),
    )
}

fn to_one_peer(side: Side) -> String {
    let sa = sa_tables(side, Suite::named("aes128gcm16"), "tunnel.sa", "");
    let (remote, prefix) = (side.other().wan(), side.other().lan());
    format!("remote = \"{remote}\"\n{sa}\n[[route]]\nprefix = \"{prefix}\"\ntunnel = \"join\"\n")
}

#[test]
fn a_hub_finds_a_peer_that_may_be_anywhere_by_its_first_packet() {
    let lab = Lab::new();
    let anywhere = |side: Side| {
        let sa = sa_tables(side, Suite::named("aes128gcm16"), "tunnel.peer.sa", "");
        let subnet = side.other().lan();
        format!(
            "\n[[tunnel.peer]]\nname = \"branch\"\nremote = \"any\"\nsubnets = [\"{subnet}\"]\n{sa}"
        )
    };
    let hub = Gateway::start(&lab.a.gateway, |socket| vti(Side::A, &anywhere(Side::A), "", socket));
    let spoke = |socket: &std::path::Path| vti(Side::B, &to_one_peer(Side::B), "", socket);
    let _spoke = Gateway::start(&lab.b.gateway, spoke);
    assert!(!answers(&lab.a.host, Side::B.host()), "nobody knows where the branch is");
    assert!(Status(hub.show()).drops("tunnel_no_path") > 0);
    lab.b.wait_for_other_host(EFFECT);
    assert_eq!(lab.a.host.ping(Side::B.host(), 2, 100), 2);
    let show = hub.show();
    assert_eq!(Status(show).named("tunnels", "branch")["remote"], Side::B.wan());
    assert!(hub.log().contains("tunnel branch: its peer is at 203.0.113.2 now"));
}

#[test]
fn multicast_is_routed_into_a_vti_and_out_to_the_lan() {
    let lab = Lab::new();
    let group = "\n[[route]]\nprefix = \"239.1.1.0/24\"\n";
    let out = |socket: &std::path::Path| {
        vti(Side::A, &to_one_peer(Side::A), &format!("{group}tunnel = \"join\"\n"), socket)
    };
    let into = |socket: &std::path::Path| {
        vti(Side::B, &to_one_peer(Side::B), &format!("{group}port = \"lan\"\n"), socket)
    };
    let _a = Gateway::start(&lab.a.gateway, out);
    let _b = Gateway::start(&lab.b.gateway, into);
    lab.a.wait_for_other_host(EFFECT);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("lan.pcap");
    let capture = Capture::start(lab.b.host.nic("eth0"), "net 239.0.0.0/8", &file);
    lab.a.host.ip("route add 239.0.0.0/8 dev eth0");
    output(lab.a.host.command("ping").args(["-n", "-c", "3", "-i", "0.2", "-t", "8", "239.1.1.9"]));
    let capture = Tshark::new(&capture.finish());
    capture.assert_well_formed();
    let arrived = "ip.dst == 239.1.1.9 && ip.ttl == 6 && eth.dst == 01:00:5e:01:01:09";
    assert_eq!(capture.count(arrived), 3, "{}", capture.summary("ip"));
}
