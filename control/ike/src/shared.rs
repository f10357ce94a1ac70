//! What the engines of both versions share: peers, randomness, ids and SPIs, caps, and the one
//! ordered queue of what they have to say.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use engine::{Instant, Random, Secret};

use crate::msg::IkeSpi;
use crate::output::{
    ChildSaId, Datagram, Event, IkeSaId, KeyLogLine, KeyLogTable, Level, Output, Path,
};
use crate::peers::Peers;
use crate::policy::Peer;

/// What holds for all peers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where IKE is spoken from without a NAT: 500.
    pub port: u16,
    /// Where IKE and ESP in UDP are spoken from once a NAT may be on the way: 4500.
    pub nat_port: u16,
    /// From this many half-open exchanges on, an initiator must return a cookie (RFC 7296
    /// section 2.6) before anything is kept for it.
    pub cookie_threshold: usize,
    /// Half-open exchanges of strangers kept at once, of each version; the oldest gives way
    /// to a new one. Each takes at most [`Settings::HALF_OPEN_LEN_MAX`] bytes of memory.
    pub half_open_max: usize,
    /// IKE SAs kept at once, half-open ones included: further peers are turned away.
    pub sa_max: usize,
    /// How long a stranger may take until it is authenticated.
    pub half_open_timeout: Duration,
    /// A request is sent again after this long without an answer, then after twice as long, and so
    /// on.
    pub retransmit_first: Duration,
    /// How often a request is sent again before the peer is given up, where no DPD timeout says so.
    pub retransmit_tries: u32,
    /// How long an inbound SA that has been replaced still takes what is on its way.
    pub drain: Duration,
    /// A child or peer that could not be negotiated is tried again after this long, then after
    /// twice as long, and so on up to 32 times as long.
    pub retry: Duration,
    /// ESP SPIs that are taken by other means.
    pub reserved_spis: Vec<u32>,
    /// Lines of Wireshark's tables of keys are wanted.
    pub key_log: bool,
}

impl Settings {
    /// A stranger's first message is ignored if it is longer, bytes: all of it that is signed later
    /// is kept.
    pub const FIRST_MESSAGE_MAX: usize = 4096;
    /// What a half-open exchange of a stranger takes at most, all in, bytes: with the defaults,
    /// strangers have 64 MiB.
    pub const HALF_OPEN_LEN_MAX: usize = 8192;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 500,
            nat_port: 4500,
            cookie_threshold: 64,
            half_open_max: 4096,
            sa_max: 100_000,
            half_open_timeout: Duration::from_secs(30),
            retransmit_first: Duration::from_secs(2),
            retransmit_tries: 5,
            drain: Duration::from_secs(5),
            retry: Duration::from_secs(4),
            reserved_spis: Vec::new(),
            key_log: false,
        }
    }
}

/// What the engines of both versions share.
pub(crate) struct Shared {
    /// What holds for all peers.
    pub settings: Settings,
    /// Every random byte of the engines.
    pub random: Box<dyn Random>,
    pub peers: Peers,
    /// Our addresses, as the shell last told them.
    pub local_addresses: Vec<IpAddr>,
    /// Half-open exchanges that strangers began, of both versions. Each engine counts its own up
    /// and down.
    pub half_open: usize,
    /// IKE SAs of both versions, half-open ones included. Each engine counts its own up and down.
    pub sa_count: usize,
    output: VecDeque<Output>,
    esp_spis: BTreeSet<u32>,
    reserved_spis: BTreeSet<u32>,
    ike_spis: BTreeSet<IkeSpi>,
    owners: BTreeMap<ChildSaId, IkeSaId>,
    next_child: u64,
    next_ike: u64,
    stranger_lines: Bucket,
}

impl Shared {
    pub fn new(settings: Settings, random: Box<dyn Random>) -> Self {
        let reserved_spis: BTreeSet<u32> = settings.reserved_spis.iter().copied().collect();
        Self {
            settings,
            random,
            peers: Peers::default(),
            local_addresses: Vec::new(),
            half_open: 0,
            sa_count: 0,
            output: VecDeque::new(),
            esp_spis: reserved_spis.clone(),
            reserved_spis,
            ike_spis: BTreeSet::new(),
            owners: BTreeMap::new(),
            next_child: 1,
            next_ike: 1,
            stranger_lines: Bucket::default(),
        }
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Something has happened.
    pub fn emit(&mut self, event: Event) {
        self.output.push_back(Output::Event(event));
    }

    /// Sends a message.
    pub fn transmit(&mut self, path: Path, message: Vec<u8>) {
        self.output.push_back(Output::Transmit(Datagram { path, message }));
    }

    /// A sentence about a peer that has been authenticated, or about what we do by ourselves.
    pub fn log(&mut self, level: Level, peer: &str, text: String) {
        self.emit(Event::Log { level, peer: Some(peer.into()), text });
    }

    /// A sentence about what anybody may have sent: only so many of them in a second.
    pub fn log_stranger(&mut self, now: Instant, level: Level, peer: Option<&str>, text: String) {
        let Some(suppressed) = self.stranger_lines.take(now) else { return };
        if suppressed > 0 {
            self.emit(Event::Log {
                level: Level::Warning,
                peer: None,
                text: alloc::format!("{suppressed} lines about unauthenticated messages left out"),
            });
        }
        self.emit(Event::Log { level, peer: peer.map(Into::into), text });
    }

    /// A line of Wireshark's tables of keys, if they are asked for.
    pub fn key_log(&mut self, table: KeyLogTable, line: impl FnOnce() -> Secret) {
        if self.settings.key_log {
            let line = line();
            self.emit(Event::KeyLog(KeyLogLine { table, line }));
        }
    }

    /// An id for a new child SA.
    pub fn child_id(&mut self) -> ChildSaId {
        let id = ChildSaId(self.next_child);
        self.next_child += 1;
        id
    }

    /// An id for a new IKE SA.
    pub fn ike_id(&mut self) -> IkeSaId {
        let id = IkeSaId(self.next_ike);
        self.next_ike += 1;
        id
    }

    /// A child belongs to this IKE SA from here on.
    pub fn own_child(&mut self, child: ChildSaId, ike: IkeSaId) {
        self.owners.insert(child, ike);
    }

    /// A child is over.
    pub fn disown_child(&mut self, child: ChildSaId) {
        self.owners.remove(&child);
    }

    /// The IKE SA that a child belongs to.
    pub fn owner(&self, child: ChildSaId) -> Option<IkeSaId> {
        self.owners.get(&child).copied()
    }

    /// An SPI for an inbound ESP SA: random, unused, and none of the reserved ones below 256
    /// (RFC 4303 section 2.1).
    pub fn allocate_esp_spi(&mut self) -> u32 {
        loop {
            let spi = self.random_u32();
            if spi > 255 && self.esp_spis.insert(spi) {
                return spi;
            }
        }
    }

    /// Gives an inbound ESP SPI back.
    pub fn release_esp_spi(&mut self, spi: u32) {
        if !self.reserved_spis.contains(&spi) {
            self.esp_spis.remove(&spi);
        }
    }

    /// Our SPI of a new IKE SA: random, unused by either version, and not zero.
    pub fn allocate_ike_spi(&mut self) -> IkeSpi {
        loop {
            let spi = IkeSpi(self.random_u64());
            if spi.0 != 0 && self.ike_spis.insert(spi) {
                return spi;
            }
        }
    }

    /// Gives the SPI of an IKE SA of ours back.
    pub fn release_ike_spi(&mut self, spi: IkeSpi) {
        self.ike_spis.remove(&spi);
    }

    pub fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    pub fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// `len` random bytes: a nonce, an IV.
    pub fn random_bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0; len];
        self.random.fill(&mut bytes);
        bytes
    }

    /// A duration, shortened by up to `percent` of it.
    pub fn jitter(&mut self, duration: Duration, percent: u8) -> Duration {
        let thousandths = u32::from(percent.min(50)) * 10;
        let cut = if thousandths == 0 { 0 } else { self.random_u32() % (thousandths + 1) };
        duration - duration / 1000 * cut
    }

    /// The address that a peer is called from.
    pub fn local_address(&self, peer: &Peer, remote: IpAddr) -> IpAddr {
        let same_version = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
        peer.local.or_else(|| self.local_addresses.iter().find(same_version).copied()).unwrap_or(
            if remote.is_ipv4() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            } else {
                IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            },
        )
    }
}

/// Lines about strangers: ten in a burst, one a second after that.
#[derive(Default)]
struct Bucket {
    /// The time at which the bucket will be full again.
    full_at: Instant,
    suppressed: u64,
}

impl Bucket {
    const BURST: u32 = 10;
    const EACH: Duration = Duration::from_secs(1);

    /// Whether a line may be written, and how many could not be since the last.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.full_at.since(now) > Self::EACH * (Self::BURST - 1) {
            self.suppressed += 1;
            return None;
        }
        self.full_at = self.full_at.max(now) + Self::EACH;
        Some(core::mem::take(&mut self.suppressed))
    }
}
