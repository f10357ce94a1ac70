//! `fastgw-bench ospf`: what the routes of large areas cost to compute, and external routes to
//! flood.

mod feed;

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::{Seeded, UnixTime};
use ipnet::Ipv4Net;
use ospf::msg::auth::Authentication;
use ospf::msg::{
    Body, INITIAL_SEQUENCE, LinkType, Lsa, LsaBody, LsaHeader, LsaType, Options, Packet,
    RouterLink, RouterLsa,
};
use ospf::output::{Event, Output};
use ospf::settings::{ExternalRoute, InterfaceId, InterfaceSettings, NetworkType, Settings};
use ospf::{ALL_SPF_ROUTERS, NeighborState, Ospf};
use serde::Serialize;

use crate::cli::{Fed, OspfOptions};

/// What an area of one size costs.
#[derive(Debug, Serialize)]
struct Cost {
    /// Routers of the area, on a grid, each with a stub network.
    routers: usize,
    /// Milliseconds for the routes of all of it: half of all computations took less.
    full_ms: f64,
    /// The same after one link's cost has changed, with what its LSA takes to be taken in.
    change_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    costs: Vec<Cost>,
    /// External routes that are told to a neighbour.
    externals: usize,
    /// Milliseconds until both have them, both ends' work together.
    flood_ms: f64,
}

const AREAS: [usize; 2] = [1_000, 10_000];
const EXTERNALS: usize = 10_000;
const RUNS: usize = 15;
const INTERFACE: InterfaceId = InterfaceId(0);

/// Two routers on a point-to-point network, in virtual time: the one that is measured, and one that
/// stands before the rest.
struct Pair {
    ends: [Ospf; 2],
    now: engine::Instant,
    busy: Duration,
}

fn address(end: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 255, 1 + end as u8)
}

fn id(end: usize) -> Ipv4Addr {
    Ipv4Addr::new(1, 1, 1, 1 + end as u8)
}

impl Pair {
    fn new() -> Result<Self, Box<dyn Error>> {
        let ends = [0, 1].map(|end: usize| {
            let random = Box::new(Seeded::new([end as u8; 32]));
            Ospf::new(engine::Instant::default(), settings(end), random)
        });
        let mut pair = Self { ends, now: engine::Instant::default(), busy: Duration::ZERO };
        for end in 0..2 {
            let interface = interface(Ipv4Net::new(address(end), 30)?);
            pair.ends[end].set_interface(pair.now, WALL, INTERFACE, interface);
        }
        pair.pass(Duration::from_secs(30));
        match pair.ends[0].neighbors().first().map(|neighbor| neighbor.state) {
            Some(NeighborState::Full) => Ok(pair),
            state => Err(format!("the neighbour is not full but {state:?}").into()),
        }
    }

    /// Lets virtual time pass, and packets between the two.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while self.exchange() {}
            let due = self.ends.iter().filter_map(Ospf::deadline).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            for at in 0..2 {
                let now = self.now;
                self.timed(at, |ospf| ospf.handle_timeout(now, WALL));
            }
        }
        self.now = end;
    }

    fn timed<T>(&mut self, end: usize, act: impl FnOnce(&mut Ospf) -> T) -> T {
        let start = Instant::now();
        let outcome = act(&mut self.ends[end]);
        self.busy += start.elapsed();
        outcome
    }

    /// Hands over what each has to say; whether there was anything.
    fn exchange(&mut self) -> bool {
        let mut any = false;
        for from in 0..2 {
            while let Some(output) = self.ends[from].poll_output() {
                let Output::Transmit { destination, packet, .. } = output else { continue };
                any = true;
                let (now, source) = (self.now, address(from));
                self.timed(1 - from, |ospf| {
                    ospf.handle_packet(now, WALL, INTERFACE, source, destination, &packet);
                });
            }
        }
        any
    }

    /// Gives the measured one LSAs as if its neighbour had sent them on.
    fn tell(&mut self, lsas: Vec<Lsa>) {
        for packet in updates(lsas) {
            let now = self.now;
            self.timed(0, |ospf| {
                ospf.handle_packet(now, WALL, INTERFACE, address(1), ALL_SPF_ROUTERS, &packet);
            });
        }
        self.discard();
    }

    /// Takes what the measured one says, and tells nobody. How many routes were others.
    fn discard(&mut self) -> usize {
        let mut changed = 0;
        while let Some(output) = self.ends[0].poll_output() {
            if let Output::Event(Event::Routes(routes)) = output {
                changed += routes.len();
            }
        }
        changed
    }

    /// Has the measured one compute its routes; how many are others.
    fn compute(&mut self) -> usize {
        self.now = self.now + Duration::from_secs(10);
        let now = self.now;
        self.timed(0, |ospf| ospf.handle_timeout(now, WALL));
        self.discard()
    }
}

const WALL: UnixTime = UnixTime(1_700_000_000);

fn settings(end: usize) -> Settings {
    Settings {
        router_id: id(end),
        areas: BTreeMap::new(),
        external_ranges: Vec::new(),
        paths_max: 8,
        stub_router_for: Duration::ZERO,
    }
}

/// Packets of the neighbour that tell of LSAs.
fn updates(mut lsas: Vec<Lsa>) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while !lsas.is_empty() {
        let part = lsas.split_off(lsas.len().saturating_sub(20));
        let packet = Packet {
            router_id: id(1),
            area_id: Ipv4Addr::UNSPECIFIED,
            body: Body::LinkStateUpdate(part),
        };
        packets.push(packet.encode(&Authentication::None, 0, WALL));
    }
    packets
}

/// A route of another protocol that comes, or goes.
type External = (Ipv4Net, Option<ExternalRoute>);

/// Routes of other protocols.
fn elsewhere(count: usize) -> Result<Vec<External>, Box<dyn Error>> {
    let route = ExternalRoute { metric: 20, is_type2: true, tag: 0, forwarding: None };
    let prefix = |n: usize| Ipv4Net::new(Ipv4Addr::from_bits(0x2d00_0000 + ((n as u32) << 8)), 24);
    (0..count).map(|n| Ok((prefix(n)?, Some(route)))).collect()
}

fn interface(address: Ipv4Net) -> InterfaceSettings {
    InterfaceSettings {
        name: "to-the-area".into(),
        area: Ipv4Addr::UNSPECIFIED,
        network: NetworkType::PointToPoint,
        address,
        is_up: true,
        mtu: 1500,
        mtu_ignore: false,
        cost: 1,
        is_passive: false,
        priority: 1,
        // Nobody says anything while it is measured.
        hello_interval: Duration::from_secs(10),
        dead_interval: Duration::from_secs(60_000),
        retransmit_interval: Duration::from_secs(3600),
        transmit_delay: 1,
        authentication: Arc::new(Authentication::None),
        neighbors: Vec::new(),
        bfd: false,
    }
}

/// A grid of routers, of which the first is the neighbour's neighbour.
struct Grid {
    routers: usize,
    width: usize,
}

impl Grid {
    fn id(n: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0200_0000 + n as u32)
    }

    fn neighbours(&self, n: usize) -> impl Iterator<Item = usize> {
        let (column, width, routers) = (n % self.width, self.width, self.routers);
        let left = (column > 0).then(|| n - 1);
        let right = (column + 1 < width && n + 1 < routers).then_some(n + 1);
        let up = n.checked_sub(width);
        let down = (n + width < routers).then_some(n + width);
        [left, right, up, down].into_iter().flatten()
    }

    fn lsa(&self, n: usize, cost: u16, sequence: i32) -> Option<Lsa> {
        let link = |id, metric| RouterLink {
            kind: LinkType::POINT_TO_POINT,
            id,
            data: Ipv4Addr::from_bits(0x0a80_0000 + n as u32),
            metric,
        };
        let mut links: Vec<RouterLink> = self
            .neighbours(n)
            .map(|other| link(Self::id(other), 1 + (n + other) as u16 % 7))
            .collect();
        if let Some(first) = links.first_mut() {
            first.metric = first.metric.saturating_add(cost);
        }
        if n == 0 {
            links.push(link(id(1), 1));
        }
        links.push(RouterLink {
            kind: LinkType::STUB,
            id: Ipv4Addr::from_bits(0x2000_0000 + ((n as u32) << 8)),
            data: Ipv4Addr::new(255, 255, 255, 0),
            metric: 1,
        });
        build(Self::id(n), links, sequence)
    }

    /// The neighbour's LSA, with a link to the grid.
    fn entrance() -> Option<Lsa> {
        let link = |id, metric| RouterLink {
            kind: LinkType::POINT_TO_POINT,
            id,
            data: address(1),
            metric,
        };
        build(id(1), vec![link(id(0), 1), link(Self::id(0), 1)], INITIAL_SEQUENCE + 1000)
    }
}

fn build(router: Ipv4Addr, links: Vec<RouterLink>, sequence: i32) -> Option<Lsa> {
    let header = LsaHeader {
        age: 1,
        options: Options::E,
        kind: LsaType::ROUTER,
        id: router,
        advertising_router: router,
        sequence,
        checksum: 0,
        length: 0,
    };
    Lsa::build(header, &LsaBody::Router(RouterLsa { flags: 0, links }))
}

pub(crate) fn run(options: &OspfOptions) -> Result<(), Box<dyn Error>> {
    if let Some(Fed::Feed(feed)) = &options.feed {
        return feed::run(feed);
    }
    let mut costs = Vec::new();
    for routers in AREAS {
        costs.push(cost(routers)?);
    }
    let report = Report { costs, externals: EXTERNALS, flood_ms: flood()? };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn cost(routers: usize) -> Result<Cost, Box<dyn Error>> {
    let grid = Grid { routers, width: routers.isqrt() };
    let mut pair = Pair::new()?;
    let mut lsas: Vec<Lsa> =
        (0..routers).filter_map(|n| grid.lsa(n, 0, INITIAL_SEQUENCE)).collect();
    lsas.extend(Grid::entrance());
    pair.tell(lsas);
    pair.compute();
    let known = pair.ends[0].routes().count();
    if known < routers {
        return Err(format!("{known} routes to {routers} routers").into());
    }
    let (mut full, mut change) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        pair.now = pair.now + Duration::from_secs(10);
        // A link in the middle.
        let n = routers / 2 + run;
        let sequence = INITIAL_SEQUENCE + 1 + run as i32;
        let cost = 1 + run as u16;
        pair.busy = Duration::ZERO;
        pair.tell(grid.lsa(n, cost, sequence).into_iter().collect());
        let taken_in = pair.busy;
        black_box(pair.compute());
        change.push(pair.busy);
        full.push(pair.busy.saturating_sub(taken_in));
    }
    Ok(Cost { routers, full_ms: median_ms(full), change_ms: median_ms(change) })
}

/// How long both ends work until the neighbour has all external routes.
fn flood() -> Result<f64, Box<dyn Error>> {
    let mut pair = Pair::new()?;
    let told = elsewhere(EXTERNALS)?;
    pair.busy = Duration::ZERO;
    let now = pair.now;
    pair.timed(0, |ospf| ospf.change_externals(now, WALL, told));
    pair.pass(Duration::from_secs(2));
    let known = pair.ends[1].routes().count();
    if known < EXTERNALS {
        return Err(format!("{known} of {EXTERNALS} external routes arrived").into());
    }
    Ok(pair.busy.as_secs_f64() * 1000.0)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1000.0
}

fn print(report: &Report) {
    println!("OSPF, medians of one core\n");
    println!("{:<12}{:>16}{:>16}", "routers", "all routes ms", "one change ms");
    for Cost { routers, full_ms, change_ms } in &report.costs {
        println!("{routers:<12}{full_ms:>16.2}{change_ms:>16.2}");
    }
    println!(
        "\n{} external routes flooded and taken in: {:.1} ms, both ends together",
        report.externals, report.flood_ms
    );
}
