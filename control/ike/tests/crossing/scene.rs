//! Two gateways that do what a script says, and what is so after each line of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use engine::{Random, Seeded};
use ike::Settings;
use ike::msg::sealed::{Reassembly, seal};
use ike::msg::{Delete, ESP, Header, Payload};
use ike::output::{ChildSaId, Input, Path};
use ike::policy::Peer;

use crate::names::{self, Names};
use crate::script::{self, Line};
use crate::sim::policy::gre;
use crate::sim::read::{self, key_of};
use crate::sim::{Net, Weather};

const ADDRESSES: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2))];
/// What the peers call each other, and their first child.
pub const CHILD: &str = "gre";

/// A gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    A,
    B,
}

/// Which of the four nonces of two exchanges that cross is the lowest (RFC 7296 section 2.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowest {
    /// That of a request of this side.
    Asks(Side),
    /// That of an answer of this side.
    Answers(Side),
}

/// The exchange that A has begun is to lose: either of its nonces is the lowest.
pub const A_LOSES: [Lowest; 2] = [Lowest::Asks(Side::A), Lowest::Answers(Side::B)];
/// The exchange that B has begun is to lose.
pub const B_LOSES: [Lowest; 2] = [Lowest::Asks(Side::B), Lowest::Answers(Side::A)];
/// Either loses.
pub const ANY_LOSES: [Lowest; 4] = [A_LOSES[0], A_LOSES[1], B_LOSES[0], B_LOSES[1]];

/// A message that has been sent.
struct Sent {
    name: String,
    path: Path,
    bytes: Vec<u8>,
    settled: bool,
}

/// What is made of the plain peer that each side has.
type Change = Box<dyn Fn(Side, &mut Peer)>;

/// Two gateways and what is between them.
pub struct Scene {
    net: Net,
    steering: [Arc<AtomicU8>; 2],
    lowest: Option<Lowest>,
    names: Names,
    messages: Vec<Sent>,
    change: Change,
    /// How much of what the net has recorded has got its name.
    read: usize,
}

/// Random bytes whose nonces begin as a test says, and whose SPIs of IKE SAs are lower on side A.
struct Steered {
    random: Seeded,
    nonces: Arc<AtomicU8>,
    spis: u8,
}

impl Random for Steered {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
        match bytes.len() {
            // Private keys of 32 bytes are steered too, which does them no harm.
            32 => bytes[0] = self.nonces.load(Ordering::Relaxed),
            8 => bytes[0] = self.spis,
            _ => {}
        }
    }
}

impl Side {
    const fn at(self) -> usize {
        self as usize
    }

    fn named(name: &str) -> Self {
        match name {
            "A" => Self::A,
            "B" => Self::B,
            _ => panic!("there is no side {name}"),
        }
    }
}

impl Scene {
    /// Two gateways that have nothing yet; `change` is made to what each says of the other.
    pub fn new(change: impl Fn(Side, &mut Peer) + 'static) -> Self {
        let lost = Weather { loss_percent: 100, ..Weather::FINE };
        let steering = [0, 1].map(|_| Arc::new(AtomicU8::new(0xff)));
        let mut scene = Self {
            net: Net::new(1, lost),
            steering,
            lowest: None,
            names: Names::default(),
            messages: Vec::new(),
            change: Box::new(change),
            read: 0,
        };
        for side in [Side::A, Side::B] {
            let random = scene.random(side, 0);
            scene.net.add_with(ADDRESSES[side.at()], settings(), random);
        }
        for side in [Side::A, Side::B] {
            scene.configure(side);
        }
        scene
    }

    /// The same, connected by A and with a pair of SAs for the first child.
    pub fn connected(change: impl Fn(Side, &mut Peer) + 'static) -> Self {
        Self::connected_by(Side::A, change)
    }

    /// The same, connected by this side.
    pub fn connected_by(side: Side, change: impl Fn(Side, &mut Peer) + 'static) -> Self {
        let mut scene = Self::new(change);
        let acquire = Input::Acquire { child: CHILD.into(), remote: None, packet: None };
        scene.net.input(side.at(), acquire);
        while scene.read < scene.net.sent.len() {
            let (path, bytes) = scene.net.sent[scene.read].clone();
            scene.read += 1;
            scene.net.hand_over(path, &bytes);
        }
        assert_eq!(scene.columns(), ["", "K1 1<>", "K1 1<>"]);
        scene
    }

    /// From here on this nonce is lower than the others.
    pub fn lowest(mut self, lowest: Lowest) -> Self {
        self.lowest = Some(lowest);
        self
    }

    fn random(&self, side: Side, life: u8) -> Box<dyn Random> {
        let (nonces, spis) = (self.steering[side.at()].clone(), 1 + side.at() as u8);
        Box::new(Steered { random: Seeded::new([spis + 2 * life; 32]), nonces, spis })
    }

    fn configure(&mut self, side: Side) {
        let [here, there] = [ADDRESSES[side.at()], ADDRESSES[1 - side.at()]];
        let mut peer = Peer { dpd: None, ..gre(CHILD, here, Some(there)) };
        (self.change)(side, &mut peer);
        self.net.configure(side.at(), vec![Arc::new(peer)]);
    }

    /// The process of a gateway ends, and another one begins that knows nothing.
    fn restart(&mut self, side: Side) {
        let random = self.random(side, 1);
        self.net.restart(side.at(), settings(), random);
        self.configure(side);
    }

    /// Does what a script says and compares what comes of it.
    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let mut played: Vec<Line> = Vec::new();
        let mut wrong = None;
        for line in script::parse(script) {
            if let Err(text) = self.act(&line.what) {
                panic!("{}: {text}, after\n{}", line.what, script::table(&played));
            }
            let columns = self.columns().to_vec();
            if columns != line.columns && wrong.is_none() {
                wrong = Some(line.what.clone());
            }
            played.push(Line { what: line.what, columns });
        }
        if let Some(what) = wrong {
            panic!("{what}: it is otherwise\n{}", script::table(&played));
        }
        let open: Vec<_> =
            self.messages.iter().filter(|it| !it.settled).map(|it| &it.name).collect();
        assert!(open.is_empty(), "{open:?} neither arrive nor are lost");
    }

    fn act(&mut self, what: &str) -> Result<(), String> {
        let words: Vec<_> = what.split(' ').collect();
        match words[..] {
            [message, "arrives"] => {
                let sent = self.message(message)?;
                let (path, bytes) = (sent.path, sent.bytes.clone());
                self.arrive(path, &bytes);
            }
            // Its sender has sent something else than its engine thinks.
            [message, "arrives", "as", other] => {
                let sent = self.message(message)?;
                let (path, bytes) = (sent.path, sent.bytes.clone());
                let bytes = self.forged(message, &bytes, other)?;
                self.arrive(path, &bytes);
            }
            [message, "arrives", "without", notification] => {
                let sent = self.message(message)?;
                let (path, bytes) = (sent.path, sent.bytes.clone());
                let bytes = self.without(&bytes, notification)?;
                self.arrive(path, &bytes);
            }
            [message, "is", "lost"] => {
                self.message(message)?;
            }
            [time, "pass"] => {
                let seconds = time.strip_suffix('s').and_then(|time| time.parse().ok());
                let seconds = seconds.ok_or("no such time")?;
                self.steer(Lowest::Asks(Side::A));
                self.steer(Lowest::Asks(Side::B));
                self.net.run(Duration::from_secs_f64(seconds));
            }
            [side, "renews", pair] => self.tell(side, pair, Input::SoftLimit)?,
            [side, "expires", pair] => self.tell(side, pair, Input::HardLimit)?,
            [side, "wants", child] => {
                self.input(
                    side,
                    Input::Acquire { child: child.into(), remote: None, packet: None },
                );
            }
            [side, "restarts"] => self.restart(Side::named(side)),
            [side, "terminates"] => self.input(side, Input::Terminate { peer: CHILD.into() }),
            [side, "sends", child] => self.send_packet(Side::named(side), child)?,
            _ => return Err("no such thing can happen".into()),
        }
        Ok(())
    }

    /// A message by its name, which is lost or arrives now.
    fn message(&mut self, name: &str) -> Result<&Sent, String> {
        let found = self.messages.iter_mut().find(|it| it.name == name);
        let found = found.ok_or("there is no such message")?;
        found.settled = true;
        Ok(found)
    }

    fn arrive(&mut self, path: Path, bytes: &[u8]) {
        let node = usize::from(path.local.ip() == ADDRESSES[1]);
        let asked = !Header::parse(bytes).unwrap().is_response();
        let side = if node == 0 { Side::A } else { Side::B };
        self.steer(if asked { Lowest::Answers(side) } else { Lowest::Asks(side) });
        self.net.hand_over(path, bytes);
    }

    /// The nonce that is drawn next has this use.
    fn steer(&self, used: Lowest) {
        let (Lowest::Asks(side) | Lowest::Answers(side)) = used;
        let first = if self.lowest == Some(used) { 0 } else { 0xff };
        self.steering[side.at()].store(first, Ordering::Relaxed);
    }

    fn input(&mut self, side: &str, input: Input) {
        let side = Side::named(side);
        self.steer(Lowest::Asks(side));
        self.net.input(side.at(), input);
    }

    fn tell(&mut self, side: &str, pair: &str, of: fn(ChildSaId) -> Input) -> Result<(), String> {
        let node = Side::named(side).at();
        let mut pairs = self.net.nodes[node].pairs.values();
        let named = |spi| self.names.pair(node, spi) == pair;
        let found = pairs.find(|it| named(it.sa.inbound.spi)).ok_or("it has no such pair")?;
        let id = found.sa.id;
        self.input(side, of(id));
        Ok(())
    }

    /// A packet of a child goes through the pair that it is sent by.
    fn send_packet(&mut self, from: Side, child: &str) -> Result<(), String> {
        let [here, there] = [from.at(), 1 - from.at()].map(|at| &self.net.nodes[at]);
        let by = here.sends_by.get(child).ok_or("it does not send")?;
        let spi = here.pairs[by].sa.outbound.spi;
        if let Some(pair) = there.pairs.values().find(|it| it.sa.inbound.spi == spi) {
            let id = pair.sa.id;
            self.net.input(1 - from.at(), Input::InboundUsed(id));
        }
        Ok(())
    }

    /// The message with another content: `D(1)`.
    fn forged(&self, name: &str, bytes: &[u8], content: &str) -> Result<Vec<u8>, String> {
        let node = usize::from(name.starts_with('b'));
        let pair = content.strip_prefix("D(").and_then(|rest| rest.strip_suffix(')'));
        let pair = pair.ok_or("nobody sends that")?;
        let spi = self.names.spi(node, pair).ok_or("it has no such pair")?;
        let delete = Payload::Delete(Delete { protocol: ESP, spis: vec![spi] });
        self.resealed(bytes, &[delete])
    }

    /// The message without the notifications of this name.
    fn without(&self, bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
        let keys = read::keys(&self.net);
        let content = read::content(&keys, &mut Reassembly::default(), bytes);
        let (_, mut payloads) = content.ok_or("it is in fragments")?;
        let is =
            |it: &Payload| matches!(it, Payload::Notify(it) if names::shown(it.kind) == Some(name));
        payloads.retain(|payload| !is(payload));
        self.resealed(bytes, &payloads)
    }

    /// The message with other payloads.
    fn resealed(&self, bytes: &[u8], payloads: &[Payload]) -> Result<Vec<u8>, String> {
        let header = Header::parse(bytes).unwrap();
        let keys = read::keys(&self.net);
        let key = key_of(&keys, &header).ok_or("it is not sealed")?;
        Ok(seal(&header, payloads, key, &mut Seeded::new([7; 32])))
    }

    /// What was sent since the last time, and what both sides have.
    fn columns(&mut self) -> [String; 3] {
        for node in [0, 1] {
            self.names.learn(node, &self.net.nodes[node]);
        }
        let sent = self.sent();
        let [a, b] = [0, 1]
            .map(|node| self.names.state(node, &self.net.nodes[node], &self.net.nodes[1 - node]));
        [sent, a, b]
    }

    fn sent(&mut self) -> String {
        let keys = read::keys(&self.net);
        let mut all = Vec::new();
        for (path, bytes) in &self.net.sent[self.read..] {
            if let Some(known) = self.messages.iter().find(|it| it.bytes == *bytes) {
                let again = format!("{} again", known.name);
                if all.last() != Some(&again) {
                    all.push(again);
                }
                continue;
            }
            let node = usize::from(path.remote.ip() == ADDRESSES[1]);
            let letter = ["a", "b"][node];
            let before = self.messages.iter().filter(|it| it.name.starts_with(letter)).count();
            let name = format!("{letter}{}", before + 1);
            let content = read::content(&keys, &mut Reassembly::default(), bytes);
            let (header, payloads) = content.expect("messages are not in fragments here");
            all.push(format!("{name} {}", self.names.message(node, &header, &payloads)));
            let (path, bytes) = (*path, bytes.clone());
            self.messages.push(Sent { name, path, bytes, settled: false });
        }
        self.read = self.net.sent.len();
        all.join(", ")
    }
}

fn settings() -> Settings {
    Settings { key_log: true, ..Settings::default() }
}
