//! The same area and the same external routes told to a router of any make, behind a device, and
//! the processor time that it spends on them.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{fs, thread};

use engine::{Seeded, UnixTime};
use ipnet::Ipv4Net;
use ospf::msg::{INITIAL_SEQUENCE, Lsa};
use ospf::output::Output;
use ospf::settings::InterfaceId;
use ospf::{ALL_SPF_ROUTERS, NeighborState, Ospf};
use serde::Serialize;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use wire::ipv4::Ipv4;
use wire::protocol;

use super::{Grid, INTERFACE, address, elsewhere, interface, settings, updates};
use crate::cli::Feed;

/// The interface towards the router that is measured.
const OUTSIDE: InterfaceId = InterfaceId(1);
/// How long the router may take to become a neighbour, and to acknowledge what it is told.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it is left alone after it has everything: what it delays is done then.
const QUIET: Duration = Duration::from_secs(8);
const CHANGES: usize = 5;

/// What a router spends.
#[derive(Debug, Serialize)]
struct Spent {
    router: String,
    /// Routers of the area.
    routers: usize,
    /// Milliseconds of its processor until it has routes to all of them.
    area_ms: f64,
    /// The same for one link whose cost has changed.
    change_ms: f64,
    /// External routes.
    externals: usize,
    /// Milliseconds until it has them.
    externals_ms: f64,
}

/// An engine between the area, which stands behind its first interface, and the router.
struct Front {
    own: Ospf,
    behind: Ospf,
    socket: Socket,
    start: Instant,
    /// The thread that is measured.
    thread: String,
}

/// Feeds the router and prints what it has spent, as one row or object.
///
/// # Errors
/// It does not become a neighbour, or does not acknowledge; there is no such device or process.
pub(super) fn run(feed: &Feed) -> Result<(), Box<dyn Error>> {
    let mut front = Front::new(feed)?;
    front.wait("neighbour", |front| {
        let mut all = front.own.neighbors().into_iter();
        all.any(|other| &*other.interface == "router" && other.state == NeighborState::Full)
    })?;
    front.pass(QUIET)?;
    let before = front.spent()?;
    front.pass(QUIET)?;
    let idle = (front.spent()? - before).div_f64(QUIET.as_secs_f64());

    let routers = feed.routers;
    let grid = Grid { routers, width: routers.isqrt() };
    let mut lsas: Vec<Lsa> =
        (0..routers).filter_map(|n| grid.lsa(n, 0, INITIAL_SEQUENCE)).collect();
    lsas.extend(Grid::entrance());
    let area = front.cost_of(idle, |front| front.tell(lsas))?;
    let mut change = Duration::ZERO;
    for run in 0..CHANGES {
        let sequence = INITIAL_SEQUENCE + 1 + run as i32;
        let lsa = grid.lsa(routers / 2 + run, 1 + run as u16, sequence);
        change += front.cost_of(idle, |front| front.tell(lsa.into_iter().collect()))?;
    }
    let externals = elsewhere(feed.externals)?;
    let externals = front.cost_of(idle, |front| {
        let (now, wall) = front.now();
        front.own.change_externals(now, wall, externals);
    })?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let spent = Spent {
        router: feed.name.clone(),
        routers,
        area_ms: ms(area),
        change_ms: ms(change) / CHANGES as f64,
        externals: feed.externals,
        externals_ms: ms(externals),
    };
    if feed.json {
        println!("{}", serde_json::to_string(&spent)?);
    } else {
        let Spent { router, area_ms, change_ms, externals_ms, .. } = spent;
        println!("{router:<16}{routers:>10}{area_ms:>12.1}{change_ms:>12.2}{externals_ms:>14.1}");
    }
    Ok(())
}

impl Front {
    fn new(feed: &Feed) -> Result<Self, Box<dyn Error>> {
        let own_address = feed.address;
        let number = Protocol::from(i32::from(protocol::OSPF));
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(number))?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(feed.device.as_bytes()))?;
        socket.set_multicast_if_v4(&own_address.addr())?;
        socket.set_multicast_loop_v4(false)?;
        // The kernel may give less.
        let _granted = socket.set_recv_buffer_size(8 << 20);
        let here = InterfaceIndexOrAddress::Address(own_address.addr());
        socket.join_multicast_v4_n(&ALL_SPF_ROUTERS, &here)?;
        let zero = engine::Instant::default();
        let [own, behind] = [0, 1].map(|end: usize| {
            let random = Box::new(Seeded::new([end as u8; 32]));
            Ospf::new(zero, settings(end), random)
        });
        let thread = format!("/proc/{0}/task/{0}/schedstat", feed.pid);
        let mut front = Self { own, behind, socket, start: Instant::now(), thread };
        let (now, wall) = front.now();
        let inside = |end| Ok::<_, Box<dyn Error>>(interface(Ipv4Net::new(address(end), 30)?));
        front.own.set_interface(now, wall, INTERFACE, inside(0)?);
        front.behind.set_interface(now, wall, INTERFACE, inside(1)?);
        let mut outside = interface(own_address);
        outside.name = "router".into();
        outside.dead_interval = Duration::from_secs(40);
        outside.retransmit_interval = Duration::from_secs(5);
        front.own.set_interface(now, wall, OUTSIDE, outside);
        Ok(front)
    }

    fn now(&self) -> (engine::Instant, UnixTime) {
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (engine::Instant(nanos), super::WALL)
    }

    /// What the router's thread has spent so far (its first figure, nanoseconds).
    fn spent(&self) -> Result<Duration, Box<dyn Error>> {
        let text = fs::read_to_string(&self.thread)?;
        let nanos = text.split(' ').next().ok_or("no schedstat")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }

    /// What the router spends on what `act` leads to, without what it spends in any case.
    fn cost_of(
        &mut self,
        idle: Duration,
        act: impl FnOnce(&mut Self),
    ) -> Result<Duration, Box<dyn Error>> {
        let (start, before) = (Instant::now(), self.spent()?);
        act(self);
        self.wait("acknowledgment", |front| {
            front.own.neighbors().iter().all(|other| other.unacknowledged == 0)
        })?;
        self.pass(QUIET)?;
        let in_any_case = idle.mul_f64(start.elapsed().as_secs_f64());
        Ok((self.spent()? - before).saturating_sub(in_any_case))
    }

    /// Gives the area to the engine in front as if the one behind it had sent it on.
    fn tell(&mut self, lsas: Vec<Lsa>) {
        for packet in updates(lsas) {
            let (now, wall) = self.now();
            self.own.handle_packet(now, wall, INTERFACE, address(1), ALL_SPF_ROUTERS, &packet);
        }
    }

    fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        loop {
            self.turn()?;
            if is_so(self) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("no {what} in {} s", PATIENCE.as_secs()).into());
            }
        }
    }

    fn pass(&mut self, time: Duration) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        while start.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    /// Does what is due and what has come, and sleeps a little if that was nothing.
    fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        let (now, wall) = self.now();
        for engine in [&mut self.own, &mut self.behind] {
            if engine.deadline().is_some_and(|due| due <= now) {
                engine.handle_timeout(now, wall);
            }
        }
        let mut idle = !self.receive()?;
        while let Some(output) = self.own.poll_output() {
            let Output::Transmit { interface, destination, packet } = output else { continue };
            idle = false;
            if interface == OUTSIDE {
                let to = SocketAddr::from((destination, 0)).into();
                // A full buffer is a loss on the way.
                let _sent = self.socket.send_to(&packet, &to);
            } else {
                self.behind.handle_packet(now, wall, INTERFACE, address(0), destination, &packet);
            }
        }
        while let Some(output) = self.behind.poll_output() {
            let Output::Transmit { destination, packet, .. } = output else { continue };
            idle = false;
            self.own.handle_packet(now, wall, INTERFACE, address(1), destination, &packet);
        }
        if idle {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether anything has come.
    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = vec![0; 65_536];
        let mut any = false;
        let (now, wall) = self.now();
        loop {
            let len = match io::Read::read(&mut &self.socket, &mut bytes) {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(error) => return Err(error),
            };
            any = true;
            let packet = bytes.get(..len).unwrap_or_default();
            let Ok((header, from, to)) = Ipv4::parse(packet) else { continue };
            let payload = packet.get(from..to).unwrap_or_default();
            let (source, destination) = (header.source_addr(), header.destination_addr());
            self.own.handle_packet(now, wall, OUTSIDE, source, destination, payload);
        }
    }
}
