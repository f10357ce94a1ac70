//! What `show ike` shows.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use engine::Instant;

use crate::identity::Identity;
use crate::msg::{IkeSpi, TrafficSelector};
use crate::output::{ChildSaId, IkeSaId, Path};
use crate::policy::Mode;

/// An IKE SA as the operator sees it.
#[derive(Clone, Debug)]
pub struct IkeStatus {
    /// Its id for the life of the process.
    pub id: IkeSaId,
    /// The configured peer, once it is known which.
    pub peer: Option<Box<str>>,
    /// 1 or 2.
    pub version: u8,
    /// A word or two: "connecting", "established", "rekeying", "deleting".
    pub state: &'static str,
    /// We began it.
    pub initiator: bool,
    /// Between which addresses.
    pub path: Path,
    /// SPIs of initiator and responder.
    pub spis: (IkeSpi, IkeSpi),
    /// Who the peer has proven to be.
    pub peer_identity: Option<Identity>,
    /// In strongSwan's spelling; empty before it is chosen.
    pub suite: String,
    /// When it was established.
    pub established: Option<Instant>,
    /// When it is made anew.
    pub rekey_at: Option<Instant>,
    /// When it is authenticated anew.
    pub reauthenticate_at: Option<Instant>,
    /// A NAT is before us.
    pub local_nat: bool,
    /// A NAT is before the peer.
    pub remote_nat: bool,
    /// Its pairs of ESP SAs.
    pub children: Vec<ChildStatus>,
}

/// A pair of ESP SAs as the operator sees it.
#[derive(Clone, Debug)]
pub struct ChildStatus {
    /// Its id for the life of the process.
    pub id: ChildSaId,
    /// The configured child.
    pub child: Box<str>,
    /// "installing", "installed", "rekeying", "draining".
    pub state: &'static str,
    /// What ESP covers.
    pub mode: Mode,
    /// In strongSwan's spelling.
    pub suite: String,
    /// SPIs of what we receive and send.
    pub spis: (u32, u32),
    /// What is protected on our side and on the peer's.
    pub selectors: (Vec<TrafficSelector>, Vec<TrafficSelector>),
    /// When it was installed.
    pub installed: Instant,
    /// When it is made anew.
    pub rekey_at: Option<Instant>,
    /// The worker that sends through it (RFC 9611); `None` is any that has none of its own.
    pub worker: Option<u16>,
}
