//! A port's network: the kernel's sockets, with Python's on the other end of the wire.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use mio::{Events, Poll};

use super::*;
use crate::namespace::{Inside, inside, ip_command};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const PORT: PortId = PortId(0);

/// Prints every OSPF packet that arrives, from the IP header on, and sends what its standard input
/// tells it to.
const NEIGHBOUR: &str = r"
import socket, sys, threading
watch = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
watch.bind(('far0', 0x0800))
def hear():
    while True:
        packet, address = watch.recvfrom(65535)
        if packet[9] == 89 and address[2] != socket.PACKET_OUTGOING:
            print(packet.hex(), flush=True)
threading.Thread(target=hear, daemon=True).start()
speak = socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)
speak.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('10.1.0.2'))
print('ready', flush=True)
for line in sys.stdin:
    destination, length = line.split()
    speak.sendto(bytes(n % 256 for n in range(int(length))), (destination, 0))
";

struct Neighbour {
    child: Child,
    told: ChildStdin,
    heard: BufReader<std::process::ChildStdout>,
}

impl Neighbour {
    fn start(namespace: &str) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace, "python3", "-c", NEIGHBOUR])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let told = child.stdin.take().expect("a pipe");
        let heard = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut neighbour = Self { child, told, heard };
        assert_eq!(neighbour.line(), "ready");
        neighbour
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.heard.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// The next packet that it hears.
    fn hears(&mut self) -> Vec<u8> {
        let line = self.line();
        let digits = line.as_bytes().chunks(2).map(|two| str::from_utf8(two).expect("digits"));
        digits.map(|two| u8::from_str_radix(two, 16).expect("hexadecimal")).collect()
    }

    /// Has it send so many bytes to an address.
    fn sends(&mut self, destination: Ipv4Addr, len: usize) {
        writeln!(self.told, "{destination} {len}").expect("it listens");
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // A panic here would hide the one that brought us here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|n| n as u8).collect()
}

/// Waits for packets until one of `last` bytes has come; destinations and lengths of all.
fn read_until(io: &mut Io, poll: &mut Poll, last: usize) -> Vec<(Ipv4Addr, usize)> {
    let (tables, mut found) = (Tables::default(), Vec::new());
    let mut events = Events::with_capacity(8);
    while found.last().is_none_or(|(_, len)| *len != last) {
        let each = |interface, source, destination, packet: &[u8]| {
            assert_eq!((interface, source), (Interface::Port(PORT), THERE));
            assert_eq!(packet, bytes(packet.len()));
            found.push((destination, packet.len()));
        };
        io.read(&tables, &[], each, |_, header, _| panic!("{header:?}"));
        if found.last().is_none_or(|(_, len)| *len != last) && !io.has_unread() {
            poll.poll(&mut events, Some(Duration::from_secs(20))).expect("a poll");
            assert!(events.iter().any(|event| event.token() == OSPF), "nothing came: {found:?}");
        }
    }
    found
}

#[test]
fn a_neighbour_on_a_network_hears_us_and_we_hear_it() {
    let test = "a_neighbour_on_a_network_hears_us_and_we_hear_it";
    let Some(Inside { peer }) = inside(module_path!(), test) else { return };
    ip_command(&format!("link add lan0 type veth peer name far0 netns {peer}"));
    // The first address is not the one that OSPF runs with.
    ip_command("addr add 10.9.0.1/24 dev lan0");
    ip_command("addr add 10.1.0.1/24 dev lan0");
    ip_command("link set lan0 up");
    ip_command(&format!("-n {peer} addr add 10.1.0.2/24 dev far0"));
    ip_command(&format!("-n {peer} link set far0 up"));
    let link = ip_command("-o link show lan0");
    let ifindex = link.split(':').next().and_then(|index| index.parse().ok()).expect("an index");
    let mut neighbour = Neighbour::start(&peer);
    let (mut io, mut poll) = (Io::new(), Poll::new().expect("a poll"));
    let no_tables = Tables::default();
    let early = io.send(&no_tables, &[], Interface::Port(PORT), ALL_ROUTERS, &[1]);
    assert_eq!(early.unwrap_err().to_string(), "it does not run there");
    io.open(PORT, ("lan0", ifindex), HERE, poll.registry()).expect("a socket");

    for destination in [ALL_ROUTERS, DESIGNATED_ROUTERS, THERE] {
        let sent = bytes(44);
        io.send(&no_tables, &[], Interface::Port(PORT), destination, &sent).expect("it leaves");
        let packet = neighbour.hears();
        let (header, header_len, _) = Ipv4::parse(&packet).expect("a sound packet");
        assert_eq!((header.source_addr(), header.destination_addr()), (HERE, destination));
        assert_eq!((header.ttl, header.tos, header.protocol), (1, 0xc0, 89));
        assert_eq!(packet[header_len..], sent);
    }

    let mut hear = |io: &mut Io, last| {
        let all = [(ALL_ROUTERS, 44), (DESIGNATED_ROUTERS, 48), (HERE, 3000), (ALL_ROUTERS, last)];
        all.into_iter().for_each(|(destination, len)| neighbour.sends(destination, len));
        read_until(io, &mut poll, last)
    };
    let ours = |last| vec![(ALL_ROUTERS, 44), (HERE, 3000), (ALL_ROUTERS, last)];
    assert_eq!(hear(&mut io, 52), ours(52), "what we sent is not heard, nor other groups");
    io.hear_designated(PORT, true).expect("a group");
    let mut with_designated = ours(56);
    with_designated.insert(1, (DESIGNATED_ROUTERS, 48));
    assert_eq!(hear(&mut io, 56), with_designated);
    io.hear_designated(PORT, false).expect("a group that was joined");
    assert_eq!(hear(&mut io, 60), ours(60));
    io.close(PORT);
    assert!(io.hear_designated(PORT, true).is_err());
}

#[test]
fn an_address_that_the_device_does_not_have_is_refused() {
    let test = "an_address_that_the_device_does_not_have_is_refused";
    let Some(_) = inside(module_path!(), test) else { return };
    let poll = Poll::new().expect("a poll");
    let device = ("lo", 1);
    let mut io = Io::new();
    assert!(io.open(PORT, device, HERE, poll.registry()).is_err());
    assert!(io.open(PORT, ("nothing0", 9), HERE, poll.registry()).is_err());
}
