//! A network in virtual time: gateways whose datagrams are lost, doubled and reordered as a seed
//! says, and a record of which SAs each has installed.

pub mod policy;
pub mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::{Instant, Random, Seeded, UnixTime};
use ike::output::{ChildSa, ChildSaId, Event, Input, KeyLogTable, Output, Path, RemovalReason};
use ike::policy::Peer;
use ike::{Ike, Settings};

/// The date of every simulation.
pub const WALL: UnixTime = UnixTime(1_790_000_000);

/// What a datagram meets on its way.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Of a hundred datagrams, so many are lost.
    pub loss_percent: u32,
    /// So many come twice.
    pub double_percent: u32,
    /// The shortest and the longest time on the way.
    pub delay: (Duration, Duration),
}

impl Weather {
    /// Nothing is lost, and all takes ten milliseconds.
    pub const FINE: Self = Self {
        loss_percent: 0,
        double_percent: 0,
        delay: (Duration::from_millis(10), Duration::from_millis(10)),
    };
    /// A fifth is lost, much is doubled and overtaken.
    pub const FOUL: Self = Self {
        loss_percent: 20,
        double_percent: 10,
        delay: (Duration::from_millis(5), Duration::from_millis(400)),
    };
}

/// A pair of ESP SAs that a node has installed.
pub struct Pair {
    pub sa: Arc<ChildSa>,
    /// Packets are sent through it, unless a younger one of the child does that.
    pub outbound: bool,
    path: Path,
}

/// A gateway.
pub struct Node {
    pub ike: Ike,
    pub pairs: BTreeMap<ChildSaId, Pair>,
    /// The pair that each child sends by.
    pub sends_by: BTreeMap<String, ChildSaId>,
    pub removed: Vec<(ChildSaId, RemovalReason)>,
    pub log: Vec<String>,
    /// Lines of the key log.
    pub keys: Vec<(KeyLogTable, String)>,
    pub up: u32,
    pub down: u32,
    /// Datagrams to and from it are lost.
    pub dead: bool,
    timer: Option<Instant>,
}

/// Everything.
pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub weather: Weather,
    /// Datagrams on their way.
    flying: BTreeMap<(Instant, u64), (Path, Vec<u8>)>,
    next: u64,
    random: Seeded,
    /// What a source becomes on its way out.
    pub nat: BTreeMap<SocketAddr, SocketAddr>,
    /// Every datagram that left, for tests that replay.
    pub sent: Vec<(Path, Vec<u8>)>,
    /// What becomes of a datagram, by its place in `sent`: it is late by so much, or lost.
    pub fate: BTreeMap<usize, Option<Duration>>,
    /// When each node wants its next timeout.
    timers: BTreeSet<(Instant, usize)>,
    /// Which node has an address.
    places: BTreeMap<IpAddr, usize>,
}

impl Net {
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Instant(1_000_000_000),
            nodes: Vec::new(),
            weather,
            flying: BTreeMap::new(),
            next: 0,
            random: seeded(seed),
            nat: BTreeMap::new(),
            sent: Vec::new(),
            fate: BTreeMap::new(),
            timers: BTreeSet::new(),
            places: BTreeMap::new(),
        }
    }

    /// A gateway at this address; its number.
    pub fn add(&mut self, address: IpAddr, settings: Settings) -> usize {
        let seed = 1000 + self.nodes.len() as u64 + self.draw(1 << 30) as u64 * 1_000_000;
        self.add_with(address, settings, Box::new(seeded(seed)))
    }

    /// The same with randomness of the caller's.
    pub fn add_with(
        &mut self,
        address: IpAddr,
        settings: Settings,
        random: Box<dyn Random>,
    ) -> usize {
        let mut ike = Ike::new(settings, random);
        ike.handle_input(self.now, WALL, Input::LocalAddresses(vec![address]));
        self.places.insert(address, self.nodes.len());
        self.nodes.push(Node {
            ike,
            pairs: BTreeMap::new(),
            sends_by: BTreeMap::new(),
            removed: Vec::new(),
            log: Vec::new(),
            keys: Vec::new(),
            up: 0,
            down: 0,
            dead: false,
            timer: None,
        });
        self.nodes.len() - 1
    }

    /// The process of a gateway ends, and another one begins that knows nothing.
    pub fn restart(&mut self, node: usize, settings: Settings, random: Box<dyn Random>) {
        let here = self.address_of(node);
        let it = &mut self.nodes[node];
        it.ike = Ike::new(settings, random);
        it.pairs.clear();
        it.sends_by.clear();
        self.input(node, Input::LocalAddresses(vec![here]));
    }

    /// Gives a gateway another address; the engine is not told.
    pub fn move_to(&mut self, node: usize, address: IpAddr) {
        self.places.retain(|_, there| *there != node);
        self.places.insert(address, node);
    }

    /// Where a gateway is.
    pub fn address_of(&self, node: usize) -> IpAddr {
        *self.places.iter().find(|(_, there)| **there == node).expect("it is somewhere").0
    }

    pub fn configure(&mut self, node: usize, peers: Vec<Arc<Peer>>) {
        self.nodes[node].ike.configure(self.now, WALL, peers);
        self.drain(node);
    }

    pub fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].ike.handle_input(self.now, WALL, input);
        self.drain(node);
    }

    /// Sends a datagram by hand.
    pub fn inject(&mut self, path: Path, bytes: Vec<u8>) {
        self.fly(path, bytes);
    }

    /// Lets this much time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets the next thing happen, if it does before `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let timer = self.timers.first().copied();
        let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
        match (timer, arrival) {
            (Some((at, node)), arrival) if arrival.is_none_or(|other| at <= other) => {
                if at > end {
                    return false;
                }
                self.now = self.now.max(at);
                self.nodes[node].ike.handle_timeout(self.now, WALL);
                self.drain(node);
                assert_ne!(self.timers.first(), Some(&(at, node)), "a timeout has no effect");
            }
            (_, Some(at)) if at <= end => {
                self.now = at;
                self.deliver();
            }
            _ => return false,
        }
        true
    }

    /// Packets pass through every pair that both ends have: what a datapath tells is told.
    pub fn traffic(&mut self) {
        for from in 0..self.nodes.len() {
            for id in self.nodes[from].sends_by.clone().into_values() {
                let spi = self.nodes[from].pairs[&id].sa.outbound.spi;
                let hit = self.nodes.iter().enumerate().find_map(|(node, other)| {
                    let pair = other.pairs.values().find(|pair| pair.sa.inbound.spi == spi)?;
                    Some((node, pair.sa.id))
                });
                if let Some((to, id)) = hit {
                    self.input(to, Input::InboundUsed(id));
                }
            }
        }
    }

    /// Whether what `from` sends for a child is taken by `to`.
    pub fn passes(&self, from: usize, to: usize, child: &str) -> bool {
        let Some(id) = self.nodes[from].sends_by.get(child) else { return false };
        let out = &self.nodes[from].pairs[id].sa;
        self.nodes[to].pairs.values().any(|pair| {
            let sa = &pair.sa;
            sa.inbound.spi == out.outbound.spi
                && sa.inbound.encryption == out.outbound.encryption
                && sa.inbound.authentication == out.outbound.authentication
        })
    }

    fn deliver(&mut self) {
        if let Some((_, (path, bytes))) = self.flying.pop_first() {
            self.hand_over(path, &bytes);
        }
    }

    /// A datagram arrives now.
    pub fn hand_over(&mut self, path: Path, bytes: &[u8]) {
        let Some(node) = self.places.get(&path.local.ip()).copied() else { return };
        if self.nodes[node].dead {
            return;
        }
        self.nodes[node].ike.handle_datagram(self.now, WALL, path, bytes);
        self.drain(node);
    }

    /// `path` as the receiver sees it.
    fn fly(&mut self, path: Path, bytes: Vec<u8>) {
        let weather = self.weather;
        let number = self.sent.len().wrapping_sub(1);
        let Some(late) = self.fate.remove(&number).unwrap_or(Some(Duration::ZERO)) else { return };
        let copies = if self.draw(100) < weather.double_percent { 2 } else { 1 };
        for _ in 0..copies {
            if self.draw(100) < weather.loss_percent {
                continue;
            }
            let spread = (weather.delay.1 - weather.delay.0).as_micros() as u32 + 1;
            let delay =
                late + weather.delay.0 + Duration::from_micros(u64::from(self.draw(spread)));
            self.next += 1;
            self.flying.insert((self.now + delay, self.next), (path, bytes.clone()));
        }
    }

    fn draw(&mut self, below: u32) -> u32 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        u32::from_be_bytes(bytes) % below
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ike.poll_output() {
            match output {
                Output::Transmit(datagram) => {
                    let Path { local, remote } = datagram.path;
                    let source = self.nat.get(&local).copied().unwrap_or(local);
                    let inner = self.nat.iter().find(|(_, outer)| **outer == remote);
                    let target = inner.map_or(remote, |(inner, _)| *inner);
                    let path = Path { local: target, remote: source };
                    self.sent.push((path, datagram.message.clone()));
                    if !self.nodes[node].dead {
                        self.fly(path, datagram.message);
                    }
                }
                Output::Event(event) => self.nodes[node].note(event),
            }
        }
        let deadline = self.nodes[node].ike.deadline();
        let old = self.nodes[node].timer.take();
        if let Some(old) = old {
            self.timers.remove(&(old, node));
        }
        if let Some(new) = deadline {
            self.timers.insert((new, node));
        }
        self.nodes[node].timer = deadline;
    }
}

impl Node {
    fn note(&mut self, event: Event) {
        match event {
            Event::InstallInbound(sa) => {
                let path = sa.path;
                self.pairs.insert(sa.id, Pair { sa, outbound: false, path });
            }
            Event::InstallOutbound(id) => {
                let pair = self.pairs.get_mut(&id).expect("inbound comes before outbound");
                pair.outbound = true;
                self.sends_by.insert(pair.sa.child.to_string(), id);
            }
            Event::Remove(id, reason) => {
                let pair = self.pairs.remove(&id).expect("only what is installed is removed");
                let child = pair.sa.child.to_string();
                if self.sends_by.get(&child) == Some(&id) {
                    self.sends_by.remove(&child);
                }
                self.removed.push((id, reason));
            }
            Event::Move { id, path, .. } => {
                self.pairs.get_mut(&id).expect("only what is installed moves").path = path;
            }
            Event::IkeUp(_) => self.up += 1,
            Event::IkeDown(_) => self.down += 1,
            Event::Log { text, .. } => self.log.push(text),
            Event::KeyLog(entry) => {
                let line = String::from_utf8(entry.line.expose().to_vec()).unwrap();
                self.keys.push((entry.table, line));
            }
        }
    }

    /// How many pairs of a child are installed.
    pub fn pairs_of(&self, child: &str) -> usize {
        self.pairs.values().filter(|pair| &*pair.sa.child == child).count()
    }

    /// Where a child's packets go.
    pub fn path_of(&self, child: &str) -> Path {
        self.pairs[&self.sends_by[child]].path
    }
}

fn seeded(seed: u64) -> Seeded {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Seeded::new(bytes)
}
