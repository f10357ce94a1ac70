//! The control side of a gateway: engine, bridge and publisher as the running gateway has them,
//! with messages in place of sockets and a clock that is told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bridge::{Bridge, Pending, Shell};
use engine::{Random, Seeded, UnixTime};
use ike::output::{ChildSaId, Datagram, Event, Input, Level, Output, Path};
use ike::{Ike, Settings};
use pipeline::EventRing;
use tables::Tables;
use tables::counters::WorkerCounters;
use tables::publish::{Publisher, Reader};

use super::plan::{Machine, Plan, Side};
use crate::clock::thread_time;

/// Most messages that are taken in at a time, as from one socket of the running gateway.
const READ_MAX: usize = 64;
/// How often the counters of the SAs are looked at.
const TICK: Duration = Duration::from_secs(1);
/// A date on which nothing has expired.
const WALL: UnixTime = UnixTime(1_800_000_000);

/// One gateway without its worker.
pub(super) struct Site {
    ike: Ike,
    bridge: Bridge,
    publisher: Publisher,
    machine: Machine,
    random: Seeded,
    /// Where its worker leaves what control is to know.
    pub(super) events: Arc<EventRing>,
    /// What its worker counts.
    pub(super) counters: Arc<WorkerCounters>,
    inbox: VecDeque<Datagram>,
    outbox: Vec<Datagram>,
    /// Pairs that have been sent through.
    pub(super) up: u32,
    /// Pairs that are over.
    pub(super) gone: u32,
    /// The engine has been told something that it may want something for.
    told: bool,
    /// Processor time that it has taken.
    pub(super) busy: Duration,
    /// Snapshots that it has published.
    pub(super) published: u32,
    /// Warnings and errors, which there should be none of.
    pub(super) complaints: Vec<String>,
    /// Packets that its worker had dropped before those that are looked at.
    pub(super) dropped: u64,
    /// The time as of the last turn.
    pub(super) now: engine::Instant,
    ticked: engine::Instant,
}

impl Site {
    pub(super) fn new(plan: &Plan, side: Side) -> Result<Self, String> {
        let config = plan.config(side)?;
        let machine = Machine::new(plan, side);
        let mut no_seeds = || Err("a manual SA where there is none".into());
        let mut bridge = Bridge::new(&config, &mut no_seeds).map_err(|error| error.to_string())?;
        let built = bridge.build(&machine);
        if !built.problems.is_empty() {
            return Err(built.problems.join("; "));
        }
        // The first build learns which next hops there are.
        let tables = Tables { nexthops: bridge.nexthops(&machine), ..built.tables };
        let settings = Settings { cookie_threshold: usize::MAX, ..Settings::default() };
        let mut ike = Ike::new(settings, Box::new(Seeded::new([side as u8 + 1; 32])));
        ike.configure(engine::Instant(0), WALL, config.ike_peers);
        Ok(Self {
            ike,
            bridge,
            publisher: Publisher::new(tables),
            machine,
            random: Seeded::new([side as u8 + 11; 32]),
            events: Arc::new(EventRing::new(1024)),
            counters: Arc::new(WorkerCounters::new(2)),
            inbox: VecDeque::new(),
            outbox: Vec::new(),
            up: 0,
            gone: 0,
            told: false,
            busy: Duration::ZERO,
            published: 0,
            complaints: Vec::new(),
            dropped: 0,
            now: engine::Instant(0),
            ticked: engine::Instant(0),
        })
    }

    pub(super) fn reader(&self) -> Reader {
        self.publisher.reader()
    }

    pub(super) fn tables(&self) -> Arc<Tables> {
        self.publisher.newest()
    }

    /// What it has sent since the last time.
    pub(super) fn take_outbox(&mut self) -> Vec<Datagram> {
        std::mem::take(&mut self.outbox)
    }

    /// The peer's messages have arrived.
    pub(super) fn deliver(&mut self, datagrams: Vec<Datagram>) {
        self.inbox.extend(datagrams);
    }

    /// An operator wants something.
    pub(super) fn tell(&mut self, input: Input) {
        let begin = thread_time();
        self.ike.handle_input(self.now, WALL, input);
        self.told = true;
        self.busy += thread_time() - begin;
    }

    /// Whether the running gateway would sleep now.
    fn is_idle(&self) -> bool {
        let due = self.ike.deadline().is_some_and(|due| due <= self.now);
        let ticks = self.now.since(self.ticked) >= TICK;
        !due && !ticks && self.events.is_empty() && self.inbox.is_empty() && !self.told
    }

    /// One turn of the control thread. False when there was nothing to do.
    pub(super) fn turn(&mut self, now: engine::Instant) -> bool {
        self.now = now;
        if self.is_idle() {
            return false;
        }
        self.told = false;
        let begin = thread_time();
        while let Some(event) = self.events.pop() {
            if let pipeline::Event::FirstPacket { spi } = event
                && let Some(id) = self.bridge.first_packet(spi)
            {
                self.ike.handle_input(now, WALL, Input::InboundUsed(id));
            }
        }
        for _ in 0..READ_MAX {
            let Some(Datagram { path, message }) = self.inbox.pop_front() else { break };
            let path = Path { local: path.remote, remote: path.local };
            self.ike.handle_datagram(now, WALL, path, &message);
        }
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            for input in self.bridge.usage() {
                self.ike.handle_input(now, WALL, input);
            }
        }
        if self.ike.deadline().is_some_and(|due| due <= now) {
            self.ike.handle_timeout(now, WALL);
        }
        bridge::turn(self);
        self.busy += thread_time() - begin;
        true
    }
}

impl Shell for Site {
    fn poll_output(&mut self) -> Option<Output> {
        self.ike.poll_output()
    }

    fn path_of(&self, id: ChildSaId) -> Option<Path> {
        self.bridge.path_of(id)
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::InstallInbound(child) => {
                let mut seed = [0; 32];
                self.random.fill(&mut seed);
                if let Err(error) = self.bridge.install_inbound(&child, seed) {
                    self.complaints.push(error.to_string());
                }
            }
            Event::InstallOutbound(id) => {
                self.bridge.install_outbound(id);
                self.up += 1;
            }
            Event::WorkersShare(id) => self.bridge.share_among_workers(id),
            Event::Remove(id, _) => {
                self.bridge.remove(id);
                self.gone += 1;
            }
            Event::Move { id, path, udp } => self.bridge.move_pair(id, path, udp),
            Event::Log { level: Level::Warning | Level::Error, text, .. } => {
                self.complaints.push(text);
            }
            Event::Log { .. } | Event::IkeUp(_) | Event::IkeDown(_) | Event::KeyLog(_) => {}
        }
    }

    fn publish(&mut self) -> bool {
        let tables = match self.bridge.pending() {
            Pending::Nothing => return false,
            Pending::Keys => self.bridge.refresh(&self.publisher.newest(), &self.machine),
            Pending::All => self.bridge.build(&self.machine).tables,
        };
        self.publisher.publish(tables);
        self.published += 1;
        true
    }

    fn send(&mut self, datagram: &Datagram) {
        self.outbox.push(datagram.clone());
    }
}
