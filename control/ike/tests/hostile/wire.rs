//! Two gateways, and whoever has the wire between them.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use engine::{Instant, Seeded};
use ike::output::{Datagram, Event, Input, Output, Path};
use ike::policy::{Peer, Versions};
use ike::{Ike, Settings};

use crate::sim::WALL;
use crate::sim::policy::gre;

pub const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
pub const CHILD: &str = "gre";

/// What has become of one gateway.
pub struct End {
    pub ike: Ike,
    pub up: usize,
    pub pairs: usize,
    pub log: Vec<String>,
}

/// The first calls the second.
pub struct Wire {
    pub now: Instant,
    pub ends: [End; 2],
    flying: VecDeque<(usize, Datagram)>,
    /// What has been sent, by whom, as the receiver saw it.
    pub sent: Vec<(usize, Datagram)>,
}

impl Wire {
    pub fn new(seed: u8, versions: Versions, proposals: &[&str]) -> Self {
        let end = |here: IpAddr, there: IpAddr, seed| {
            let mut peer: Peer = gre(CHILD, here, Some(there));
            peer.versions = versions;
            peer.proposals = proposals.iter().map(|it| it.parse().unwrap()).collect();
            let mut ike = Ike::new(Settings::default(), Box::new(Seeded::new([seed; 32])));
            ike.handle_input(Instant(0), WALL, Input::LocalAddresses(vec![here]));
            ike.configure(Instant(0), WALL, vec![Arc::new(peer)]);
            End { ike, up: 0, pairs: 0, log: Vec::new() }
        };
        let ends = [end(A, B, seed), end(B, A, seed + 1)];
        Self { now: Instant(1_000_000_000), ends, flying: VecDeque::new(), sent: Vec::new() }
    }

    /// A connection, every message of which `tamper` sees, with the number of who has sent it.
    pub fn connect(&mut self, tamper: impl FnMut(usize, &mut Vec<u8>)) {
        self.input(0, Input::Initiate { peer: CHILD.into() });
        self.run(tamper);
    }

    /// Whatever is under way.
    pub fn run(&mut self, mut tamper: impl FnMut(usize, &mut Vec<u8>)) {
        // Long enough to send once more, too short to begin anew.
        for _ in 0..30 {
            self.pump(&mut tamper);
            self.now = self.now + Duration::from_millis(100);
            for end in 0..2 {
                self.ends[end].ike.handle_timeout(self.now, WALL);
                self.drain(end);
            }
        }
        self.pump(&mut tamper);
    }

    fn pump(&mut self, tamper: &mut impl FnMut(usize, &mut Vec<u8>)) {
        while let Some((from, mut datagram)) = self.flying.pop_front() {
            tamper(from, &mut datagram.message);
            self.inject(1 - from, &datagram);
        }
    }

    pub fn input(&mut self, end: usize, input: Input) {
        self.ends[end].ike.handle_input(self.now, WALL, input);
        self.drain(end);
    }

    /// A datagram comes to one end.
    pub fn inject(&mut self, to: usize, datagram: &Datagram) {
        self.ends[to].ike.handle_datagram(self.now, WALL, datagram.path, &datagram.message);
        self.drain(to);
    }

    /// What is on its way comes to nothing.
    pub fn cut(&mut self) {
        self.flying.clear();
    }

    /// Time passes, and nothing arrives.
    pub fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.now = self.now + Duration::from_secs(1);
            for end in 0..2 {
                self.ends[end].ike.handle_timeout(self.now, WALL);
                self.drain(end);
            }
            self.cut();
        }
    }

    fn drain(&mut self, end: usize) {
        while let Some(output) = self.ends[end].ike.poll_output() {
            let it = &mut self.ends[end];
            match output {
                Output::Transmit(Datagram { path, message }) => {
                    let path = Path { local: path.remote, remote: path.local };
                    self.sent.push((end, Datagram { path, message: message.clone() }));
                    self.flying.push_back((end, Datagram { path, message }));
                }
                Output::Event(Event::IkeUp(_)) => it.up += 1,
                Output::Event(Event::InstallInbound(_)) => it.pairs += 1,
                Output::Event(Event::Remove(..)) => it.pairs -= 1,
                Output::Event(Event::Log { text, .. }) => it.log.push(text),
                Output::Event(_) => {}
            }
        }
    }

    /// SAs that have come up, and pairs that are installed, at each end.
    pub fn counts(&self) -> [(usize, usize); 2] {
        [0, 1].map(|end| (self.ends[end].up, self.ends[end].pairs))
    }

    pub fn logged(&self, end: usize, text: &str) -> bool {
        self.ends[end].log.iter().any(|line| line.contains(text))
    }
}
