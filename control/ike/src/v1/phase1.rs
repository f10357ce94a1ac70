//! An IKEv1 SA, from the first message to the last: what RFC 2409 calls phase 1 and what lives on
//! it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::Instant;

use super::dpd::Dpd;
use super::main_mode::{Answering, Calling};
use super::nat::Nat;
use super::quick_mode::Quick;
use super::retransmit::{Answered, Retransmit};
use super::vendor::Vendors;
use crate::identity::Identity;
use crate::keymat::v1::{Iv, Phase1Keys};
use crate::msg::{IkeSpi, TrafficSelector};
use crate::output::{ChildSaId, IkeSaId, Path};
use crate::policy::{Child, Peer};

/// An IKEv1 SA.
pub(super) struct Phase1 {
    pub id: IkeSaId,
    /// We sent the first message.
    pub initiator: bool,
    /// CKY-I and CKY-R; the latter is zero until it is known.
    pub cookies: (IkeSpi, IkeSpi),
    pub path: Path,
    /// When its first message was sent or came.
    pub began: Instant,
    /// Configured peers that it may be with: one, once it is authenticated.
    pub candidates: Vec<Arc<Peer>>,
    pub vendors: Vendors,
    pub nat: Nat,
    pub state: State,
    /// What main mode waits for an answer to.
    pub sent: Option<Retransmit>,
    /// What main mode has answered last.
    pub answered: Option<Answered>,
    /// What is negotiated once it is up.
    pub wanted: Vec<Wanted>,
    /// The operator has been told that it does not come up: once is enough.
    pub complained: bool,
}

/// A child that waits for its IKE SA.
pub(super) struct Wanted {
    pub child: Arc<Child>,
    /// What is on its way to the peer, if that is known.
    pub packet: Option<(TrafficSelector, TrafficSelector)>,
    /// The pair that it replaces.
    pub replaces: Option<ChildSaId>,
}

/// How far an SA is.
pub(super) enum State {
    /// Main mode, which we began.
    Calling(Box<Calling>),
    /// Main mode, which the peer began.
    Answering(Box<Answering>),
    /// Both are authenticated.
    Up(Box<Established>),
    /// Its keys are gone. Pairs of ESP SAs outlive it (RFC 2409 section 5.5 ties them to no IKE SA)
    /// until another one takes them over.
    Gone(Option<PeerKey>),
}

/// What an authenticated SA has.
pub(super) struct Established {
    pub keys: Phase1Keys,
    /// Main mode's last encrypted block: the IVs of all later exchanges come from it.
    pub last_block: Iv,
    /// Who the peer has proven to be.
    pub identity: Identity,
    /// What tells it from others, from then on: also if it moves.
    pub key: PeerKey,
    pub since: Instant,
    /// When another main mode is begun in its place; `None` once that is under way.
    pub renew_at: Option<Instant>,
    pub expires_at: Instant,
    /// It has been replaced, and ends then: what is under way ends first.
    pub retires_at: Option<Instant>,
    /// The lower of both nonces: ranks main modes that have crossed.
    pub rank: Vec<u8>,
    /// Quick modes by message id, those that are over included while their answers are kept.
    pub quick: BTreeMap<u32, Quick>,
    /// Message ids of all quick modes there have been: none begins twice (RFC 2408 section 5.1).
    pub used: BTreeSet<u32>,
    /// Message ids of the last informational exchanges, the oldest first.
    pub informed: Vec<u32>,
    /// The suite, for the operator.
    pub suite: alloc::string::String,
    pub dpd: Dpd,
}

/// What makes two SAs be with the same peer: who it is, and where, if identities need not be unique
/// or if all it says is an address that a NAT has hidden, for many may have that.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey {
    identity: Identity,
    address: Option<IpAddr>,
}

impl PeerKey {
    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn new(identity: &Identity, path: Path, unique: bool) -> Self {
        let remote = path.remote.ip();
        let hidden = match identity {
            Identity::Ipv4(address) => remote != IpAddr::V4(*address),
            Identity::Ipv6(address) => remote != IpAddr::V6(*address),
            _ => false,
        };
        Self { identity: identity.clone(), address: (hidden || !unique).then_some(remote) }
    }
}

impl Phase1 {
    /// Our cookie, by which the SA is found.
    pub fn our_cookie(&self) -> IkeSpi {
        if self.initiator { self.cookies.0 } else { self.cookies.1 }
    }

    /// The peer, once it is authenticated or if we call it.
    pub fn peer(&self) -> Option<&Arc<Peer>> {
        match &self.candidates[..] {
            [peer] => Some(peer),
            _ => None,
        }
    }

    /// Both are authenticated, and it is not on its way out.
    pub fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Up(up) => Some(up),
            _ => None,
        }
    }

    pub fn established_mut(&mut self) -> Option<&mut Established> {
        match &mut self.state {
            State::Up(up) => Some(up),
            _ => None,
        }
    }

    /// Whom it is with, once that is proven.
    pub fn key(&self) -> Option<PeerKey> {
        match &self.state {
            State::Up(up) => Some(up.key.clone()),
            State::Gone(key) => key.clone(),
            State::Calling(_) | State::Answering(_) => None,
        }
    }

    /// Exchanges may be begun on it.
    pub fn usable(&self) -> bool {
        self.established().is_some_and(|up| up.retires_at.is_none())
    }
}
