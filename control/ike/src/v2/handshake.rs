//! What is remembered from IKE_SA_INIT until IKE_AUTH is over.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::sa::{Phase, Wanted};
use crate::algorithm::Group;
use crate::cert::auth::Hashes;
use crate::keymat::v2::{Intermediate, Seed};
use crate::msg::IkeSpi;
use crate::policy::Peer;

/// An initiator that is not authenticated yet.
#[derive(Default)]
pub(crate) struct Connecting {
    /// Children to be negotiated: the first with IKE_AUTH, others after it.
    pub wanted: VecDeque<Wanted>,
    /// Once IKE_SA_INIT is over.
    pub transcript: Transcript,
}

/// A responder to which the peer has not proven who it is.
pub(crate) struct Answering {
    /// Those that the peer may be: their addresses and proposals fit.
    pub candidates: Vec<Arc<Peer>>,
    pub transcript: Transcript,
}

/// What AUTH is about, and what IKE_SA_INIT has settled.
#[derive(Default)]
pub(crate) struct Transcript {
    pub nonce_i: Vec<u8>,
    pub nonce_r: Vec<u8>,
    /// The message of IKE_SA_INIT that was answered.
    pub request: Vec<u8>,
    /// The answer to it.
    pub response: Vec<u8>,
    /// What IKE_INTERMEDIATE exchanges add.
    pub intermediate: Intermediate,
    /// Key exchanges that are still to be done in IKE_INTERMEDIATE (RFC 9370).
    pub additional: VecDeque<Group>,
    /// Hash algorithms with which the peer can verify signatures (RFC 7427).
    pub peer_hashes: Option<Hashes>,
    /// Both can use a post-quantum pre-shared key (RFC 8784).
    pub ppk: bool,
    /// Authorities that the peer trusts: the bodies of its CERTREQ payloads.
    pub peer_authorities: Vec<u8>,
}

impl Transcript {
    /// What keys of the IKE SA are derived from.
    pub fn seed(&self, spis: (IkeSpi, IkeSpi)) -> Seed<'_> {
        Seed {
            nonce_i: &self.nonce_i,
            nonce_r: &self.nonce_r,
            spi_i: spis.0.0.to_be_bytes(),
            spi_r: spis.1.0.to_be_bytes(),
        }
    }
}

impl Phase {
    /// What the handshake has settled so far, while it goes on.
    pub fn transcript(&self) -> Option<&Transcript> {
        match self {
            Self::Connecting(connecting) => Some(&connecting.transcript),
            Self::Answering(answering) => Some(&answering.transcript),
            _ => None,
        }
    }
}
