//! The tunnels to try: what fastgw is told and what the kernel is told.

use std::path::Path;

use tests::manual_sa::{SUITES, Sa, Suite};

use crate::lab::{GATEWAY_WAN, PEER_WAN};

/// A tunnel between the two sites.
pub struct Case {
    /// Its name in the report.
    pub name: String,
    /// What it is made of.
    pub kind: Kind,
}

/// The kinds of tunnel; a pair of SAs is what fastgw sends and what it receives.
pub enum Kind {
    /// ESP in tunnel mode between two subnets.
    Esp { outbound: Sa, inbound: Sa },
    /// ESP in tunnel mode behind a tunnel interface.
    Vti { outbound: Sa, inbound: Sa },
    /// GRE or IPIP in clear.
    Clear(Carrier),
    /// GRE or IPIP under ESP, in `transport` or `tunnel` mode.
    Covered { carrier: Carrier, mode: &'static str, outbound: Sa, inbound: Sa },
}

/// The header that a route-based tunnel brings.
#[derive(Clone, Copy)]
pub enum Carrier {
    /// GRE.
    Gre,
    /// GRE with a key.
    GreKey,
    /// IPv4 in IPv4.
    Ipip,
}

impl Carrier {
    const ALL: [Self; 3] = [Self::Gre, Self::GreKey, Self::Ipip];

    fn name(self) -> &'static str {
        match self {
            Self::Gre => "gre",
            Self::GreKey => "gre key 42",
            Self::Ipip => "ipip",
        }
    }

    /// The lines of `[[tunnel]]`.
    fn toml(self) -> &'static str {
        match self {
            Self::Gre => "kind = \"gre\"\n",
            Self::GreKey => "kind = \"gre\"\nkey = 42\n",
            Self::Ipip => "kind = \"ipip\"\n",
        }
    }

    /// The guest's tunnel device and what leads into it.
    fn link(self) -> String {
        let (kind, key) = match self {
            Self::Gre => ("gre", ""),
            Self::GreKey => ("gre", "key 42"),
            Self::Ipip => ("ipip", ""),
        };
        format!(
            "ip link add tunnel0 type {kind} local {PEER_WAN} remote {GATEWAY_WAN} ttl 64 {key}
            ip link set tunnel0 up
            ip route add 10.1.0.0/24 dev tunnel0"
        )
    }

    /// IP protocol number.
    fn protocol(self) -> u8 {
        if matches!(self, Self::Ipip) { 4 } else { 47 }
    }
}

/// Every suite as a policy, one of each construction behind a VTI, and every carrier under every
/// cover.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in &SUITES {
        let (outbound, inbound) = pair(suite, cases.len());
        cases.push(Case {
            name: format!("esp {}", suite.name),
            kind: Kind::Esp { outbound, inbound },
        });
    }
    for name in ["aes256gcm16", "aes128-sha256", "null-sha1"] {
        let (outbound, inbound) = pair(Suite::named(name), cases.len());
        cases.push(Case { name: format!("vti {name}"), kind: Kind::Vti { outbound, inbound } });
    }
    for carrier in Carrier::ALL {
        let name = carrier.name();
        cases.push(Case { name: name.to_owned(), kind: Kind::Clear(carrier) });
        for (mode, suite) in [("transport", "aes128gcm16"), ("tunnel", "aes256-sha256")] {
            let (outbound, inbound) = pair(Suite::named(suite), cases.len());
            let kind = Kind::Covered { carrier, mode, outbound, inbound };
            cases.push(Case { name: format!("{name} {mode} {suite}"), kind });
        }
    }
    cases
}

impl Case {
    /// What fastgw is told.
    pub fn config(&self, socket: &Path) -> String {
        format!(
            r#"
[gateway]
name = "interop"
control_socket = "{}"

[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = ["10.1.0.1/24"]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["203.0.113.1/24"]

[[tunnel]]
name = "linux"
local = "{GATEWAY_WAN}"
remote = "{PEER_WAN}"
{}"#,
            socket.display(),
            self.tunnel(),
        )
    }

    /// What the guest is told, after it has forgotten the tunnel before.
    pub fn peer_script(&self) -> String {
        let reset = "ip xfrm state flush
            ip xfrm policy flush
            ip link del tunnel0 2>/dev/null || true
            ip route del 10.1.0.0/24 2>/dev/null || true";
        let own = match &self.kind {
            Kind::Esp { outbound, inbound } => {
                format!(
                    "{}\n{}\n{}\nip route add 10.1.0.0/24 dev eth0 src 10.2.0.1",
                    outbound.ip_xfrm_state_add("tunnel"),
                    inbound.ip_xfrm_state_add("tunnel"),
                    policies(
                        "src 10.2.0.0/24 dst 10.1.0.0/24",
                        "src 10.1.0.0/24 dst 10.2.0.0/24",
                        "tunnel",
                    ),
                )
            }
            Kind::Vti { outbound, inbound } => {
                format!(
                    "{}\n{}\n{}
                    ip link add tunnel0 type vti local {PEER_WAN} remote {GATEWAY_WAN} key 7
                    ip link set tunnel0 up
                    ip route add 10.1.0.0/24 dev tunnel0",
                    outbound.ip_xfrm_state_add("tunnel"),
                    inbound.ip_xfrm_state_add("tunnel"),
                    policies("mark 7", "mark 7", "tunnel"),
                )
            }
            Kind::Clear(carrier) => carrier.link(),
            Kind::Covered { carrier, mode, outbound, inbound } => {
                let protocol = carrier.protocol();
                let away = format!("src {PEER_WAN} dst {GATEWAY_WAN} proto {protocol}");
                let here = format!("src {GATEWAY_WAN} dst {PEER_WAN} proto {protocol}");
                format!(
                    "{}\n{}\n{}\n{}",
                    outbound.ip_xfrm_state_add(mode),
                    inbound.ip_xfrm_state_add(mode),
                    policies(&away, &here, mode),
                    carrier.link(),
                )
            }
        };
        format!("{reset}\n{own}")
    }

    /// What tshark calls the packets between the gateways.
    pub fn wire_filter(&self) -> &'static str {
        match &self.kind {
            Kind::Clear(Carrier::Ipip) => "ip.proto == 4",
            Kind::Clear(_) => "gre",
            _ => "esp",
        }
    }

    /// The SAs, if there are any: what fastgw sends, what it receives.
    pub fn sas(&self) -> Option<(&Sa, &Sa)> {
        match &self.kind {
            Kind::Esp { outbound, inbound }
            | Kind::Vti { outbound, inbound }
            | Kind::Covered { outbound, inbound, .. } => Some((outbound, inbound)),
            Kind::Clear(_) => None,
        }
    }

    fn tunnel(&self) -> String {
        let route = "[[route]]\nprefix = \"10.2.0.0/24\"\ntunnel = \"linux\"\n";
        match &self.kind {
            Kind::Esp { outbound, inbound } => format!(
                "kind = \"esp\"\nlocal_subnets = [\"10.1.0.0/24\"]\n\
                 remote_subnets = [\"10.2.0.0/24\"]\n{}",
                sa_tables(outbound, inbound),
            ),
            Kind::Vti { outbound, inbound } => {
                format!("kind = \"vti\"\n{}\n{route}", sa_tables(outbound, inbound))
            }
            Kind::Clear(carrier) => format!("{}\n{route}", carrier.toml()),
            Kind::Covered { carrier, mode, outbound, inbound } => {
                let tables = sa_tables(outbound, inbound)
                    .replace("[tunnel.sa]\n", &format!("[tunnel.sa]\nmode = \"{mode}\"\n"));
                format!("{}{tables}\n{route}", carrier.toml())
            }
        }
    }
}

fn sa_tables(outbound: &Sa, inbound: &Sa) -> String {
    format!(
        "\n[tunnel.sa]\nsuite = \"{}\"\n\n[tunnel.sa.out]\n{}\n[tunnel.sa.in]\n{}",
        outbound.suite.name,
        outbound.toml(),
        inbound.toml(),
    )
}

/// Policies of the guest for a tunnel in both directions.
fn policies(outbound: &str, inbound: &str, mode: &str) -> String {
    let away = format!("tmpl src {PEER_WAN} dst {GATEWAY_WAN} proto esp mode {mode}");
    let here = format!("tmpl src {GATEWAY_WAN} dst {PEER_WAN} proto esp mode {mode}");
    format!(
        "ip xfrm policy add {outbound} dir out {away}
        ip xfrm policy add {inbound} dir in {here}
        ip xfrm policy add {inbound} dir fwd {here}"
    )
}

/// SAs of one suite for both directions, with SPIs that no other case has.
fn pair(suite: &'static Suite, number: usize) -> (Sa, Sa) {
    let spi = 0x1000 + 2 * u32::try_from(number).expect("a handful of cases");
    let outbound = Sa { suite, spi, source: GATEWAY_WAN, destination: PEER_WAN };
    let inbound = Sa { suite, spi: spi + 1, source: PEER_WAN, destination: GATEWAY_WAN };
    (outbound, inbound)
}
