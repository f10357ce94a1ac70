//! Two sites in namespaces, with a switch between their gateways on which one can listen and
//! speak.
//!
//! ```text
//! host A        gateway A               wire                gateway B        host B
//! eth0 ------ lan0   wan0 ------ wan-a [bridge] wan-b ------ wan0  lan0 ------ eth0
//! 10.1.0.2   10.1.0.1  203.0.113.1              203.0.113.2  10.2.0.1     10.2.0.2
//! ```

use std::time::{Duration, Instant};

use tests::{
    gateway::Gateway,
    netns::{Netns, Nic, answered, veth},
    process::{output, wait_for},
    site::{Join, Side, Site},
};

/// The network; the gateways are not started.
pub struct Lab {
    pub a: End,
    pub b: End,
    pub wire: Netns,
}

/// One site.
pub struct End {
    pub side: Side,
    pub host: Netns,
    pub gateway: Netns,
    /// Its namespace's device on the wire.
    wire: &'static str,
}

impl Lab {
    /// With one queue on every device.
    pub fn new() -> Self {
        Self::with_queues(1)
    }

    /// With so many queues on every device.
    pub fn with_queues(queues: u32) -> Self {
        let wire = Netns::new("wire");
        wire.bridge("bridge");
        let a = End::new(Side::A, &wire, queues);
        let b = End::new(Side::B, &wire, queues);
        Self { a, b, wire }
    }

    /// Starts both gateways.
    pub fn join(&self, join: Join) -> (Gateway, Gateway) {
        (self.a.start(join), self.b.start(join))
    }

    /// A gateway's outside link, seen from the wire.
    pub fn outside<'a>(&'a self, end: &'a End) -> Nic<'a> {
        self.wire.nic(end.wire)
    }
}

impl End {
    fn new(side: Side, wire: &Netns, queues: u32) -> Self {
        let (host, gateway) = match side {
            Side::A => (Netns::new("host-a"), Netns::new("gw-a")),
            Side::B => (Netns::new("host-b"), Netns::new("gw-b")),
        };
        let port = match side {
            Side::A => "wan-a",
            Side::B => "wan-b",
        };
        veth(host.nic("eth0"), gateway.nic("lan0"), queues);
        veth(gateway.nic("wan0"), wire.nic(port), queues);
        wire.nic(port).enslave("bridge");
        host.nic("eth0").address(&format!("{}/24", side.host()));
        host.ip(&format!("route add default via {}", side.gateway()));
        gateway.nic("lan0").address(&format!("{}/24", side.gateway()));
        gateway.nic("wan0").address(&format!("{}/24", side.wan()));
        Self { side, host, gateway, wire: port }
    }

    /// Starts the gateway with one worker.
    pub fn start(&self, join: Join) -> Gateway {
        self.start_with(join, 1, "")
    }

    /// Starts the gateway with more in its configuration.
    pub fn start_with(&self, join: Join, workers: usize, more: &str) -> Gateway {
        Gateway::start(&self.gateway, |socket| {
            let site = Site { side: self.side, join, workers, socket: Some(socket) };
            format!("{}{more}", site.toml())
        })
    }

    /// Whether an XDP program is on one of the gateway's devices.
    pub fn has_xdp(&self) -> bool {
        self.gateway.ip("link show").contains("xdp")
    }

    /// Pings the other site's host once; whether it was answered.
    pub fn reaches_other_host(&self) -> bool {
        self.host.ping(self.side.other().host(), 1, 56) == 1
    }

    /// Waits until the other site's host answers; panics when it does not within `limit`. Gives
    /// how long that took.
    pub fn wait_for_other_host(&self, limit: Duration) -> Duration {
        let (start, to) = (Instant::now(), self.side.other().host());
        let answers = || answers(&self.host, to).then_some(());
        wait_for(&format!("answer from {to}"), limit, answers);
        start.elapsed()
    }
}

/// Whether one ping is answered at once.
pub fn answers(from: &Netns, to: &str) -> bool {
    let said = output(from.command("ping").args(["-n", "-q", "-c", "1", "-W", "0.3", to]));
    answered(&String::from_utf8_lossy(&said.stdout)) == 1
}
