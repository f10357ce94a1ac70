//! BFD (RFC 5881) in the running gateway: a session for each neighbour that OSPF wants watched, on
//! the networks of ports and through tunnels.
//!
//! Sessions come and go by OSPF's word, never by a packet's, so that no stranger makes one. All
//! packets of a neighbour have the TTL 255: on ports the sockets see to that, in tunnels the
//! workers.

mod sockets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use bfd::{Control, Diagnostic, Output, Session, Settings, State};
use engine::{Instant, Random, Seeded, Timers};
use mio::Token;
use ospf::settings::InterfaceId;
use wire::ipv4::Ipv4;
use wire::udp::{self, Udp};
use wire::{checksum, protocol};
use zerocopy::IntoBytes;

use crate::tunnel_io;

pub use self::sockets::{Place, Sockets};

/// The sockets of BFD in control's poll.
pub const BFD: Token = Token(7);
/// No router on the way can make it (RFC 5881 section 5).
const TTL: u8 = 255;
/// The first port that packets come from: of those that they may (RFC 5881 section 4: 49152 and
/// above), the ones that Linux gives to nobody by itself.
const SOURCE_PORT_FIRST: u16 = 61_000;
/// How often a neighbour is told that it is no longer watched: one packet may be lost, and it
/// would take the path for failed (RFC 5880 section 6.8.16).
const LAST_WORDS: usize = 3;
/// Most sessions: each has a source port of its own, and all are worked by one thread.
const SESSIONS_MAX: usize = 4096;

/// Whom a session watches: on which interface, with which address.
pub type Path = (InterfaceId, Ipv4Addr);

/// All sessions.
pub struct Sessions {
    /// Interfaces whose neighbours may be watched, and how closely.
    interfaces: BTreeMap<InterfaceId, (Box<str>, Settings)>,
    sessions: BTreeMap<Path, Watched>,
    by_discriminator: BTreeMap<u32, Path>,
    source_ports: BTreeSet<u16>,
    due: Timers<Path>,
    actions: VecDeque<Action>,
    random: Seeded,
}

struct Watched {
    session: Session,
    source_port: u16,
    /// Since when it is up, or is not.
    since: Instant,
    is_up: bool,
    sent: u64,
    received: u64,
}

/// What sessions want done, in this order.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Send a packet.
    Send {
        /// To whom.
        path: Path,
        /// From which port.
        source_port: u16,
        /// The payload of the datagram.
        packet: [u8; Control::LEN],
    },
    /// What was up is down, and not because somebody wanted that.
    Failed(Path),
    /// The port is nobody's any more.
    Release(u16),
}

/// A session, to look at.
pub struct SessionStatus<'a> {
    /// What the operator calls the interface.
    pub interface: &'a str,
    /// The neighbour's address.
    pub address: Ipv4Addr,
    /// Our state.
    pub state: State,
    /// What the neighbour says that its state is.
    pub remote_state: State,
    /// Why it went down the last time.
    pub diagnostic: Diagnostic,
    /// How long it has been up, or has not.
    pub since: Duration,
    /// Time between packets of ours; none are sent without it.
    pub transmit_interval: Option<Duration>,
    /// How long the neighbour may be silent; not known before it has been heard.
    pub detection_time: Option<Duration>,
    /// Packets sent.
    pub sent: u64,
    /// Packets received that were its.
    pub received: u64,
}

impl Sessions {
    /// None yet.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            interfaces: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            source_ports: BTreeSet::new(),
            due: Timers::default(),
            actions: VecDeque::new(),
            random: Seeded::new(seed),
        }
    }

    /// How closely neighbours on an interface are watched from now on.
    pub fn configure(&mut self, now: Instant, id: InterfaceId, name: &str, wanted: config::Bfd) {
        let settings = Settings {
            desired_min_tx: wanted.interval,
            required_min_rx: wanted.interval,
            detect_multiplier: wanted.multiplier,
            passive: false,
        };
        let before = self.interfaces.insert(id, (name.into(), settings));
        if before.is_some_and(|(_, before)| before != settings) {
            let of_it: Vec<Path> =
                self.sessions.keys().filter(|(of, _)| *of == id).copied().collect();
            for path in of_it {
                let Some(watched) = self.sessions.get_mut(&path) else { continue };
                watched.session.configure(settings, now, &mut self.random);
                self.settle(now, path);
            }
        }
    }

    /// Watches a neighbour, or does so no longer: then it is told, lest it takes our silence for a
    /// failure of the path.
    pub fn watch(&mut self, now: Instant, path: Path, watch: bool) {
        if !watch {
            self.forget(now, path);
            return;
        }
        let Some((name, settings)) = self.interfaces.get(&path.0) else { return };
        if self.sessions.contains_key(&path) {
            return;
        }
        let mut ports = SOURCE_PORT_FIRST..=u16::MAX;
        let free = ports.find(|port| !self.source_ports.contains(port));
        let Some(source_port) = free.filter(|_| self.sessions.len() < SESSIONS_MAX) else {
            tracing::warn!("{} on {name} is not watched: too many are", path.1);
            return;
        };
        let settings = *settings;
        let discriminator = self.random_discriminator();
        let session = Session::new(settings, discriminator, now);
        self.source_ports.insert(source_port);
        self.by_discriminator.insert(discriminator.get(), path);
        let watched =
            Watched { session, source_port, since: now, is_up: false, sent: 0, received: 0 };
        self.sessions.insert(path, watched);
        self.settle(now, path);
    }

    /// Watches nobody any more.
    pub fn watch_nobody(&mut self, now: Instant) {
        let all: Vec<Path> = self.sessions.keys().copied().collect();
        all.into_iter().for_each(|path| self.forget(now, path));
    }

    fn random_discriminator(&mut self) -> NonZeroU32 {
        loop {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes);
            let number = u32::from_be_bytes(bytes);
            if let Some(number) = NonZeroU32::new(number)
                && !self.by_discriminator.contains_key(&number.get())
            {
                return number;
            }
        }
    }

    fn forget(&mut self, now: Instant, path: Path) {
        let Some(watched) = self.sessions.get_mut(&path) else { return };
        if watched.session.state() == State::Up {
            watched.is_up = false;
            watched.session.set_admin_down(true, now, &mut self.random);
            self.settle(now, path);
            if let Some(said @ Action::Send { .. }) = self.actions.back().copied() {
                self.actions.extend([said; LAST_WORDS - 1]);
            }
        }
        let Some(watched) = self.sessions.remove(&path) else { return };
        self.by_discriminator.remove(&watched.session.discriminator().get());
        self.source_ports.remove(&watched.source_port);
        self.due.cancel(path);
        self.actions.push_back(Action::Release(watched.source_port));
    }

    /// The payload of a datagram that came to an interface from `source`. What is no packet of a
    /// session changes nothing.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        source: Ipv4Addr,
        payload: &[u8],
    ) {
        let Ok(packet) = Control::parse(payload) else { return };
        let path = match packet.your_discriminator {
            0 => (interface, source),
            // RFC 5880 section 6.8.6: it alone tells which session, but of one hop that is still
            // the interface's.
            own => match self.by_discriminator.get(&own) {
                Some(path) if path.0 == interface => *path,
                _ => return,
            },
        };
        let Some(watched) = self.sessions.get_mut(&path) else { return };
        match watched.session.handle_packet(&packet, now, &mut self.random) {
            Ok(()) => watched.received += 1,
            Err(discarded) => tracing::debug!("BFD from {source} is refused: {discarded}"),
        }
        self.settle(now, path);
    }

    /// Does what is due: to be called after what has come was read, lest packets that wait are
    /// missed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(path) = self.due.expired(now) {
            if let Some(watched) = self.sessions.get_mut(&path) {
                watched.session.handle_timeout(now, &mut self.random);
                self.settle(now, path);
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.deadline()
    }

    /// The next thing that is to be done; to be asked until there is none.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// All sessions, by interface and address.
    pub fn statuses(&self, now: Instant) -> impl Iterator<Item = SessionStatus<'_>> {
        self.sessions.iter().filter_map(move |(path, watched)| {
            let (name, _) = self.interfaces.get(&path.0)?;
            let session = &watched.session;
            Some(SessionStatus {
                interface: name,
                address: path.1,
                state: session.state(),
                remote_state: session.remote_state(),
                diagnostic: session.diagnostic(),
                since: now.since(watched.since),
                transmit_interval: session.transmit_interval(),
                detection_time: session.detection_time(),
                sent: watched.sent,
                received: watched.received,
            })
        })
    }

    /// Takes what a session wants, and notes when it is due.
    fn settle(&mut self, now: Instant, path: Path) {
        let Some(watched) = self.sessions.get_mut(&path) else { return };
        while let Some(output) = watched.session.poll_output() {
            match output {
                Output::Transmit(packet) => {
                    watched.sent += 1;
                    let (source_port, packet) = (watched.source_port, packet.encode());
                    self.actions.push_back(Action::Send { path, source_port, packet });
                }
                Output::StateChanged { state, diagnostic, remote } => {
                    let was_up = std::mem::replace(&mut watched.is_up, state == State::Up);
                    if was_up == watched.is_up {
                        continue;
                    }
                    watched.since = now;
                    let (address, name) = (path.1, self.interfaces.get(&path.0));
                    let name = name.map_or("?", |(name, _)| name);
                    if watched.is_up {
                        tracing::info!("BFD with {address} on {name} is up");
                        continue;
                    }
                    tracing::warn!("BFD with {address} on {name} is {state}: {diagnostic}");
                    // RFC 5882 section 3.2: that somebody wants it down says nothing of the path.
                    if remote != State::AdminDown {
                        self.actions.push_back(Action::Failed(path));
                    }
                }
            }
        }
        match watched.session.deadline() {
            Some(at) => self.due.set(path, at),
            None => self.due.cancel(path),
        }
    }
}

/// A packet for a tunnel, from its IP header on.
pub fn whole_packet(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    source_port: u16,
    payload: &[u8; Control::LEN],
) -> Option<Box<[u8]>> {
    let len = (Udp::LEN + payload.len()) as u16;
    let mut header = Udp {
        source_port: source_port.into(),
        destination_port: udp::BFD_PORT.into(),
        len: len.into(),
        checksum: 0.into(),
    };
    let sum = pseudo(source, destination, len);
    let sum = checksum::add(checksum::add(sum, header.as_bytes()), payload);
    // RFC 768: zero would mean that there is none.
    let sum = checksum::finish(sum);
    header.checksum.set(if sum == 0 { u16::MAX } else { sum });
    let addresses = (source, destination);
    tunnel_io::packet(addresses, protocol::UDP, TTL, &[header.as_bytes(), payload])
}

/// The payload of a datagram for BFD that came out of a tunnel; `None` if it is for others or was
/// damaged on the way.
pub fn payload_of<'a>(header: &Ipv4, datagram: &'a [u8]) -> Option<&'a [u8]> {
    let (udp, _) = Udp::split(datagram).ok()?;
    let datagram = datagram.get(..usize::from(udp.len.get()))?;
    let sum = pseudo(header.source_addr(), header.destination_addr(), udp.len.get());
    let is_sound = udp.checksum.get() == 0 || checksum::finish(checksum::add(sum, datagram)) == 0;
    let is_for_bfd = header.protocol == protocol::UDP && udp.destination_port == udp::BFD_PORT;
    datagram.get(Udp::LEN..).filter(|_| is_sound && is_for_bfd)
}

fn pseudo(source: Ipv4Addr, destination: Ipv4Addr, len: u16) -> u64 {
    checksum::pseudo(source.into(), destination.into(), protocol::UDP, len.into())
}

#[cfg(test)]
mod tests;
