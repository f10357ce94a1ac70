//! Whether a NAT is on the way (RFC 7296 section 2.23).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::notify::{kind, notifies, notify_with};
use crate::keymat::nat_detection;
use crate::msg::{IkeSpi, Payload};
use crate::output::Path;

/// Where NATs were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nat {
    /// Before us: the peer sees us elsewhere than where we are.
    pub local: bool,
    /// Before the peer.
    pub remote: bool,
    /// The peer has sent the payloads that tell: it can put ESP into UDP.
    pub peer_can: bool,
}

impl Nat {
    /// What the peer's notifications say about the path that they came by. Without notifications
    /// there is no NAT that could be coped with.
    pub fn detect(payloads: &[Payload], spis: (IkeSpi, IkeSpi), path: Path) -> Self {
        let of_kind = |kind| notifies(payloads).filter(move |notify| notify.kind == kind);
        let mut sources = of_kind(kind::NAT_DETECTION_SOURCE_IP).peekable();
        let mut destinations = of_kind(kind::NAT_DETECTION_DESTINATION_IP).peekable();
        if sources.peek().is_none() || destinations.peek().is_none() {
            return Self::default();
        }
        let theirs = hash(spis, path.remote);
        let ours = hash(spis, path.local);
        Self {
            remote: !sources.any(|notify| notify.data == theirs),
            local: !destinations.any(|notify| notify.data == ours),
            peer_can: true,
        }
    }

    /// Whether there is one at all.
    pub fn any(self) -> bool {
        self.local || self.remote
    }
}

/// The notifications of a message that leaves by `path`; `hide` pretends that a NAT is before us,
/// so that ESP goes in UDP.
pub(crate) fn notifications(spis: (IkeSpi, IkeSpi), path: Path, hide: bool) -> [Payload; 2] {
    let mut source = hash(spis, path.local);
    if hide {
        source.iter_mut().for_each(|byte| *byte = !*byte);
    }
    [
        notify_with(kind::NAT_DETECTION_SOURCE_IP, source),
        notify_with(kind::NAT_DETECTION_DESTINATION_IP, hash(spis, path.remote)),
    ]
}

/// SHA-1 over SPIs, address and port.
fn hash(spis: (IkeSpi, IkeSpi), end: SocketAddr) -> Vec<u8> {
    nat_detection(spis.0.0.to_be_bytes(), spis.1.0.to_be_bytes(), end).to_vec()
}
