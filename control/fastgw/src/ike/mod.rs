//! IKE in the running gateway: the engine with its sockets, its clock and its randomness.
//!
//! 1. What comes in (datagrams, the time, what workers and commands ask for) goes to the engine.
//! 2. [`turn`] does what the engine wants, in its order: keys are in the workers' tables before the
//!    message leaves that allows the peer to use them.
//! 3. What the SAs' counters say goes back to the engine with the gateway's tick.

mod inputs;
mod key_log;
mod random;
mod sockets;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use config::Config;
use engine::UnixTime;
use ike::output::Input;
use ike::policy::Peer;
use ike::{Ike, Settings};
use mio::{Registry, Token};

pub use self::key_log::KeyLog;
pub use self::sockets::{Received, Sockets};

/// The sockets of IKE in control's poll.
pub const IKE: Token = Token(5);

/// The engine of a gateway and what it runs on.
pub struct Negotiator {
    engine: Ike,
    sockets: Sockets,
    start: Instant,
    key_log: Option<KeyLog>,
    addresses: Vec<IpAddr>,
    peers: Vec<Arc<Peer>>,
}

impl Negotiator {
    /// An engine that knows no peer yet. `reserved_spis` are those of manual SAs.
    ///
    /// # Errors
    /// No randomness, or the key log cannot be opened.
    pub fn new(config: &Config, reserved_spis: Vec<u32>) -> Result<Self, Box<dyn Error>> {
        let folder = config.gateway.ike_keylog.as_ref();
        let key_log = folder.map(|folder| {
            tracing::warn!(
                "ALL KEYS are written to {}: whoever reads it reads all traffic",
                folder.display()
            );
            let cannot = |error| format!("cannot log keys to {}: {error}", folder.display());
            KeyLog::open(folder).map_err(cannot)
        });
        let key_log = key_log.transpose()?;
        let settings =
            Settings { reserved_spis, key_log: key_log.is_some(), ..Settings::default() };
        let engine = Ike::new(settings, Box::new(random::System::new()?));
        let (sockets, start) = (Sockets::new(), Instant::now());
        Ok(Self { engine, sockets, start, key_log, addresses: Vec::new(), peers: Vec::new() })
    }

    /// The time as the engine counts it.
    pub fn now(&self) -> engine::Instant {
        self.at(Instant::now())
    }

    fn at(&self, time: Instant) -> engine::Instant {
        let nanos = time.saturating_duration_since(self.start).as_nanos();
        engine::Instant(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The peers that are configured now.
    pub fn configure(&mut self, config: &Config) {
        let now = self.now();
        let known: BTreeMap<&str, &Arc<Peer>> =
            self.peers.iter().map(|old| (&*old.name, old)).collect();
        let same = |new: &Arc<Peer>| {
            let is_same =
                |old: &&Arc<Peer>| old.has_settings_of(new) && old.children == new.children;
            known.get(&*new.name).copied().filter(is_same).unwrap_or(new).clone()
        };
        // A peer that has not changed is the very same one to the engine, and keeps its SAs.
        let peers = config.ike_peers.iter().map(same).collect();
        self.peers = peers;
        self.engine.configure(now, wall(), self.peers.clone());
    }

    /// No peers from now on: each is told so.
    pub fn forget_all(&mut self) {
        let now = self.now();
        self.peers.clear();
        self.engine.configure(now, wall(), Vec::new());
    }

    /// Follows the machine's addresses: sockets are opened and closed, and peers are told. Gives
    /// what the kernel refused, in words.
    pub fn follow(
        &mut self,
        config: &Config,
        machine: &[IpAddr],
        registry: &Registry,
    ) -> Vec<String> {
        let addresses = wanted_addresses(config, machine);
        let problems = self.sockets.follow(&addresses, registry, IKE);
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        if addresses != self.addresses {
            self.addresses.clone_from(&addresses);
            self.tell(Input::LocalAddresses(addresses));
        }
        problems
    }

    /// Tells the engine something.
    pub fn tell(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle_input(now, wall(), input);
    }

    /// Reads what has come in; whole packets of ESP go to `esp`.
    pub fn read(&mut self, mut esp: impl FnMut(Box<[u8]>)) {
        let (now, wall) = (self.now(), wall());
        let engine = &mut self.engine;
        self.sockets.read(|received| match received {
            Received::Ike(path, message) => engine.handle_datagram(now, wall, path, message),
            Received::Esp(packet) => esp(packet),
        });
    }

    /// Has the engine do what is due.
    pub fn on_timeout(&mut self) {
        let now = self.now();
        if self.engine.deadline().is_some_and(|due| due <= now) {
            self.engine.handle_timeout(now, wall());
        }
    }

    /// Whether there may be something to read that no event tells of.
    pub fn has_unread(&self) -> bool {
        self.sockets.has_unread()
    }

    /// How long the control thread may sleep.
    pub fn patience(&self) -> Option<Duration> {
        if self.has_unread() {
            return Some(Duration::ZERO);
        }
        self.engine.deadline().map(|due| due.since(self.now()))
    }

    /// The sockets, to send from.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// What the engine has to show.
    pub fn status(&self) -> Vec<ike::status::IkeStatus> {
        self.engine.status()
    }
}

/// The date.
pub fn wall() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}

/// Where IKE is spoken: at the ends that peers have, or at all addresses if one has none.
fn wanted_addresses(config: &Config, machine: &[IpAddr]) -> BTreeSet<IpAddr> {
    let locals: Option<BTreeSet<IpAddr>> = config.ike_peers.iter().map(|peer| peer.local).collect();
    let here = machine.iter().copied().filter(|address| !address.is_loopback());
    match locals {
        Some(locals) => here.filter(|address| locals.contains(address)).collect(),
        None => here.collect(),
    }
}
