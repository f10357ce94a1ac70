//! fastgw and FRR in a guest, on the ends of a tunnel that the guest's kernel makes. Each row has a
//! NIC and a namespace of the guest for itself.
//!
//! ```text
//! host             fastgw                     wire                the guest
//! eth0 ------- site0     wan0 203.0.113.1 -- bridge -- eth0 203.0.113.2   stub0
//! 10.2.0.2   10.2.0.1  10.1.0.1 ============ tunnel ============ 10.1.0.2  10.3.0.1
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
/// The host behind fastgw, and FRR's router on its own network.
const HOSTS: [&str; 2] = ["10.2.0.2", "10.3.0.1"];

/// The test, on the wire.
const ASIDE: &str = "203.0.113.3";
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

    /// What makes a namespace of the guest, with its NIC, the other end.
    fn script(&self, number: usize) -> String {
        let mut lines = format!(
            "ip link set lo up
            ip addr add {THEIRS}/24 dev eth{number}
            ip link set eth{number} up
            ip link add stub0 type dummy
            ip addr add {}/24 dev stub0
            ip link set stub0 up\n",
            HOSTS[1],
        );
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
        let (place, setup) = (format!("row{number}"), batched(&lines));
        let config = frr::config(&self.case, "tunnel0")
            .replace("log stdout", &format!("log file /tmp/{place}.log\nline vty\nno login"));
        let daemon = |name| format!("/usr/lib/frr/{name} -d -N {place} -f /tmp/{place}.conf");
        format!(
            "ip netns add {place}
            ip link set eth{number} netns {place}
            mkdir /run/frr/{place} /var/tmp/frr/{place}
            chown frr:frr /run/frr/{place} /var/tmp/frr/{place}
            ip netns exec {place} bash -e <<'ROW'
echo 1 > /proc/sys/net/ipv4/ip_forward
{setup}
cat > /tmp/{place}.conf <<'END'\n{config}\nEND
{}
{}
ROW",
            daemon("zebra"),
            daemon("ospfd"),
        )
    }
}

/// A row with its place in the guest.
pub struct Place {
    tunnel: Tunnel,
    number: usize,
    wire: Netns,
}

/// A guest with a place for each tunnel.
pub fn boot(tunnels: Vec<Tunnel>) -> (Peer, Vec<Place>) {
    let place = |(number, tunnel)| Place { tunnel, number, wire: Netns::new("wire") };
    let places: Vec<Place> = tunnels.into_iter().enumerate().map(place).collect();
    let taps: Vec<_> = places.iter().map(|place| place.wire.nic("tap")).collect();
    let peer = Peer::boot("frr", &taps);
    let (passwd, group) = (frr::PASSWD, frr::GROUP);
    peer.exec(&format!(
        "cat > /etc/passwd <<'END'\n{passwd}END
        cat > /etc/group <<'END'\n{group}END
        mkdir -p /run/frr /var/tmp/frr
        chown frr:frr /run/frr /var/tmp/frr"
    ));
    (peer, places)
}

impl Place {
    /// Sets up the tunnel on both sides and looks at it.
    pub fn try_out(&self, peer: &Peer) -> Row {
        let (wire, case) = (&self.wire, &self.tunnel.case);
        let (host, middle) = (Netns::new("host"), Netns::new("fastgw"));
        veth(host.nic("eth0"), middle.nic("site0"), 1);
        veth(middle.nic("wan0"), wire.nic("wan"), 1);
        host.nic("eth0").address(&format!("{}/24", HOSTS[0]));
        host.ip("route add default via 10.2.0.1");
        middle.nic("site0").address("10.2.0.1/24");
        middle.nic("wan0").address(&format!("{OURS}/24"));
        wire.bridge("bridge");
        wire.nic("bridge").address(&format!("{ASIDE}/24"));
        wire.nic("wan").enslave("bridge");
        wire.nic("tap").enslave("bridge");
        peer.exec(&self.tunnel.script(self.number));
        let gateway = Gateway::start(&middle, |socket| self.tunnel.config(socket));
        let both = Both { place: self, peer, host, _middle: middle, gateway };
        let mut row = Row::new(case.name);
        row.check("adjacency", checks::adjacency(&both, case));
        row.check("routes", checks::routes(&both, case));
        row.check("ping ->", checks::pings(&both, case));
        row.check("ping <-", both.pings_back());
        row.check("cut", both.cut());
        row.check("afterwards", both.afterwards(case));
        let shown = both.gateway.show_section("ospf");
        let theirs = both.guest_says("cat /tmp/$(ip netns identify).log; ip addr; ip route");
        let log = both.gateway.log();
        row.explain_failures(&format!("{}\n{shown:#}\n{log}\n{theirs}", case.name));
        row
    }
}

/// Both routers at work.
struct Both<'a> {
    place: &'a Place,
    peer: &'a Peer,
    host: Netns,
    _middle: Netns,
    gateway: Gateway,
}

impl Ends for Both<'_> {
    fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    fn host(&self) -> &Netns {
        &self.host
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
            "exec 3<> /dev/tcp/{THEIRS}/2604\n\
             printf 'terminal length 0\nshow {what} json\nexit\n' >&3\n\
             timeout 5 cat <&3"
        );
        let said = said(&output(self.place.wire.command("bash").args(["-c", &ask])));
        let json = said.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        let json = json.and_then(|(json, _)| serde_json::from_str(&format!("{{{json}}}")).ok());
        json.unwrap_or(Value::String(said))
    }

    /// From FRR's network to the host behind fastgw.
    fn pings_back(&self) -> Outcome {
        let [to, from] = HOSTS;
        let ping = format!("ping -n -q -i 0.1 -W 2 -c 5 -s 1000 -I {from} {to}");
        match answered(&self.guest_says(&ping)) {
            5 => Ok("5 of 5".to_owned()),
            count => Err(format!("{count} of 5 answers")),
        }
    }

    /// What a line of shell says in the row's place in the guest, whether it succeeds or not.
    fn guest_says(&self, line: &str) -> String {
        let script = format!("ip netns exec row{} bash -c '{line}'", self.place.number);
        self.peer.try_exec(&script, LIMIT).unwrap_or_else(|said| said)
    }

    /// The tunnel's far end is silent, though no link at either end is down; then it is back.
    fn cut(&self) -> Outcome {
        self.place.wire.ip("link set wan nomaster");
        let outcome = checks::route_goes(self).and_then(|_| {
            checks::eventually(|| match self.prefixes().contains(OUR_SITE) {
                true => Err("FRR still has the route".to_owned()),
                false => Ok("gone".to_owned()),
            })
        });
        self.place.wire.nic("wan").enslave("bridge");
        outcome
    }

    fn afterwards(&self, case: &Case) -> Outcome {
        checks::adjacency(self, case)?;
        checks::routes(self, case)?;
        checks::pings(self, case)?;
        self.pings_back()
    }
}
