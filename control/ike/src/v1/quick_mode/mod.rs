//! Quick mode (RFC 2409 section 5.5): three messages on an IKE SA that make a pair of ESP SAs.
//!
//! The responder takes packets before message 2 leaves, and sends once message 3 has come; the
//! initiator takes packets before message 3 leaves, and sends after that.

mod initiator;
mod responder;
pub(super) mod selectors;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, Secret};
use subtle::ConstantTimeEq;

use super::lifetime;
use super::message::Opened;
use super::nat::Nat;
use super::retransmit::{Answered, Retransmit};
use crate::algorithm::Group;
use crate::crypto::dh::KeyPair;
use crate::identity::Identity;
use crate::key_log;
use crate::keymat::v1::{Iv, Phase1Keys, QuickMode};
use crate::msg::TrafficSelector;
use crate::msg::numbers::identification::{IPV4_ADDR, IPV6_ADDR};
use crate::msg::v1::{Id1, Payload1, Sa1};
use crate::output::{ChildSa, ChildSaId, IkeSaId, Path, SaKeys};
use crate::policy::{Child, Mode, Peer};
use crate::proposal::v1::{Lifetime, Phase2Choice};
use crate::shared::Shared;

/// A quick mode.
pub(super) struct Quick {
    pub child: Arc<Child>,
    pub initiator: bool,
    pub began: Instant,
    /// The IV of its next message.
    pub iv: Iv,
    pub stage: Stage,
    pub sent: Option<Retransmit>,
    pub answered: Option<Answered>,
}

/// How far it is.
pub(super) enum Stage {
    /// Ours: message 2 is awaited.
    Offered(Box<Offered>),
    /// The peer's: message 3 is awaited.
    Answered {
        /// The pair, of which only the inbound SA is installed.
        pair: ChildSaId,
        nonces: (Vec<u8>, Vec<u8>),
    },
    /// Over; kept while the peer may ask again.
    Done,
}

/// What message 1 said.
pub(super) struct Offered {
    pub spi: u32,
    nonce: Vec<u8>,
    pair: Option<KeyPair>,
    local: TrafficSelector,
    remote: TrafficSelector,
    mode: u16,
}

impl Offered {
    /// The key exchange that all its proposals have.
    fn group(&self) -> Option<Group> {
        self.pair.as_ref().map(KeyPair::group)
    }
}

impl Quick {
    /// It has neither failed nor succeeded.
    pub fn under_way(&self) -> bool {
        !matches!(self.stage, Stage::Done)
    }
}

/// What message 1 or 2 says, once its hash has proven right.
struct Said<'a> {
    sa: &'a Sa1,
    nonce: &'a Vec<u8>,
    public: Option<&'a Vec<u8>>,
    /// IDci and IDcr.
    ids: Option<(&'a Id1, &'a Id1)>,
    /// NAT-OAi and NAT-OAr.
    original: Option<(IpAddr, IpAddr)>,
    lifetime: Lifetime,
}

impl<'a> Said<'a> {
    fn read(payloads: &'a [Payload1]) -> Option<Self> {
        let (mut sa, mut nonce, mut public) = (None, None, None);
        let (mut ids, mut original) = (Vec::new(), Vec::new());
        for payload in payloads {
            match payload {
                Payload1::Sa(it) if sa.is_none() => sa = Some(it),
                // Two SA payloads would be two pairs in one exchange: nobody does that.
                Payload1::Sa(_) => return None,
                Payload1::Nonce(it) => nonce = Some(it),
                Payload1::Ke(it) => public = Some(it),
                Payload1::Id(it) => ids.push(it),
                Payload1::NatOa(_, kind, data) => original.extend(address(*kind, data)),
                _ => {}
            }
        }
        let ids = match ids[..] {
            [] => None,
            [initiator, responder] => Some((initiator, responder)),
            _ => return None,
        };
        let original = match original[..] {
            [initiator, responder] => Some((initiator, responder)),
            _ => None,
        };
        let lifetime = lifetime::responder_lifetime(payloads, crate::msg::ESP);
        Some(Self { sa: sa?, nonce: nonce?, public, ids, original, lifetime })
    }
}

fn address(kind: u8, data: &[u8]) -> Option<IpAddr> {
    match kind {
        IPV4_ADDR => Some(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
        IPV6_ADDR => Some(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
        _ => None,
    }
}

/// Whether the first payload is the hash that covers the others (RFC 2409 section 5.5). Takes as
/// long for a wrong hash as for the right one.
pub(super) fn hash_fits(
    opened: &Opened,
    keys: &Phase1Keys,
    message_id: u32,
    nonce_i: Option<&[u8]>,
) -> bool {
    let Some(Payload1::Hash(hash)) = opened.payloads.first() else { return false };
    let expected = keys.message_hash(message_id, nonce_i, &opened.rest);
    expected.expose().ct_eq(hash).into()
}

/// NAT-OA payloads (RFC 3947 section 5.2): the initiator's address and the responder's, as we see
/// them. Transport mode needs them where a NAT changes what checksums cover.
fn original_addresses(nat: Nat, mode: Mode, path: Path, initiator: bool) -> Vec<Payload1> {
    let Some(dialect) = nat.udp().filter(|_| mode == Mode::Transport) else { return Vec::new() };
    let (local, remote) = (path.local.ip(), path.remote.ip());
    let both = if initiator { [local, remote] } else { [remote, local] };
    let payload = |address| match address {
        IpAddr::V4(ip) => Payload1::NatOa(dialect.numbers(), IPV4_ADDR, ip.octets().to_vec()),
        IpAddr::V6(ip) => Payload1::NatOa(dialect.numbers(), IPV6_ADDR, ip.octets().to_vec()),
    };
    both.map(payload).into()
}

/// What a pair of SAs is made of.
struct Recipe<'a> {
    ike: IkeSaId,
    peer: &'a Arc<Peer>,
    child: &'a Arc<Child>,
    identity: &'a Identity,
    keys: &'a Phase1Keys,
    path: Path,
    nat: Nat,
    choice: &'a Phase2Choice,
    lifetime: Lifetime,
    spi: u32,
    nonces: (&'a [u8], &'a [u8]),
    shared_secret: Option<&'a Secret>,
    local: TrafficSelector,
    remote: TrafficSelector,
    /// The peer's own address, and ours as the peer knows it.
    original: Option<(IpAddr, IpAddr)>,
}

impl Recipe<'_> {
    fn make(self, shared: &mut Shared) -> ChildSa {
        let (suite, outbound_spi) = (self.choice.suite, self.choice.spi);
        let exchange = QuickMode {
            nonce_i: self.nonces.0,
            nonce_r: self.nonces.1,
            shared: self.shared_secret,
        };
        let keys = |spi| {
            let keys = self.keys.child(suite, spi, &exchange);
            SaKeys { spi, encryption: keys.encryption, authentication: keys.authentication }
        };
        let pair = ChildSa {
            id: shared.child_id(),
            ike: self.ike,
            peer: self.peer.name.clone(),
            child: self.child.name.clone(),
            peer_identity: self.identity.clone(),
            mode: self.child.mode,
            suite,
            esn: self.choice.esn,
            inbound: keys(self.spi),
            outbound: keys(outbound_spi),
            local: alloc::vec![self.local],
            remote: alloc::vec![self.remote],
            path: self.path,
            udp: self.nat.udp().is_some(),
            behind_nat: self.nat.local,
            original_addresses: self.original,
            lifetime: lifetime::of_bytes(self.child.lifetime, self.lifetime.kilobytes),
            worker: None,
        };
        key_log::esp(shared, &pair);
        pair
    }
}

/// Why a quick mode of an authenticated peer fails.
struct Refused {
    /// The notification that tells it so.
    notify: u16,
    why: String,
}
