//! A whole IKE engine and its peer, with a network between them that does what the input says:
//! whatever comes, in whatever order and at whatever time, nothing panics, half-open exchanges stay
//! below their cap, the clock moves on, and keys are installed before they are used and removed
//! once.

mod policy;
mod script;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::ike::algorithm::Encryption;
use ::ike::crypto::MessageKeys;
use ::ike::msg::sealed::{self, Plain};
use ::ike::msg::{ExchangeType, Header};
use ::ike::output::{ChildSaId, Datagram, Event, Input, KeyLogTable, Output, Path};
use ::ike::policy::Versions;
use ::ike::{Ike, Settings};
use engine::{Instant, Secret, Seeded, UnixTime};

use self::script::Script;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const WALL: UnixTime = UnixTime(1_790_000_000);
/// Half-open exchanges that the engine may keep.
const HALF_OPEN_MAX: usize = 4;
/// Timers that may go off in one step of time: more is a clock that does not move on.
const TURNS_MAX: usize = 10_000;

/// Datagrams, inputs and time for an engine that speaks IKEv1.
pub fn ike_engine_v1(input: &[u8]) {
    Scene::play(Versions::V1, input);
}

/// Datagrams, inputs and time for an engine that speaks IKEv2; the peer that has authenticated
/// seals whatever the input says, too.
pub fn ike_engine_v2(input: &[u8]) {
    Scene::play(Versions::V2, input);
}

/// A gateway, and what its datapath would have.
struct Gateway {
    ike: Ike,
    address: IpAddr,
    /// Pairs that are installed, and whether they send.
    pairs: BTreeMap<ChildSaId, bool>,
    /// Keys with which the initiator and the responder of the last IKE SA seal.
    keys: Option<[MessageKeys; 2]>,
}

/// The engine that is tried, its peer, and what is between them.
struct Scene {
    now: Instant,
    /// The first is tried, the second is an honest peer.
    gateways: [Gateway; 2],
    /// Whether they go to the first, and as the receiver sees them.
    flying: VecDeque<(usize, Datagram)>,
    /// What has ever gone to the first.
    recorded: Vec<Datagram>,
    random: Seeded,
}

impl Gateway {
    fn new(seed: u8, versions: Versions, (here, there): (IpAddr, IpAddr), cookies: bool) -> Self {
        let settings = Settings {
            cookie_threshold: if cookies { 0 } else { 3 },
            half_open_max: HALF_OPEN_MAX,
            sa_max: 16,
            key_log: true,
            ..Settings::default()
        };
        let mut ike = Ike::new(settings, Box::new(Seeded::new([seed; 32])));
        ike.handle_input(Instant(0), WALL, Input::LocalAddresses(vec![here]));
        ike.configure(Instant(0), WALL, policy::peers(versions, here, there));
        Self { ike, address: here, pairs: BTreeMap::new(), keys: None }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::InstallInbound(sa) => {
                assert!(self.pairs.insert(sa.id, false).is_none(), "installed twice");
                assert_ne!(sa.inbound.spi, 0);
            }
            Event::InstallOutbound(id) => {
                *self.pairs.get_mut(&id).expect("the inbound SA comes first") = true;
            }
            Event::Remove(id, _) => {
                self.pairs.remove(&id).expect("only what is installed is removed, and once");
            }
            Event::Move { id, .. } => assert!(self.pairs.contains_key(&id), "moved and not there"),
            Event::WorkersShare(id) => assert!(self.pairs.contains_key(&id), "not there"),
            Event::KeyLog(line) if line.table == KeyLogTable::Ikev2 => {
                let line = String::from_utf8(line.line.expose().to_vec()).expect("text");
                let mut fields = line.split(',').skip(2).take(2);
                let mut key = || {
                    let key = hex(fields.next().expect("a key"));
                    let none = Secret::new(Vec::new());
                    MessageKeys::new(Encryption::AesGcm(128, 16), None, Secret::new(key), none)
                };
                self.keys = Some([key(), key()]);
            }
            Event::IkeUp(_) | Event::IkeDown(_) | Event::Log { .. } | Event::KeyLog(_) => {}
        }
    }
}

impl Scene {
    fn play(versions: Versions, input: &[u8]) {
        let mut script = Script::new(input);
        let Some(start) = script.byte() else { return };
        let gateway = |seed, ends| Gateway::new(seed, versions, ends, start & 8 != 0);
        let mut scene = Self {
            now: Instant(1_000_000_000),
            gateways: [gateway(1, (A, B)), gateway(2, (B, A))],
            flying: VecDeque::new(),
            recorded: Vec::new(),
            random: Seeded::new([3; 32]),
        };
        // Fresh, half-open, established; and whether the engine called or was called.
        let caller = usize::from(start & 4 == 0);
        if start & 3 != 0 {
            scene.input(caller, Input::Initiate { peer: policy::PEER.into() });
            scene.deliver(if start & 3 == 1 { 2 } else { 20 });
        }
        // A script that does more is no longer a small one.
        for _ in 0..64 {
            if scene.step(&mut script).is_none() {
                break;
            }
            scene.check();
        }
        scene.pass(Duration::from_secs(600));
        scene.check();
    }

    /// What the next byte of the script says.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let op = script.byte()?;
        match op % 8 {
            0 => {
                let message = script.bytes()?.to_vec();
                self.inject(path(op), message);
            }
            1 => {
                let (number, at, flip) = (script.byte()?, script.short()?, script.byte()?);
                let count = self.recorded.len().max(1);
                let Datagram { path, mut message } =
                    self.recorded.get(usize::from(number) % count)?.clone();
                let at = usize::from(at) % message.len().max(1);
                *message.get_mut(at)? ^= flip;
                self.inject(path, message);
            }
            2 => self.pass(Duration::from_millis(100) * u32::from(script.short()?)),
            3 | 4 => {
                let gateway = usize::from(op % 8 == 4);
                let kind = script.byte()?;
                let pair = self.gateways[gateway].pairs.keys().nth(usize::from(kind >> 4) % 4);
                let input = policy::input(kind, pair.copied(), self.gateways[gateway].address);
                self.input(gateway, input);
            }
            5 => self.deliver(usize::from(op >> 3) + 1),
            6 => {
                self.flying.pop_front();
            }
            _ => self.sealed(script)?,
        }
        Some(())
    }

    /// A message of the SA that both have, with whatever is inside: sealed by the peer if it is
    /// IKEv2, else in clear or as bytes that were encrypted with other keys.
    fn sealed(&mut self, script: &mut Script<'_>) -> Option<()> {
        let [exchange, flags, message_id, first] =
            [script.byte()?, script.byte()?, script.byte()?, script.byte()?];
        let bytes = script.bytes()?;
        let all = self.gateways[0].ike.status();
        let status = all.get(usize::from(flags >> 6) % all.len().max(1))?;
        let version = if status.version == 1 { Header::V1 } else { Header::V2 };
        // RFC 7296 section 3.1: the flag tells who is the original initiator.
        let initiator = if status.initiator { 0 } else { Header::INITIATOR };
        let flags = match version {
            Header::V1 => flags & 3,
            _ => flags & Header::RESPONSE | initiator,
        };
        let header = Header {
            initiator_spi: status.spis.0,
            responder_spi: status.spis.1,
            version,
            exchange: ExchangeType(exchange),
            flags,
            message_id: message_id.into(),
        };
        let path = status.path;
        let keys = self.gateways[0].keys.as_ref();
        let message = match keys.filter(|_| version == Header::V2) {
            Some(keys) => {
                let keys = &keys[usize::from(status.initiator)];
                let plain = Plain { first, bytes: bytes.to_vec().into() };
                sealed::seal_plain(&header, &plain, keys, &mut self.random)
            }
            None => clear(&header, first, bytes),
        };
        self.inject(path, message);
        Some(())
    }

    fn inject(&mut self, path: Path, message: Vec<u8>) {
        self.gateways[0].ike.handle_datagram(self.now, WALL, path, &message);
        self.drain(0);
    }

    fn input(&mut self, gateway: usize, input: Input) {
        self.gateways[gateway].ike.handle_input(self.now, WALL, input);
        self.drain(gateway);
    }

    /// So many datagrams arrive.
    fn deliver(&mut self, count: usize) {
        for _ in 0..count {
            let Some((to, Datagram { path, message })) = self.flying.pop_front() else { return };
            self.gateways[to].ike.handle_datagram(self.now, WALL, path, &message);
            self.drain(to);
        }
    }

    /// Time passes, for both.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for turn in 0.. {
            assert!(turn < TURNS_MAX, "the clock does not move on");
            let next = self.gateways.iter().filter_map(|gateway| gateway.ike.deadline()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for gateway in 0..2 {
                self.gateways[gateway].ike.handle_timeout(self.now, WALL);
                self.drain(gateway);
                let deadline = self.gateways[gateway].ike.deadline();
                assert!(deadline.is_none_or(|at| at > self.now), "a deadline that has passed");
            }
        }
        self.now = end;
    }

    fn drain(&mut self, gateway: usize) {
        while let Some(output) = self.gateways[gateway].ike.poll_output() {
            match output {
                Output::Transmit(Datagram { path, message }) => {
                    let there = &self.gateways[1 - gateway];
                    if path.remote.ip() != there.address || self.flying.len() > 256 {
                        continue;
                    }
                    let path = Path { local: path.remote, remote: path.local };
                    let datagram = Datagram { path, message };
                    if gateway == 1 && self.recorded.len() < 256 {
                        self.recorded.push(datagram.clone());
                    }
                    self.flying.push_back((1 - gateway, datagram));
                }
                Output::Event(event) => self.gateways[gateway].note(event),
            }
        }
    }

    fn check(&self) {
        for gateway in &self.gateways {
            let all = gateway.ike.status();
            let half_open =
                all.iter().filter(|it| !it.initiator && it.established.is_none()).count();
            assert!(half_open <= HALF_OPEN_MAX, "{all:#?}");
        }
    }
}

/// Where strangers' datagrams come from: one of a few places.
fn path(choice: u8) -> Path {
    let port = if choice & 8 == 0 { 500 } else { 4500 };
    let last = if choice & 16 == 0 { 2 } else { choice };
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port);
    Path { local: SocketAddr::new(A, port), remote }
}

/// A message whose payloads are bytes already.
fn clear(header: &Header, first: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(Header::LEN + bytes.len());
    message.extend_from_slice(&header.initiator_spi.0.to_be_bytes());
    message.extend_from_slice(&header.responder_spi.0.to_be_bytes());
    message.extend_from_slice(&[first, header.version, header.exchange.0, header.flags]);
    message.extend_from_slice(&header.message_id.to_be_bytes());
    let len = u32::try_from(Header::LEN + bytes.len()).expect("a datagram");
    message.extend_from_slice(&len.to_be_bytes());
    message.extend_from_slice(bytes);
    message
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two: &[u8]| {
        let two = std::str::from_utf8(two).expect("digits");
        u8::from_str_radix(two, 16).expect("digits")
    };
    digits.map(byte).collect()
}
