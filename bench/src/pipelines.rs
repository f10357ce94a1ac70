//! The pipelines that can be measured, by name.

use esp::Suite;
use tables::GreHeader;

use crate::topology::{Carrier, Cover, Join, L2TP};

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From port to port.
    Forward,
    /// From the inside into a tunnel.
    Encap,
    /// Out of a tunnel to the inside.
    Decap,
}

/// A way through the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    /// Where to.
    pub direction: Direction,
    tunnel: Option<&'static Tunnel>,
    suite: Option<Suite>,
}

/// A kind of tunnel.
#[derive(Debug)]
struct Tunnel {
    name: &'static str,
    build: Build,
}

#[derive(Debug)]
enum Build {
    Clear(Join),
    Esp(fn(Suite) -> Join),
    /// As `Esp`, the peers of one multipoint tunnel.
    Multipoint(fn(Suite) -> Join),
}

const KEYED: Carrier = Carrier::Gre(Some(42));
const CHECKED: Carrier = Carrier::GreWith(GreHeader { key: None, checksum: true, sequence: false });

/// The rows of README's table, in its order.
static TUNNELS: [Tunnel; 15] = [
    Tunnel { name: "esp-tunnel", build: Build::Esp(Join::Policy) },
    Tunnel { name: "vti", build: Build::Esp(Join::Vti) },
    Tunnel { name: "vti-udp", build: Build::Esp(Join::VtiInUdp) },
    Tunnel {
        name: "vti-over-ipv6",
        build: Build::Esp(|suite| Join::OverV6(None, Cover::Tunnel(suite))),
    },
    clear("gre", Carrier::Gre(None)),
    clear("gre-key", KEYED),
    clear("gre-checksum", CHECKED),
    Tunnel { name: "gre-esp-transport", build: Build::Esp(|s| transport(Carrier::Gre(None), s)) },
    Tunnel { name: "gre-esp-tunnel", build: Build::Esp(|s| tunnel(Carrier::Gre(None), s)) },
    clear("ipip", Carrier::Ipip),
    Tunnel { name: "ipip-esp-transport", build: Build::Esp(|s| transport(Carrier::Ipip, s)) },
    Tunnel { name: "ipip-esp-tunnel", build: Build::Esp(|s| tunnel(Carrier::Ipip, s)) },
    clear("l2tp", Carrier::L2tp(L2TP)),
    Tunnel { name: "l2tp-esp-transport", build: Build::Esp(|s| transport(Carrier::L2tp(L2TP), s)) },
    Tunnel { name: "dmvpn-esp-transport", build: Build::Multipoint(|s| transport(KEYED, s)) },
];

const fn clear(name: &'static str, carrier: Carrier) -> Tunnel {
    Tunnel { name, build: Build::Clear(Join::Carried(carrier, Cover::Clear)) }
}

fn transport(carrier: Carrier, suite: Suite) -> Join {
    Join::Carried(carrier, Cover::Transport(suite))
}

fn tunnel(carrier: Carrier, suite: Suite) -> Join {
    Join::Carried(carrier, Cover::Tunnel(suite))
}

impl Pipeline {
    /// Plain forwarding.
    pub const FORWARD: Self = Self { direction: Direction::Forward, tunnel: None, suite: None };

    /// Every pipeline under every suite.
    pub fn all() -> impl Iterator<Item = Self> {
        let tunnels = TUNNELS.iter().flat_map(|tunnel| {
            let suites: Vec<_> = match tunnel.build {
                Build::Clear(_) => vec![None],
                Build::Esp(_) | Build::Multipoint(_) => {
                    Suite::ALL.iter().copied().map(Some).collect()
                }
            };
            let of = move |suite, direction| Self { direction, tunnel: Some(tunnel), suite };
            suites.into_iter().flat_map(move |suite| {
                [Direction::Encap, Direction::Decap].map(|direction| of(suite, direction))
            })
        });
        [Self::FORWARD].into_iter().chain(tunnels)
    }

    /// The names of all pipelines, each once.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<_> = Self::all().map(|pipeline| pipeline.name()).collect();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// Such as `esp-tunnel-encap`.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.tunnel, self.direction) {
            (Some(tunnel), Direction::Encap) => format!("{}-encap", tunnel.name),
            (Some(tunnel), Direction::Decap) => format!("{}-decap", tunnel.name),
            (None, _) | (_, Direction::Forward) => "forward".to_owned(),
        }
    }

    /// The suite's name, or `none`.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        self.suite.map_or("none", Suite::name)
    }

    /// Whether SAs come with its tunnels.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.suite.is_some()
    }

    /// Whether there are tunnels at all.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }

    pub(crate) fn is_multipoint(&self) -> bool {
        self.tunnel.is_some_and(|tunnel| matches!(tunnel.build, Build::Multipoint(_)))
    }

    pub(crate) fn join(&self) -> Option<Join> {
        match (&self.tunnel?.build, self.suite) {
            (Build::Clear(join), _) => Some(*join),
            (Build::Esp(build) | Build::Multipoint(build), Some(suite)) => Some(build(suite)),
            (Build::Esp(_) | Build::Multipoint(_), None) => None,
        }
    }
}
