//! IKEv2 (RFC 7296): every IKE SA of the gateway, and what concerns more than one of them.
//!
//! An [`sa::IkeSa`] handles its messages and its time by itself and says by [`sa::Effect`]s what it
//! wants of others. One exchange is one file: `init`, `intermediate`, `auth`, `create_child`,
//! `rekey_ike`, `followup`, `informational`, `mobike`.

mod auth;
mod child;
mod cookie;
mod create_child;
mod crossing;
mod directory;
mod effects;
mod followup;
mod handshake;
mod inform;
mod informational;
mod init;
mod intermediate;
mod mobike;
mod nat;
mod notify;
mod proof;
mod receive;
mod rekey_ike;
mod retry;
mod sa;
mod selectors;
mod tend;
mod timeout;
mod window;
mod worker;

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use engine::{Instant, UnixTime};

use self::cookie::Cookies;
use self::directory::Directory;
use self::init::Reception;
use self::notify::{kind, notify_with};
use self::retry::Retries;
use self::sa::{Cx, IkeSa, Phase, Wanted};
use crate::msg::{Header, IkeSpi, Message, Payload, TrafficSelector, numbers};
use crate::output::{IkeSaId, Level, Path};
use crate::policy::{Child, Peer, Versions};
use crate::shared::{Settings, Shared};
use crate::status::IkeStatus;

/// Every IKEv2 SA of the gateway.
pub(crate) struct Engine {
    sas: BTreeMap<IkeSaId, Box<IkeSa>>,
    by_spi: BTreeMap<IkeSpi, IkeSaId>,
    /// Exchanges that strangers have begun, by their SPI and address: an IKE_SA_INIT that comes
    /// again is recognized. The oldest has the lowest id.
    half_open: BTreeMap<(IkeSpi, SocketAddr), IkeSaId>,
    half_open_by_age: BTreeMap<IkeSaId, (IkeSpi, SocketAddr)>,
    by_remote: BTreeMap<(Box<str>, IpAddr), BTreeSet<IkeSaId>>,
    directory: Directory,
    timers: BTreeSet<(Instant, IkeSaId)>,
    retries: Retries,
    cookies: Cookies,
}

impl Engine {
    pub fn new(shared: &mut Shared) -> Self {
        Self {
            sas: BTreeMap::new(),
            by_spi: BTreeMap::new(),
            half_open: BTreeMap::new(),
            half_open_by_age: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            directory: Directory::default(),
            timers: BTreeSet::new(),
            retries: Retries::default(),
            cookies: Cookies::new(shared),
        }
    }

    /// A datagram whose header does not say version 1.
    pub fn handle_datagram(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) {
        if header.major_version() != 2 {
            return refuse_version(shared, now, path, header);
        }
        let first = header.exchange.0 == numbers::exchange::IKE_SA_INIT
            && header.is_initiator()
            && !header.is_response();
        if first {
            return self.handle_stranger(shared, now, wall, path, header, bytes);
        }
        let own = if header.is_initiator() { header.responder_spi } else { header.initiator_spi };
        let Some(id) = self.by_spi.get(&own).copied() else {
            let text = format!("message from {} dropped: no SA has its SPI", path.remote);
            return shared.log_stranger(now, Level::Debug, None, text);
        };
        // A response to IKE_SA_INIT tells the other SPI.
        let fits = self.sas.get(&id).is_some_and(|sa| {
            (header.initiator_spi, header.responder_spi) == sa.spis || sa.spis.1 == IkeSpi(0)
        });
        if fits {
            self.with(shared, now, wall, id, |sa, cx| sa.handle_message(cx, path, header, bytes));
        }
    }

    /// An IKE_SA_INIT request.
    fn handle_stranger(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) {
        if header.responder_spi != IkeSpi(0)
            || header.message_id != 0
            || header.initiator_spi.0 == 0
            || bytes.len() > Settings::FIRST_MESSAGE_MAX
        {
            return;
        }
        if let Some(id) = self.half_open.get(&(header.initiator_spi, path.remote)) {
            if let Some(sa) = self.sas.get(id)
                && sa.phase.transcript().is_some_and(|transcript| transcript.request == bytes)
            {
                sa.window.answer_again(shared, path);
            }
            return;
        }
        let candidates = candidates(shared, path);
        if candidates.is_empty() {
            let text = format!(
                "connection from {} ignored: no peer of the configuration speaks IKEv2 there",
                path.remote
            );
            return shared.log_stranger(now, Level::Info, None, text);
        }
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(malformed) => {
                let text = format!("connection from {} ignored: {malformed}", path.remote);
                return shared.log_stranger(now, Level::Info, None, text);
            }
        };
        if let Some(answer) = self.demand_cookie(shared, now, path, header, &message) {
            return shared.transmit(path, answer);
        }
        if shared.sa_count >= shared.settings.sa_max {
            let text = format!("connection from {} ignored: too many SAs", path.remote);
            return shared.log_stranger(now, Level::Warning, None, text);
        }
        if self.half_open.len() >= shared.settings.half_open_max
            && let Some(oldest) = self.half_open_by_age.keys().next().copied()
        {
            self.with(shared, now, wall, oldest, |sa, cx| sa.close(cx));
        }
        let mut cx = Cx::new(shared, now, wall, &self.directory);
        match init::answer(&mut cx, path, header, bytes, &message, candidates) {
            Reception::Sa(sa) => {
                let key = (header.initiator_spi, path.remote);
                self.half_open.insert(key, sa.id);
                self.half_open_by_age.insert(sa.id, key);
                shared.half_open += 1;
                self.add(shared, sa);
            }
            Reception::Answer(answer) => shared.transmit(path, answer),
        }
    }

    /// The answer that asks for a cookie, if one is wanted and was not brought (RFC 7296
    /// section 2.6).
    fn demand_cookie(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        header: &Header,
        message: &Message,
    ) -> Option<Vec<u8>> {
        if shared.half_open < shared.settings.cookie_threshold {
            return None;
        }
        let nonce = create_child::nonce_and_exchange(&message.payloads).0?;
        let spi = header.initiator_spi;
        if let Some(brought) = notify::find(&message.payloads, kind::COOKIE)
            && self.cookies.accepts(path, spi, nonce, &brought.data)
        {
            return None;
        }
        let cookie = self.cookies.make(shared, now, path, spi, nonce);
        Some(init::refuse(header, &[notify_with(kind::COOKIE, cookie)]))
    }

    /// Negotiates `child` with `peer` at `remote`, unless that is under way or done.
    #[expect(clippy::too_many_arguments, reason = "the endpoint's time and what it has resolved")]
    pub fn acquire(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        peer: &Arc<Peer>,
        child: &Arc<Child>,
        remote: IpAddr,
        packet: Option<&(TrafficSelector, TrafficSelector)>,
    ) {
        if !self.retries.may_try(&child.name, remote, now) {
            return;
        }
        let wanted = Wanted { child: child.clone(), packet: packet.cloned(), worker: None };
        let key = (peer.name.clone(), remote);
        let known = self.by_remote.get(&key).into_iter().flatten().copied();
        let usable: Vec<_> = known.filter(|id| self.sas[id].takes_children()).collect();
        if usable.iter().any(|id| self.sas[id].is_after(&child.name, None)) {
            return;
        }
        if let Some(id) = usable.first().copied() {
            return self.with(shared, now, wall, id, |sa, cx| sa.want(cx, wanted));
        }
        self.connect(shared, now, wall, peer.clone(), remote, [wanted].into(), None);
    }

    #[expect(clippy::too_many_arguments, reason = "the endpoint's time and what it has resolved")]
    fn connect(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        peer: Arc<Peer>,
        remote: IpAddr,
        wanted: VecDeque<Wanted>,
        replaces: Option<IkeSaId>,
    ) {
        let id = shared.ike_id();
        let mut cx = Cx::new(shared, now, wall, &self.directory);
        let sa = init::begin(&mut cx, id, peer, remote, wanted, replaces);
        self.add(shared, sa);
        self.with(shared, now, wall, id, |_, _| {});
    }

    /// Takes up a new SA.
    fn add(&mut self, shared: &mut Shared, mut sa: Box<IkeSa>) {
        shared.sa_count += 1;
        self.by_spi.insert(sa.own_spi(), sa.id);
        self.index(&mut sa);
        self.sas.insert(sa.id, sa);
    }

    /// Does something with an SA, and what it wants of others after that.
    fn with(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        wall: UnixTime,
        id: IkeSaId,
        act: impl FnOnce(&mut IkeSa, &mut Cx<'_>),
    ) {
        let Some(mut sa) = self.sas.remove(&id) else { return };
        let mut cx = Cx::new(shared, now, wall, &self.directory);
        act(&mut sa, &mut cx);
        sa.next_task(&mut cx);
        let effects = cx.effects;
        self.put_back(shared, sa);
        self.apply(shared, now, wall, effects);
    }

    fn put_back(&mut self, shared: &mut Shared, mut sa: Box<IkeSa>) {
        if !matches!(sa.phase, Phase::Answering(_))
            && let Some(key) = self.half_open_by_age.remove(&sa.id)
        {
            self.half_open.remove(&key);
            shared.half_open -= 1;
        }
        self.index(&mut sa);
        if !sa.is_closed() {
            self.sas.insert(sa.id, sa);
            return;
        }
        shared.sa_count -= 1;
        shared.release_ike_spi(sa.own_spi());
        self.by_spi.remove(&sa.own_spi());
        self.directory.remove(sa.id);
    }

    /// Keeps timers and the table of addresses true.
    fn index(&mut self, sa: &mut IkeSa) {
        let timer = sa.deadline().filter(|_| !sa.is_closed());
        if timer != sa.indexed_timer {
            if let Some(old) = sa.indexed_timer {
                self.timers.remove(&(old, sa.id));
            }
            if let Some(new) = timer {
                self.timers.insert((new, sa.id));
            }
            sa.indexed_timer = timer;
        }
        let known = !sa.is_closed() && !matches!(sa.phase, Phase::Answering(_));
        let place = known.then(|| (sa.peer.name.clone(), sa.path.remote.ip()));
        if place != sa.indexed_place {
            if let Some(old) = sa.indexed_place.take()
                && let Some(all) = self.by_remote.get_mut(&old)
            {
                all.remove(&sa.id);
                if all.is_empty() {
                    self.by_remote.remove(&old);
                }
            }
            if let Some(new) = place.clone() {
                self.directory.relocate(sa.id, new.1);
                self.by_remote.entry(new).or_default().insert(sa.id);
            }
            sa.indexed_place = place;
        }
    }

    /// `shared.peers` has changed: SAs of `gone` peers are deleted.
    pub fn forget(&mut self, s: &mut Shared, now: Instant, wall: UnixTime, gone: &[Arc<Peer>]) {
        let is_gone: BTreeSet<_> = gone.iter().map(Arc::as_ptr).collect();
        let is_gone = |peer: &Arc<Peer>| is_gone.contains(&Arc::as_ptr(peer));
        self.sas.values_mut().for_each(|sa| sa.rule_out(is_gone));
        let ids: Vec<_> =
            self.sas.values().filter(|sa| is_gone(&sa.peer)).map(|sa| sa.id).collect();
        for id in ids {
            self.with(s, now, wall, id, |sa, cx| sa.terminate(cx));
        }
        self.retries.forget(gone);
    }

    pub fn handle_timeout(&mut self, shared: &mut Shared, now: Instant, wall: UnixTime) {
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(sa) = self.sas.get_mut(&id) {
                sa.indexed_timer = None;
            }
            self.with(shared, now, wall, id, |sa, cx| sa.handle_timeout(cx));
        }
        for (peer, child, remote) in self.retries.due(now) {
            self.acquire(shared, now, wall, &peer, &child, remote, None);
        }
    }

    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.retries.deadline()].into_iter().flatten().min()
    }

    pub fn status(&self, all: &mut Vec<IkeStatus>) {
        all.extend(self.sas.values().map(|sa| sa.status()));
    }
}

/// Peers that may be where a message came from, the most specific first.
fn candidates(shared: &Shared, path: Path) -> Vec<Arc<Peer>> {
    let fits = |peer: &&Arc<Peer>| {
        peer.versions != Versions::V1 && peer.local.is_none_or(|local| local == path.local.ip())
    };
    shared.peers.at(path.remote.ip()).filter(fits).cloned().collect()
}

/// RFC 7296 section 2.5: a version that we do not speak is answered, once, in the clear.
fn refuse_version(shared: &mut Shared, now: Instant, path: Path, header: &Header) {
    let text = format!("message from {} of IKE version {}", path.remote, header.major_version());
    shared.log_stranger(now, Level::Debug, None, text);
    if header.is_response() || header.major_version() < 2 {
        return;
    }
    let answer = Header { flags: sa::flag::RESPONSE, version: sa::VERSION, ..*header };
    let payloads: Vec<Payload> = [notify::notify(kind::INVALID_MAJOR_VERSION)].into();
    shared.transmit(path, Message::new(answer, payloads).write());
}
