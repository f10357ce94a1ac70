//! What `show ike` shows of IKEv1.

use super::Engine;
use super::phase1::{Phase1, State};
use crate::status::{ChildStatus, IkeStatus};

impl Engine {
    pub(super) fn status_of(&self, sa: &Phase1) -> IkeStatus {
        let up = sa.established();
        let state = match &sa.state {
            State::Calling(_) | State::Answering(_) => "connecting",
            State::Up(up) if up.retires_at.is_some() => "replaced",
            State::Up(_) => "established",
            State::Gone(_) => "expired",
        };
        let identity = match &sa.state {
            State::Up(up) => Some(up.identity.clone()),
            State::Gone(key) => key.as_ref().map(|key| key.identity().clone()),
            _ => None,
        };
        let children = self.pairs.on(sa.id);
        let children = children.map(|pair| ChildStatus {
            id: pair.sa.id,
            child: pair.child.name.clone(),
            state: pair.state_name(),
            mode: pair.sa.mode,
            suite: pair.sa.suite.name().into(),
            spis: (pair.sa.inbound.spi, pair.sa.outbound.spi),
            selectors: (pair.sa.local.clone(), pair.sa.remote.clone()),
            installed: pair.began,
            rekey_at: pair.ends.renew_at,
            worker: None,
        });
        IkeStatus {
            id: sa.id,
            peer: sa.peer().map(|peer| peer.name.clone()),
            version: 1,
            state,
            initiator: sa.initiator,
            path: sa.path,
            spis: sa.cookies,
            peer_identity: identity,
            suite: up.map(|up| up.suite.clone()).unwrap_or_default(),
            established: up.map(|up| up.since),
            rekey_at: None,
            reauthenticate_at: up.and_then(|up| up.renew_at),
            local_nat: sa.nat.local,
            remote_nat: sa.nat.remote,
            children: children.collect(),
        }
    }
}
