//! A flood from spoofed addresses: the heap stays below the cap that [`Settings`] states, and a
//! peer gets through.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use engine::{Instant, Seeded};
use ike::msg::{Message, Notify, Payload};
use ike::output::{Datagram, Event, Input, Output, Path};
use ike::policy::{Peer, Versions};
use ike::{Ike, Settings};

use crate::sim::WALL;
use crate::sim::policy::gre;

const HUB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const SPOKE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const CHILD: &str = "gre";
/// First messages of strangers, of IKEv2; of IKEv1 there is a quarter of that beside them.
const FLOOD: u32 = 100_000;
/// The peer sends, or sends again, after so many of them.
const EVERY: u32 = 1000;

fn peer(local: IpAddr, remote: Option<IpAddr>, versions: Versions) -> Peer {
    let mut peer = gre(CHILD, local, remote);
    peer.versions = versions;
    // What the other version offers comes second.
    peer.proposals = vec![
        "aes256gcm16-prfsha256-x25519".parse().unwrap(),
        "aes128-sha256-modp2048".parse().unwrap(),
    ];
    if versions == Versions::V1 {
        peer.proposals.remove(0);
    }
    peer
}

fn gateway(seed: u8, address: IpAddr, peer: Peer, settings: Settings) -> Ike {
    let mut ike = Ike::new(settings, Box::new(Seeded::new([seed; 32])));
    ike.handle_input(Instant(0), WALL, Input::LocalAddresses(vec![address]));
    ike.configure(Instant(0), WALL, vec![Arc::new(peer)]);
    ike
}

/// What an engine sends, as the receiver sees it, and whether a child has come up.
fn drain(ike: &mut Ike) -> (Vec<Datagram>, bool) {
    let (mut sent, mut up) = (Vec::new(), false);
    while let Some(output) = ike.poll_output() {
        match output {
            Output::Transmit(Datagram { path, message }) => {
                let path = Path { local: path.remote, remote: path.local };
                sent.push(Datagram { path, message });
            }
            Output::Event(Event::InstallOutbound(_)) => up = true,
            Output::Event(_) => {}
        }
    }
    (sent, up)
}

/// The first message of a peer, padded to `len` bytes with something that is ignored.
fn first_message(versions: Versions, len: usize) -> Vec<u8> {
    let mut ike = gateway(9, SPOKE, peer(SPOKE, Some(HUB), versions), Settings::default());
    ike.handle_input(Instant(0), WALL, Input::Initiate { peer: CHILD.into() });
    let mut message = drain(&mut ike).0.remove(0).message;
    if versions == Versions::V1 {
        let mut message = ike::msg::v1::Message1::parse(&message).unwrap();
        let padding = len - message.write().len() - 4;
        if let ike::msg::v1::Body1::Clear(payloads) = &mut message.body {
            payloads.push(ike::msg::v1::Payload1::VendorId(vec![7; padding]));
        }
        return message.write();
    }
    let padding = len - message.len() - 8;
    let mut parsed = Message::parse(&message).unwrap();
    let data = vec![7; padding];
    parsed.payloads.push(Payload::Notify(Notify { protocol: 0, spi: vec![], kind: 65_000, data }));
    message = parsed.write();
    assert_eq!(message.len(), len);
    message
}

/// `number`'s first message: from an address and with an SPI that nobody else has.
fn spoofed(message: &mut [u8], number: u32) -> Path {
    message[..4].copy_from_slice(&(number | 1 << 31).to_be_bytes());
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0xc633_0000 + number)), 500);
    Path { local: SocketAddr::new(HUB, 500), remote }
}

/// What strangers of both versions may take.
fn cap(settings: &Settings) -> u64 {
    2 * (settings.half_open_max * Settings::HALF_OPEN_LEN_MAX) as u64
}

/// A hub for anybody, and a peer that calls it in the middle of a flood.
struct Siege {
    hub: Ike,
    spoke: Ike,
    now: Instant,
    up: (bool, bool),
}

impl Siege {
    fn new(versions: Versions, settings: Settings) -> Self {
        let mut template = peer(HUB, None, Versions::Both);
        template.remote_identity = "%any".parse().unwrap();
        let hub = gateway(1, HUB, template, settings.clone());
        let spoke = gateway(2, SPOKE, peer(SPOKE, Some(HUB), versions), settings);
        Self { hub, spoke, now: Instant(1_000_000_000), up: (false, false) }
    }

    /// A first message of a stranger: what it is answered goes nowhere.
    fn strike(&mut self, path: Path, message: &[u8]) {
        self.now = self.now + Duration::from_micros(50);
        self.hub.handle_datagram(self.now, WALL, path, message);
        drain(&mut self.hub);
    }

    /// The peer calls, or calls again, and hears what it is answered; a message takes so many of
    /// the flood's on its way.
    fn call(&mut self) {
        self.spoke.handle_input(self.now, WALL, Input::Initiate { peer: CHILD.into() });
        self.spoke.handle_timeout(self.now, WALL);
        let (sent, up) = drain(&mut self.spoke);
        self.up.0 |= up;
        for datagram in sent {
            self.hub.handle_datagram(self.now, WALL, datagram.path, &datagram.message);
        }
        self.answer();
    }

    fn answer(&mut self) {
        let (sent, up) = drain(&mut self.hub);
        self.up.1 |= up;
        for datagram in sent.into_iter().filter(|it| it.path.local.ip() == SPOKE) {
            self.spoke.handle_datagram(self.now, WALL, datagram.path, &datagram.message);
        }
    }

    fn half_open(&self) -> usize {
        let all = self.hub.status();
        all.iter().filter(|it| it.established.is_none()).count()
    }
}

/// Both versions' first messages come down on a hub; a peer of `versions` calls in their midst.
fn besieged(versions: Versions, flood: u32) {
    let settings = Settings::default();
    let mut messages = [Versions::V1, Versions::V2].map(|it| first_message(it, 1200));
    let mut siege = Siege::new(versions, settings.clone());
    let mut connected_after = None;
    let cost = measure(|| {
        for number in 0..flood {
            for message in &mut messages[usize::from(number % 4 != 0)..] {
                let path = spoofed(message, number);
                siege.strike(path, message);
            }
            // Each round trip of the peer's has a thousand of the flood's messages in it.
            if number >= flood / 4 && number % EVERY == 0 && siege.up != (true, true) {
                siege.call();
                connected_after = Some(number);
            }
        }
    });
    assert_eq!(siege.up, (true, true));
    assert!(connected_after.unwrap() < flood / 2, "{connected_after:?}");
    assert!(siege.half_open() <= 2 * settings.half_open_max);
    let cap = cap(&settings);
    println!("{} bytes of {cap}", cost.bytes_max);
    assert!(cost.bytes_max < cap, "{} of {cap} bytes", cost.bytes_max);
    // Nothing of it stays once the strangers have had their time.
    let now = siege.now + settings.half_open_timeout + Duration::from_secs(1);
    let cost = measure(|| siege.hub.handle_timeout(now, WALL));
    drain(&mut siege.hub);
    assert_eq!(siege.hub.status().len(), 1);
    assert!(cost.bytes_current < 0);
}

#[test]
fn a_peer_of_ikev2_connects_in_the_midst_of_a_flood_of_both_versions() {
    besieged(Versions::V2, FLOOD);
}

#[test]
fn a_peer_of_ikev1_connects_in_the_midst_of_a_flood_of_both_versions() {
    besieged(Versions::V1, FLOOD / 4);
}

#[test]
fn the_longest_first_messages_stay_below_the_cap_and_longer_ones_are_ignored() {
    // Cookies are not asked for: it is as if every stranger brought one.
    let settings = Settings { cookie_threshold: usize::MAX, ..Settings::default() };
    for versions in [Versions::V1, Versions::V2] {
        let mut message = first_message(versions, Settings::FIRST_MESSAGE_MAX);
        let mut longer = first_message(versions, Settings::FIRST_MESSAGE_MAX + 4);
        let mut siege = Siege::new(versions, settings.clone());
        let cost = measure(|| {
            for number in 0..2 * 4096 {
                let path = spoofed(&mut message, number);
                siege.strike(path, &message);
            }
        });
        let cap = cap(&settings) / 2;
        println!("{} bytes of {cap}", cost.bytes_max);
        assert!(cost.bytes_max < cap, "{} of {cap} bytes", cost.bytes_max);
        let before = siege.half_open();
        let path = spoofed(&mut longer, 1 << 20);
        siege.hub.handle_datagram(siege.now, WALL, path, &longer);
        assert_eq!(drain(&mut siege.hub).0, []);
        assert_eq!(siege.half_open(), before);
    }
}
