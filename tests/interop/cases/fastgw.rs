//! What fastgw is told of a case.

use std::{fmt::Write, path::Path};

use tests::manual_sa::Sa;

use super::{Case, Esp, GROUPS, Header, UDP_PORT};
use crate::lab::{Family, GATEWAY, PEER};

impl Case {
    /// fastgw's configuration.
    pub fn config(&self, socket: &Path) -> String {
        let [lan, wan] = if self.is_of_ipv4() {
            [r#""10.1.0.1/24""#, r#""203.0.113.1/24""#]
        } else {
            [r#""10.1.0.1/24", "fd01::1/64""#, r#""203.0.113.1/24", "2001:db8::1/64""#]
        };
        format!(
            r#"
[gateway]
name = "interop"
control_socket = "{}"

[[port]]
name = "lan"
device = "lan0"
role = "inside"
addresses = [{lan}]

[[port]]
name = "wan"
device = "wan0"
role = "outside"
addresses = [{wan}]

[[tunnel]]
name = "linux"
local = "{}"
{}{}"#,
            socket.display(),
            self.end(&GATEWAY),
            self.tunnel(),
            self.routes(),
        )
    }

    fn is_of_ipv4(&self) -> bool {
        self.outer == Family::V4 && self.inner == [Family::V4]
    }

    /// The rest of `[[tunnel]]` with the tables that belong to it.
    fn tunnel(&self) -> String {
        let remote = self.end(&PEER);
        let head = match self.header {
            Header::Selectors => "kind = \"esp\"\n".to_owned() + &self.selectors(),
            Header::Vti | Header::XfrmInterface => "kind = \"vti\"\n".to_owned(),
            Header::Gre { key, checksum, sequence } => {
                let key = if key { "key = 42\n" } else { "" };
                let checksum = if checksum { "checksum = true\n" } else { "" };
                let sequence = if sequence { "sequence = true\n" } else { "" };
                format!("kind = \"gre\"\n{key}{checksum}{sequence}")
            }
            Header::Ip => "kind = \"ipip\"\n".to_owned(),
            Header::L2tp { length, sequence, compressed } => {
                let (local, remote) = (self.l2tp_ids(&GATEWAY), self.l2tp_ids(&PEER));
                format!(
                    "kind = \"l2tp\"\nlocal_tunnel_id = {}\nlocal_session_id = {}\n\
                     remote_tunnel_id = {}\nremote_session_id = {}\nlength = {length}\n\
                     sequence = {sequence}\npfc = {compressed}\nacfc = {compressed}\n",
                    local.0, local.1, remote.0, remote.1,
                )
            }
            Header::MultipointGre => return self.multipoint(remote),
        };
        // Selectors are tables of the tunnel, and keys of its own come before them.
        format!("remote = \"{remote}\"\n{head}{}", self.sa_tables("tunnel.sa"))
    }

    fn multipoint(&self, remote: &str) -> String {
        let (address, overlay) = (GATEWAY.overlay, PEER.overlay);
        format!(
            "kind = \"mgre\"\nkey = 42\naddress = \"{address}/24\"\n\n[[tunnel.peer]]\n\
             name = \"linux-site\"\nremote = \"{remote}\"\naddress = \"{overlay}\"\n{}",
            self.sa_tables("tunnel.peer.sa"),
        )
    }

    /// What ESP takes when no route decides it.
    fn selectors(&self) -> String {
        let quoted = |subnets: [&str; 2]| {
            let subnets =
                self.inner.iter().map(|family| format!("{:?}", subnets[*family as usize]));
            subnets.collect::<Vec<_>>().join(", ")
        };
        let [local, remote] = [GATEWAY.subnets, PEER.subnets].map(quoted);
        if self.carries_tcp() {
            return format!("local_subnets = [{local}]\nremote_subnets = [{remote}]\n");
        }
        let narrowed = [
            "protocol = \"icmp\"".to_owned(),
            format!("protocol = \"udp\"\nlocal_ports = {UDP_PORT}"),
            format!("protocol = \"udp\"\nremote_ports = {UDP_PORT}"),
        ];
        let tables = narrowed.map(|lines| {
            format!("\n[[tunnel.selector]]\nlocal = [{local}]\nremote = [{remote}]\n{lines}\n")
        });
        tables.concat()
    }

    /// `[tunnel.sa]`, or the same below a peer; nothing for a tunnel in clear.
    fn sa_tables(&self, table: &str) -> String {
        match (&self.esp, self.sas()) {
            (Some(esp), Some((outbound, inbound))) => {
                self.esp_tables(table, esp, &outbound, &inbound)
            }
            _ => String::new(),
        }
    }

    fn esp_tables(&self, table: &str, esp: &Esp, outbound: &Sa, inbound: &Sa) -> String {
        let mut lines = format!("\n[{table}]\nsuite = \"{}\"\n", esp.suite.name);
        let mut line = |line: &str| writeln!(lines, "{line}").expect("a String takes everything");
        if !matches!(self.header, Header::Selectors | Header::Vti | Header::XfrmInterface) {
            line(&format!("mode = \"{}\"", esp.mode.name()));
        }
        if self.loopbacks {
            let [local, remote] = [GATEWAY, PEER].map(|side| side.wan(self.outer));
            line(&format!("local = \"{local}\"\nremote = \"{remote}\""));
        }
        if esp.esn {
            line("esn = true");
        }
        if let Some(packets) = esp.replay_window {
            line(&format!("replay_window = {packets}"));
        }
        if esp.udp.is_some() {
            line("udp_encapsulation = true");
        }
        format!("{lines}\n[{table}.out]\n{}\n[{table}.in]\n{}", outbound.toml(), inbound.toml())
    }

    fn routes(&self) -> String {
        if self.header == Header::Selectors {
            return String::new();
        }
        let mut routes = String::new();
        let mut route = |prefix: &str, target: &str| {
            write!(routes, "\n[[route]]\nprefix = \"{prefix}\"\n{target}\n")
                .expect("a String takes everything");
        };
        let via = match self.header {
            Header::MultipointGre => format!("\nvia = \"{}\"", PEER.overlay),
            _ => String::new(),
        };
        for family in self.inner {
            route(PEER.subnet(*family), &format!("tunnel = \"linux\"{via}"));
        }
        if self.carries_multicast() {
            let [of_guest, of_host] = GROUPS;
            route(&format!("{of_guest}/32"), "tunnel = \"linux\"");
            route(&format!("{of_host}/32"), "port = \"lan\"");
        }
        routes
    }
}
