//! Which proposal to choose while the caller may be one of several peers: who it is comes later.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::discriminant;

use crate::policy::Peer;

/// How many different policies are asked for a choice: a stranger makes us do that.
const POLICIES_MAX: usize = 8;

/// The choice that most of `candidates` allow, so that most of them can go on with it; those whose
/// address is configured come before those that may be anywhere. Of equals it is the first's.
///
/// # Errors
/// There is none for any: why there is none for the first, if there is a first.
pub(crate) fn choose<C, E>(
    candidates: &[Arc<Peer>],
    choose: impl Fn(&Peer) -> Result<C, E>,
    allows: impl Fn(&Peer, &C) -> bool,
) -> Result<C, Option<E>> {
    let policies = policies(candidates);
    let mut refusal = None;
    let mut best = None;
    for (peer, _) in &policies {
        let choice = match choose(peer) {
            Ok(choice) => choice,
            Err(why) => {
                refusal.get_or_insert(why);
                continue;
            }
        };
        let count = |named: bool| -> usize {
            let like = policies.iter().filter(|(other, _)| other.remote.is_some() == named);
            like.filter(|(other, _)| allows(other, &choice)).map(|(_, count)| count).sum()
        };
        let rank = (count(true), count(false));
        if best.as_ref().is_none_or(|(known, _)| *known < rank) {
            best = Some((rank, choice));
        }
    }
    best.map(|(_, choice)| choice).ok_or(refusal)
}

/// One candidate of each policy, in their order, and how many have it.
fn policies(candidates: &[Arc<Peer>]) -> Vec<(&Peer, usize)> {
    let key = |peer: &Peer| {
        let auth = (discriminant(&peer.local_auth), discriminant(&peer.remote_auth));
        (auth, peer.remote.is_some())
    };
    let mut policies: Vec<(&Peer, usize)> = Vec::new();
    for peer in candidates {
        let same = |(other, _): &(&Peer, usize)| {
            key(other) == key(peer) && other.proposals == peer.proposals
        };
        if let Some(at) = policies.iter().position(same) {
            policies[at].1 += 1;
        } else if policies.len() < POLICIES_MAX {
            policies.push((peer, 1));
        }
    }
    policies
}
