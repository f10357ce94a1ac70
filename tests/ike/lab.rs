//! The network of the test.
//!
//! ```text
//! host            ours                          router                        theirs
//! 10.1.0.2 ---- lan0      wan0 203.0.113.1 ---- .254    .254 ---- 198.51.100.1 eth0
//!               10.1.0.1                        198.51.100                     10.2.0.1 lo
//! ```

use std::{
    thread,
    time::{Duration, Instant},
};

use tests::{
    netns::{Netns, answered, veth},
    peer::Peer,
    process::{output, wait_for},
};

use crate::case::{Case, Mode, Side};

/// Pings under which an event happens, and the seconds between two of them.
const STREAM: (u32, f64) = (60, 0.02);
/// How long the event waits for the first of them.
const HEAD_START: Duration = Duration::from_millis(200);
/// Pings each way when all is quiet.
pub const PINGS: u32 = 3;
/// Largest packet where it is narrow, in bytes: the smallest that IPv6 allows.
const NARROW_MTU: u32 = 1280;

/// Has a guest's kernel load what its ESP computes with, which takes seconds of a first negotiation
/// under software emulation.
const WARM_UP: &str = "
    add='ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi'
    key=0x00112233445566778899aabbccddeeff
    auth=${key}01234567
    $add 1 aead 'rfc4106(gcm(aes))' ${key}01234567 128
    $add 2 aead 'rfc7539esp(chacha20,poly1305)' ${key}${key#0x}01234567 128
    $add 3 enc 'cbc(aes)' $key auth 'hmac(sha1)' $auth
    $add 4 enc 'cbc(aes)' $key auth-trunc 'hmac(sha256)' $key${key#0x} 128
    ip xfrm state flush
    modprobe -a ip_gre ipip";

/// Where their daemon is.
pub enum Theirs {
    /// In a namespace.
    Namespace(Netns),
    /// In a guest with a kernel of its own.
    Guest(Peer),
}

/// The namespaces of a case, or of all cases with a guest.
pub struct Lab {
    host: Netns,
    pub ours: Netns,
    router: Netns,
    pub theirs: Theirs,
}

impl Lab {
    /// With their daemon in a namespace; `kernel` forwards in our gateway's, for a daemon without a
    /// datapath of its own.
    pub fn with_namespace(kernel: bool) -> Self {
        let (netns, [host, ours, router]) = (Netns::new("theirs"), near_half(kernel));
        veth(netns.nic("eth0"), router.nic("theirs"), 1);
        let (wan, host_there) = (Side::Theirs.wan(), Side::Theirs.host());
        netns.nic("eth0").address(&format!("{wan}/24"));
        netns.ip(&format!("route add default via {}", Side::Theirs.router()));
        netns.nic("lo").address(&format!("{host_there}/24"));
        Self::complete(host, ours, router, Theirs::Namespace(netns))
    }

    /// With their daemon in a guest, which takes some seconds to boot.
    pub fn with_guest(kernel: bool) -> Self {
        let [host, ours, router] = near_half(kernel);
        let peer = Peer::boot("peer", &[router.nic("theirs")]);
        peer.exec(&format!(
            "ip addr add {}/24 dev eth0
            ip route add default via {}
            ip addr add {}/24 dev lo",
            Side::Theirs.wan(),
            Side::Theirs.router(),
            Side::Theirs.host(),
        ));
        peer.exec(WARM_UP);
        Self::complete(host, ours, router, Theirs::Guest(peer))
    }

    fn complete(host: Netns, ours: Netns, router: Netns, theirs: Theirs) -> Self {
        router.nic("theirs").address(&format!("{}/24", Side::Theirs.router()));
        Self { host, ours, router, theirs }
    }

    /// Makes the network what a case wants it to be.
    pub fn prepare(&self, case: &Case) {
        if case.narrow {
            self.narrow();
        }
        let mut rules = "flush ruleset\n".to_owned();
        if case.narrow {
            // Before the kernel reassembles, which it does for the NAT's sake.
            rules += "table ip narrow { chain in { type filter hook prerouting priority -450; \
                      ip frag-off & 0x3fff != 0 drop; }; }\n";
        }
        if let Some(behind) = case.nat {
            let outside = if behind == Side::Ours { "theirs" } else { "ours" };
            rules += &format!(
                "table ip nat {{ chain out {{ type nat hook postrouting priority 100; \
                 oifname \"{outside}\" masquerade; }}; }}\n"
            );
        }
        self.router.sh(&format!("nft '{rules}'"));
        if let Theirs::Guest(peer) = &self.theirs {
            peer.exec(&guest_script(case.mode));
        }
    }

    fn narrow(&self) {
        let mtu = format!("mtu {NARROW_MTU}");
        self.ours.ip(&format!("link set wan0 {mtu}"));
        for device in ["ours", "theirs"] {
            self.router.ip(&format!("link set {device} {mtu}"));
        }
        match &self.theirs {
            Theirs::Namespace(netns) => drop(netns.ip(&format!("link set eth0 {mtu}"))),
            Theirs::Guest(peer) => drop(peer.exec(&format!("ip link set eth0 {mtu}"))),
        }
    }

    /// The NAT gets another address, and forgets what it knew.
    pub fn rebind(&self, behind: Side) {
        let (device, network) = match behind {
            Side::Ours => ("theirs", "198.51.100"),
            Side::Theirs => ("ours", "203.0.113"),
        };
        self.router.ip(&format!("addr del {network}.254/24 dev {device}"));
        self.router.ip(&format!("addr add {network}.253/24 dev {device}"));
        let route = format!("ip route replace default via {network}.253");
        match behind {
            Side::Ours => self.their_sh(&route),
            Side::Theirs => self.ours.sh(&route),
        };
    }

    /// The peer's gateway gets another address in place of the one it had.
    pub fn move_theirs(&self) {
        self.their_sh(&format!(
            "ip addr add 198.51.100.2/24 dev eth0
            ip addr del 198.51.100.1/24 dev eth0
            ip addr replace 198.51.100.2/24 dev eth0
            ip route replace default via {}",
            Side::Theirs.router()
        ));
    }

    /// Runs lines of shell where their daemon is. Panics when they fail.
    fn their_sh(&self, lines: &str) -> String {
        match &self.theirs {
            Theirs::Namespace(netns) => netns.sh(lines),
            Theirs::Guest(peer) => peer.exec(lines),
        }
    }

    /// Pings from behind our end: how many of [`PINGS`] are answered.
    pub fn ping_from_ours(&self) -> u32 {
        self.host.ping(Side::Theirs.host(), PINGS, 56)
    }

    /// Pings from behind their end.
    pub fn ping_from_theirs(&self) -> u32 {
        let [from, to] = [Side::Theirs, Side::Ours].map(Side::host);
        // Its summary is wanted, whether all are answered or not.
        let ping = format!("ping -n -q -i 0.1 -W 2 -c {PINGS} -I {from} {to} || true");
        answered(&self.their_sh(&ping))
    }

    /// How many seconds pass until a ping from behind our end is answered.
    pub fn seconds_to_answer(&self, limit: Duration) -> Result<f64, String> {
        let begin = Instant::now();
        let mut ping = self.host.command("ping");
        ping.args(["-n", "-q", "-c", "1", "-W", "0.2", Side::Theirs.host()]);
        while begin.elapsed() < limit {
            if output(&mut ping).status.success() {
                return Ok(begin.elapsed().as_secs_f64());
            }
        }
        Err(format!("no ping is answered within {limit:?}"))
    }

    /// Does something in the midst of pings from behind our end; all of them must be answered.
    pub fn under_pings(
        &self,
        event: impl FnOnce() -> Result<(), String>,
    ) -> Result<String, String> {
        let (count, interval) = STREAM;
        let to = Side::Theirs.host();
        let mut pings = self.host.spawn(&format!("ping -n -q -i {interval} -W 1 -c {count} {to}"));
        thread::sleep(HEAD_START);
        event()?;
        wait_for("end of the pings", Duration::from_secs(20), || pings.ended());
        let answered = answered(&pings.log());
        let said = format!("{answered} of {count}");
        if answered == count { Ok(said) } else { Err(said + " pings answered") }
    }

    /// What could be told of a failure: addresses and routes of both ends.
    pub fn state(&self) -> String {
        let look = "ip -brief addr; ip route show table all type unicast";
        format!("{}\n{}", self.ours.sh(look), self.their_sh(look))
    }
}

/// A host, our gateway and the router, with all addresses but the router's towards them.
fn near_half(kernel: bool) -> [Netns; 3] {
    let [host, ours, router] = ["host", "ours", "router"].map(Netns::new);
    veth(host.nic("eth0"), ours.nic("lan0"), 1);
    veth(ours.nic("wan0"), router.nic("ours"), 1);
    host.nic("eth0").address(&format!("{}/24", Side::Ours.host()));
    ours.nic("lan0").address("10.1.0.1/24");
    host.ip("route add default via 10.1.0.1");
    ours.nic("wan0").address(&format!("{}/24", Side::Ours.wan()));
    ours.ip(&format!("route add default via {}", Side::Ours.router()));
    router.nic("ours").address(&format!("{}/24", Side::Ours.router()));
    router.set("net/ipv4/ip_forward", "1");
    if kernel {
        ours.set("net/ipv4/ip_forward", "1");
    }
    [host, ours, router]
}

/// Takes away what an earlier case left in a guest's kernel, and makes the tunnel of this one.
fn guest_script(mode: Mode) -> String {
    let [there, here] = [Side::Theirs, Side::Ours];
    let reset = "ip xfrm state flush; ip xfrm policy flush; ip link del join 2> /dev/null || true";
    let kind = match mode {
        Mode::Tunnel => return reset.to_owned(),
        Mode::TransportGre => "gre",
        Mode::TransportIpip => "ipip",
    };
    format!(
        "{reset}
        ip tunnel add join mode {kind} local {} remote {} ttl 64
        ip addr add {}/30 dev join
        ip link set join mtu 1400 up
        ip route add {} dev join src {}",
        there.wan(),
        here.wan(),
        there.overlay(),
        here.subnet(),
        there.host(),
    )
}
