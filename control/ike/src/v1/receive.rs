//! What comes in: which SA it belongs to, whether it was there before, and who takes it.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};

use engine::{Instant, UnixTime};

use super::main_mode::{self, Flaw, Step};
use super::phase1::{Phase1, State};
use super::quick_mode::Stage;
use super::retransmit::{Answered, Retransmit};
use super::{Engine, Timer, message};
use crate::msg::numbers::notify_v1;
use crate::msg::v1::{Body1, DOI_IPSEC, Message1, Payload1};
use crate::msg::{ExchangeType, Header, IKE, IkeSpi, Notify};
use crate::output::{IkeSaId, Level, Path};
use crate::shared::{Settings, Shared};

/// The exchange of XAuth and mode config (draft-ietf-ipsec-isakmp-mode-cfg).
pub(super) const TRANSACTION: u8 = 6;

/// Half-open SAs that strangers at one address have while more than half of all places are taken.
const AT_ONE_ADDRESS: usize = 64;

/// Why a message in clear is answered by an error in clear.
#[derive(Clone, Copy)]
pub(super) enum Unwanted {
    /// Not this exchange.
    Exchange,
    /// Nothing of what is proposed.
    Proposal,
    /// The SA is not known (any longer).
    Cookie,
}

impl Engine {
    /// The SA that a message belongs to: by our cookie, and by the peer's if we know it.
    fn find(&self, header: &Header) -> Option<IkeSaId> {
        let ours = |cookie, initiator| {
            let id = *self.cookies.get(&cookie)?;
            let sa = self.sas.get(&id).filter(|sa| sa.initiator == initiator)?;
            let (theirs, said) = if initiator {
                (sa.cookies.1, header.responder_spi)
            } else {
                (sa.cookies.0, header.initiator_spi)
            };
            (theirs == said || (initiator && theirs.0 == 0)).then_some(id)
        };
        ours(header.responder_spi, false).or_else(|| ours(header.initiator_spi, true))
    }

    /// A message of main mode.
    pub(super) fn on_main_mode(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        path: Path,
        bytes: &[u8],
    ) {
        let message = match Message1::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => {
                let text = alloc::format!("message of {} dropped: {malformed}", path.remote);
                return shared.log_stranger(now, Level::Debug, None, text);
            }
        };
        if message.header.message_id != 0 {
            return;
        }
        if message.header.responder_spi.0 == 0 {
            return self.on_first(shared, now, path, &message, bytes);
        }
        let Some(id) = self.find(&message.header) else { return };
        let Some(mut sa) = self.sas.remove(&id) else { return };
        if let Some(answer) = sa.answered.as_ref().and_then(|answered| answered.to(bytes)) {
            shared.transmit(path, answer.to_vec());
            self.sas.insert(id, sa);
            return;
        }
        let step = if sa.initiator {
            if sa.path.remote.ip() != path.remote.ip() {
                self.sas.insert(id, sa);
                return;
            }
            sa.path.local.set_ip(path.local.ip());
            let first_contact = self.is_first_contact(&sa);
            sa.on_answer(shared, wall, message.header.responder_spi, &message.body, first_contact)
        } else {
            sa.on_request(shared, wall, path, &message.body)
        };
        self.take_step(shared, now, sa, step, bytes);
    }

    fn take_step(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        mut sa: Phase1,
        step: Result<Step, Flaw>,
        bytes: &[u8],
    ) {
        let id = sa.id;
        self.touch(Timer::Sa(id));
        match step {
            Ok(Step::Ask(message)) => {
                shared.transmit(sa.path, message.clone());
                sa.sent = Some(Retransmit::new(&shared.settings, now, message));
                self.sas.insert(id, sa);
            }
            Ok(Step::Reply(message)) => {
                self.unproven.remove(&id);
                self.known.note(&sa);
                shared.transmit(sa.path, message.clone());
                sa.answered = Some(Answered::new(now, bytes, message));
                self.sas.insert(id, sa);
            }
            Ok(Step::Up(authenticated, reply)) => {
                if let Some(message) = reply {
                    shared.transmit(sa.path, message.clone());
                    sa.answered = Some(Answered::new(now, bytes, message));
                }
                self.on_up(shared, now, sa, *authenticated);
            }
            Err(Flaw::Dropped(why)) => {
                let proof = matches!(&sa.state, State::Answering(answering)
                    if matches!(**answering, main_mode::Answering::Auth(_)))
                    || matches!(&sa.state, State::Calling(calling)
                    if !matches!(**calling, main_mode::Calling::Ke(..)));
                let level = if proof && !sa.complained { Level::Warning } else { Level::Debug };
                sa.complained |= proof;
                let peer = sa.peer().map(|peer| peer.name.clone());
                let text = alloc::format!("main mode with {}: {why}", sa.path.remote);
                shared.log_stranger(now, level, peer.as_deref(), text);
                self.sas.insert(id, sa);
            }
            Err(Flaw::Fatal(why)) => {
                self.sas.insert(id, sa);
                self.give_up(shared, now, id, &why);
            }
        }
    }

    /// The first message of a stranger.
    fn on_first(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        message: &Message1,
        bytes: &[u8],
    ) {
        let Body1::Clear(payloads) = &message.body else { return };
        let cookie = message.header.initiator_spi;
        let taken = cookie.0 == 0 || self.cookies.contains_key(&cookie);
        if taken || bytes.len() > Settings::FIRST_MESSAGE_MAX {
            return;
        }
        let caller = (path.remote, cookie);
        if let Some(sa) = self.callers.get(&caller).and_then(|id| self.sas.get(id)) {
            if let Some(answer) = sa.answered.as_ref().and_then(|answered| answered.to(bytes)) {
                shared.transmit(path, answer.to_vec());
            }
            return;
        }
        if !self.make_room(shared, path.remote.ip()) {
            let text = alloc::format!("{} turned away: too many SAs", path.remote);
            return shared.log_stranger(now, Level::Warning, None, text);
        }
        match main_mode::answer(shared, now, path, cookie, payloads) {
            Ok((mut sa, answer)) => {
                shared.transmit(path, answer.clone());
                sa.answered = Some(Answered::new(now, bytes, answer));
                shared.half_open += 1;
                self.unproven.insert(sa.id);
                self.callers.insert(caller, sa.id);
                self.half_open.insert(sa.id, caller);
                self.insert(shared, sa);
            }
            Err(Flaw::Fatal(why)) => {
                let text = alloc::format!("main mode with {} refused: {why}", path.remote);
                shared.log_stranger(now, Level::Warning, None, text);
                self.refuse(shared, now, path, &message.header, Unwanted::Proposal);
            }
            Err(Flaw::Dropped(why)) => {
                let text = alloc::format!("main mode with {}: {why}", path.remote);
                shared.log_stranger(now, Level::Debug, None, text);
            }
        }
    }

    /// Whether one more stranger may be kept. Where places are scarce nobody has many at one
    /// address; where there is none, the oldest whom our answers have not reached yet gives way, or
    /// else the oldest, who has had more time than main mode takes.
    fn make_room(&mut self, shared: &mut Shared, from: IpAddr) -> bool {
        let (held, most) = (self.half_open.len(), shared.settings.half_open_max);
        let there = if held >= most / 2 { self.half_open_at(from) } else { Vec::new() };
        let oldest = match there.iter().min().filter(|_| there.len() >= AT_ONE_ADDRESS) {
            None if held >= most => self.unproven.first().or(self.half_open.keys().next()),
            oldest => oldest,
        };
        let oldest = oldest.copied();
        if let Some(oldest) = oldest {
            self.drop_sa(shared, oldest);
        }
        shared.sa_count < shared.settings.sa_max
    }

    /// Half-open SAs of strangers at an address.
    fn half_open_at(&self, address: IpAddr) -> Vec<IkeSaId> {
        let first = (SocketAddr::new(address, 0), IkeSpi(0));
        let last = match address {
            IpAddr::V4(_) => SocketAddr::new(address, u16::MAX),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, u16::MAX, u32::MAX, u32::MAX).into(),
        };
        let there = self.callers.range(first..=(last, IkeSpi(u64::MAX)));
        there.map(|(_, id)| *id).collect()
    }

    /// A new SA.
    pub(super) fn insert(&mut self, shared: &mut Shared, sa: Phase1) {
        shared.sa_count += 1;
        self.cookies.insert(sa.our_cookie(), sa.id);
        self.touch(Timer::Sa(sa.id));
        self.known.note(&sa);
        self.sas.insert(sa.id, sa);
    }

    /// A message of quick mode or of an informational exchange.
    pub(super) fn on_phase2(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        bytes: &[u8],
    ) {
        let Ok(Message1 { header, body }) = Message1::parse(bytes) else { return };
        let (first, body) = match (self.find(&header), body) {
            (Some(ike), Body1::Clear(payloads)) => {
                if header.exchange == ExchangeType::INFORMATIONAL_V1 {
                    self.on_hint(shared, now, ike, &payloads);
                }
                return;
            }
            (Some(_), Body1::Encrypted(first, body)) => (first, body),
            (None, Body1::Encrypted(..)) => {
                return self.refuse(shared, now, path, &header, Unwanted::Cookie);
            }
            (None, Body1::Clear(_)) => return,
        };
        let Some(ike) = self.find(&header) else { return };
        let id = header.message_id;
        if header.exchange == ExchangeType::INFORMATIONAL_V1 {
            return self.on_informational(shared, now, ike, id, first, &body);
        }
        let Some(up) = self.sas.get(&ike).and_then(Phase1::established) else { return };
        let Some(quick) = up.quick.get(&id) else {
            return self.on_quick_request(shared, now, ike, id, (bytes, first, &body));
        };
        if let Some(answer) = quick.answered.as_ref().and_then(|answered| answered.to(bytes)) {
            return shared.transmit(path, answer.to_vec());
        }
        match &quick.stage {
            Stage::Offered(_) => {
                self.on_quick_answer(shared, now, ike, id, (bytes, first, &body));
            }
            Stage::Answered { .. } => self.on_quick_last(shared, now, ike, id, first, &body),
            Stage::Done => {}
        }
    }

    /// Answers what cannot be accepted in clear, seldom: it is a hint that helps an honest peer.
    pub(super) fn refuse(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        header: &Header,
        why: Unwanted,
    ) {
        if now < self.next_error {
            return;
        }
        self.next_error = now + core::time::Duration::from_secs(1);
        let kind = match why {
            Unwanted::Exchange => notify_v1::INVALID_EXCHANGE_TYPE,
            Unwanted::Proposal => notify_v1::NO_PROPOSAL_CHOSEN,
            Unwanted::Cookie => notify_v1::INVALID_COOKIE,
        };
        let cookies = (header.initiator_spi, header.responder_spi);
        let id = shared.random_u32().max(1);
        let notify = Notify { protocol: IKE, spi: alloc::vec![], kind, data: alloc::vec![] };
        let payloads = alloc::vec![Payload1::Notify(DOI_IPSEC, notify)];
        let answer = message::clear(cookies, ExchangeType::INFORMATIONAL_V1, id, payloads);
        shared.transmit(path, answer);
    }
}
