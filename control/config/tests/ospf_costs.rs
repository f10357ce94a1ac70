//! What interfaces of OSPF cost: as written, by bandwidth, or by the device's speed.

use config::{Ospf, OspfCost, parse};

const GATEWAY: &str = r#"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["203.0.113.1/24"]
[[tunnel]]
name = "far"
kind = "gre"
local = "203.0.113.1"
remote = "203.0.113.2"
address = "10.255.0.1/30"
"#;

fn ospf(router: &str, lan: &str, far: &str) -> Ospf {
    let text = format!(
        "{GATEWAY}[ospf]\n{router}\n[[ospf.interface]]\nname = \"lan\"\n{lan}\n\
         [[ospf.interface]]\nname = \"far\"\n{far}\n"
    );
    let config = parse("test.toml", &text, "").unwrap_or_else(|report| panic!("{report}"));
    config.ospf.expect("a router")
}

fn costs(router: &str, lan: &str, far: &str) -> [OspfCost; 2] {
    let ospf = ospf(router, lan, far);
    [0, 1].map(|n| ospf.interfaces[n].cost)
}

#[test]
fn a_cost_is_what_is_written_or_follows_from_the_bandwidth() {
    use OspfCost::{BySpeed, Fixed};
    let by_100g = BySpeed { reference_kbit: 100_000_000 };
    let reference = "reference_bandwidth = \"100Gbit\"";
    for (router, lan, far, expected) in [
        ("", "", "", [Fixed(10), Fixed(10)]),
        (reference, "", "", [by_100g, Fixed(10)]),
        ("reference_bandwidth = 100000", "", "cost = 7", [by_100g, Fixed(7)]),
        (reference, "bandwidth = \"2.5Gbit\"", "bandwidth = 1000", [Fixed(40), Fixed(100)]),
        (reference, "bandwidth = \"400Gbit\"", "bandwidth = \"64kbit\"", [Fixed(1), Fixed(65535)]),
        (
            reference,
            "bandwidth = 10\ncost = 3",
            "bandwidth = \"10 Mbit\"",
            [Fixed(3), Fixed(10_000)],
        ),
        ("", "bandwidth = 10\ncost = 3", "", [Fixed(3), Fixed(10)]),
    ] {
        assert_eq!(costs(router, lan, far), expected, "{router} {lan} {far}");
    }
}

#[test]
fn a_device_costs_by_its_speed_and_as_by_default_where_it_does_not_tell() {
    let cost = OspfCost::BySpeed { reference_kbit: 100_000_000 };
    let by = |mbit: u64| cost.now(Some(mbit * 1000));
    assert_eq!([by(100_000), by(200_000), by(1000), by(1)], [1, 1, 100, 65535]);
    assert_eq!([cost.now(None), OspfCost::Fixed(7).now(Some(1))], [10, 7]);
}

#[test]
fn the_kernel_gets_routes_where_that_is_asked_for() {
    assert!(!ospf("", "", "").kernel_routes);
    assert!(ospf("kernel_routes = true", "", "").kernel_routes);
}
