//! The network of the test: a host behind fastgw, and a site behind a Linux kernel.
//!
//! ```text
//! host            gateway               wire             peer (a guest)           its site
//! 10.1.0.2 ---- lan0 10.1.0.1
//!               wan0 203.0.113.1 ---- bridge ---- eth0 203.0.113.2
//!                                                 lan0 10.2.0.1 ---------------- 10.2.0.2
//! ```

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use tempfile::TempDir;
use tests::{
    netns::{Netns, Nic, answered, veth},
    peer::Peer,
    process::{output, said},
};

/// The host behind fastgw.
pub const HOST: &str = "10.1.0.2";
/// fastgw towards its host.
pub const GATEWAY_LAN: &str = "10.1.0.1";
/// fastgw towards the peer.
pub const GATEWAY_WAN: &str = "203.0.113.1";
/// The guest towards fastgw.
pub const PEER_WAN: &str = "203.0.113.2";
/// The guest towards its site.
pub const PEER_LAN: &str = "10.2.0.1";
/// The host behind the guest.
pub const SITE: &str = "10.2.0.2";

/// Largest packet on the site's own link, in bytes. Linux encrypts first and fragments afterwards;
/// this is what fits in one piece through a link of 1500 with every suite (AES-CBC with
/// HMAC-SHA-256 needs the most: 20 of IP, 8 of ESP, 16 each of IV, block and ICV, less 2).
const SITE_MTU: u32 = 1390;

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
        veth(host.nic("eth0"), gateway.nic("lan0"), 1);
        veth(gateway.nic("wan0"), wire.nic("wan"), 1);
        host.nic("eth0").address("10.1.0.2/24");
        host.ip("route add default via 10.1.0.1");
        gateway.nic("lan0").address("10.1.0.1/24");
        gateway.nic("wan0").address("203.0.113.1/24");
        wire.bridge("bridge");
        wire.nic("wan").enslave("bridge");
        let peer = Peer::boot("peer", &[wire.nic("tap")]);
        wire.nic("tap").enslave("bridge");
        peer.exec(&site_script());
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { peer, host, gateway, wire, folder }
    }

    /// Where what fastgw sends and receives outside can be recorded.
    pub fn wan(&self) -> Nic<'_> {
        self.wire.nic("wan")
    }

    /// A file for that record.
    pub fn capture_file(&self) -> PathBuf {
        self.folder.path().join("wan.pcap")
    }

    /// Makes the host forget which sizes were too big for an earlier tunnel.
    pub fn forget_path_mtu(&self) {
        self.host.ip("route flush cache");
    }

    /// Pings from the peer's site; gives how many were answered.
    pub fn ping_from_site(&self, to: &str, count: u32, size: usize) -> u32 {
        let ping = format!("ping -n -q -i 0.1 -W 3 -c {count} -s {size} {to}");
        let limit = Duration::from_secs(30);
        let said = self.peer.try_exec(&format!("ip netns exec site {ping}"), limit);
        answered(&said.unwrap_or_else(|said| said))
    }

    /// One ping from the host in an IP packet of `length` bytes that must not be fragmented;
    /// gives what ping said.
    pub fn ping_unfragmented(&self, to: &str, length: usize) -> String {
        // 20 bytes of IP and 8 of ICMP.
        let ping = format!("ping -n -M do -W 2 -c 1 -s {} {to}", length - 28);
        said(&output(self.host.command("sh").args(["-c", &ping])))
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

fn site_script() -> String {
    format!(
        "sysctl -qw net.ipv4.ip_forward=1
        ip addr add {PEER_WAN}/24 dev eth0
        ip netns add site
        ip link add lan0 mtu {SITE_MTU} type veth peer name eth0 mtu {SITE_MTU} netns site
        ip addr add {PEER_LAN}/24 dev lan0
        ip link set lan0 up
        ip -n site addr add {SITE}/24 dev eth0
        ip -n site link set lo up
        ip -n site link set eth0 up
        ip -n site route add default via {PEER_LAN}
        ip netns exec site iperf3 -s -D"
    )
}
