//! What an operator allows: peers, how each proves who it is, and what is protected for it.
//!
//! `config` makes these from a file; engines only read them. Nothing here changes while an engine
//! runs: a reload hands over a new set.

#[cfg(test)]
pub(crate) mod fixture;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use engine::Secret;

use crate::cert::{Credential, TrustAnchors};
use crate::identity::{Identity, IdentityPattern};
use crate::proposal::{EspProposal, IkeProposal};

/// A peer, or a template for peers that may be anywhere.
pub struct Peer {
    /// Distinct among peers; what commands and logs call it.
    pub name: Box<str>,
    /// Which versions are spoken with it.
    pub versions: Versions,
    /// Our end; `None` is whichever address a request arrives at.
    pub local: Option<IpAddr>,
    /// Its end; `None` makes this a template: it is answered wherever it is, and never called.
    pub remote: Option<IpAddr>,
    /// Who we say we are.
    pub local_identity: Identity,
    /// Who it may say it is.
    pub remote_identity: IdentityPattern,
    /// How we prove who we are.
    pub local_auth: LocalAuth,
    /// How it must prove who it is.
    pub remote_auth: RemoteAuth,
    /// A post-quantum pre-shared key (RFC 8784, IKEv2 only).
    pub ppk: Option<Ppk>,
    /// What we offer and accept for the IKE SA, in order of preference; at least one.
    pub proposals: Vec<IkeProposal>,
    /// When the IKE SA is made anew.
    pub lifetime: IkeLifetime,
    /// When silence makes us ask, and when it makes us give up.
    pub dpd: Option<Dpd>,
    /// Messages above this many bytes, IP and UDP headers included, go as fragments (RFC 7383);
    /// `None` never sends fragments.
    pub fragment_len: Option<u16>,
    /// The peer may move, and so may we (RFC 4555, IKEv2 only).
    pub mobike: bool,
    /// ESP goes in UDP even without a NAT on the way.
    pub force_udp: bool,
    /// The IKE SA is made without a child at first (RFC 6023), if the peer can do that.
    pub childless: bool,
    /// What becomes of an SA of a peer that authenticates once more.
    pub uniqueness: Uniqueness,
    /// What is protected; at least one.
    pub children: Vec<Arc<Child>>,
}

impl Peer {
    /// Whether nothing but the children differs: an IKE SA made under the one is as good under the
    /// other. Authorities count by their keys, and their revocation lists do not.
    #[must_use]
    pub fn has_settings_of(&self, other: &Self) -> bool {
        let whom = |peer: &Self| (peer.versions, peer.local, peer.remote, peer.lifetime, peer.dpd);
        let how = |peer: &Self| {
            let flags = (peer.mobike, peer.force_udp, peer.childless);
            (peer.fragment_len, flags, peer.uniqueness)
        };
        self.name == other.name
            && whom(self) == whom(other)
            && how(self) == how(other)
            && self.local_identity == other.local_identity
            && self.remote_identity == other.remote_identity
            && self.local_auth == other.local_auth
            && self.remote_auth == other.remote_auth
            && self.ppk == other.ppk
            && self.proposals == other.proposals
    }
}

impl PartialEq for LocalAuth {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Psk(ours), Self::Psk(theirs)) => ours == theirs,
            (Self::Certificate(ours), Self::Certificate(theirs)) => {
                ours.certificate().der() == theirs.certificate().der()
            }
            (Self::Psk(_), Self::Certificate(_)) | (Self::Certificate(_), Self::Psk(_)) => false,
        }
    }
}

impl PartialEq for RemoteAuth {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Psk(ours), Self::Psk(theirs)) => ours == theirs,
            (Self::Certificate(ours), Self::Certificate(theirs)) => {
                ours.request() == theirs.request()
            }
            (Self::Psk(_), Self::Certificate(_)) | (Self::Certificate(_), Self::Psk(_)) => false,
        }
    }
}

impl fmt::Debug for Peer {
    /// Shows the name: the rest may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Versions of IKE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// IKEv2 alone.
    V2,
    /// IKEv1 alone.
    V1,
    /// IKEv2 when we call, both when we answer.
    Both,
}

/// How we prove who we are.
pub enum LocalAuth {
    /// By a secret that both know.
    Psk(Arc<Secret>),
    /// By a private key and its certificate.
    Certificate(Arc<Credential>),
}

/// How a peer proves who it is.
pub enum RemoteAuth {
    /// By a secret that both know.
    Psk(Arc<Secret>),
    /// By a certificate that leads to one of these.
    Certificate(Arc<TrustAnchors>),
}

/// A post-quantum pre-shared key (RFC 8784).
#[derive(PartialEq, Eq)]
pub struct Ppk {
    /// What both call it: the PPK_ID_FIXED bytes.
    pub id: Box<[u8]>,
    /// At least 32 bytes.
    pub secret: Secret,
    /// Without it there is no SA.
    pub required: bool,
}

/// When an IKE SA is made anew. Each time is shortened by up to `jitter_percent`, drawn anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeLifetime {
    /// New keys for it (IKEv2), or a new main mode (IKEv1).
    pub rekey: Duration,
    /// A new authentication, made before the old SA is broken; `None` is never.
    pub reauthenticate: Option<Duration>,
    /// Its end, if nothing has replaced it: later than both.
    pub hard: Duration,
    /// 0 to 50.
    pub jitter_percent: u8,
}

/// Dead peer detection: RFC 3706, or RFC 7296 section 2.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dpd {
    /// Silence, of ESP too, after which the peer is asked.
    pub delay: Duration,
    /// How long it may leave a question without an answer (IKEv2: spread over the retransmissions).
    pub timeout: Duration,
    /// What follows.
    pub action: DpdAction,
}

/// What becomes of the children of a peer that is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DpdAction {
    /// They go; the next packet asks for new ones if they are on demand.
    Clear,
    /// They go, and are negotiated anew at once.
    Restart,
}

/// What becomes of the older IKE SA of an identity that authenticates once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// It goes.
    Replace,
    /// The new one is refused.
    Keep,
    /// Both stay. INITIAL_CONTACT ends what was at the same place, and nothing elsewhere: whoever
    /// is there may be another.
    Never,
}

/// What one pair of SAs protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Distinct among all children of all peers: the tunnel it gives keys to.
    pub name: Box<str>,
    /// What ESP covers.
    pub mode: Mode,
    /// What we offer and accept, in order of preference; at least one.
    pub proposals: Vec<EspProposal>,
    /// What is protected on our side; at least one.
    pub local: Vec<SelectorTemplate>,
    /// What is protected on the other side; at least one.
    pub remote: Vec<SelectorTemplate>,
    /// When it is negotiated.
    pub start: Start,
    /// When it is made anew.
    pub lifetime: ChildLifetime,
    /// How many SAs are made for it when the peer offers it (RFC 9611): one for each worker.
    pub per_worker: u16,
}

/// What ESP covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A whole packet.
    Tunnel,
    /// What follows the IP header.
    Transport,
}

/// A set of addresses, with a protocol and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorTemplate {
    /// Which addresses.
    pub addresses: SelectorAddresses,
    /// IANA protocol number; 0 is any.
    pub protocol: u8,
    /// First and last port, in order; 0 to 65535 is any. ICMP's type and code where the protocol is
    /// ICMP (RFC 7296 section 3.13.1).
    pub ports: (u16, u16),
}

/// The addresses of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorAddresses {
    /// First and last, of one IP version, in order.
    Range(IpAddr, IpAddr),
    /// The end of the IKE SA on that side, whatever it is.
    Dynamic,
}

/// When a child is negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When the gateway starts, and again whenever it is gone.
    Always,
    /// With the first packet that needs it.
    OnDemand,
    /// Only when the peer or an operator asks.
    Never,
}

/// When a child SA is made anew; `None` is no limit. Time is shortened by up to `jitter_percent`,
/// drawn anew for each SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildLifetime {
    /// New keys after this long.
    pub rekey: Option<Duration>,
    /// Its end after this long, if nothing has replaced it.
    pub hard: Option<Duration>,
    /// New keys after this many bytes of inner packets in either direction.
    pub rekey_bytes: Option<u64>,
    /// Its end after this many.
    pub hard_bytes: Option<u64>,
    /// New keys after this many packets in either direction.
    pub rekey_packets: Option<u64>,
    /// Its end after this many.
    pub hard_packets: Option<u64>,
    /// 0 to 50.
    pub jitter_percent: u8,
}
