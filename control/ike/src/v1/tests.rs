//! Known answers: the same bytes as strongSwan's, from the same cookies, nonces and shared secret.
//!
//! The daemon does not print its private key, so the engine is put where the key exchange has just
//! been made; from there on everything is its own.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use engine::{Instant, Random, Secret, UnixTime};

use super::main_mode::{Agreed, Answering, Calling, Offer};
use super::nat::Nat;
use super::phase1::{Phase1, State};
use super::vendor::Vendors;
use super::{Engine, message};
use crate::algorithm::{Encryption, Prf};
use crate::keymat::v1::{Iv, Phase1Keys, skeyid_psk};
use crate::msg::v1::{Body1, DOI_IPSEC, IDENTITY_ONLY, Message1, Payload1, Sa1, parse_decrypted};
use crate::msg::{ExchangeType, Header, IkeSpi};
use crate::output::{ChildSa, Event, Output, Path};
use crate::peers::Peers;
use crate::policy::fixture::gre;
use crate::policy::{Peer, Versions};
use crate::proposal::v1::{Lifetime, choose_phase1, offer_phase2};
use crate::shared::{Settings, Shared};

const CHARON: &str = include_str!("../../../../tests/vectors/ike-v1-charon.txt");
const NOW: Instant = Instant(0);
const WALL: UnixTime = UnixTime(0);

fn bytes(name: &str) -> Vec<u8> {
    let value = CHARON.lines().find_map(|line| {
        let (key, value) = line.split_once(" = ")?;
        (key == name).then_some(value)
    });
    let digits = value.unwrap().as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(core::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn spi(name: &str) -> IkeSpi {
    IkeSpi(u64::from_be_bytes(bytes(name).try_into().unwrap()))
}

/// What the recorded daemon drew, in the order in which we draw.
struct Recorded(VecDeque<u8>);

impl Random for Recorded {
    fn fill(&mut self, out: &mut [u8]) {
        out.iter_mut().for_each(|byte| *byte = self.0.pop_front().unwrap_or(1));
    }
}

fn peer(local: &str, remote: &str) -> Arc<Peer> {
    let psk = Arc::new(Secret::new(bytes("psk")));
    gre(Versions::V1, (local, remote), "aes128-sha1-modp1024", &psk)
}

fn agreed(peer: &Peer) -> Agreed {
    let data = bytes("hash_i_data");
    let sa = &data[2 * 128 + 16..data.len() - 8];
    let len = u16::try_from(sa.len() + 4).unwrap().to_be_bytes();
    let chain = [&[0, 0, len[0], len[1]][..], sa].concat();
    let payloads = parse_decrypted(1, &chain).unwrap().0;
    let Payload1::Sa(offer) = &payloads[0] else { panic!("an SA is the first payload") };
    Agreed {
        offer: Offer(sa.to_vec()),
        choice: choose_phase1(&offer.proposals, &peer.proposals, &[1]).unwrap(),
        publics: (bytes("public_i"), bytes("public_r")),
        nonces: (bytes("nonce_i"), bytes("nonce_r")),
        shared: Secret::new(bytes("shared")),
    }
}

fn engine(
    initiator: bool,
    peer: Arc<Peer>,
    state: State,
    path: Path,
    random: Vec<u8>,
) -> (Engine, Shared) {
    let settings = Settings { retransmit_first: Duration::from_secs(4), ..Settings::default() };
    let mut shared = Shared::new(settings, Box::new(Recorded(random.into())));
    shared.peers = Peers::new(vec![peer.clone()]);
    let mut engine = Engine::new();
    let phase1 = Phase1 {
        id: shared.ike_id(),
        initiator,
        cookies: (spi("cky_i"), spi("cky_r")),
        path,
        began: NOW,
        candidates: vec![peer],
        vendors: Vendors::default(),
        nat: Nat::default(),
        state,
        sent: None,
        answered: None,
        wanted: Vec::new(),
        complained: false,
    };
    engine.insert(&mut shared, phase1);
    (engine, shared)
}

struct Said {
    messages: Vec<Vec<u8>>,
    inbound: Vec<Arc<ChildSa>>,
    outbound: usize,
    log: Vec<String>,
}

fn drain(shared: &mut Shared) -> Said {
    let mut said = Said { messages: Vec::new(), inbound: Vec::new(), outbound: 0, log: Vec::new() };
    while let Some(output) = shared.poll_output() {
        match output {
            Output::Transmit(datagram) => said.messages.push(datagram.message),
            Output::Event(Event::InstallInbound(sa)) => said.inbound.push(sa),
            Output::Event(Event::InstallOutbound(_)) => said.outbound += 1,
            Output::Event(Event::Log { text, .. }) => said.log.push(text),
            Output::Event(_) => {}
        }
    }
    said
}

fn feed(engine: &mut Engine, shared: &mut Shared, path: Path, message: &str) -> Said {
    let message = bytes(message);
    let header = Header::parse(&message).unwrap();
    engine.handle_datagram(shared, NOW, WALL, path, &header, &message);
    drain(shared)
}

#[test]
fn responder_says_what_strongswan_said() {
    let path =
        Path { local: "10.0.0.1:500".parse().unwrap(), remote: "10.0.0.2:500".parse().unwrap() };
    let peer = peer("10.0.0.1", "10.0.0.2");
    let state = State::Answering(Box::new(Answering::Auth(agreed(&peer))));
    // The number of our first DPD question, then the SPI and the nonce.
    let seed = bytes("seed_i");
    let random = [&[0; 4], &seed[1..5], &seed[5 + 32..]].concat();
    let (mut engine, mut shared) = engine(false, peer, state, path, random);
    let said = feed(&mut engine, &mut shared, path, "main_5");
    assert_eq!(said.messages, [bytes("main_6")], "{:?}", said.log);
    let again = feed(&mut engine, &mut shared, path, "main_5");
    assert_eq!(again.messages, [bytes("main_6")]);
    let said = feed(&mut engine, &mut shared, path, "quick_1");
    assert_eq!(said.messages, [bytes("quick_2")], "{:?}", said.log);
    let sa = &said.inbound[0];
    assert!(sa.inbound.encryption == Secret::new(bytes("encryption_i")));
    assert!(sa.inbound.authentication == Secret::new(bytes("integrity_i")));
    assert!(sa.outbound.encryption == Secret::new(bytes("encryption_r")));
    assert!(sa.outbound.authentication == Secret::new(bytes("integrity_r")));
    assert_eq!(said.outbound, 0, "the peer has not shown that it is ready");
    assert_eq!(feed(&mut engine, &mut shared, path, "quick_3").outbound, 1);
    let replayed = feed(&mut engine, &mut shared, path, "quick_3");
    assert_eq!((replayed.messages.len(), replayed.outbound), (0, 0));
}

#[test]
fn initiator_understands_what_strongswan_said() {
    let path =
        Path { local: "10.0.0.2:500".parse().unwrap(), remote: "10.0.0.1:500".parse().unwrap() };
    let peer = peer("10.0.0.2", "10.0.0.1");
    let agreed = agreed(&peer);
    let psk = Secret::new(bytes("psk"));
    let skeyid = skeyid_psk(Prf::HmacSha1, &psk, &bytes("nonce_i"), &bytes("nonce_r"));
    let keys = Phase1Keys::derive(
        Prf::HmacSha1,
        Encryption::AesCbc(128),
        skeyid,
        &Secret::new(bytes("shared")),
        spi("cky_i").0.to_be_bytes(),
        spi("cky_r").0.to_be_bytes(),
    );
    let first = keys.first_iv(&bytes("public_i"), &bytes("public_r"));
    let message = bytes("main_5");
    let (_, iv) = keys.decrypt(first, &message[28..]).unwrap();
    let state = State::Calling(Box::new(Calling::Auth(agreed, keys, iv)));
    // The number of our first DPD question, then SPI, nonce and message id.
    let seed = bytes("seed_r");
    let random = [&[0; 4], &seed[1..5], &seed[5..5 + 32], &bytes("quick_1")[20..24]].concat();
    let (mut engine, mut shared) = engine(true, peer.clone(), state, path, random);
    let said = feed(&mut engine, &mut shared, path, "main_6");
    assert!(said.messages.is_empty());
    let remote = path.remote.ip();
    engine.acquire(&mut shared, NOW, &peer, &peer.children[0], remote, None);
    let said = drain(&mut shared);
    // Proposals may be written in more than one way: the rest is what strongSwan wrote. From here
    // on its message is taken for ours, for the next one's IV is its last block.
    let id = u32::from_be_bytes(bytes("quick_1")[20..24].try_into().unwrap());
    let up = engine.sas.first_entry().unwrap().into_mut().established_mut().unwrap();
    let payloads = |message: &[u8]| {
        let iv = up.keys.message_iv(up.last_block, id);
        let (first, body) = (message[16], &message[28..]);
        let mut all = message::open(&up.keys, iv, first, body).unwrap().payloads;
        all.retain(|payload| !matches!(payload, Payload1::Sa(_) | Payload1::Hash(_)));
        all
    };
    assert_eq!(payloads(&said.messages[0]), payloads(&bytes("quick_1")));
    let after = Iv(bytes("quick_iv_after_1").try_into().unwrap());
    up.quick.get_mut(&id).unwrap().iv = after;
    let said = feed(&mut engine, &mut shared, path, "quick_2");
    assert_eq!(said.messages, [bytes("quick_3")], "{:?}", said.log);
    assert!(said.inbound[0].inbound.encryption == Secret::new(bytes("encryption_r")));
    assert!(said.inbound[0].outbound.encryption == Secret::new(bytes("encryption_i")));
    assert_eq!(said.outbound, 1);
    let again = feed(&mut engine, &mut shared, path, "quick_2");
    assert_eq!(again.messages, [bytes("quick_3")]);
}

/// RFC 2409 section 5.5: without identities it is about all traffic of both hosts, of which our
/// child has one protocol.
#[test]
fn a_quick_mode_without_identities_is_about_both_ends() {
    let path =
        Path { local: "10.0.0.1:500".parse().unwrap(), remote: "10.0.0.2:500".parse().unwrap() };
    let peer = peer("10.0.0.1", "10.0.0.2");
    let state = State::Answering(Box::new(Answering::Auth(agreed(&peer))));
    let (mut engine, mut shared) = engine(false, peer.clone(), state, path, vec![0; 256]);
    feed(&mut engine, &mut shared, path, "main_5");
    let (cookies, exchange, id) = ((spi("cky_i"), spi("cky_r")), ExchangeType::QUICK_MODE, 77);
    let up = engine.sas.first_entry().unwrap().into_mut().established_mut().unwrap();
    let mut iv = up.keys.message_iv(up.last_block, id);
    let proposals = &peer.children[0].proposals;
    let proposals = offer_phase2(proposals, 0x0102_0304, None, 2, Lifetime::default());
    let sa = Sa1 { doi: DOI_IPSEC, situation: IDENTITY_ONLY, proposals };
    let payloads = vec![Payload1::Sa(sa), Payload1::Nonce(vec![7; 16])];
    let asked = message::hashed(cookies, exchange, id, &up.keys, &mut iv, payloads, None);
    let header = Header::parse(&asked).unwrap();
    engine.handle_datagram(&mut shared, NOW, WALL, path, &header, &asked);
    let said = drain(&mut shared);
    let sa = said.inbound.first().unwrap_or_else(|| panic!("{:?}", said.log));
    let (ours, theirs) = (&sa.local[0], &sa.remote[0]);
    assert_eq!((ours.addresses.0, theirs.addresses.0), (path.local.ip(), path.remote.ip()));
    assert_eq!((ours.protocol, theirs.protocol, sa.outbound.spi), (47, 47, 0x0102_0304));
    let answer = Message1::parse(&said.messages[0]).unwrap();
    let Body1::Encrypted(first, body) = answer.body else { panic!("it is encrypted") };
    let up = engine.sas.first_entry().unwrap().into_mut().established_mut().unwrap();
    let opened = message::open(&up.keys, iv, first, &body).unwrap();
    assert!(!opened.payloads.iter().any(|payload| matches!(payload, Payload1::Id(_))));
}
