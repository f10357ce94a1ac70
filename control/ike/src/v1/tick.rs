//! The clock of an SA: what is sent again, what is asked, what ends.

use engine::Instant;

use super::dpd::{self, Verdict};
use super::main_mode::Calling;
use super::phase1::{Phase1, State};
use super::{Engine, Timer};
use crate::msg::numbers::notify_v1;
use crate::output::IkeSaId;
use crate::shared::Shared;

impl Engine {
    /// The next moment at which something is to be done about an SA.
    pub(super) fn deadline_of(&self, sa: &Phase1, shared: &Shared) -> Option<Instant> {
        match &sa.state {
            State::Calling(_) => sa.sent.as_ref().map(|sent| sent.at),
            State::Answering(_) => Some(sa.began + shared.settings.half_open_timeout),
            State::Up(up) => {
                let quick = up.quick.values().flat_map(|quick| {
                    let sent = quick.sent.as_ref().map(|sent| sent.at);
                    let kept = quick.answered.as_ref().map(|answered| answered.until);
                    // What is neither sent nor kept goes at once.
                    let over = (sent.is_none() && kept.is_none()).then_some(quick.began);
                    [sent, kept.filter(|_| !quick.under_way()), over]
                });
                let kept = sa.answered.as_ref().map(|answered| answered.until);
                let settings = sa.peer().and_then(|peer| peer.dpd).filter(|_| sa.vendors.dpd);
                let dpd = settings.map(|settings| up.dpd.deadline(&settings));
                let own = [up.renew_at, Some(up.expires_at), up.retires_at, kept, dpd];
                own.into_iter().chain(quick).flatten().min()
            }
            State::Gone(_) => {
                let settings = sa.peer().and_then(|peer| peer.dpd)?;
                let pairs = self.pairs.on(sa.id).filter(|pair| pair.outbound);
                let rekeyed = pairs.filter(|pair| !pair.rekeying);
                rekeyed.map(|pair| pair.alive + settings.delay).min()
            }
        }
    }

    /// The clock of an SA.
    pub(super) fn tick_sa(&mut self, shared: &mut Shared, now: Instant, id: IkeSaId) {
        self.touch(Timer::Sa(id));
        let Some(sa) = self.sas.get_mut(&id) else { return };
        match &mut sa.state {
            State::Calling(_) => self.tick_calling(shared, now, id),
            State::Answering(_) => {
                if sa.began + shared.settings.half_open_timeout <= now {
                    self.drop_sa(shared, id);
                }
            }
            State::Up(up) => {
                if sa.answered.as_ref().is_some_and(|answered| answered.until <= now) {
                    sa.answered = None;
                }
                let ends = up.expires_at <= now || up.retires_at.is_some_and(|at| at <= now);
                if ends {
                    self.send_ike_delete(shared, id);
                    return self.close(shared, now, id);
                }
                if up.renew_at.is_some_and(|at| at <= now) {
                    self.renew(shared, now, id);
                }
                self.tick_quick(shared, now, id);
                self.tick_dpd(shared, now, id);
            }
            // Silence on pairs without an IKE SA: a new one shows whether the peer is alive, and
            // new pairs whether it still knows the old ones.
            State::Gone(_) => {
                let on_it = self.pairs.on(id).filter(|pair| pair.outbound);
                let Some(pair) = on_it.min_by_key(|pair| pair.alive).map(|pair| pair.sa.id) else {
                    return;
                };
                self.rekey_pair(shared, now, pair);
            }
        }
    }

    fn tick_calling(&mut self, shared: &mut Shared, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let Some(sent) = sa.sent.as_mut().filter(|sent| sent.at <= now) else { return };
        if let Some(message) = sent.again(now) {
            return shared.transmit(sa.path, message.to_vec());
        }
        let why = match &sa.state {
            State::Calling(calling) if matches!(**calling, Calling::Auth(..)) => {
                "no answer to our proof: the peer has another pre-shared key or expects another \
                 identity, most likely"
            }
            _ => "no answer",
        };
        self.give_up(shared, now, id, why);
    }

    fn tick_quick(&mut self, shared: &mut Shared, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let path = sa.path;
        let Some(up) = sa.established_mut() else { return };
        let mut failed = alloc::vec![];
        for (message_id, quick) in &mut up.quick {
            let Some(sent) = quick.sent.as_mut().filter(|sent| sent.at <= now) else { continue };
            match sent.again(now) {
                Some(message) => shared.transmit(path, message.to_vec()),
                None => failed.push(*message_id),
            }
        }
        up.quick.retain(|_, quick| {
            quick.under_way() || quick.answered.as_ref().is_some_and(|kept| kept.until > now)
        });
        for message_id in failed {
            self.fail_quick(shared, now, id, message_id, None, "no answer");
        }
    }

    fn tick_dpd(&mut self, shared: &mut Shared, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let settings = sa.peer().and_then(|peer| peer.dpd).filter(|_| sa.vendors.dpd);
        let (Some(settings), cookies) = (settings, sa.cookies) else { return };
        let Some(up) = sa.established_mut() else { return };
        match up.dpd.tick(now, &settings) {
            Verdict::Quiet => {}
            Verdict::Ask(sequence) => {
                let question = dpd::notify(cookies, notify_v1::R_U_THERE, sequence);
                self.inform(shared, id, alloc::vec![question]);
            }
            Verdict::Dead => self.peer_dead(shared, now, id),
        }
    }
}
