//! Informational exchanges (RFC 2409 section 5.7): one message, encrypted and hashed, that wants no
//! answer. What comes in clear is a hint at most: anybody can send it.

use alloc::vec::Vec;

use engine::Instant;

use super::dpd::{self, Verdict};
use super::message;
use super::pair::Pair;
use super::phase1::{Phase1, State};
use super::quick_mode::{Stage, hash_fits};
use super::{Engine, Timer};
use crate::keymat::v1::Iv;
use crate::msg::numbers::notify_v1;
use crate::msg::v1::{DOI_IPSEC, Delete1, Payload1};
use crate::msg::{ESP, ExchangeType, IKE, IkeSpi, Notify};
use crate::output::{ChildSaId, IkeSaId, Level, RemovalReason};
use crate::shared::Shared;

/// Message ids of informational exchanges that are remembered: what is older and played back can
/// only delete what is gone, and questions are numbered.
const REMEMBERED: usize = 32;

impl Engine {
    /// Sends payloads, if the SA is up.
    pub(super) fn inform(&mut self, shared: &mut Shared, ike: IkeSaId, payloads: Vec<Payload1>) {
        let Some(sa) = self.sas.get(&ike) else { return };
        let Some(up) = sa.established() else { return };
        let id = shared.random_u32().max(1);
        let mut iv: Iv = up.keys.message_iv(up.last_block, id);
        let exchange = ExchangeType::INFORMATIONAL_V1;
        let message = message::hashed(sa.cookies, exchange, id, &up.keys, &mut iv, payloads, None);
        shared.transmit(sa.path, message);
    }

    /// Tells the peer why a quick mode comes to nothing.
    pub(super) fn send_notify(
        &mut self,
        shared: &mut Shared,
        ike: IkeSaId,
        kind: u16,
        spi: Option<u32>,
    ) {
        let spi = spi.map(|spi| spi.to_be_bytes().to_vec()).unwrap_or_default();
        let notify = Notify { protocol: ESP, spi, kind, data: Vec::new() };
        self.inform(shared, ike, alloc::vec![Payload1::Notify(DOI_IPSEC, notify)]);
    }

    /// Tells the peer that we do not take packets of a pair any longer (RFC 2408 section 3.15: the
    /// SPI is the sender's).
    pub(super) fn send_delete(&mut self, shared: &mut Shared, pair: &Pair) {
        let Some(ike) = self.usable_for(&pair.key, pair.ike) else { return };
        let delete = Delete1 {
            doi: DOI_IPSEC,
            protocol: ESP,
            spi_len: 4,
            spis: alloc::vec![pair.sa.inbound.spi.to_be_bytes().to_vec()],
        };
        self.inform(shared, ike, alloc::vec![Payload1::Delete(delete)]);
    }

    /// Tells the peer that an IKE SA ends.
    pub(super) fn send_ike_delete(&mut self, shared: &mut Shared, ike: IkeSaId) {
        let Some(sa) = self.sas.get(&ike) else { return };
        let (initiator, responder) = sa.cookies;
        let spi = [initiator.0.to_be_bytes(), responder.0.to_be_bytes()].concat();
        let spis = alloc::vec![spi];
        let delete = Delete1 { doi: DOI_IPSEC, protocol: IKE, spi_len: 16, spis };
        self.inform(shared, ike, alloc::vec![Payload1::Delete(delete)]);
    }

    /// An encrypted informational message.
    pub(super) fn on_informational(
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
        if id == 0 || up.informed.contains(&id) {
            return;
        }
        let iv = up.keys.message_iv(up.last_block, id);
        let opened = message::open(&up.keys, iv, first, body)
            .filter(|opened| hash_fits(opened, &up.keys, id, None));
        let Some(opened) = opened else { return };
        if up.informed.len() == REMEMBERED {
            up.informed.remove(0);
        }
        up.informed.push(id);
        self.touch(Timer::Sa(ike));
        for payload in opened.payloads {
            match payload {
                Payload1::Notify(_, notify) => self.on_notify(shared, now, ike, &notify),
                Payload1::Delete(delete) => self.on_delete(shared, now, ike, &delete),
                _ => {}
            }
        }
    }

    fn on_notify(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId, notify: &Notify) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let (cookies, began) = (sa.cookies, sa.began);
        let Some(up) = sa.established_mut() else { return };
        match notify.kind {
            notify_v1::R_U_THERE => {
                let Some(sequence) = dpd::sequence(cookies, notify) else { return };
                if up.dpd.answer(sequence) {
                    up.dpd.hear(now);
                    let kind = notify_v1::R_U_THERE_ACK;
                    let answer = dpd::notify(cookies, kind, sequence);
                    self.inform(shared, ike, alloc::vec![answer]);
                }
            }
            notify_v1::R_U_THERE_ACK => {
                if let Some(sequence) = dpd::sequence(cookies, notify) {
                    up.dpd.acknowledge(now, sequence);
                }
            }
            notify_v1::INITIAL_CONTACT => self.on_initial_contact(shared, now, ike, began),
            // The commit bit's end of a quick mode, and a lifetime or window we do not depend on.
            notify_v1::CONNECTED | notify_v1::RESPONDER_LIFETIME | notify_v1::REPLAY_STATUS => {}
            notify_v1::INVALID_SPI => self.on_invalid_spi(shared, now, ike, notify),
            kind if kind < notify_v1::CONNECTED => {
                self.on_error(shared, now, ike, notify);
            }
            _ => {}
        }
    }

    /// An error is about the quick mode whose SPI it names, or about the only one that there is.
    fn on_error(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId, notify: &Notify) {
        let Some(sa) = self.sas.get(&ike) else { return };
        let Some(up) = sa.established() else { return };
        let name = notify_v1::name(notify.kind).unwrap_or("an error that we do not know");
        let spi = <[u8; 4]>::try_from(&notify.spi[..]).ok().map(u32::from_be_bytes);
        let mine: Vec<_> = up
            .quick
            .iter()
            .filter_map(|(id, quick)| match &quick.stage {
                Stage::Offered(offered) => Some((*id, offered.spi)),
                _ => None,
            })
            .collect();
        let named = mine.iter().find(|(_, ours)| Some(*ours) == spi);
        let only = if let [one] = &mine[..] { Some(one) } else { None };
        match named.or(only) {
            Some((id, _)) => {
                let id = *id;
                if notify.kind == notify_v1::NO_PROPOSAL_CHOSEN
                    && self.offer_next(shared, now, ike, id)
                {
                    return;
                }
                let why = alloc::format!("peer answered {name}");
                self.fail_quick(shared, now, ike, id, None, &why);
            }
            None => {
                let peer = sa.peer().map(|peer| peer.name.clone()).unwrap_or_default();
                shared.log(Level::Warning, &peer, alloc::format!("peer says {name}"));
            }
        }
    }

    /// The peer does not know an SPI that we send to: what it belongs to is of no use any longer.
    fn on_invalid_spi(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId, notify: &Notify) {
        let bytes = if notify.spi.len() == 4 { &notify.spi } else { &notify.data };
        let Ok(spi) = <[u8; 4]>::try_from(&bytes[..]) else { return };
        let Some(id) = self.pair_of_peer(ike, u32::from_be_bytes(spi)) else { return };
        self.remove_pair(shared, now, id, RemovalReason::DeletedByPeer, true);
    }

    /// The pair that we send through with this SPI, if it is with the peer of this IKE SA.
    fn pair_of_peer(&self, ike: IkeSaId, spi: u32) -> Option<ChildSaId> {
        let key = self.sas.get(&ike)?.key()?;
        self.pairs.of_peer(&key).find(|pair| pair.sa.outbound.spi == spi).map(|pair| pair.sa.id)
    }

    fn on_delete(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId, delete: &Delete1) {
        match delete.protocol {
            ESP => {
                for spi in &delete.spis {
                    let Ok(spi) = <[u8; 4]>::try_from(&spi[..]) else { continue };
                    if let Some(id) = self.pair_of_peer(ike, u32::from_be_bytes(spi)) {
                        let replaced = self.pairs.get(&id).is_some_and(|pair| !pair.useful());
                        let why = if replaced {
                            RemovalReason::Replaced
                        } else {
                            RemovalReason::DeletedByPeer
                        };
                        self.remove_pair(shared, now, id, why, false);
                    }
                }
            }
            IKE => {
                for spi in &delete.spis {
                    let halves = spi.chunks_exact(8).filter_map(|half| half.try_into().ok());
                    let halves = halves.map(|half| IkeSpi(u64::from_be_bytes(half)));
                    let ours = halves.filter_map(|cookie| self.cookies.get(&cookie));
                    let mut named = ours.filter_map(|id| self.sas.get(id));
                    let named = named.find(|sa| cookies(sa) == *spi);
                    let same_peer = named.filter(|named| {
                        self.sas.get(&ike).is_some_and(|sa| sa.key() == named.key())
                    });
                    if let Some(id) = same_peer.map(|sa| sa.id) {
                        self.close(shared, now, id);
                    }
                }
            }
            _ => {}
        }
    }

    /// A message in clear about an SA of ours. It may be a stranger's: if it says that the peer has
    /// forgotten us, the peer is asked, and if it does not answer, that counts.
    pub(super) fn on_hint(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        ike: IkeSaId,
        payloads: &[Payload1],
    ) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let remote = sa.path.remote;
        let peer = sa.peer().cloned();
        for payload in payloads {
            let Payload1::Notify(_, notify) = payload else { continue };
            let name = notify_v1::name(notify.kind).unwrap_or("an unknown notification");
            match &mut sa.state {
                State::Up(_)
                    if matches!(
                        notify.kind,
                        notify_v1::INVALID_COOKIE | notify_v1::INVALID_SPI
                    ) =>
                {
                    return self.ask(shared, now, ike);
                }
                State::Calling(_) if !sa.complained => {
                    sa.complained = true;
                    let text = alloc::format!("{remote} answers {name}, without proof");
                    let name = peer.as_ref().map(|peer| &*peer.name);
                    shared.log_stranger(now, Level::Warning, name, text);
                }
                _ => {}
            }
        }
    }
}

impl Engine {
    /// Asks the peers of this name now whether they live, unless they owe us an answer in any case.
    pub fn ask_whether_alive(&mut self, shared: &mut Shared, now: Instant, peer: &str) {
        let of_it = self.sas.values().filter(|sa| sa.peer().is_some_and(|it| &*it.name == peer));
        for id in of_it.map(|sa| sa.id).collect::<Vec<_>>() {
            self.ask(shared, now, id);
        }
        self.rearm(shared);
    }

    /// Asks a peer now whether it lives (RFC 3706 section 5.4).
    fn ask(&mut self, shared: &mut Shared, now: Instant, ike: IkeSaId) {
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let cookies = sa.cookies;
        let settings = sa.peer().and_then(|peer| peer.dpd).filter(|_| sa.vendors.dpd);
        let (State::Up(up), Some(settings)) = (&mut sa.state, settings) else { return };
        if let Verdict::Ask(sequence) = up.dpd.ask(now, &settings) {
            let question = dpd::notify(cookies, notify_v1::R_U_THERE, sequence);
            self.touch(Timer::Sa(ike));
            self.inform(shared, ike, alloc::vec![question]);
        }
    }
}

/// Both cookies as they stand in a Delete payload.
fn cookies(sa: &Phase1) -> Vec<u8> {
    [sa.cookies.0.0.to_be_bytes(), sa.cookies.1.0.to_be_bytes()].concat()
}
