//! Sessions of two gateways in virtual time, their packets in tunnels, and the kernel's sockets.

use std::net::UdpSocket;
use std::num::NonZeroU8;
use std::process::Command;

use mio::{Events, Poll};
use tables::PortId;

use super::*;
use crate::namespace::{Inside, inside, ip_command};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const INTERFACE: InterfaceId = InterfaceId(3);
const STEP: Duration = Duration::from_millis(1);
const NOBODY: [usize; 0] = [];

fn wanted(interval_ms: u64) -> config::Bfd {
    let multiplier = NonZeroU8::new(3).expect("not zero");
    config::Bfd { interval: Duration::from_millis(interval_ms), multiplier }
}

/// Two ends of a path, each with the other's address.
struct Pair {
    now: Instant,
    ends: [(Sessions, Ipv4Addr); 2],
    /// What an end says is lost.
    is_cut: bool,
    /// Which ends have found the path failed.
    failed: Vec<usize>,
}

impl Pair {
    fn new() -> Self {
        let ends = [(1, THERE), (2, HERE)].map(|(seed, other)| {
            let mut sessions = Sessions::new([seed; 32]);
            sessions.configure(Instant(0), INTERFACE, "to-b", wanted(50));
            (sessions, other)
        });
        Self { now: Instant(0), ends, is_cut: false, failed: Vec::new() }
    }

    fn watch(&mut self, end: usize, watch: bool) {
        let (sessions, other) = &mut self.ends[end];
        sessions.watch(self.now, (INTERFACE, *other), watch);
    }

    fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            for end in [0, 1] {
                self.ends[end].0.handle_timeout(self.now);
                while let Some(action) = self.ends[end].0.poll_action() {
                    match action {
                        Action::Send { packet, .. } if !self.is_cut => {
                            let source = self.ends[1 - end].1;
                            let far = &mut self.ends[1 - end].0;
                            far.handle_packet(self.now, INTERFACE, source, &packet);
                        }
                        Action::Failed(path) => {
                            assert_eq!(path, (INTERFACE, self.ends[end].1));
                            self.failed.push(end);
                        }
                        Action::Send { .. } | Action::Release(_) => {}
                    }
                }
            }
            self.now = self.now + STEP;
        }
    }

    fn states(&self) -> [Vec<State>; 2] {
        [0, 1].map(|end| self.ends[end].0.statuses(self.now).map(|it| it.state).collect())
    }
}

#[test]
fn a_cut_is_found_by_both_ends_in_three_intervals() {
    let mut pair = Pair::new();
    pair.watch(0, true);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [vec![State::Down], vec![]], "the other end watches nobody");
    pair.watch(1, true);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [[State::Up], [State::Up]]);
    assert_eq!(pair.failed, NOBODY);
    pair.is_cut = true;
    pair.run(Duration::from_millis(100));
    assert_eq!(pair.failed, NOBODY, "two packets may be lost");
    pair.run(Duration::from_millis(52));
    pair.failed.sort_unstable();
    assert_eq!(pair.failed, [0, 1]);
    pair.is_cut = false;
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [[State::Up], [State::Up]]);
}

#[test]
fn who_is_no_longer_watched_is_told_and_other_intervals_lose_nobody() {
    let mut pair = Pair::new();
    pair.watch(0, true);
    pair.watch(1, true);
    pair.run(Duration::from_secs(5));
    let now = pair.now;
    pair.ends[0].0.configure(now, INTERFACE, "to-b", wanted(200));
    pair.run(Duration::from_secs(5));
    let detection = |pair: &Pair, end: usize| {
        pair.ends[end].0.statuses(pair.now).next().and_then(|it| it.detection_time)
    };
    assert_eq!([0, 1].map(|end| detection(&pair, end)), [Some(Duration::from_millis(600)); 2]);
    pair.watch(0, false);
    pair.run(Duration::from_secs(5));
    assert_eq!(pair.states(), [vec![], vec![State::Down]]);
    assert_eq!(pair.failed, NOBODY, "it is nobody's failure");
}

#[test]
fn nothing_a_stranger_sends_makes_or_ends_a_session() {
    let mut pair = Pair::new();
    pair.watch(0, true);
    pair.watch(1, true);
    pair.run(Duration::from_secs(5));
    let down = Control {
        diagnostic: Diagnostic::NONE,
        state: State::Down,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        authenticated: false,
        demand: false,
        detect_multiplier: 3,
        my_discriminator: 7,
        your_discriminator: 0,
        desired_min_tx_us: 1_000_000,
        required_min_rx_us: 1_000_000,
        required_min_echo_rx_us: 0,
    };
    let (now, sessions) = (pair.now, &mut pair.ends[0].0);
    let own = *sessions.by_discriminator.keys().next().expect("a session");
    let stranger = Ipv4Addr::new(10, 1, 0, 3);
    sessions.handle_packet(now, INTERFACE, stranger, &down.encode());
    let elsewhere = Control { your_discriminator: own, ..down };
    sessions.handle_packet(now, InterfaceId(4), THERE, &elsewhere.encode());
    let unknown = Control { your_discriminator: own.wrapping_add(1), ..down };
    sessions.handle_packet(now, INTERFACE, THERE, &unknown.encode());
    sessions.handle_packet(now, INTERFACE, THERE, &down.encode()[..23]);
    pair.run(STEP);
    assert_eq!((pair.states(), pair.failed), ([vec![State::Up], vec![State::Up]], vec![]));
}

#[test]
fn what_enters_a_tunnel_is_a_sound_datagram_and_read_as_such() {
    let payload: [u8; Control::LEN] = std::array::from_fn(|n| n as u8);
    let whole = whole_packet(HERE, THERE, 49_152, &payload).expect("it fits");
    let (header, header_len, total_len) = Ipv4::parse(&whole).expect("a sound header");
    assert_eq!((header.ttl, header.tos, header.protocol, total_len), (255, 0xc0, 17, 52));
    let datagram = &whole[header_len..];
    assert_eq!(datagram[..6], [0xc0, 0, 0x0e, 0xc8, 0, 32]);
    assert_eq!(payload_of(header, datagram), Some(&payload[..]));
    for at in 0..datagram.len() {
        let mut damaged = datagram.to_vec();
        damaged[at] ^= 0x10;
        assert_eq!(payload_of(header, &damaged), None, "byte {at}");
        assert_eq!(payload_of(header, &datagram[..at]), None, "{at} bytes");
    }
    let mut without = datagram.to_vec();
    without[6..8].fill(0);
    assert_eq!(payload_of(header, &without), Some(&payload[..]), "RFC 768 allows that");
}

/// Sends packets of one byte, the TTL, to where BFD hears.
const NEIGHBOUR: &str = r"
import socket
for ttl in (254, 1, 255):
    speak = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    speak.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    speak.sendto(bytes([ttl]), ('10.1.0.1', 3784))
";

#[test]
fn on_a_network_only_neighbours_are_heard_and_each_session_has_its_port() {
    let test = "on_a_network_only_neighbours_are_heard_and_each_session_has_its_port";
    let Some(Inside { peer }) = inside(module_path!(), test) else { return };
    ip_command(&format!("link add lan0 type veth peer name far0 netns {peer}"));
    ip_command("addr add 10.1.0.1/24 dev lan0");
    ip_command("link set lan0 up");
    ip_command("link set lo up");
    ip_command(&format!("-n {peer} addr add 10.1.0.2/24 dev far0"));
    ip_command(&format!("-n {peer} link set far0 up"));
    let port = PortId(0);
    let (mut sockets, mut poll) = (Sockets::default(), Poll::new().expect("a poll"));
    assert!(sockets.send(port, 49_152, THERE, &[0]).is_err(), "not begun there");
    let places = BTreeMap::from([(port, ("lan0".to_owned(), 1, HERE))]);
    let problems = sockets.follow(&places, poll.registry());
    assert_eq!(problems, Vec::<String>::new());
    let neighbour = ["netns", "exec", &peer, "python3", "-c", NEIGHBOUR];
    assert!(Command::new("ip").args(neighbour).status().expect("python3 starts").success());
    let (mut heard, mut events) = (Vec::new(), Events::with_capacity(8));
    while heard.is_empty() {
        poll.poll(&mut events, Some(Duration::from_secs(20))).expect("a poll");
        assert!(events.iter().any(|event| event.token() == BFD), "nothing came");
        sockets.read(|port, from, payload| heard.push((port, from, payload.to_vec())));
    }
    assert_eq!(heard, [(port, THERE, vec![255])], "the others passed a router");
    // What sends has a port and an address of ours, which others cannot have meanwhile.
    for source_port in [49_152, 49_153] {
        sockets.send(port, source_port, THERE, &[0; Control::LEN]).expect("it leaves");
        assert!(UdpSocket::bind((HERE, source_port)).is_err());
        sockets.release(source_port);
        assert!(UdpSocket::bind((HERE, source_port)).is_ok());
    }
    let taken = Sockets::default().follow(&places, poll.registry());
    assert_eq!(taken.len(), 1, "one daemon at a time: {taken:?}");
}
