//! fastgw and FRR in a guest, on the ends of a tunnel that the guest's kernel makes.
//!
//! ```text
//! host             fastgw                     wire                    the guest
//! eth0 ------- site0     wan0 203.0.113.1 -- bridge -- eth0 203.0.113.2   stub0 ------- site
//! 10.2.0.2   10.2.0.1  10.1.0.1 ============ tunnel ============ 10.1.0.2  10.3.0.1  10.3.0.2
//! ```

use std::{collections::BTreeSet, path::Path, time::Duration};

use serde_json::Value;
use tests::{
    gateway::Gateway,
    manual_sa::{Sa, Suite},
    netns::{Netns, answered, veth},
    peer::{Peer, batched},
    process::{output, said},
    report::Row,
};

use crate::{
    cases::{Case, P2P, PLAIN},
    checks::{self, Ends, Outcome},
    frr, lab,
};

const OURS: &str = "203.0.113.1";
const THEIRS: &str = "203.0.113.2";
/// The host behind fastgw, and the one behind FRR.
const HOSTS: [&str; 2] = ["10.2.0.2", "10.3.0.2"];

/// The test and the guest, on a link beside the wire.
const ASIDE: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
/// The network of the host behind fastgw.
const OUR_SITE: &str = "10.2.0.0/24";

/// The routing daemons may take this long to end, start or answer under emulation.
const LIMIT: Duration = Duration::from_secs(60);

/// What carries OSPF.
enum Kind {
    /// GRE between two, in clear or under ESP transport.
    Gre,
    /// ESP by itself.
    Vti,
    /// GRE with a key between more than two.
    MultipointGre,
}

/// One row.
pub struct Tunnel {
    kind: Kind,
    /// The suite of ESP, where there is one.
    esp: Option<&'static str>,
    case: Case,
}

/// All rows.
pub fn all() -> Vec<Tunnel> {
    let broadcast = |name, interface, frr_interface, roles| Tunnel {
        kind: Kind::Gre,
        esp: None,
        case: Case { name, interface, frr_interface, roles, ..PLAIN },
    };
    vec![
        Tunnel { kind: Kind::Gre, esp: None, case: Case { name: "GRE, point-to-point", ..P2P } },
        broadcast(
            "GRE, broadcast, FRR never DR",
            "network = \"broadcast\"\npriority = 2",
            "ip ospf network broadcast\nip ospf priority 0",
            ("DR", "DROther"),
        ),
        broadcast(
            "GRE, broadcast, fastgw never DR",
            "network = \"broadcast\"\npriority = 0",
            "ip ospf network broadcast\nip ospf priority 2",
            ("DROther", "DR"),
        ),
        Tunnel {
            kind: Kind::Vti,
            esp: Some("aes128gcm16"),
            case: Case { name: "VTI, AES-GCM", ..P2P },
        },
        Tunnel {
            kind: Kind::Gre,
            esp: Some("aes256-sha256"),
            case: Case { name: "GRE in ESP transport, AES-CBC", ..P2P },
        },
        Tunnel {
            kind: Kind::MultipointGre,
            esp: None,
            case: Case {
                name: "mGRE, point-to-multipoint",
                interface: "hello = 1",
                frr_interface: "ip ospf network point-to-multipoint",
                learns: &[("10.3.0.0/24", "N"), ("10.1.0.2/32", "N")],
                ..P2P
            },
        },
    ]
}

impl Tunnel {
    /// Its name in the report.
    pub fn name(&self) -> &'static str {
        self.case.name
    }

    /// What fastgw sends and what it receives.
    fn sas(&self) -> Option<[Sa; 2]> {
        let suite = Suite::named(self.esp?);
        let outbound = Sa { suite, spi: 0x6001, source: OURS, destination: THEIRS };
        let inbound = Sa { suite, spi: 0x6002, source: THEIRS, destination: OURS };
        Some([outbound, inbound])
    }

    /// fastgw's configuration.
    fn config(&self, socket: &Path) -> String {
        let kind = match self.kind {
            Kind::Gre => format!("kind = \"gre\"\nremote = \"{THEIRS}\""),
            Kind::Vti => format!("kind = \"vti\"\nremote = \"{THEIRS}\""),
            Kind::MultipointGre => format!(
                "kind = \"mgre\"\nkey = 42\n[[tunnel.peer]]\nname = \"frr\"\n\
                 remote = \"{THEIRS}\"\naddress = \"10.1.0.2\""
            ),
        };
        let esp = self.sas().map(|[outbound, inbound]| {
            let mode = if matches!(self.kind, Kind::Gre) { "mode = \"transport\"" } else { "" };
            let (suite, out, into) = (outbound.suite.name, outbound.toml(), inbound.toml());
            format!(
                "[tunnel.sa]\nsuite = \"{suite}\"\n{mode}\n\
                 [tunnel.sa.out]\n{out}\n[tunnel.sa.in]\n{into}"
            )
        });
        format!(
            r#"[gateway]
name = "middle"
control_socket = "{}"
[[port]]
name = "site"
device = "site0"
role = "inside"
[[port]]
name = "wan"
device = "wan0"
role = "outside"
[[tunnel]]
name = "lan"
local = "{OURS}"
address = "10.1.0.1/24"
mtu = 1400
{kind}
{}
{}"#,
            socket.display(),
            esp.unwrap_or_default(),
            lab::ospf(&self.case),
        )
    }

    /// What makes the guest the other end.
    fn script(&self) -> String {
        let mut lines = "pkill -x ospfd || true
            while pgrep -x ospfd; do sleep 0.05; done
            ip link del tunnel0 2> /dev/null || true
            ip xfrm state flush
            ip xfrm policy flush\n"
            .to_owned();
        let between = format!("local {THEIRS} remote {OURS}");
        let (kind, mode, selector) = match self.kind {
            Kind::Gre => (format!("gre {between} ttl 64"), "transport", "proto 47"),
            Kind::Vti => (format!("vti {between} key 7"), "tunnel", "mark 7"),
            Kind::MultipointGre => (format!("gre local {THEIRS} key 42 ttl 64"), "", ""),
        };
        for sa in self.sas().into_iter().flatten() {
            lines += &sa.ip_xfrm_state_add(&format!("mode {mode} replay-window 64"));
            let (from, to) = (sa.source, sa.destination);
            let inside = match self.kind {
                Kind::Vti => "src 0.0.0.0/0 dst 0.0.0.0/0".to_owned(),
                _ => format!("src {from} dst {to}"),
            };
            let directions: &[_] = if from == THEIRS { &["out"] } else { &["in", "fwd"] };
            for direction in directions {
                lines += &format!(
                    "\nip xfrm policy add {inside} {selector} dir {direction} \
                     tmpl src {from} dst {to} proto esp mode {mode}\n"
                );
            }
        }
        lines += &format!(
            "ip link add tunnel0 type {kind}
            ip addr add 10.1.0.2/24 dev tunnel0
            ip link set tunnel0 mtu 1400 multicast on up\n"
        );
        if matches!(self.kind, Kind::MultipointGre) {
            // Linux has no list of who gets multicast: a neighbour stands for the group.
            for address in ["10.1.0.1", "224.0.0.5"] {
                let neighbor = format!("{address} lladdr {OURS} dev tunnel0 nud permanent");
                lines += &format!("ip neigh add {neighbor}\n");
            }
        }
        let config = frr::config(&self.case, "tunnel0")
            .replace("log stdout", "log file /tmp/log\nline vty\nno login");
        batched(&lines)
            + &format!(
                "\nrm -f /tmp/log\ncat > /etc/frr/all.conf <<'END'\n{config}\nEND\n\
                 /usr/lib/frr/ospfd -d -f /etc/frr/all.conf"
            )
    }
}

/// The network, with the guest up and nothing running.
pub struct Ground {
    host: Netns,
    middle: Netns,
    wire: Netns,
    peer: Peer,
}

impl Ground {
    /// Boots the guest, with zebra.
    pub fn new() -> Self {
        let (host, middle, wire) = (Netns::new("host"), Netns::new("fastgw"), Netns::new("wire"));
        veth(host.nic("eth0"), middle.nic("site0"), 1);
        veth(middle.nic("wan0"), wire.nic("wan"), 1);
        host.nic("eth0").address(&format!("{}/24", HOSTS[0]));
        host.ip("route add default via 10.2.0.1");
        middle.nic("site0").address("10.2.0.1/24");
        middle.nic("wan0").address(&format!("{OURS}/24"));
        wire.bridge("bridge");
        wire.nic("wan").enslave("bridge");
        let peer = Peer::boot("frr", &[wire.nic("tap"), wire.nic("aside")]);
        wire.nic("aside").address(&format!("{}/24", ASIDE[0]));
        wire.nic("tap").enslave("bridge");
        let (site, passwd, group) = (HOSTS[1], frr::PASSWD, frr::GROUP);
        peer.exec(&format!(
            "sysctl -qw net.ipv4.ip_forward=1
            ip addr add {THEIRS}/24 dev eth0
            ip addr add {}/24 dev eth1
            ip netns add site
            ip link add stub0 type veth peer name eth0 netns site
            ip addr add 10.3.0.1/24 dev stub0
            ip link set stub0 up
            ip -n site addr add {site}/24 dev eth0
            ip -n site link set eth0 up
            ip -n site route add default via 10.3.0.1
            cat > /etc/passwd <<'END'\n{passwd}END
            cat > /etc/group <<'END'\n{group}END
            mkdir -p /run/frr /var/tmp/frr /etc/frr
            chown frr:frr /run/frr /var/tmp/frr
            /usr/lib/frr/zebra -d",
            ASIDE[1],
        ));
        Self { host, middle, wire, peer }
    }

    /// Sets up one tunnel on both sides and has a row of it.
    pub fn try_out(&self, tunnel: &Tunnel) -> Row {
        self.peer.exec(&tunnel.script());
        let gateway = Gateway::start(&self.middle, |socket| tunnel.config(socket));
        let both = Both { ground: self, gateway };
        let (case, mut row) = (&tunnel.case, Row::new(tunnel.case.name));
        row.check("adjacency", checks::adjacency(&both, case));
        row.check("routes", checks::routes(&both, case));
        row.check("ping ->", checks::pings(&both, case));
        row.check("ping <-", both.pings_back());
        row.check("cut", both.cut());
        row.check("afterwards", both.afterwards(case));
        row.explain_failures(&format!(
            "{}\n{:#}\n{}\n{}",
            case.name,
            both.gateway.show(),
            both.gateway.log(),
            self.guest_says("cat /tmp/log; ip addr; ip route; ip xfrm state"),
        ));
        row
    }

    /// What a script says in the guest, whether it succeeds or not.
    fn guest_says(&self, script: &str) -> String {
        self.peer.try_exec(script, LIMIT).unwrap_or_else(|said| said)
    }
}

/// Both routers at work.
struct Both<'a> {
    ground: &'a Ground,
    gateway: Gateway,
}

impl Ends for Both<'_> {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    fn host(&self) -> &Netns {
        &self.ground.host
    }

    fn state_of_us(&self) -> String {
        frr::state_of_us(&self.frr_shows("ip ospf neighbor"))
    }

    fn prefixes(&self) -> BTreeSet<String> {
        frr::prefixes(&self.frr_shows("ip ospf route"))
    }
}

impl Both<'_> {
    /// What a `show` command of ospfd says; a text, if it is no JSON.
    fn frr_shows(&self, what: &str) -> Value {
        // Through its own terminal: vtysh would take the guest a second and a half.
        let ask = format!(
            "exec 3<> /dev/tcp/{}/2604\nprintf 'terminal length 0\nshow {what} json\nexit\n' >&3\n\
             timeout 5 cat <&3",
            ASIDE[1],
        );
        let said = said(&output(self.ground.wire.command("bash").args(["-c", &ask])));
        let json = said.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        let json = json.and_then(|(json, _)| serde_json::from_str(&format!("{{{json}}}")).ok());
        json.unwrap_or(Value::String(said))
    }

    /// From the host behind FRR to the one behind fastgw.
    fn pings_back(&self) -> Outcome {
        let ping = format!("ip netns exec site ping -n -q -i 0.1 -W 2 -c 5 -s 1000 {}", HOSTS[0]);
        match answered(&self.ground.guest_says(&ping)) {
            5 => Ok("5 of 5".to_owned()),
            count => Err(format!("{count} of 5 answers")),
        }
    }

    /// The tunnel's far end is silent, though no link at either end is down; then it is back.
    fn cut(&self) -> Outcome {
        self.ground.wire.ip("link set tap nomaster");
        let outcome = checks::route_goes(self).and_then(|_| {
            checks::eventually(|| match self.prefixes().contains(OUR_SITE) {
                true => Err("FRR still has the route".to_owned()),
                false => Ok("gone".to_owned()),
            })
        });
        self.ground.wire.nic("tap").enslave("bridge");
        outcome
    }

    fn afterwards(&self, case: &Case) -> Outcome {
        checks::adjacency(self, case)?;
        checks::routes(self, case)?;
        checks::pings(self, case)?;
        self.pings_back()
    }
}
