//! What a Linux kernel is told of a case, at either end of the tunnel.

use tests::manual_sa::Sa;

use super::{Case, ESP_IN_UDP_PORT, Esp, GROUPS, Header, Mode, UDP_PORT};
use crate::lab::{Family, GATEWAY, PEER, Side};

/// Makes the kernel forget the case before.
pub const RESET: &str = "ip xfrm state flush
    ip xfrm policy flush
    ip link del tunnel0 2> /dev/null || true
    pkill -x tunnel-socket || true
    while ip link show tunnel0 > /dev/null 2>&1; do sleep 0.05; done
    nft flush ruleset
    ip route flush cache";

/// The tunnel's device; `tunnel0` is a PPP interface until it is renamed.
const RENAME_PPP: &str = "ip link set ppp0 name tunnel0";

impl Case {
    /// What the kernel at the end `near` is told for a tunnel to `far`, after [`RESET`].
    pub fn linux_script(&self, near: &Side, far: &Side) -> String {
        let (mtu, host) = (self.site_mtu, near.netns);
        let mut lines = vec![
            format!("ip link set lan0 mtu {mtu}"),
            format!("ip -n {host} link set eth0 mtu {mtu}"),
        ];
        if let (Some(esp), Some(sas)) = (&self.esp, self.sas()) {
            lines.extend(self.states(esp, &sas, near));
            lines.extend(self.policies(esp, near, far));
            lines.extend(udp_socket(esp, near));
        }
        if self.loopbacks {
            lines.push(format!("ip addr replace {}/32 dev lo", near.loopback));
            lines.push(format!("ip route replace {}/32 dev eth0", far.loopback));
        }
        lines.extend(self.link(near, far));
        lines.extend(self.routes_to(near, far));
        if self.carries_multicast() {
            let group = if near.is(&GATEWAY) { GROUPS[1] } else { GROUPS[0] };
            let other = if near.is(&GATEWAY) { GROUPS[0] } else { GROUPS[1] };
            // Linux has no list of who gets multicast: a neighbour stands for the group.
            lines.push(format!("ip addr add {group}/32 dev tunnel0 autojoin"));
            lines.push(format!("ip route add {other}/32 dev tunnel0 src {}", near.lan(Family::V4)));
            lines.push(format!(
                "ip neigh add {other} lladdr {} dev tunnel0 nud permanent",
                far.wan(Family::V4),
            ));
        }
        lines.join("\n")
    }

    /// Gives the peer's ESP in UDP one more port than it has had.
    pub fn nat_change_script(&self) -> String {
        let port = self.esp.and_then(|esp| esp.udp).expect("a case of ESP in UDP");
        // A flow keeps its port until the NAT forgets it; one more packet makes that soon.
        let timeouts = |seconds: u32| {
            let name = "net.netfilter.nf_conntrack_udp_timeout";
            format!("sysctl -qw {name}={seconds} {name}_stream={seconds}")
        };
        format!(
            "{}\nip netns exec site ping -q -c 1 -W 1 {}\nnft flush ruleset\n{}\nsleep 2.5\n{}",
            timeouts(1),
            GATEWAY.host(Family::V4),
            nat(&PEER, port + 1),
            timeouts(120),
        )
    }

    fn states(&self, esp: &Esp, sas: &(Sa, Sa), near: &Side) -> Vec<String> {
        let mut words = format!("mode {} replay-window ", esp.mode.name());
        words += if esp.esn { "128 flag esn" } else { "64" };
        if esp.mode == Mode::Tunnel {
            // Without it, a state takes one family of inner packets only.
            words += if esp.esn { " af-unspec" } else { " flag af-unspec" };
        }
        if self.header == Header::XfrmInterface {
            words += " if_id 7";
        }
        if let Some(peer_port) = esp.udp {
            let remote = if near.is(&GATEWAY) { peer_port } else { ESP_IN_UDP_PORT };
            words += &format!(" encap espinudp {ESP_IN_UDP_PORT} {remote} 0.0.0.0");
        }
        vec![sas.0.ip_xfrm_state_add(&words), sas.1.ip_xfrm_state_add(&words)]
    }

    fn policies(&self, esp: &Esp, near: &Side, far: &Side) -> Vec<String> {
        let mut lines = Vec::new();
        let (near_wan, far_wan) = (near.wan(self.outer), far.wan(self.outer));
        let mode = esp.mode.name();
        let away = format!("tmpl src {near_wan} dst {far_wan} proto esp mode {mode}");
        let here = format!("tmpl src {far_wan} dst {near_wan} proto esp mode {mode}");
        for [outbound, inbound] in self.selectors_between(near, far) {
            lines.push(format!("ip xfrm policy add {outbound} dir out {away}"));
            lines.push(format!("ip xfrm policy add {inbound} dir in {here}"));
            lines.push(format!("ip xfrm policy add {inbound} dir fwd {here}"));
        }
        if esp.only_some {
            let (near, far) = (near.subnet(Family::V4), far.subnet(Family::V4));
            lines.push(format!(
                "ip xfrm policy add src {near} dst {far} dir out action block priority 100",
            ));
        }
        lines
    }

    /// The selectors of pairs of policies, out and in.
    fn selectors_between(&self, near: &Side, far: &Side) -> Vec<[String; 2]> {
        let both = |from: &str, to: &str, rest: &str| {
            [format!("src {from} dst {to} {rest}"), format!("src {to} dst {from} {rest}")]
        };
        let per_family = |subnets: [[&str; 2]; 2], rest: &str| {
            let [from, to] = subnets;
            let of = |family: &Family| both(from[*family as usize], to[*family as usize], rest);
            self.inner.iter().map(of).collect()
        };
        let everything = [["0.0.0.0/0", "::/0"]; 2];
        match self.header {
            Header::Selectors if self.carries_tcp() => per_family([near.subnets, far.subnets], ""),
            Header::Selectors => {
                let (from, to) = (near.subnet(Family::V4), far.subnet(Family::V4));
                let udp = |port: &str, mirrored: &str| {
                    [
                        format!("src {from} dst {to} proto udp {port} {UDP_PORT}"),
                        format!("src {to} dst {from} proto udp {mirrored} {UDP_PORT}"),
                    ]
                };
                vec![both(from, to, "proto icmp"), udp("sport", "dport"), udp("dport", "sport")]
            }
            Header::Vti => per_family(everything, "mark 7"),
            Header::XfrmInterface => per_family(everything, "if_id 7"),
            header => {
                let (from, to) = (self.end(near), self.end(far));
                let protocols = match header {
                    Header::L2tp { .. } => vec!["udp sport 1701 dport 1701"],
                    Header::Ip => vec!["4", "41"],
                    _ => vec!["47"],
                };
                let of = |protocol| both(from, to, &format!("proto {protocol}"));
                protocols.into_iter().map(of).collect()
            }
        }
    }

    /// The tunnel's device.
    fn link(&self, near: &Side, far: &Side) -> Option<String> {
        let (local, remote) = (self.end(near), self.end(far));
        let v6 = self.outer == Family::V6;
        let between = if v6 && !matches!(self.header, Header::Vti) {
            let limit = if self.encapsulation_limit { "" } else { "encaplimit none" };
            format!("local {local} remote {remote} {limit} hoplimit 64")
        } else {
            format!("local {local} remote {remote}")
        };
        let kind = match self.header {
            Header::Selectors => return None,
            Header::Vti => format!("{} {between} key 7", if v6 { "vti6" } else { "vti" }),
            Header::XfrmInterface => "xfrm dev eth0 if_id 7".to_owned(),
            Header::Gre { key, checksum, sequence } => {
                let mut kind = format!("{} {between}", if v6 { "ip6gre" } else { "gre ttl 64" });
                for (on, words) in [(key, " key 42"), (checksum, " csum"), (sequence, " seq")] {
                    kind += if on { words } else { "" };
                }
                kind
            }
            Header::MultipointGre => format!("gre local {local} key 42 ttl 64"),
            Header::Ip => match (self.outer, self.inner) {
                (Family::V4, [Family::V4]) => format!("ipip ttl 64 {between}"),
                (Family::V4, _) => format!("sit mode any ttl 64 {between}"),
                (Family::V6, _) => format!("ip6tnl mode any {between}"),
            },
            Header::L2tp { sequence, .. } => {
                let ((ours, our_session), (theirs, their_session)) =
                    (self.l2tp_ids(near), self.l2tp_ids(far));
                let seq = if sequence { "seq" } else { "" };
                return Some(format!(
                    "tunnel-socket pppol2tp {local} {remote} {ours} {theirs} {our_session} \
                     {their_session} {seq}\n{RENAME_PPP}\nip addr add {} peer {} dev tunnel0\n\
                     ip link set tunnel0 up",
                    near.overlay, far.overlay,
                ));
            }
        };
        let mut lines = format!("ip link add tunnel0 type {kind}\nip link set tunnel0 up");
        if self.header == Header::MultipointGre {
            lines += &format!(
                "\nip addr add {}/24 dev tunnel0\n\
                 ip neigh add {} lladdr {remote} dev tunnel0 nud permanent",
                near.overlay, far.overlay,
            );
        }
        Some(lines)
    }

    fn routes_to(&self, near: &Side, far: &Side) -> Vec<String> {
        let through = match self.header {
            Header::Selectors => "dev eth0".to_owned(),
            Header::MultipointGre => format!("via {} dev tunnel0", far.overlay),
            _ => "dev tunnel0".to_owned(),
        };
        let routes = self.inner.iter().map(|family| {
            let (subnet, lan) = (far.subnet(*family), near.lan(*family));
            format!("ip route replace {subnet} {through} src {lan}")
        });
        routes.collect()
    }
}

/// What makes a kernel take ESP out of UDP, and a NAT that changes the port where there is one.
fn udp_socket(esp: &Esp, near: &Side) -> Vec<String> {
    let Some(peer_port) = esp.udp else { return Vec::new() };
    let mut lines = vec![format!("tunnel-socket espinudp {ESP_IN_UDP_PORT}")];
    if peer_port != ESP_IN_UDP_PORT && !near.is(&GATEWAY) {
        lines.push(nat(near, peer_port));
    }
    lines
}

/// Makes the end's ESP in UDP come from another port than its own.
fn nat(near: &Side, port: u16) -> String {
    let address = near.wan(Family::V4);
    format!(
        "nft 'table ip nat {{
            chain postrouting {{
                type nat hook postrouting priority srcnat;
                udp sport {ESP_IN_UDP_PORT} snat to {address}:{port}
            }}
        }}'"
    )
}
