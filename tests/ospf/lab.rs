//! The network: a host, fastgw, a LAN and FRR.

use std::{collections::BTreeSet, path::Path};

use tests::{
    gateway::Gateway,
    netns::{Netns, veth},
};

use crate::{
    cases::Case,
    checks::Ends,
    frr::{self, Frr},
};

/// Everything, running.
pub struct Lab {
    pub host: Netns,
    pub middle: Netns,
    pub router: Netns,
    pub gateway: Gateway,
    pub frr: Frr,
}

/// What is behind FRR.
pub const BEHIND_FRR: &str = "10.3.0.1";

impl Lab {
    /// Starts both routers.
    pub fn new(case: &Case) -> Self {
        let [host, middle, router] = network();
        if case.name.starts_with("MTU mismatch") {
            router.ip("link set eth0 mtu 1600");
        }
        let gateway = Gateway::start(&middle, |socket| config(case, socket));
        let mut frr = Frr::new(&router, case);
        frr.start();
        Self { host, middle, router, gateway, frr }
    }
}

/// A host, the place of fastgw, and that of its neighbour.
pub fn network() -> [Netns; 3] {
    let [host, middle, router] = ["host", "fastgw", "neighbor"].map(Netns::new);
    veth(host.nic("eth0"), middle.nic("site0"), 1);
    veth(middle.nic("lan0"), router.nic("eth0"), 1);
    host.nic("eth0").address("10.2.0.2/24");
    host.ip("route add default via 10.2.0.1");
    middle.nic("site0").address("10.2.0.1/24");
    middle.nic("lan0").address("10.1.0.1/24");
    router.nic("eth0").address("10.1.0.2/24");
    router.set("net/ipv4/ip_forward", "1");
    for (stub, address) in [("stub0", "10.3.0.1/24"), ("stub4", "10.4.0.1/24")] {
        router.ip(&format!("link add {stub} type veth peer name {stub}-far"));
        router.ip(&format!("link set {stub} up"));
        router.ip(&format!("link set {stub}-far up"));
        router.nic(stub).address(address);
    }
    router.ip("route add 172.30.0.0/16 via 10.3.0.9");
    [host, middle, router]
}

impl Ends for Lab {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    fn host(&self) -> &Netns {
        &self.host
    }

    fn state_of_us(&self) -> String {
        frr::state_of_us(&self.frr.show("ip ospf neighbor"))
    }

    fn prefixes(&self) -> BTreeSet<String> {
        frr::prefixes(&self.frr.show("ip ospf route"))
    }
}

/// fastgw's configuration.
pub fn config(case: &Case, socket: &Path) -> String {
    format!(
        r#"[gateway]
name = "middle"
control_socket = "{}"
[[port]]
name = "site"
device = "site0"
role = "inside"
[[port]]
name = "lan"
device = "lan0"
role = "inside"
{}"#,
        socket.display(),
        ospf(case),
    )
}

/// fastgw's `[ospf]` between the port `site` and a link of the name `lan`.
pub fn ospf(case: &Case) -> String {
    let Case { interface, router, sections, area, .. } = case;
    let site_area = if *area == 1 && case.name.contains("border") && !case.name.contains("FRR is") {
        0
    } else {
        *area
    };
    let has_hello = interface.contains("hello");
    let intervals = if has_hello { "" } else { "hello = 1" };
    format!(
        r#"[ospf]
router_id = "10.1.0.1"
{router}
[[ospf.interface]]
name = "site"
area = {site_area}
passive = true
[[ospf.interface]]
name = "lan"
area = {area}
{intervals}
{interface}
{sections}"#
    )
}
