//! The network of the test: a host behind fastgw, and a site behind a Linux kernel.
//!
//! ```text
//! host            gateway               wire             peer (a guest)           its site
//! 10.1.0.2 ---- lan0 10.1.0.1
//! fd01::2            fd01::1
//!               wan0 203.0.113.1 ---- bridge ---- eth0 203.0.113.2
//!                    2001:db8::1                       2001:db8::2
//!                                                 lan0 10.2.0.1 ---------------- 10.2.0.2
//!                                                      fd02::1                   fd02::2
//! ```

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use tempfile::TempDir;
use tests::{
    netns::{Netns, Nic, answered, veth},
    peer::Peer,
    process::{output, said},
};

use crate::cases::GROUPS;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// One end of the tunnel; arrays have a value of IPv4 and one of IPv6.
pub struct Side {
    wan: [&'static str; 2],
    lan: [&'static str; 2],
    host: [&'static str; 2],
    /// The network of its host.
    pub subnets: [&'static str; 2],
    /// The namespace of its host, where a Linux kernel is its gateway.
    pub netns: &'static str,
    /// A private address of its gateway.
    pub loopback: &'static str,
    /// Its gateway inside tunnels that have addresses of their own, a /24.
    pub overlay: &'static str,
}

/// fastgw and its host.
pub const GATEWAY: Side = Side {
    wan: ["203.0.113.1", "2001:db8::1"],
    lan: ["10.1.0.1", "fd01::1"],
    host: ["10.1.0.2", "fd01::2"],
    subnets: ["10.1.0.0/24", "fd01::/64"],
    netns: "host",
    loopback: "192.168.255.1",
    overlay: "10.255.0.1",
};

/// The guest and its site.
pub const PEER: Side = Side {
    wan: ["203.0.113.2", "2001:db8::2"],
    lan: ["10.2.0.1", "fd02::1"],
    host: ["10.2.0.2", "fd02::2"],
    subnets: ["10.2.0.0/24", "fd02::/64"],
    netns: "site",
    loopback: "192.168.255.2",
    overlay: "10.255.0.2",
};

impl Side {
    /// The gateway towards the other one.
    pub fn wan(&self, family: Family) -> &'static str {
        self.wan[family as usize]
    }

    /// The gateway towards its host.
    pub fn lan(&self, family: Family) -> &'static str {
        self.lan[family as usize]
    }

    /// The host.
    pub fn host(&self, family: Family) -> &'static str {
        self.host[family as usize]
    }

    /// The network of its host.
    pub fn subnet(&self, family: Family) -> &'static str {
        self.subnets[family as usize]
    }

    /// Whether it is this one of the two.
    pub fn is(&self, other: &Self) -> bool {
        self.wan == other.wan
    }

    /// What makes a Linux kernel this side's gateway, with its host's namespace there.
    /// Its device towards the other side is `eth0`, and up.
    pub fn script(&self) -> String {
        let host = self.netns;
        let mut lines = format!(
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_echo_ignore_broadcasts=0
            sysctl -qw {IPV6_AT_ONCE} net.ipv6.conf.all.forwarding=1
            ip link set lo up
            ip netns exec {host} sysctl -qw {IPV6_AT_ONCE}
            ip link add lan0 type veth peer name eth0 netns {host}
            ip link set lan0 up
            ip -n {host} link set lo up
            ip -n {host} link set eth0 up\n",
        );
        for (family, length) in [(Family::V4, 24), (Family::V6, 64)] {
            let (wan, lan, end) = (self.wan(family), self.lan(family), self.host(family));
            lines += &format!(
                "ip addr add {wan}/{length} dev eth0
                ip addr add {lan}/{length} dev lan0
                ip -n {host} addr add {end}/{length} dev eth0
                ip -n {host} route add default via {lan}\n",
            );
        }
        lines
    }
}

/// IPv6 on, and no second of waiting for an address that someone else might have.
const IPV6_AT_ONCE: &str = "net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 \
                            net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0";

/// Largest packet on the site's own link, in bytes. Linux encrypts first and fragments afterwards;
/// this is what fits in one piece through a link of 1500 with every suite and tunnel (GRE between
/// loopbacks under AES-CBC with HMAC-SHA-256 needs the most: 20 of IP, 8 of ESP, 16 each of IV,
/// block and ICV, less 2, and 24 of GRE).
pub const SITE_MTU: u32 = 1390;

/// What a script prints between what its commands say.
const END: &str = "and then";

/// All of it, with the guest up and its site reachable from the guest.
pub struct Lab {
    pub peer: Peer,
    pub host: Netns,
    pub gateway: Netns,
    wire: Netns,
    folder: TempDir,
}

impl Lab {
    /// Makes the namespaces and boots the guest.
    pub fn new() -> Self {
        let (host, gateway, wire) = (Netns::new("host"), Netns::new("gw"), Netns::new("wire"));
        for netns in [&host, &gateway] {
            netns.sh(&format!("sysctl -qw {IPV6_AT_ONCE} net.ipv4.icmp_echo_ignore_broadcasts=0"));
        }
        veth(host.nic("eth0"), gateway.nic("lan0"), 1);
        veth(gateway.nic("wan0"), wire.nic("wan"), 1);
        for (family, length) in [(Family::V4, 24), (Family::V6, 64)] {
            let [end, lan, wan] = [GATEWAY.host(family), GATEWAY.lan(family), GATEWAY.wan(family)];
            host.nic("eth0").address(&format!("{end}/{length}"));
            host.ip(&format!("route add default via {lan}"));
            gateway.nic("lan0").address(&format!("{lan}/{length}"));
            gateway.nic("wan0").address(&format!("{wan}/{length}"));
        }
        // Calls the gateway a router in its neighbour advertisements: Linux forgets, twice a
        // minute, the path MTUs of IPv6 behind what does not.
        gateway.sh("sysctl -qw net.ipv6.conf.lan0.forwarding=1");
        host.ip(&format!("addr add {}/32 dev eth0 autojoin", GROUPS[1]));
        wire.bridge("bridge");
        wire.nic("wan").enslave("bridge");
        let peer = Peer::boot("peer", &[wire.nic("tap")]);
        wire.nic("tap").enslave("bridge");
        let site = PEER.script();
        peer.exec(&format!("ip netns add site\n{site}\nip netns exec site iperf3 -s -D"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { peer, host, gateway, wire, folder }
    }

    /// Where what fastgw sends and receives outside can be recorded.
    pub fn wan(&self) -> Nic<'_> {
        self.wire.nic("wan")
    }

    /// A file for that record, of this name.
    pub fn capture_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pcap"))
    }

    /// Makes the host forget which sizes were too big for an earlier tunnel.
    pub fn forget_path_mtu(&self) {
        self.host.ip("-4 route flush cache");
        self.host.ip("-6 route flush cache");
    }

    /// Pings of each size from the peer's site; gives how many of each were answered.
    pub fn pings_from_site(&self, to: &str, count: u32, sizes: &[usize]) -> Vec<u32> {
        let ping = format!("ping -n -q -i 0.1 -W 3 -c {count} {to} -s");
        let pings: Vec<_> = sizes.iter().map(|size| format!("{ping} {size}; echo {END}")).collect();
        // One script: to start a process costs an emulated guest more than to ping.
        let said = self.guest_says(&format!("ip netns exec site bash -c '{}'", pings.join("; ")));
        let mut counts: Vec<_> = said.split(END).map(answered).collect();
        counts.resize(sizes.len(), 0);
        counts
    }

    /// Pings of one size from the peer's site; gives how many were answered.
    pub fn ping_from_site(&self, to: &str, count: u32, size: usize) -> u32 {
        self.pings_from_site(to, count, &[size])[0]
    }

    /// What a script says in the guest, whether it succeeds or not.
    pub fn guest_says(&self, script: &str) -> String {
        self.peer.try_exec(script, Duration::from_secs(30)).unwrap_or_else(|said| said)
    }

    /// What a line of shell says at the host, whether it succeeds or not.
    pub fn host_says(&self, line: &str) -> String {
        said(&output(self.host.command("bash").args(["-c", line])))
    }

    /// Whether fastgw ended well and took its XDP programs with it.
    pub fn left_clean(&self, status: ExitStatus) -> Result<String, String> {
        let links = self.gateway.ip("link show");
        if !status.success() {
            Err(status.to_string())
        } else if links.contains("xdp") {
            Err(format!("XDP programs left behind:\n{links}"))
        } else {
            Ok("clean".to_owned())
        }
    }
}
