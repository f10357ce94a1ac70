//! NAT traversal (RFC 3947): is there a NAT on the way, before which of us, and how ESP passes it.

use alloc::vec::Vec;
use core::net::SocketAddr;

use engine::Random;
use subtle::ConstantTimeEq;

use crate::algorithm::Prf;
use crate::keymat::nat_detection_v1;
use crate::msg::IkeSpi;
use crate::msg::v1::NatNumbers;
use crate::output::Path;
use crate::policy::Mode;

/// Whose numbers payloads and encapsulation modes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 3947.
    Rfc,
    /// draft-ietf-ipsec-nat-t-ike-02 and -03, whose numbers are of the private ranges.
    Draft,
}

impl Dialect {
    /// Whose numbers the codec gives payloads.
    pub fn numbers(self) -> NatNumbers {
        match self {
            Self::Rfc => NatNumbers::Rfc3947,
            Self::Draft => NatNumbers::Draft,
        }
    }
}

/// The encapsulation mode attribute (RFC 2407 section 4.5, RFC 3947 section 5.1) with ESP in UDP as
/// `udp` says, or as it is.
pub(super) fn encapsulation(mode: Mode, udp: Option<Dialect>) -> u16 {
    match (udp, mode) {
        (None, Mode::Tunnel) => 1,
        (None, Mode::Transport) => 2,
        (Some(Dialect::Rfc), Mode::Tunnel) => 3,
        (Some(Dialect::Rfc), Mode::Transport) => 4,
        (Some(Dialect::Draft), Mode::Tunnel) => 61443,
        (Some(Dialect::Draft), Mode::Transport) => 61444,
    }
}

/// What is known of NATs between us and a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nat {
    /// What both can; `None` until it is known, and where one of us cannot.
    pub dialect: Option<Dialect>,
    /// There is one before us, or we say so to have ESP in UDP.
    pub local: bool,
    /// There is one before the peer.
    pub remote: bool,
}

impl Nat {
    /// How ESP goes in UDP, if it has to.
    pub fn udp(self) -> Option<Dialect> {
        self.dialect.filter(|_| self.local || self.remote)
    }
}

/// HASH(CKY-I | CKY-R | IP | port) (RFC 3947 section 3.2).
fn hash(prf: Prf, cookies: (IkeSpi, IkeSpi), address: SocketAddr) -> Vec<u8> {
    nat_detection_v1(prf, cookies.0.0.to_be_bytes(), cookies.1.0.to_be_bytes(), address)
}

/// The hashes we send: of the peer's end as we see it, and of our own. With `force` ours fits no
/// address, as if a NAT had changed it.
pub(super) fn hashes(
    prf: Prf,
    cookies: (IkeSpi, IkeSpi),
    path: Path,
    force: bool,
    random: &mut dyn Random,
) -> [Vec<u8>; 2] {
    let mut source = hash(prf, cookies, path.local);
    if force {
        random.fill(&mut source);
    }
    [hash(prf, cookies, path.remote), source]
}

/// What the peer's hashes tell: the first is of our end as the peer sees it, the others of the ends
/// that the peer has. Fewer than two tell nothing.
pub(super) fn detect(
    prf: Prf,
    cookies: (IkeSpi, IkeSpi),
    path: Path,
    received: &[&[u8]],
) -> Option<(bool, bool)> {
    let (ours, theirs) = received.split_first().filter(|(_, theirs)| !theirs.is_empty())?;
    let matches =
        |hashed: &[u8], address| -> bool { hash(prf, cookies, address).ct_eq(hashed).into() };
    let local = !matches(ours, path.local);
    let remote = !theirs.iter().any(|hashed| matches(hashed, path.remote));
    Some((local, remote))
}
