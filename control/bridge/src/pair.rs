//! One negotiated pair of SAs, and what its counters have been told of.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use config::EspMode;
use esp::{Crypto, InboundSa, Keys, Limits, OutboundSa};
use ike::msg::TrafficSelector;
use ike::output::{ChildSa, Input, Path, SaKeys};
use ike::policy::Mode;
use tables::{Endpoints, InboundEntry, Selector, Selectors, TunnelId};

/// Without extended sequence numbers there are 2^32 (RFC 4303 section 3.3.3): at three quarters of
/// them it is time for new keys, whatever the configured limits say.
const SEQUENCE_SOFT: u64 = 3 << 30;

/// A negotiated pair of SAs.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) child: Arc<ChildSa>,
    pub(super) inbound: Arc<InboundSa>,
    pub(super) outbound: Arc<OutboundSa>,
    /// Where it goes now, which may not be where it went when it was made.
    pub(super) path: Path,
    pub(super) udp: bool,
    /// The peer takes pairs for single workers beside it (RFC 9611).
    pub(super) per_worker: bool,
    /// The sequence number of the packet that told of the peer's last move.
    moved_at: u64,
    told: Told,
}

/// What IKE has been told of a pair.
#[derive(Clone, Copy, Default)]
struct Told {
    /// Packets that had come through the inbound SA.
    packets: u64,
    used: bool,
    soft: bool,
    hard: bool,
}

impl Pair {
    /// With the keys that IKE has negotiated. `seed` is the outbound SA's.
    pub(super) fn new(
        child: &Arc<ChildSa>,
        replay_window: u32,
        seed: [u8; 32],
        crypto: Crypto,
    ) -> Result<Self, Box<dyn Error>> {
        let ChildSa { suite, esn, inbound, outbound, lifetime, .. } = &**child;
        let limits = Limits { packets: lifetime.hard_packets, bytes: lifetime.hard_bytes };
        let (spi, its) = (outbound.spi, keys(outbound));
        let sealing = OutboundSa::with_crypto(spi, *suite, its, *esn, seed, crypto)?;
        let (spi, its) = (inbound.spi, keys(inbound));
        let opening = InboundSa::with_crypto(spi, *suite, its, *esn, replay_window, crypto)?;
        Ok(Self {
            inbound: Arc::new(opening.with_limits(limits)),
            outbound: Arc::new(sealing.with_limits(limits)),
            path: child.path,
            udp: child.udp,
            per_worker: child.per_worker,
            moved_at: 0,
            told: Told::default(),
            child: Arc::clone(child),
        })
    }

    pub(super) fn ends(&self) -> Endpoints {
        Endpoints { local: self.path.local.ip(), remote: self.path.remote.ip() }
    }

    /// The peer's UDP port, where ESP travels in UDP.
    pub(super) fn remote_port(&self) -> Option<u16> {
        self.udp.then(|| self.path.remote.port())
    }

    pub(super) fn mode(&self) -> EspMode {
        match self.child.mode {
            Mode::Tunnel => EspMode::Tunnel,
            Mode::Transport => EspMode::Transport,
        }
    }

    /// The inbound SA as workers find it.
    pub(super) fn inbound(&self, tunnel: TunnelId) -> InboundEntry {
        let Endpoints { local, remote } = self.ends();
        InboundEntry {
            sa: Arc::clone(&self.inbound),
            tunnel,
            remote,
            local,
            remote_port: self.remote_port(),
            // RFC 7296 2.23: a NAT may change its mind, and nothing else moves a peer but IKE.
            follows: self.udp,
        }
    }

    /// What may come out of it; `None` is anything.
    pub(super) fn selectors(&self) -> Option<Selectors> {
        let ChildSa { local, remote, .. } = &*self.child;
        let any =
            |all: &[TrafficSelector]| all.iter().any(is_any_ipv4) && all.iter().any(is_any_ipv6);
        if any(local) && any(remote) {
            return None;
        }
        let both = local.iter().flat_map(|local| remote.iter().map(move |remote| (local, remote)));
        let both = both.filter(|(local, remote)| same_version(local, remote));
        Some(Selectors(both.map(|(local, remote)| selector(local, remote)).collect()))
    }

    /// Takes notice that the packet `seq` came from elsewhere; whether that is the newest such
    /// news.
    pub(super) fn hears(&mut self, seq: u64) -> bool {
        let newer = seq > self.moved_at;
        self.moved_at = self.moved_at.max(seq);
        newer
    }

    /// Whether IKE is now to be told of the first packet.
    pub(super) fn is_first_use(&mut self) -> bool {
        !std::mem::replace(&mut self.told.used, true)
    }

    /// What the counters say that IKE has not been told.
    pub(super) fn news(&mut self, news: &mut Vec<Input>) {
        let id = self.child.id;
        let packets = self.inbound.packets();
        if packets > 0 && !self.told.used {
            self.told.used = true;
            news.push(Input::InboundUsed(id));
        }
        if packets != self.told.packets {
            self.told.packets = packets;
            news.push(Input::PeerAlive(id));
        }
        let lifetime = &self.child.lifetime;
        let packets = packets.max(self.outbound.packets());
        let bytes = self.inbound.bytes().max(self.outbound.bytes());
        let over = |used: u64, limit: Option<u64>| limit.is_some_and(|limit| used >= limit);
        let sequence = self.outbound.sequence().max(self.inbound.sequence());
        let numbers_end = !self.child.esn && sequence >= SEQUENCE_SOFT;
        if !self.told.hard
            && (over(packets, lifetime.hard_packets) || over(bytes, lifetime.hard_bytes))
        {
            (self.told.hard, self.told.soft) = (true, true);
            news.push(Input::HardLimit(id));
        }
        if !self.told.soft
            && (over(packets, lifetime.rekey_packets)
                || over(bytes, lifetime.rekey_bytes)
                || numbers_end)
        {
            self.told.soft = true;
            news.push(Input::SoftLimit(id));
        }
    }

    /// Where the peer is, by the address and, in UDP, the port that a packet came from.
    pub(super) fn peer_at(&self, address: std::net::IpAddr, port: Option<u16>) -> SocketAddr {
        SocketAddr::new(address, port.unwrap_or(self.path.remote.port()))
    }
}

fn keys(sa: &SaKeys) -> Keys<'_> {
    Keys { encryption: sa.encryption.expose(), authentication: sa.authentication.expose() }
}

fn is_any(selector: &TrafficSelector) -> bool {
    selector.protocol == 0 && selector.ports == (0, u16::MAX)
}

fn is_any_ipv4(selector: &TrafficSelector) -> bool {
    is_any(selector) && selector.addresses == ([0; 4].into(), [0xff; 4].into())
}

fn is_any_ipv6(selector: &TrafficSelector) -> bool {
    is_any(selector) && selector.addresses == ([0; 16].into(), [0xff; 16].into())
}

fn same_version(a: &TrafficSelector, b: &TrafficSelector) -> bool {
    a.addresses.0.is_ipv4() == b.addresses.0.is_ipv4()
}

/// A pair of IKE's selectors as the tables have it. A protocol on one side is one of the packet.
fn selector(local: &TrafficSelector, remote: &TrafficSelector) -> Selector {
    let range = |selector: &TrafficSelector| [selector.addresses.0..=selector.addresses.1].into();
    let protocol = [local.protocol, remote.protocol].into_iter().find(|protocol| *protocol != 0);
    let ports = |selector: &TrafficSelector| {
        let (first, last) = selector.ports;
        // 65535 to 0 is OPAQUE (RFC 7296 3.13.1): a range that holds nothing, as packets whose
        // ports cannot be seen are refused.
        ((first, last) != (0, u16::MAX)).then_some(first..=last)
    };
    Selector {
        local: range(local),
        remote: range(remote),
        protocol,
        local_ports: ports(local),
        remote_ports: ports(remote),
    }
}
