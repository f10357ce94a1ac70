//! Two gateways whose sites find each other by OSPF, through tunnels of several kinds: no route is
//! written down.

use std::time::Duration;

use tests::{
    gateway::Gateway,
    process::wait_for,
    site::{Side, port_tables},
};

use crate::lab::{End, Lab};

/// Longest time in which sites find each other, or again.
const LIMIT: Duration = Duration::from_secs(20);

const IKE: &str = "ike = \"other\"\n";

fn start(end: &End, kind: &str, protection: &str, more: &str) -> Gateway {
    let (side, other) = (end.side, end.side.other());
    let address = |side| if side == Side::A { "10.255.0.1/30" } else { "10.255.0.2/30" };
    Gateway::start(&end.gateway, |socket| {
        let peer = if protection.is_empty() {
            String::new()
        } else {
            format!(
                "[[ike]]\nname = \"other\"\nlocal = \"{}\"\nremote = \"{}\"\n\
                 psk = \"a secret that nobody guesses\"\n",
                side.wan(),
                other.wan()
            )
        };
        format!(
            r#"[gateway]
name = "site-{side:?}"
control_socket = "{}"
{}
{peer}
[[tunnel]]
name = "join"
kind = "{kind}"
local = "{}"
remote = "{}"
address = "{}"
{protection}
[ospf]
[[ospf.interface]]
name = "join"
hello = 1
{more}
[[ospf.interface]]
name = "lan"
passive = true
"#,
            socket.display(),
            port_tables(side),
            side.wan(),
            other.wan(),
            address(side),
        )
    })
}

/// The state of the only neighbour.
fn neighbour(gateway: &Gateway) -> Option<String> {
    let show = gateway.show();
    show["ospf"]["neighbors"][0]["state"].as_str().map(str::to_owned)
}

fn sites_find_each_other(kind: &str, protection: &str, more: &str) {
    let lab = Lab::new();
    let (a, b) = (start(&lab.a, kind, protection, more), start(&lab.b, kind, protection, more));
    println!("{kind}: {:?}", lab.a.wait_for_other_host(LIMIT));
    assert_eq!(lab.b.host.ping(Side::A.host(), 5, 1000), 5);
    for gateway in [&a, &b] {
        assert_eq!(neighbour(gateway).as_deref(), Some("Full"));
    }
    let routes = a.show_section("ospf")["ospf"]["routes"].clone();
    let routes = routes.as_array().expect("a list");
    let learned = routes.iter().find(|route| route["prefix"] == Side::B.lan());
    assert_eq!(learned.expect("the other site's network")["next_hops"][0]["interface"], "join");
    // Who goes without a word is missed, and found again.
    drop(b);
    let gone = || neighbour(&a).is_none().then_some(());
    wait_for("end of the neighbour", LIMIT, gone);
    assert!(!lab.a.reaches_other_host());
    let _b = start(&lab.b, kind, protection, more);
    lab.a.wait_for_other_host(LIMIT);
}

#[test]
fn through_gre_in_clear() {
    sites_find_each_other("gre", "", "");
}

#[test]
fn through_ip_in_ip_with_a_designated_router() {
    sites_find_each_other("ipip", "", "network = \"broadcast\"");
}

#[test]
fn through_esp_by_route_with_digests() {
    let key = "[[ospf.interface.key]]\nid = 1\nsecret = \"between us\"\n";
    sites_find_each_other("vti", IKE, key);
}

#[test]
fn through_gre_under_esp() {
    sites_find_each_other("gre", IKE, "");
}
