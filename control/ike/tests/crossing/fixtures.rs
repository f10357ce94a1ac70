//! What the two peers allow and want.

use std::sync::Arc;
use std::time::Duration;

use ike::policy::{Dpd, DpdAction, Peer, Start};

use crate::scene::{CHILD, Side};
use crate::sim::policy::child;

/// When the IKE SA is made anew, if it is.
const RENEWAL: Duration = Duration::from_secs(300);

/// The algorithms of the first child.
fn offer(peer: &mut Peer, proposals: &[&str]) {
    let mut child = child(CHILD);
    child.proposals = proposals.iter().map(|it| it.parse().unwrap()).collect();
    peer.children = vec![Arc::new(child)];
}

fn offer_ike(peer: &mut Peer, key_exchange: &[&str]) {
    let of = |it: &&str| format!("aes256gcm16-prfsha256-{it}").parse().unwrap();
    peer.proposals = key_exchange.iter().map(of).collect();
}

/// New keys of the child come of two key exchanges (RFC 9370).
pub fn further_key_exchange(_: Side, peer: &mut Peer) {
    offer(peer, &["aes128gcm16-x25519-ke1_ecp256"]);
}

/// The same, when A asks for them.
pub fn one_further_key_exchange(side: Side, peer: &mut Peer) {
    let both = ["aes128gcm16-x25519", "aes128gcm16-x25519-ke1_ecp256"];
    offer(peer, &if side == Side::A { both } else { [both[1], both[0]] });
}

/// The first group that either side offers for the child is not allowed by the other.
pub fn other_groups(side: Side, peer: &mut Peer) {
    let own = if side == Side::A { "x25519" } else { "ecp384" };
    offer(peer, &[&format!("aes128gcm16-{own}-ecp256")]);
}

/// The same, with a second key exchange.
pub fn other_groups_and_a_further_key_exchange(side: Side, peer: &mut Peer) {
    let own = if side == Side::A { "x25519" } else { "ecp384" };
    offer(peer, &[&format!("aes128gcm16-{own}-ecp256-ke1_x25519")]);
}

/// Side `by` asks after a silence of 30 seconds whether the other is alive.
pub fn watched(by: Side) -> impl Fn(Side, &mut Peer) {
    move |side, peer| {
        let (delay, timeout) = (Duration::from_secs(30), Duration::from_secs(120));
        if side == by {
            peer.dpd = Some(Dpd { delay, timeout, action: DpdAction::Clear });
        }
    }
}

/// There is a second child, between other addresses.
pub fn two_children(_: Side, peer: &mut Peer) {
    let mut second = child("two");
    for selector in second.local.iter_mut().chain(&mut second.remote) {
        selector.protocol = 4;
    }
    peer.children.push(Arc::new(second));
}

/// The keys of the second child come of two key exchanges.
pub fn two_children_of_which_one_has_a_further_key_exchange(side: Side, peer: &mut Peer) {
    two_children(side, peer);
    let mut second = (*peer.children[1]).clone();
    second.proposals = vec!["aes128gcm16-x25519-ke1_ecp256".parse().unwrap()];
    peer.children[1] = Arc::new(second);
}

/// A has its child always.
pub fn reviving(side: Side, peer: &mut Peer) {
    let mut child = child(CHILD);
    child.start = if side == Side::A { Start::Always } else { Start::OnDemand };
    peer.children = vec![Arc::new(child)];
}

/// These sides make the IKE SA anew after 300 seconds.
pub fn renewed_by(sides: &'static [Side]) -> impl Fn(Side, &mut Peer) {
    move |side, peer| {
        two_children(side, peer);
        if sides.contains(&side) {
            peer.lifetime.rekey = RENEWAL;
        }
    }
}

/// The same, with keys of two key exchanges.
pub fn renewed_with_a_further_key_exchange_by(sides: &'static [Side]) -> impl Fn(Side, &mut Peer) {
    move |side, peer| {
        renewed_by(sides)(side, peer);
        offer_ike(peer, &["x25519-ke1_ecp256"]);
    }
}

/// Both make the IKE SA anew, and there are two key exchanges when A asks for it.
pub fn one_further_ike_key_exchange(side: Side, peer: &mut Peer) {
    renewed_by(&[Side::A, Side::B])(side, peer);
    let both = ["x25519", "x25519-ke1_ecp256"];
    offer_ike(peer, &if side == Side::A { both } else { [both[1], both[0]] });
}

/// These sides make the IKE SA anew, and the first group that either offers is not allowed by the
/// other.
pub fn other_ike_groups(sides: &'static [Side]) -> impl Fn(Side, &mut Peer) {
    move |side, peer| {
        renewed_by(sides)(side, peer);
        offer_ike(peer, &[if side == Side::A { "x25519-ecp256" } else { "ecp384-ecp256" }]);
    }
}

/// The same, with a second key exchange.
pub fn other_ike_groups_and_a_further_key_exchange(
    sides: &'static [Side],
) -> impl Fn(Side, &mut Peer) {
    move |side, peer| {
        renewed_by(sides)(side, peer);
        let own = if side == Side::A { "x25519" } else { "ecp384" };
        offer_ike(peer, &[&format!("{own}-ecp256-ke1_x25519")]);
    }
}
