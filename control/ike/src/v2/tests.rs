//! Known answers: what strongSwan said and derived, from the same SPIs, nonces and shared secret.
//!
//! The daemon does not print its private key, so the engine is put where IKE_SA_INIT has just been
//! made; from there on everything is its own.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use engine::{Instant, Random, UnixTime};

use super::handshake::{Answering, Connecting, Transcript};
use super::init::suite_of;
use super::proof::Proof;
use super::sa::{Cx, IkeSa, Phase, Wanted};
use super::{Engine, auth, rekey_ike};
use crate::crypto::MessageKeys;
use crate::crypto::vectors::{Record, records};
use crate::keymat::v2::SkKeys;
use crate::msg::sealed::{self, Opened};
use crate::msg::{Header, IdPayload, IkeSpi, Message, Payload};
use crate::output::{ChildSa, Event, Output, Path};
use crate::peers::Peers;
use crate::policy::fixture::gre;
use crate::policy::{Peer, Versions};
use crate::shared::{Settings, Shared};

const NOW: Instant = Instant(0);
const WALL: UnixTime = UnixTime(0);
const HUB: &str = "10.0.0.1";
const SPOKE: &str = "10.0.0.2";
/// What only one of us says: the daemon MOBIKE_SUPPORTED, ADDITIONAL_IP4_ADDRESS,
/// MULTIPLE_AUTH_SUPPORTED, EAP_ONLY_AUTHENTICATION and IKEV2_MESSAGE_ID_SYNC_SUPPORTED, we
/// ESP_TFC_PADDING_NOT_SUPPORTED.
const OWN: [u16; 6] = [0x400c, 0x400d, 0x4014, 0x4021, 0x4024, 0x400a];

fn charon() -> Record {
    records(include_str!("../../../../tests/vectors/ike-v2-charon.txt")).remove(0)
}

/// What the recorded daemon drew, and then anything.
struct Recorded(Vec<u8>);

impl Random for Recorded {
    fn fill(&mut self, out: &mut [u8]) {
        let known = self.0.len().min(out.len());
        out.fill(1);
        out[..known].copy_from_slice(&self.0[..known]);
        self.0.drain(..known);
    }
}

fn peer(charon: &Record, local: &str, remote: &str) -> Arc<Peer> {
    let psk = Arc::new(charon.secret("psk"));
    gre(Versions::V2, (local, remote), "aes128-sha256-modp2048", &psk)
}

/// An engine for which IKE_SA_INIT is over.
struct Scene {
    charon: Record,
    engine: Engine,
    shared: Shared,
    path: Path,
    keys: [MessageKeys; 2],
}

#[derive(Default)]
struct Said {
    messages: Vec<Vec<u8>>,
    inbound: Vec<Arc<ChildSa>>,
    log: Vec<String>,
}

impl Scene {
    /// `draws` is what the daemon drew after that.
    fn new(initiator: bool, draws: Vec<u8>) -> Self {
        let charon = charon();
        let (local, remote) = if initiator { (SPOKE, HUB) } else { (HUB, SPOKE) };
        let peer = peer(&charon, local, remote);
        let end = |address: &str| alloc::format!("{address}:500").parse().unwrap();
        let path = Path { local: end(local), remote: end(remote) };
        let mut shared = Shared::new(Settings::default(), Box::new(Recorded(Vec::new())));
        let mut engine = Engine::new(&mut shared);
        shared.peers = Peers::new(vec![peer.clone()]);
        let transcript = Transcript {
            nonce_i: charon.bytes("nonce_i"),
            nonce_r: charon.bytes("nonce_r"),
            request: charon.bytes("init_request"),
            response: charon.bytes("init_response"),
            ..Transcript::default()
        };
        let spi = |name| IkeSpi(u64::from_be_bytes(charon.spi(name)));
        let spis = (spi("spi_i"), spi("spi_r"));
        let offered = Message::parse(&transcript.request).unwrap().payloads;
        let Payload::Sa(offered) = &offered[0] else { panic!("an SA is the first payload") };
        let choice = rekey_ike::choose(offered, &peer.proposals, 14).ok().unwrap();
        let derive =
            || SkKeys::derive(suite_of(&choice), &transcript.seed(spis), &charon.secret("shared"));
        let (mine, theirs) = (derive(), derive());
        let phase = if initiator {
            let child = peer.children[0].clone();
            let wanted = [Wanted { child, packet: None, worker: None }].into();
            Phase::Connecting(Box::new(Connecting { wanted, transcript }))
        } else {
            Phase::Answering(Box::new(Answering { candidates: vec![peer.clone()], transcript }))
        };
        let id = shared.ike_id();
        let cx = Cx::new(&mut shared, NOW, WALL, &engine.directory);
        let mut sa = IkeSa::new(&cx, id, spis, initiator, path, peer, phase);
        sa.keys = Some(mine);
        sa.suite = Some(choice);
        engine.add(&mut shared, Box::new(sa));
        let keys = [theirs.initiator, theirs.responder];
        let mut scene = Self { charon, engine, shared, path, keys };
        scene.act(|sa, cx| {
            // Both have counted one exchange.
            if initiator {
                let patience = sa.patience(cx);
                sa.window.send(cx.shared, NOW, path, Vec::new(), patience);
                sa.window.complete();
                cx.shared.random = Box::new(Recorded(draws));
                auth::begin(sa, cx);
            } else {
                sa.window.answer(cx.shared, path, Vec::new());
                cx.shared.random = Box::new(Recorded(draws));
            }
        });
        scene
    }

    fn act(&mut self, act: impl FnOnce(&mut IkeSa, &mut Cx<'_>)) {
        let id = *self.engine.sas.keys().next().unwrap();
        self.engine.with(&mut self.shared, NOW, WALL, id, act);
    }

    fn hear(&mut self, name: &str) -> Said {
        let bytes = self.charon.bytes(name);
        let header = Header::parse(&bytes).unwrap();
        self.engine.handle_datagram(&mut self.shared, NOW, WALL, self.path, &header, &bytes);
        self.said()
    }

    fn said(&mut self) -> Said {
        let mut said = Said::default();
        while let Some(output) = self.shared.poll_output() {
            match output {
                Output::Transmit(datagram) => said.messages.push(datagram.message),
                Output::Event(Event::InstallInbound(sa)) => said.inbound.push(sa),
                Output::Event(Event::Log { text, .. }) => said.log.push(text),
                Output::Event(_) => {}
            }
        }
        said
    }

    /// Header and payloads of a message that the initiator or the responder has sealed; the order
    /// of payloads is everybody's own.
    fn open(&self, message: &[u8], of_initiator: bool) -> (Header, Vec<Payload>) {
        let keys = &self.keys[usize::from(!of_initiator)];
        let Ok(Opened::Whole(plain)) = sealed::open(message, keys) else { panic!("not authentic") };
        let mut payloads = plain.payloads().unwrap();
        payloads.retain(|it| !matches!(it, Payload::Notify(notify) if OWN.contains(&notify.kind)));
        payloads.sort_by_key(|payload| alloc::format!("{payload:?}"));
        (Header::parse(message).unwrap(), payloads)
    }

    /// The pair is the one that the daemons had.
    fn assert_keys(&self, sa: &ChildSa, initiator: bool) {
        let (ours, theirs) =
            if initiator { (&sa.outbound, &sa.inbound) } else { (&sa.inbound, &sa.outbound) };
        for (keys, side) in [(ours, "i"), (theirs, "r")] {
            let name = |kind: &str| [kind, side].concat();
            assert!(keys.encryption == self.charon.secret(&name("encryption_")));
            assert!(keys.authentication == self.charon.secret(&name("integrity_")));
        }
    }
}

#[test]
fn responder_says_what_strongswan_said() {
    let mut scene = Scene::new(false, vec![0xc9, 0x29, 0x08, 0x6a]);
    let said = scene.hear("auth_request");
    assert_eq!(said.messages.len(), 1, "{:?}", said.log);
    let theirs = scene.open(&scene.charon.bytes("auth_response"), false);
    assert_eq!(scene.open(&said.messages[0], false), theirs);
    let (inbound, outbound) = (said.inbound[0].inbound.spi, said.inbound[0].outbound.spi);
    assert_eq!((inbound, outbound), (0xc929_086a, 0xcab2_6635));
    scene.assert_keys(&said.inbound[0], false);
    // Once more, and nothing is made anew.
    let again = scene.hear("auth_request");
    assert_eq!((again.messages, again.inbound.len()), (said.messages, 0));
}

#[test]
fn initiator_says_what_strongswan_said() {
    let mut scene = Scene::new(true, vec![0xca, 0xb2, 0x66, 0x35]);
    let said = scene.said();
    assert_eq!(said.messages.len(), 1, "{:?}", said.log);
    let theirs = scene.open(&scene.charon.bytes("auth_request"), true);
    assert_eq!(scene.open(&said.messages[0], true), theirs);
    let said = scene.hear("auth_response");
    assert_eq!(said.inbound.len(), 1, "{:?}", said.log);
    scene.assert_keys(&said.inbound[0], true);
}

#[test]
fn reserved_bytes_of_an_identity_are_part_of_what_is_proven() {
    let mut scene = Scene::new(true, vec![]);
    scene.act(|sa, cx| {
        let (Some(keys), Some(transcript)) = (&sa.keys, sa.phase.transcript()) else { panic!() };
        let proof = Proof { keys, transcript, message_id: 1, of_initiator: true };
        let (peer, own) = (&sa.peer, &sa.peer.local_identity);
        let plain = auth::id_payload(own);
        let odd = IdPayload { reserved: [1, 2, 3], ..plain.clone() };
        for (said, other) in [(&odd, &plain), (&plain, &odd)] {
            let proven = proof.make(peer, said, false, &mut *cx.shared.random).unwrap();
            let check = |id: &IdPayload| {
                let payloads = [&[Payload::IdI(id.clone())], &proven[..]].concat();
                proof.check(peer, own, &payloads, WALL).is_ok()
            };
            assert!(check(said) && !check(other));
        }
    });
}
