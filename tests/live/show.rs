//! The JSON of `fastgw show`, by name: what a script may rely on.

use serde_json::Value;
use tests::{
    manual_sa::Suite,
    process::run,
    site::{Join, Side},
};

use crate::lab::Lab;

/// The keys of an object, sorted.
fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().unwrap_or_else(|| panic!("an object, not {object}"));
    let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn scripts_find_everything_under_its_name() {
    let lab = Lab::new();
    let (a, _b) = lab.join(Join::Vti(Suite::named("aes256-sha256")));
    assert_eq!(lab.a.host.ping(Side::B.host(), 4, 100), 4);
    let show = a.show();
    assert_eq!(
        keys(&show),
        words("drops latency name neighbors pid ports routes sas tunnels uptime_s version workers")
    );
    assert_eq!((&show["name"], show["pid"].as_u64()), (&"site-A".into(), Some(a.id().into())));
    assert_eq!(
        keys(&show["workers"][0]),
        words(
            "busy_turns core fragments held icmp_sent icmp_withheld index punted rx_bytes \
                 rx_packets tx_bytes tx_packets"
        )
    );
    assert_eq!(
        keys(&show["ports"][0]),
        words(
            "addresses attach copy device fill_empty kernel_rx_dropped mac mtu name queues \
             ring_full role rx_bytes rx_packets syscalls tx_bytes tx_packets up"
        )
    );
    assert_eq!(
        keys(&show["tunnels"][0]),
        words(
            "egress in_bytes in_packets kind local mtu name nexthop out_bytes out_packets remote \
             state"
        )
    );
    assert_eq!(
        keys(&show["sas"][0]),
        words("bytes direction esn packets replay_window sequence spi suite tunnel worker")
    );
    assert_eq!(keys(&show["drops"][0]), words("count help reason"));
    assert_eq!(keys(&show["routes"][0]), words("prefix target"));
    assert_eq!(keys(&show["neighbors"][0]), words("address mac port state"));
    let latency = &show["latency"];
    assert_eq!(keys(latency), words("total workers"));
    assert_eq!(keys(&latency["workers"][0]), words("index stages"));
    assert_eq!(
        keys(&latency["total"]),
        words("arrival decap emit encap end_to_end open route transmit wait")
    );
    assert_eq!(
        keys(&latency["total"]["route"]),
        words("count max_ns p50_ns p90_ns p99_99_ns p99_9_ns p99_ns")
    );
}

/// Four pings of 128 bytes each way, as every list counts them: 14 bytes of Ethernet more inside,
/// and outside 70 with ESP's 8, its IV of 8, 4 of trailer, an ICV of 16 and 20 of IP.
#[test]
fn every_list_counts_the_same_packets() {
    let lab = Lab::new();
    let (a, _b) = lab.join(Join::Esp(Suite::named("aes256gcm16")));
    assert_eq!(lab.a.host.ping(Side::B.host(), 4, 100), 4);
    let show = a.show();
    for (port, length) in show["ports"].as_array().expect("ports").iter().zip([142, 198]) {
        for (name, expected) in [("packets", 4), ("bytes", 4 * length)] {
            assert_eq!(port[format!("rx_{name}")], expected, "{port:#}");
            assert_eq!(port[format!("tx_{name}")], expected, "{port:#}");
        }
        assert_eq!((&port["up"], &port["mtu"]), (&true.into(), &1500.into()));
    }
    let tunnel = &show["tunnels"][0];
    for (name, expected) in [("packets", 4), ("bytes", 4 * 128)] {
        assert_eq!(tunnel[format!("in_{name}")], expected, "{tunnel:#}");
        assert_eq!(tunnel[format!("out_{name}")], expected, "{tunnel:#}");
    }
    assert_eq!((&tunnel["state"], &tunnel["egress"]), (&"up".into(), &"wan".into()));
    for (sa, spi) in show["sas"].as_array().expect("SAs").iter().zip([0x1002, 0x1001]) {
        let counted = [&sa["spi"], &sa["packets"], &sa["bytes"], &sa["sequence"]];
        assert_eq!(counted, [spi, 4, 4 * 128, 4].map(Value::from).each_ref(), "{sa:#}");
    }
}

#[test]
fn a_section_is_shown_alone_and_as_a_table() {
    let lab = Lab::new();
    let a = lab.a.start(Join::Gre);
    let show = |words: &[&str]| {
        let mut command = std::process::Command::new(tests::gateway::binary());
        run(command.arg("show").args(words).arg("--socket").arg(a.socket()))
    };
    let drops: Value = serde_json::from_str(&show(&["drops", "--json"])).expect("JSON");
    assert_eq!(keys(&drops), words("drops name pid uptime_s version"));
    let table = show(&["ports"]);
    assert!(table.contains("lan0") && table.contains("10.1.0.1/24"), "{table}");
}
