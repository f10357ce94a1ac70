//! Routers on networks that delay, lose and fail, in virtual time: the same seed gives the same
//! run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Instant, Random, Seeded, UnixTime};
use ipnet::Ipv4Net;
use ospf::msg::auth::Authentication;
use ospf::output::{Event, Output};
use ospf::routes::Route;
use ospf::settings::{InterfaceId, InterfaceSettings, NetworkType, Settings};
use ospf::{ALL_D_ROUTERS, ALL_SPF_ROUTERS, NeighborState, Ospf};

/// One end of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Which router.
    pub node: usize,
    /// Its interface there.
    pub interface: InterfaceId,
    /// Its address there.
    pub address: Ipv4Addr,
    /// What it costs to send there.
    pub cost: u16,
}

/// A network: what one end sends, the others receive.
pub struct Segment {
    /// Who is there.
    pub ends: Vec<End>,
    /// Nothing is carried otherwise. The interfaces notice.
    pub is_up: bool,
    /// Packets of 100 that are lost.
    pub loss: u8,
    /// Its prefix.
    pub prefix: Ipv4Net,
}

/// A router as the simulation has it.
pub struct Node {
    /// The engine.
    pub ospf: Ospf,
    /// What it has told of its routes, change by change.
    pub fib: BTreeMap<Ipv4Net, Route>,
    /// What it has logged.
    pub log: Vec<String>,
    /// Nothing comes from it or to it, though its networks are up.
    pub is_gone: bool,
    /// Neighbours whose paths it wants watched.
    pub watched: BTreeSet<(InterfaceId, Ipv4Addr)>,
    hears_designated: BTreeSet<InterfaceId>,
    interfaces: u32,
}

struct InFlight {
    to: End,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    segment: usize,
    packet: Vec<u8>,
}

/// Routers and networks.
pub struct Net {
    pub now: Instant,
    pub nodes: Vec<Node>,
    pub segments: Vec<Segment>,
    random: Seeded,
    in_flight: BinaryHeap<Reverse<(Instant, u64)>>,
    packets: BTreeMap<u64, InFlight>,
    due: BTreeSet<(Instant, usize)>,
    due_of: Vec<Option<Instant>>,
    sent: u64,
}

/// What the date is when virtual time begins.
const START: u64 = 1_700_000_000;

impl Net {
    /// No routers yet.
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            now: Instant(0),
            nodes: Vec::new(),
            segments: Vec::new(),
            random: Seeded::new(bytes),
            in_flight: BinaryHeap::new(),
            packets: BTreeMap::new(),
            due: BTreeSet::new(),
            due_of: Vec::new(),
            sent: 0,
        }
    }

    /// The date of now.
    pub fn wall(&self) -> UnixTime {
        UnixTime(START + self.now.0 / 1_000_000_000)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes) % bound
    }

    /// Settings of a router, with nothing out of the ordinary.
    pub fn settings(n: usize) -> Settings {
        Settings {
            router_id: Self::router_id(n),
            areas: BTreeMap::new(),
            external_ranges: Vec::new(),
            paths_max: 8,
            stub_router_for: Duration::ZERO,
        }
    }

    /// The ID of the router that is made as the `n`th, counted from zero.
    pub fn router_id(n: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0101_0001 + n as u32)
    }

    /// Another router.
    pub fn add_router(&mut self, settings: Settings) -> usize {
        let node = self.nodes.len();
        let mut seed = [0; 32];
        self.random.fill(&mut seed);
        let ospf = Ospf::new(self.now, settings, Box::new(Seeded::new(seed)));
        self.nodes.push(Node {
            ospf,
            fib: BTreeMap::new(),
            log: Vec::new(),
            is_gone: false,
            watched: BTreeSet::new(),
            hears_designated: BTreeSet::new(),
            interfaces: 0,
        });
        self.due_of.push(None);
        node
    }

    /// A router in the place of another, which knows nothing of before. Its interfaces are up.
    pub fn restart(&mut self, node: usize) {
        self.replace(node, |_, _, _| {});
    }

    /// The same, but it knows that its neighbours wait for it as long as `left`.
    pub fn resume(&mut self, node: usize, left: Duration) {
        self.replace(node, |ospf, now, wall| ospf.resume(now, wall, left));
    }

    fn replace(&mut self, node: usize, begin: impl FnOnce(&mut Ospf, Instant, UnixTime)) {
        let mut seed = [0; 32];
        self.random.fill(&mut seed);
        let old = &self.nodes[node].ospf;
        let settings = old.settings().clone();
        let interfaces: Vec<_> = old.interfaces().into_iter().collect();
        let ospf = Ospf::new(self.now, settings, Box::new(Seeded::new(seed)));
        self.nodes[node].ospf = ospf;
        let (now, wall) = (self.now, self.wall());
        begin(&mut self.nodes[node].ospf, now, wall);
        self.nodes[node].fib.clear();
        self.nodes[node].hears_designated.clear();
        self.nodes[node].watched.clear();
        for (id, status) in interfaces {
            let (now, wall) = (self.now, self.wall());
            self.nodes[node].ospf.set_interface(now, wall, id, status.settings);
        }
        self.after(node);
    }

    /// Networks are 10.0.0.0/24, 10.0.1.0/24 and so on; the `n`th end of one has address `n + 1`.
    pub fn add_segment(&mut self, network: NetworkType, ends: &[(usize, u16)]) -> usize {
        self.add_segment_with(network, ends, |_, _| {})
    }

    /// The same with interfaces that are set otherwise; the function is told which end it is.
    pub fn add_segment_with(
        &mut self,
        network: NetworkType,
        ends: &[(usize, u16)],
        set: impl Fn(usize, &mut InterfaceSettings),
    ) -> usize {
        let index = self.segments.len();
        let base = 0x0a00_0000 + ((index as u32) << 8);
        let prefix = Ipv4Net::new(Ipv4Addr::from_bits(base), 24).unwrap();
        let mut all = Vec::new();
        for (at, (node, cost)) in ends.iter().enumerate() {
            let address = Ipv4Addr::from_bits(base + 1 + at as u32);
            let interface = InterfaceId(self.nodes[*node].interfaces);
            self.nodes[*node].interfaces += 1;
            let mut settings = interface_settings(network, Ipv4Net::new(address, 24).unwrap());
            settings.cost = *cost;
            settings.name = format!("net{index}").into();
            set(at, &mut settings);
            let (now, wall) = (self.now, self.wall());
            self.nodes[*node].ospf.set_interface(now, wall, interface, settings);
            all.push(End { node: *node, interface, address, cost: *cost });
        }
        self.segments.push(Segment { ends: all.clone(), is_up: true, loss: 0, prefix });
        for end in all {
            self.after(end.node);
        }
        index
    }

    /// Changes one end's interface.
    pub fn change(&mut self, end: End, set: impl FnOnce(&mut InterfaceSettings)) {
        let all = self.nodes[end.node].ospf.interfaces();
        let (_, status) = all.into_iter().find(|(id, _)| *id == end.interface).unwrap();
        let mut settings = status.settings;
        set(&mut settings);
        let (now, wall) = (self.now, self.wall());
        self.nodes[end.node].ospf.set_interface(now, wall, end.interface, settings);
        self.after(end.node);
    }

    /// Takes a network down, or up again; its routers notice at once.
    pub fn set_link(&mut self, segment: usize, is_up: bool) {
        self.segments[segment].is_up = is_up;
        for end in self.segments[segment].ends.clone() {
            self.change(end, |settings| settings.is_up = is_up);
        }
    }

    /// Has a router do something, with what follows.
    pub fn with(&mut self, node: usize, act: impl FnOnce(&mut Ospf, Instant, UnixTime)) {
        let (now, wall) = (self.now, self.wall());
        act(&mut self.nodes[node].ospf, now, wall);
        self.after(node);
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let packet = self.in_flight.peek().map(|Reverse((at, _))| *at);
            let timer = self.due.first().map(|(at, _)| *at);
            let Some(next) = packet.into_iter().chain(timer).min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let Some(Reverse((_, id))) = self.in_flight.pop() else { break };
                self.deliver(id);
            } else if let Some((_, node)) = self.due.first().copied() {
                self.with(node, |ospf, now, wall| ospf.handle_timeout(now, wall));
            }
        }
        self.now = end;
    }

    /// Lets time pass until something is so, in steps of a tenth of a second; how long it took.
    pub fn run_until(&mut self, most: Duration, mut is_so: impl FnMut(&Self) -> bool) -> Duration {
        let start = self.now;
        while self.now.since(start) < most {
            if is_so(self) {
                return self.now.since(start);
            }
            self.run(Duration::from_millis(100));
        }
        panic!("not so after {most:?}");
    }

    /// The states of a router's neighbours.
    pub fn states(&self, node: usize) -> Vec<NeighborState> {
        self.nodes[node].ospf.neighbors().iter().map(|neighbor| neighbor.state).collect()
    }

    /// The prefixes that a router knows, with their costs.
    pub fn costs(&self, node: usize) -> BTreeMap<Ipv4Net, u32> {
        self.nodes[node].fib.iter().map(|(prefix, route)| (*prefix, route.cost)).collect()
    }

    fn deliver(&mut self, id: u64) {
        let Some(flight) = self.packets.remove(&id) else { return };
        if !self.segments[flight.segment].is_up || self.nodes[flight.to.node].is_gone {
            return;
        }
        let InFlight { to, source, destination, packet, .. } = flight;
        self.with(to.node, |ospf, now, wall| {
            ospf.handle_packet(now, wall, to.interface, source, destination, &packet);
        });
    }

    /// Takes what a router has to say, and notes when it wants to be called.
    fn after(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ospf.poll_output() {
            match output {
                Output::Transmit { interface, destination, packet } => {
                    self.send(node, interface, destination, &packet);
                }
                Output::Event(Event::Routes(changes)) => {
                    for (prefix, route) in changes {
                        match route {
                            Some(route) => self.nodes[node].fib.insert(prefix, route),
                            None => self.nodes[node].fib.remove(&prefix),
                        };
                    }
                }
                Output::Event(Event::HearDesignated(interface, hears)) => {
                    let heard = &mut self.nodes[node].hears_designated;
                    if hears {
                        heard.insert(interface)
                    } else {
                        heard.remove(&interface)
                    };
                }
                Output::Event(Event::Log(_, text)) => self.nodes[node].log.push(text),
                Output::Event(Event::Watch { interface, address, watch }) => {
                    let watched = &mut self.nodes[node].watched;
                    let is_news = match watch {
                        true => watched.insert((interface, address)),
                        false => watched.remove(&(interface, address)),
                    };
                    assert!(is_news, "{address} is told of twice");
                }
            }
        }
        let due = self.nodes[node].ospf.deadline();
        if due != self.due_of[node] {
            if let Some(before) = self.due_of[node] {
                self.due.remove(&(before, node));
            }
            self.due_of[node] = due;
            self.due.extend(due.map(|at| (at, node)));
        }
    }

    fn send(&mut self, node: usize, interface: InterfaceId, destination: Ipv4Addr, packet: &[u8]) {
        let is_end = |end: &End| end.node == node && end.interface == interface;
        let found = self.segments.iter().enumerate().find_map(|(index, segment)| {
            let end = segment.ends.iter().find(|end| is_end(end))?;
            Some((index, *end))
        });
        let Some((index, from)) = found else { return };
        let segment = &self.segments[index];
        if !segment.is_up || self.nodes[node].is_gone {
            return;
        }
        let loss = segment.loss;
        let others: Vec<End> = segment
            .ends
            .iter()
            .filter(|end| **end != from)
            .filter(|end| match destination {
                ALL_SPF_ROUTERS => true,
                ALL_D_ROUTERS => self.nodes[end.node].hears_designated.contains(&end.interface),
                address => end.address == address,
            })
            .copied()
            .collect();
        for to in others {
            if self.below(100) < u64::from(loss) {
                continue;
            }
            let at = self.now + Duration::from_micros(200 + self.below(2000));
            self.sent += 1;
            self.in_flight.push(Reverse((at, self.sent)));
            let flight = InFlight {
                to,
                source: from.address,
                destination,
                segment: index,
                packet: packet.to_vec(),
            };
            self.packets.insert(self.sent, flight);
        }
    }
}

/// An interface with nothing out of the ordinary.
pub fn interface_settings(network: NetworkType, address: Ipv4Net) -> InterfaceSettings {
    InterfaceSettings {
        name: "net".into(),
        area: Ipv4Addr::UNSPECIFIED,
        network,
        address,
        is_up: true,
        mtu: 1500,
        mtu_ignore: false,
        cost: 10,
        is_passive: false,
        priority: 1,
        hello_interval: Duration::from_secs(10),
        dead_interval: Duration::from_secs(40),
        retransmit_interval: Duration::from_secs(5),
        transmit_delay: 1,
        authentication: Arc::new(Authentication::None),
        neighbors: Vec::new(),
        bfd: false,
    }
}
