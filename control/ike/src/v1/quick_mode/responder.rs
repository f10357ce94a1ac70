//! Quick mode as the one who answers.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, Secret};
use subtle::ConstantTimeEq;

use super::super::message::{self, Opened};
use super::super::pair::Pair;
use super::super::phase1::Phase1;
use super::super::retransmit::{Answered, Retransmit};
use super::super::{Engine, Timer, lifetime, nat};
use super::{Quick, Recipe, Refused, Said, Stage, hash_fits, original_addresses, selectors};
use crate::crypto::dh;
use crate::msg::numbers::notify_v1;
use crate::msg::v1::{Payload1, Sa1};
use crate::msg::{ExchangeType, TrafficSelector};
use crate::output::{Event, IkeSaId, Level};
use crate::policy::{Child, Mode};
use crate::proposal::v1::{Phase2Choice, choose_phase2};
use crate::shared::Shared;

/// A nonce's length, bytes.
const NONCE_LEN: usize = 32;
/// Quick modes that one IKE SA has at a time: what an authenticated peer can make us keep.
const UNDER_WAY_MAX: usize = 64;
/// Quick modes of one IKE SA, ever: after that it is made anew.
const EVER_MAX: usize = 8192;

/// What is agreed upon of message 1.
struct Match {
    child: Arc<Child>,
    choice: Phase2Choice,
    local: TrafficSelector,
    remote: TrafficSelector,
}

impl Engine {
    /// Message 1.
    pub(in super::super) fn on_quick_request(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        (bytes, first, body): (&[u8], u8, &[u8]),
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let Some(up) = sa.established_mut() else { return };
        let under_way = up.quick.values().filter(|quick| quick.under_way()).count();
        if up.used.contains(&id) || under_way >= UNDER_WAY_MAX || up.used.len() >= EVER_MAX {
            return;
        }
        let iv = up.keys.message_iv(up.last_block, id);
        let opened = message::open(&up.keys, iv, first, body)
            .filter(|opened| hash_fits(opened, &up.keys, id, None));
        let Some(opened) = opened else { return };
        up.used.insert(id);
        up.dpd.hear(now);
        if let Err(refused) = self.reply(shared, now, ike, id, bytes, &opened) {
            let peer = self.sas.get(&ike).and_then(|sa| sa.peer().cloned());
            let text = format!("quick mode refused: {}", refused.why);
            shared.log(Level::Warning, peer.as_ref().map_or("", |peer| &peer.name), text);
            self.send_notify(shared, ike, refused.notify, None);
        }
        self.touch(Timer::Sa(ike));
    }

    fn reply(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        bytes: &[u8],
        opened: &Opened,
    ) -> Result<(), Refused> {
        let sa = self.sas.get(&ike).ok_or_else(malformed)?;
        let up = sa.established().ok_or_else(malformed)?;
        let peer = sa.peer().cloned().ok_or_else(malformed)?;
        let said = Said::read(&opened.payloads).ok_or_else(malformed)?;
        let found = find(sa, &said)?;
        let (public, secret) = key_exchange(shared, &found, said.public)?;
        let (spi, nonce) = (shared.allocate_esp_spi(), shared.random_bytes(NONCE_LEN));
        let child = &found.child;
        let natted = child.mode == Mode::Transport && sa.nat.udp().is_some();
        let recipe = Recipe {
            ike,
            peer: &peer,
            child,
            identity: &up.identity,
            keys: &up.keys,
            path: sa.path,
            nat: sa.nat,
            choice: &found.choice,
            lifetime: found.choice.lifetime,
            spi,
            nonces: (said.nonce, &nonce),
            shared_secret: secret.as_ref(),
            local: found.local.clone(),
            remote: found.remote.clone(),
            original: said.original.filter(|_| natted),
        };
        let child_sa = Arc::new(recipe.make(shared));
        let payloads = answer(sa, &said, &found, spi, &nonce, public);
        let seconds = found.choice.lifetime.seconds;
        let ends = lifetime::of_child(shared, now, &child.lifetime, seconds, false);
        let nonces = (said.nonce.clone(), nonce);
        let mut iv = opened.next_iv;
        let message = message::hashed(
            sa.cookies,
            ExchangeType::QUICK_MODE,
            id,
            &up.keys,
            &mut iv,
            payloads,
            Some(&nonces.0),
        );
        let quick = Quick {
            child: child.clone(),
            initiator: false,
            began: now,
            iv,
            stage: Stage::Answered { pair: child_sa.id, nonces: nonces.clone() },
            sent: Some(Retransmit::new(&shared.settings, now, message.clone())),
            answered: Some(Answered::new(now, bytes, message.clone())),
        };
        let key = sa.key().ok_or_else(malformed)?;
        let path = sa.path;
        let pair = Pair::new(child_sa.clone(), peer, child.clone(), key, &quick, nonces, ends);
        shared.emit(Event::InstallInbound(child_sa));
        shared.transmit(path, message);
        self.add_pair(shared, now, pair);
        if let Some(up) = self.sas.get_mut(&ike).and_then(Phase1::established_mut) {
            up.quick.insert(id, quick);
        }
        Ok(())
    }

    /// Message 3.
    pub(in super::super) fn on_quick_last(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        id: u32,
        first: u8,
        body: &[u8],
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let Some(up) = sa.established_mut() else { return };
        let Some(quick) = up.quick.get_mut(&id) else { return };
        let Stage::Answered { pair, nonces } = &quick.stage else { return };
        let Some(opened) = message::open(&up.keys, quick.iv, first, body) else { return };
        let expected = up.keys.last_hash(id, &nonces.0, &nonces.1);
        let fits = match opened.payloads.first() {
            Some(Payload1::Hash(hash)) => bool::from(expected.expose().ct_eq(hash)),
            _ => false,
        };
        if !fits {
            return;
        }
        let pair = *pair;
        quick.stage = Stage::Done;
        quick.sent = None;
        up.dpd.hear(now);
        if let Some(pair) = self.pairs.get_mut(&pair) {
            pair.live(now);
            let (child, remote) = (pair.child.clone(), pair.sa.path.remote.ip());
            self.no_retry(&child, remote);
        }
        self.settle(shared, now, pair);
        self.touch(Timer::Sa(ike));
    }
}

/// What message 2 says behind its hash.
fn answer(
    sa: &Phase1,
    said: &Said<'_>,
    found: &Match,
    spi: u32,
    nonce: &[u8],
    public: Option<Vec<u8>>,
) -> Vec<Payload1> {
    let Match { child, choice, .. } = found;
    let mut payloads = alloc::vec![
        Payload1::Sa(Sa1 {
            doi: said.sa.doi,
            situation: said.sa.situation,
            proposals: alloc::vec![choice.to_msg(spi)],
        }),
        Payload1::Nonce(nonce.to_vec()),
    ];
    payloads.extend(public.map(Payload1::Ke));
    if let Some((initiator, responder)) = said.ids {
        payloads.extend([initiator, responder].map(|id| Payload1::Id(id.clone())));
    }
    payloads.extend(original_addresses(sa.nat, child.mode, sa.path, false));
    let ours = lifetime::offered(&child.lifetime);
    payloads.extend(lifetime::announce(spi, ours, choice.lifetime));
    payloads
}

/// The fresh key exchange that is agreed upon: our public value and the secret, if there is one.
type Fresh = (Option<Vec<u8>>, Option<Secret>);

fn key_exchange(
    shared: &mut Shared,
    found: &Match,
    public: Option<&Vec<u8>>,
) -> Result<Fresh, Refused> {
    match (found.choice.group, public) {
        (Some(group), Some(theirs)) => {
            let (public, secret) =
                dh::respond(group, theirs, &mut *shared.random).map_err(|_| Refused {
                    notify: notify_v1::INVALID_KEY_INFORMATION,
                    why: "the peer's public value is invalid".into(),
                })?;
            Ok((Some(public), Some(secret)))
        }
        (None, None) => Ok((None, None)),
        _ => Err(malformed()),
    }
}

fn malformed() -> Refused {
    Refused { notify: notify_v1::PAYLOAD_MALFORMED, why: "message 1 lacks payloads".into() }
}

/// The child that message 1 is about.
fn find(sa: &Phase1, said: &Said<'_>) -> Result<Match, Refused> {
    let peer = sa.peer().map(|peer| peer.children.clone()).unwrap_or_default();
    let mut why: Option<Refused> = None;
    for child in peer {
        match fits(sa, &child, said) {
            Ok((choice, local, remote)) => return Ok(Match { child, choice, local, remote }),
            // The one that was about the same traffic has the better reason.
            Err(refused) => {
                let better = refused.notify == notify_v1::NO_PROPOSAL_CHOSEN;
                why = match why {
                    Some(why) if !better => Some(why),
                    _ => Some(refused),
                };
            }
        }
    }
    let none = || Refused {
        notify: notify_v1::INVALID_ID_INFORMATION,
        why: "the peer has no children".into(),
    };
    Err(why.unwrap_or_else(none))
}

fn fits(
    sa: &Phase1,
    child: &Child,
    said: &Said<'_>,
) -> Result<(Phase2Choice, TrafficSelector, TrafficSelector), Refused> {
    let (ours, theirs) = (sa.path.local.ip(), sa.path.remote.ip());
    let natted = child.mode == Mode::Transport && sa.nat.udp().is_some();
    let ids = asked(said, ours, theirs, natted);
    let (asked_local, asked_remote) = ids.ok_or_else(|| Refused {
        notify: notify_v1::INVALID_ID_INFORMATION,
        why: "its client identities are of a kind that we do not know".into(),
    })?;
    let covered = |asked: &TrafficSelector, allowed: Vec<TrafficSelector>| {
        allowed.iter().find_map(|allowed| {
            let mut asked = asked.clone();
            // Who names nothing leaves it to us which traffic of both hosts it is.
            if said.ids.is_none() {
                asked.protocol = allowed.protocol;
            }
            selectors::within(&asked, allowed)
        })
    };
    let local = covered(&asked_local, selectors::resolve_all(&child.local, ours));
    let remote = covered(&asked_remote, selectors::resolve_all(&child.remote, theirs));
    let (Some(local), Some(remote)) = (local, remote) else {
        return Err(Refused {
            notify: notify_v1::INVALID_ID_INFORMATION,
            why: format!(
                "peer asked for {} with {}, {} allows {} with {}",
                selectors::text(&asked_local),
                selectors::text(&asked_remote),
                child.name,
                texts(&selectors::resolve_all(&child.local, ours)),
                texts(&selectors::resolve_all(&child.remote, theirs)),
            ),
        });
    };
    let mode = nat::encapsulation(child.mode, sa.nat.udp());
    match choose_phase2(&said.sa.proposals, &child.proposals, &[mode]) {
        Ok(choice) => Ok((choice, local, remote)),
        Err(refusal) => Err(Refused {
            notify: notify_v1::NO_PROPOSAL_CHOSEN,
            why: format!("{}: {refusal}", child.name),
        }),
    }
}

/// What message 1 is about, on our side and on the peer's. Without identities that is all traffic
/// of both ends. In transport mode a NAT makes a peer speak of itself and us by other addresses
/// than packets have here (RFC 3947 section 5.2): those of the IKE SA take their place.
fn asked(
    said: &Said<'_>,
    ours: IpAddr,
    theirs: IpAddr,
    natted: bool,
) -> Option<(TrafficSelector, TrafficSelector)> {
    let Some((initiator, responder)) = said.ids else {
        return Some((selectors::host(ours), selectors::host(theirs)));
    };
    let mut remote = selectors::from_id(initiator, natted.then_some(theirs))?;
    let mut local = selectors::from_id(responder, natted.then_some(ours))?;
    if natted {
        remote.addresses = (theirs, theirs);
        local.addresses = (ours, ours);
    }
    Some((local, remote))
}

fn texts(all: &[TrafficSelector]) -> String {
    let texts: Vec<_> = all.iter().map(selectors::text).collect();
    texts.join(", ")
}
