//! Two sites with a gateway each, in the words of fastgw's configuration.
//!
//! ```text
//! host            gateway A                            gateway B             host
//! 10.1.0.2 ---- lan 10.1.0.1   wan 203.0.113.1 ---- .2 wan   10.2.0.1 lan ---- 10.2.0.2
//! ```

use std::{fmt, path::Path};

use crate::manual_sa::{Sa, Suite};

/// Which of the two sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 10.1.0.0/24.
    A,
    /// 10.2.0.0/24.
    B,
}

impl Side {
    /// The site at the other end.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// The network of its hosts.
    pub fn lan(self) -> &'static str {
        self.choose("10.1.0.0/24", "10.2.0.0/24")
    }

    /// The gateway towards its hosts.
    pub fn gateway(self) -> &'static str {
        self.choose("10.1.0.1", "10.2.0.1")
    }

    /// A host.
    pub fn host(self) -> &'static str {
        self.choose("10.1.0.2", "10.2.0.2")
    }

    /// The gateway towards the other one.
    pub fn wan(self) -> &'static str {
        self.choose("203.0.113.1", "203.0.113.2")
    }

    /// The SA that protects what this side sends.
    pub fn outbound_sa(self, suite: &'static Suite) -> Sa {
        let spi = self.choose(0x1001, 0x1002);
        Sa { suite, spi, source: self.wan(), destination: self.other().wan() }
    }

    fn choose<T>(self, a: T, b: T) -> T {
        match self {
            Self::A => a,
            Self::B => b,
        }
    }
}

/// What joins the sites.
#[derive(Clone, Copy, Debug)]
pub enum Join {
    /// ESP between the sites' networks.
    Esp(&'static Suite),
    /// ESP behind routes.
    Vti(&'static Suite),
    /// GRE in clear.
    Gre,
    /// ESP between the sites' networks, with keys that IKE negotiates with the peer `other`. The
    /// strings are more lines of `[[ike]]` and of `[tunnel.ike]`.
    Ike(&'static str, &'static str),
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Esp(suite) => write!(f, "esp {}", suite.name),
            Self::Vti(suite) => write!(f, "vti {}", suite.name),
            Self::Gre => f.write_str("gre"),
            Self::Ike(..) => f.write_str("ike"),
        }
    }
}

/// The configuration of one site's gateway: ports `lan` and `wan` on `lan0` and `wan0`, and the
/// tunnel `join`. It ends with a whole table, so that more may be appended.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Which site.
    pub side: Side,
    /// The tunnel.
    pub join: Join,
    /// Worker threads.
    pub workers: usize,
    /// The control socket; none for `fastgw offline`.
    pub socket: Option<&'a Path>,
}

impl Site<'_> {
    /// The text of the file.
    pub fn toml(&self) -> String {
        let Self { side, join, workers, socket } = *self;
        let socket = socket.map(|path| format!("control_socket = \"{}\"\n", path.display()));
        let (wan, remote) = (side.wan(), side.other().wan());
        format!(
            r#"[gateway]
name = "site-{side:?}"
workers = {workers}
{}
{}
[[tunnel]]
name = "join"
local = "{wan}"
remote = "{remote}"
{}"#,
            socket.unwrap_or_default(),
            port_tables(side),
            tunnel(side, join),
        )
    }
}

/// The rest of the tunnel's table, and the route into it where one is needed.
fn tunnel(side: Side, join: Join) -> String {
    let (local, remote) = (side.lan(), side.other().lan());
    let route = format!("[[route]]\nprefix = \"{remote}\"\ntunnel = \"join\"\n");
    match join {
        Join::Esp(suite) => format!(
            "kind = \"esp\"\nlocal_subnets = [\"{local}\"]\nremote_subnets = [\"{remote}\"]\n\n{}",
            sa_tables(side, suite, "tunnel.sa", ""),
        ),
        Join::Vti(suite) => {
            format!("kind = \"vti\"\n\n{}\n{route}", sa_tables(side, suite, "tunnel.sa", ""))
        }
        Join::Ike(peer, child) => format!(
            "kind = \"esp\"\nlocal_subnets = [\"{local}\"]\nremote_subnets = [\"{remote}\"]\n\n\
             [tunnel.ike]\npeer = \"other\"\n{child}\n\n\
             [[ike]]\nname = \"other\"\nlocal = \"{}\"\nremote = \"{}\"\n\
             psk = \"a secret that nobody guesses\"\n{peer}\n",
            side.wan(),
            side.other().wan(),
        ),
        Join::Gre => format!("kind = \"gre\"\n\n{route}"),
    }
}

/// The ports `lan` and `wan` of a site's gateway.
pub fn port_tables(side: Side) -> String {
    let (gateway, wan) = (side.gateway(), side.wan());
    format!(
        r#"[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = ["{gateway}/24"]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = ["{wan}/24"]
"#
    )
}

/// The SAs of a site's gateway as `[tunnel.sa]` or `[tunnel.peer.sa]`, with more `lines` in it.
pub fn sa_tables(side: Side, suite: &'static Suite, table: &str, lines: &str) -> String {
    let (outbound, inbound) = (side.outbound_sa(suite), side.other().outbound_sa(suite));
    format!(
        "[{table}]\nsuite = \"{}\"\n{lines}\n[{table}.out]\n{}\n[{table}.in]\n{}",
        suite.name,
        outbound.toml(),
        inbound.toml(),
    )
}
