//! Tunnels without protection, found by what is on the wire.

use std::net::IpAddr;

use crate::index::digest;
use crate::{Endpoints, Index, TunnelId};

/// The encapsulations that can run without protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearKind {
    /// GRE (RFC 2784) with this key (RFC 2890), or without one.
    Gre(Option<u32>),
    /// IP in IP (RFC 2003, 2473, 4213).
    Ipip,
    /// L2TP (RFC 2661), by our numbers.
    L2tp {
        /// The tunnel's.
        tunnel: u16,
        /// The session's.
        session: u16,
    },
}

/// Clear tunnels by kind and endpoints.
#[derive(Clone, Debug, Default)]
pub struct ClearTunnels {
    index: Index,
    /// What each entry of the index stands for: the index only narrows it down.
    entries: Box<[(ClearKind, Endpoints, TunnelId)]>,
}

impl ClearTunnels {
    /// The table of these tunnels; no two have the same kind and endpoints.
    pub fn build(tunnels: impl IntoIterator<Item = (ClearKind, Endpoints, TunnelId)>) -> Self {
        let entries: Box<[_]> = tunnels.into_iter().collect();
        let keys = entries.iter().enumerate();
        let index = Index::build(keys.map(|(n, (kind, ends, _))| (key(*kind, *ends), n as u32)));
        Self { index, entries }
    }

    /// The tunnel of this kind between `local` (us) and `remote`.
    #[inline]
    #[must_use]
    pub fn find(&self, kind: ClearKind, local: IpAddr, remote: IpAddr) -> Option<TunnelId> {
        let ends = Endpoints { local, remote };
        let at = self.index.find(key(kind, ends))?;
        let (found_kind, found_ends, tunnel) = self.entries.get(at as usize)?;
        (*found_kind == kind && *found_ends == ends).then_some(*tunnel)
    }
}

/// Kind and endpoints in 64 bits: different for IPv4 tunnels that differ in their endpoints alone,
/// nearly always different for others, and compared in full by whoever finds an entry by it.
fn key(kind: ClearKind, ends: Endpoints) -> u64 {
    let kind = match kind {
        ClearKind::Gre(None) => 0,
        ClearKind::Ipip => 1,
        ClearKind::Gre(Some(key)) => u64::from(key) + 2,
        ClearKind::L2tp { tunnel, session } => {
            1 << 33 | u64::from(tunnel) << 16 | u64::from(session)
        }
    };
    digest(ends.local).rotate_left(32)
        ^ digest(ends.remote)
        ^ kind.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
