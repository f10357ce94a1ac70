//! Two gateways and what is between them, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::{Instant, Secret, Seeded, UnixTime};
use ike::output::{ChildSa, ChildSaId, Datagram, Event, Input, Level, Output, Path, RemovalReason};
use ike::policy::{Child, LocalAuth, Mode, Peer, RemoteAuth, Versions};
use ike::{Ike, Settings};

use crate::policy;

pub const A: &str = "10.0.0.1";
pub const B: &str = "10.0.0.2";
pub const WALL: UnixTime = UnixTime(1_790_000_000);

/// What the datapath would have.
#[derive(Default)]
pub struct Datapath {
    pub inbound: BTreeMap<ChildSaId, Arc<ChildSa>>,
    /// In the order in which they were told to be sent through.
    pub outbound: Vec<ChildSaId>,
    pub removed: Vec<RemovalReason>,
}

impl Datapath {
    /// What is sent through now.
    pub fn current(&self) -> Option<&Arc<ChildSa>> {
        self.outbound.iter().rev().find_map(|id| self.inbound.get(id))
    }
}

/// A gateway.
pub struct Node {
    pub ike: Ike,
    pub address: IpAddr,
    pub datapath: Datapath,
    pub log: Vec<(Level, String)>,
    pub sent: Vec<Datagram>,
    pub peers: Vec<Arc<Peer>>,
}

/// What the network does to a datagram.
pub type Weather = Box<dyn FnMut(usize, &Datagram) -> Vec<Duration>>;

/// What becomes of a message of an end on its way.
pub type Tamper = Box<dyn FnMut(usize, &mut Vec<u8>)>;

/// Two gateways, and a NAT before the second if there is one.
pub struct Net {
    pub now: Instant,
    pub nodes: [Node; 2],
    /// Address before which the second gateway hides.
    pub nat: Option<IpAddr>,
    nat_ports: BTreeMap<u16, u16>,
    pub weather: Weather,
    /// What becomes of a message of either end on its way.
    pub tamper: Tamper,
    flying: BTreeSet<(Instant, u64, usize)>,
    cargo: BTreeMap<u64, Datagram>,
    next: u64,
    /// Packets flow through the SAs, as far as the gateways are told.
    pub traffic: bool,
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn node(seed: u8, address: &str, peers: Vec<Arc<Peer>>) -> Node {
    let settings = Settings::default();
    let mut ike = Ike::new(settings, Box::new(Seeded::new([seed; 32])));
    ike.handle_input(Instant(0), WALL, Input::LocalAddresses(vec![ip(address)]));
    let (datapath, log, sent) = (Datapath::default(), Vec::new(), Vec::new());
    Node { ike, address: ip(address), datapath, log, sent, peers }
}

impl Net {
    pub fn new(a: Vec<Arc<Peer>>, b: Vec<Arc<Peer>>) -> Self {
        let mut net = Self {
            now: Instant(1_000_000_000),
            nodes: [node(1, A, a), node(2, B, b)],
            nat: None,
            nat_ports: BTreeMap::new(),
            weather: Box::new(|_, _| vec![Duration::from_millis(10)]),
            tamper: Box::new(|_, _| ()),
            flying: BTreeSet::new(),
            cargo: BTreeMap::new(),
            next: 0,
            traffic: true,
        };
        for index in 0..2 {
            net.configure(index);
        }
        net
    }

    pub fn configure(&mut self, index: usize) {
        let peers = self.nodes[index].peers.clone();
        self.nodes[index].ike.configure(self.now, WALL, peers);
        self.drain(index);
    }

    /// The gateway forgets everything, as after a crash.
    pub fn restart(&mut self, index: usize, seed: u8) {
        let old = &self.nodes[index];
        let address = old.address.to_string();
        self.nodes[index] = node(seed, &address, old.peers.clone());
        self.configure(index);
    }

    pub fn input(&mut self, index: usize, input: Input) {
        self.nodes[index].ike.handle_input(self.now, WALL, input);
        self.drain(index);
    }

    pub fn acquire(&mut self, index: usize, child: &str) {
        self.input(index, Input::Acquire { child: child.into(), remote: None, packet: None });
    }

    /// Hands a datagram over as if it had just come.
    pub fn inject(&mut self, index: usize, datagram: &Datagram) {
        self.nodes[index].ike.handle_datagram(self.now, WALL, datagram.path, &datagram.message);
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.nodes[index].ike.poll_output() {
            match output {
                Output::Transmit(datagram) => self.send(index, datagram),
                Output::Event(event) => self.nodes[index].on(event),
            }
        }
    }

    fn send(&mut self, index: usize, mut datagram: Datagram) {
        (self.tamper)(index, &mut datagram.message);
        self.nodes[index].sent.push(datagram.clone());
        for delay in (self.weather)(index, &datagram) {
            self.next += 1;
            self.cargo.insert(self.next, datagram.clone());
            self.flying.insert((self.now + delay, self.next, index));
        }
    }

    /// What the receiver sees of it, or nothing if it goes astray.
    fn translate(&mut self, from: usize, datagram: Datagram) -> Option<(usize, Datagram)> {
        let Path { local, remote } = datagram.path;
        let to = 1 - from;
        let receiver = self.nodes[to].address;
        let (source, destination) = match (from, self.nat) {
            (1, Some(nat)) => {
                let port = 40_000 + local.port() % 10_000;
                self.nat_ports.insert(port, local.port());
                (SocketAddr::new(nat, port), remote)
            }
            (0, Some(nat)) => {
                let inside = *self.nat_ports.get(&remote.port()).filter(|_| remote.ip() == nat)?;
                (local, SocketAddr::new(self.nodes[1].address, inside))
            }
            _ => (local, remote),
        };
        (destination.ip() == receiver).then_some((
            to,
            Datagram {
                path: Path { local: destination, remote: source },
                message: datagram.message,
            },
        ))
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut beat = self.now + Duration::from_secs(1);
        loop {
            let arrival = self.flying.first().map(|(at, ..)| *at);
            let clocks = self.nodes.iter().filter_map(|node| node.ike.deadline());
            let next = clocks.chain(arrival).chain([beat]).min().unwrap_or(end).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            if arrival.is_some_and(|at| at <= next) {
                let (_, number, from) = self.flying.pop_first().unwrap();
                let datagram = self.cargo.remove(&number).unwrap();
                if let Some((to, datagram)) = self.translate(from, datagram) {
                    self.inject(to, &datagram);
                }
            }
            for index in 0..2 {
                if self.nodes[index].ike.deadline().is_some_and(|at| at <= next) {
                    self.nodes[index].ike.handle_timeout(self.now, WALL);
                    self.drain(index);
                }
            }
            if beat <= next {
                beat = next + Duration::from_secs(1);
                self.flow();
            }
        }
    }

    /// A packet each way, through what each end sends through: the other end hears it if it has
    /// the SA.
    fn flow(&mut self) {
        if !self.traffic {
            return;
        }
        for index in 0..2 {
            let Some(current) = self.nodes[index].datapath.current() else { continue };
            let spi = current.outbound.spi;
            let inbound = &self.nodes[1 - index].datapath.inbound;
            let heard = inbound.values().find(|sa| sa.inbound.spi == spi).map(|sa| sa.id);
            if let Some(id) = heard {
                self.input(1 - index, Input::InboundUsed(id));
            }
        }
    }

    /// Both ends send through SAs that the other end has, with the same keys.
    pub fn assert_connected(&self) {
        for index in 0..2 {
            let Some(ours) = self.nodes[index].datapath.current() else {
                panic!("gateway {index} sends through nothing: {:#?}", self.nodes[index].log);
            };
            let others = &self.nodes[1 - index].datapath.inbound;
            let theirs = others.values().find(|sa| sa.inbound.spi == ours.outbound.spi);
            let theirs = theirs.expect("the other end takes what is sent");
            assert!(theirs.inbound.encryption == ours.outbound.encryption);
            assert!(theirs.inbound.authentication == ours.outbound.authentication);
            assert!(
                !ours.outbound.authentication.is_empty() || !ours.outbound.encryption.is_empty()
            );
        }
    }

    /// Each end has this many pairs of SAs.
    pub fn assert_pairs(&self, count: usize) {
        for node in &self.nodes {
            assert_eq!(node.datapath.inbound.len(), count, "{:#?}", node.log);
        }
    }

    pub fn logged(&self, index: usize, text: &str) -> bool {
        self.nodes[index].log.iter().any(|(_, line)| line.contains(text))
    }
}

impl Node {
    fn on(&mut self, event: Event) {
        match event {
            Event::InstallInbound(sa) => {
                assert!(self.datapath.inbound.insert(sa.id, sa).is_none());
            }
            Event::InstallOutbound(id) => {
                assert!(self.datapath.inbound.contains_key(&id), "inbound comes first");
                self.datapath.outbound.push(id);
            }
            Event::Remove(id, reason) => {
                assert!(self.datapath.inbound.remove(&id).is_some(), "removed once");
                self.datapath.removed.push(reason);
            }
            Event::Log { level, text, .. } => self.log.push((level, text)),
            Event::WorkersShare(_) => panic!("IKEv1 has no pairs for single workers"),
            Event::Move { .. } | Event::IkeUp(_) | Event::IkeDown(_) | Event::KeyLog(_) => {}
        }
    }
}

/// What both ends protect: a protocol between them.
pub fn child(name: &str, mode: Mode, proposal: &str, protocol: u8) -> Child {
    let mut child = policy::child(name);
    for selector in child.local.iter_mut().chain(&mut child.remote) {
        selector.protocol = protocol;
    }
    (child.mode, child.proposals) = (mode, vec![proposal.parse().unwrap()]);
    child.lifetime.rekey = Some(Duration::from_secs(3000));
    child.lifetime.hard = Some(Duration::from_secs(3600));
    child
}

/// A peer by a pre-shared key, known by its address.
pub fn peer(local: &str, remote: &str, psk: &str, child: Child) -> Peer {
    let psk = || Arc::new(Secret::copy_of(psk.as_bytes()));
    let mut peer = policy::gre(&format!("to-{remote}"), ip(local), Some(ip(remote)));
    peer.versions = Versions::V1;
    (peer.local_auth, peer.remote_auth) = (LocalAuth::Psk(psk()), RemoteAuth::Psk(psk()));
    peer.proposals = vec!["aes128-sha1-modp1024".parse().unwrap()];
    peer.lifetime.rekey = Duration::from_secs(10_000);
    peer.lifetime.hard = Duration::from_secs(14_400);
    peer.fragment_len = None;
    peer.children = vec![Arc::new(child)];
    peer
}

/// Two ends that protect GRE between them, changed by `change` at each end.
pub fn gre(change: impl Fn(usize, &mut Peer, &mut Child)) -> Net {
    let make = |index: usize, local: &str, remote: &str| {
        let mut child = child("gre", Mode::Transport, "aes128-sha1", 47);
        let mut one =
            peer(local, remote, "cisco123", self::child("gre", Mode::Transport, "aes128-sha1", 47));
        change(index, &mut one, &mut child);
        one.children = vec![Arc::new(child)];
        vec![Arc::new(one)]
    };
    Net::new(make(0, A, B), make(1, B, A))
}
