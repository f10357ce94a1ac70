//! The LSAs of this router (RFC 2328 section 12.4): whenever what one of them says may have
//! changed, what it should say is compared with what it says.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::{Instant, Level};

use crate::area::is_some;
use crate::exchange::is_last;
use crate::instance::{Ospf, Timer};
use crate::interface::{Interface, InterfaceState};
use crate::lsdb::Entry;
use crate::msg::{
    INITIAL_SEQUENCE, LinkType, Lsa, LsaBody, LsaHeader, LsaKey, LsaType, MAX_AGE, Options,
    RouterLink, RouterLsa,
};
use crate::scope::Scope;
use crate::settings::{InterfaceId, NetworkType};

/// How often an LSA is sent anew though nothing has changed (RFC 2328 appendix B).
pub(crate) const REFRESH: Duration = Duration::from_secs(1800);
/// How long after an instance the next one may be originated (RFC 2328 appendix B).
const MIN_LS_INTERVAL: Duration = Duration::from_secs(5);
/// The same where the LSA had been left alone before: somewhat more than what others take
/// (MinLSArrival).
const MIN_LS_INTERVAL_AT_FIRST: Duration = Duration::from_millis(1200);
/// The cost of a link that no traffic is drawn over (RFC 6987).
const MAX_LINK_METRIC: u16 = 0xffff;

/// An LSA of ours.
pub(crate) type Own = (Scope, LsaKey);

impl Ospf {
    /// The key of an LSA of ours.
    pub(crate) fn own_key(&self, kind: LsaType, id: Ipv4Addr) -> LsaKey {
        LsaKey { kind, id, advertising_router: self.settings.router_id }
    }

    /// Our router LSA in an area may have to be another.
    pub(crate) fn router_changes(&mut self, area: Ipv4Addr) {
        let key = self.own_key(LsaType::ROUTER, self.settings.router_id);
        self.to_originate.insert((Scope::Area(area), key));
    }

    /// LSAs that tell of an interface may have to be others, and ways by it lead elsewhere.
    pub(crate) fn interface_changes(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let (area, address) = (interface.settings.area, interface.address());
        if let Some(area) = self.areas.get_mut(&area) {
            area.is_changed = true;
        }
        self.routes_change();
        self.router_changes(area);
        let key = self.own_key(LsaType::NETWORK, address);
        self.to_originate.insert((Scope::Area(area), key));
    }

    /// Whether an LSA is ours, or one of a network whose designated router we are or were
    /// (RFC 2328 section 13.4).
    pub(crate) fn is_own(&self, key: &LsaKey) -> bool {
        let has = |address| self.interfaces.values().any(|known| known.address() == address);
        key.advertising_router == self.settings.router_id
            || key.kind == LsaType::NETWORK && has(key.id)
    }

    /// An LSA of ours came back newer than it is here, from before a restart perhaps: it is
    /// succeeded, or flushed (RFC 2328 section 13.4).
    pub(crate) fn reclaim(&mut self, scope: Scope, key: LsaKey) {
        if self.is_resuming() {
            return;
        }
        if self.wanted(scope, &key).is_some() {
            self.to_originate.insert((scope, key));
        } else {
            self.flush(scope, key);
        }
    }

    /// Nobody has this LSA of ours any more; it may be originated anew.
    pub(crate) fn flushed(&mut self, scope: Scope, key: &LsaKey) {
        self.to_originate.insert((scope, *key));
    }

    /// Originates an LSA if what it says is not what it should say.
    pub(crate) fn originate(&mut self, (scope, key): Own) {
        if self.is_resuming() {
            return;
        }
        let now = self.now;
        let wanted = self.wanted(scope, &key);
        let known = self.lsdb(scope).and_then(|lsdb| lsdb.find(&key));
        let Some((options, body)) = wanted else {
            if known.is_some_and(|entry| !entry.is_max_aged(now)) && self.is_own(&key) {
                self.flush(scope, key);
            }
            return;
        };
        if let Some(entry) = known {
            let is_same = entry.body == body && entry.lsa.header().options == options;
            if is_same && !entry.is_max_aged(now) && !entry.was_flooded {
                return;
            }
            if let Some(at) = may_follow(entry).filter(|at| *at > now) {
                self.timers.set_by(Timer::Originate((scope, key)), at);
                return;
            }
        }
        self.succeed(scope, key, options, body);
    }

    /// Puts a successor in the place of an LSA.
    pub(crate) fn succeed(&mut self, scope: Scope, key: LsaKey, options: Options, body: LsaBody) {
        let now = self.now;
        let known = self.lsdb(scope).and_then(|lsdb| lsdb.find(&key));
        let before = known
            .map(|entry| (entry.lsa.header().sequence, entry.installed, entry.is_max_aged(now)));
        let sequence = match before {
            None => INITIAL_SEQUENCE,
            // RFC 2328 12.1.6: there is no larger number; the LSA is flushed first.
            Some((last, _, is_going)) if is_last(last) => {
                if !is_going {
                    self.flush(scope, key);
                }
                return;
            }
            Some((last, ..)) => last + 1,
        };
        let header = LsaHeader {
            age: 0,
            options,
            kind: key.kind,
            id: key.id,
            advertising_router: key.advertising_router,
            sequence,
            checksum: 0,
            length: 0,
        };
        let Some(lsa) = Lsa::build(header, &body) else {
            let text =
                alloc::format!("{key} has more to say than fits a packet: it is not changed");
            self.log(Level::Error, text);
            return;
        };
        self.install(scope, lsa, body, false);
        if let Some(entry) = self.lsdb_mut(scope).and_then(|lsdb| lsdb.find_mut(&key)) {
            entry.rested = before.is_none_or(|(_, at, _)| now.since(at) >= MIN_LS_INTERVAL);
        }
        self.flood(scope, &key, None);
    }

    /// Takes an LSA out of all databases (RFC 2328 section 14.1).
    pub(crate) fn flush(&mut self, scope: Scope, key: LsaKey) {
        let entry = self.lsdb(scope).and_then(|lsdb| lsdb.find(&key));
        let Some((lsa, body)) =
            entry.map(|entry| (entry.lsa.with_age(MAX_AGE), entry.body.clone()))
        else {
            return;
        };
        self.install(scope, lsa, body, false);
        self.flood(scope, &key, None);
    }

    /// An LSA has come to an age: ours is refreshed, that of another is over.
    pub(crate) fn age(&mut self, scope: Scope, key: LsaKey) {
        let is_own = self.is_own(&key);
        if is_own && self.is_resuming() {
            self.timers.set(Timer::Age(scope, key), self.now + MIN_LS_INTERVAL);
            return;
        }
        match is_own.then(|| self.wanted(scope, &key)).flatten() {
            Some((options, body)) => self.succeed(scope, key, options, body),
            None => self.flush(scope, key),
        }
    }

    /// What an LSA of ours should say; `None` if there should be none.
    fn wanted(&self, scope: Scope, key: &LsaKey) -> Option<(Options, LsaBody)> {
        if key.advertising_router != self.settings.router_id {
            return None;
        }
        if let Some((options, body)) = self.told.get(&(scope, *key)) {
            return Some((*options, body.clone()));
        }
        let Scope::Area(id) = scope else { return None };
        let options = self.areas.get(&id)?.options();
        let body = match key.kind {
            LsaType::ROUTER if key.id == self.settings.router_id => self.router_lsa(id)?,
            LsaType::NETWORK => self.network_lsa(id, key.id)?,
            _ => return None,
        };
        Some((options, body))
    }

    /// RFC 2328 section 12.4.1.
    fn router_lsa(&self, area: Ipv4Addr) -> Option<LsaBody> {
        let kind = self.areas.get(&area)?.settings.kind;
        let is_in = |interface: &&Interface| {
            interface.settings.area == area && interface.state != InterfaceState::Down
        };
        let mut links = Vec::new();
        let mut is_active = false;
        for interface in self.interfaces.values().filter(is_in) {
            is_active = true;
            links_of(interface, &mut links);
        }
        if !is_active {
            return None;
        }
        if self.is_stub_router {
            let through = links.iter_mut().filter(|link| link.kind != LinkType::STUB);
            through.for_each(|link| link.metric = MAX_LINK_METRIC);
        }
        let flag = |is, flag| if is { flag } else { 0 };
        let is_border = self.is_area_border();
        let mut tells_externals = self.is_as_boundary();
        // RFC 3101 3.1: who translates an NSSA's routes is a boundary router to the others.
        tells_externals |=
            is_border && self.areas.values().any(|area| area.settings.kind.is_nssa());
        let is_boundary = tells_externals && (kind.takes_externals() || kind.is_nssa());
        let flags =
            flag(is_border, RouterLsa::AREA_BORDER) | flag(is_boundary, RouterLsa::AS_BOUNDARY);
        Some(LsaBody::Router(RouterLsa { flags, links }))
    }

    /// RFC 2328 section 12.4.2.
    fn network_lsa(&self, area: Ipv4Addr, address: Ipv4Addr) -> Option<LsaBody> {
        let mut all = self.interfaces.values();
        let interface = all.find(|interface| {
            interface.settings.area == area
                && interface.address() == address
                && interface.state == InterfaceState::Dr
        })?;
        let mut routers: Vec<Ipv4Addr> =
            interface.full().map(|neighbor| neighbor.router_id).collect();
        if routers.is_empty() {
            return None;
        }
        routers.push(self.settings.router_id);
        routers.sort_unstable();
        Some(LsaBody::Network { mask: interface.settings.address.netmask(), routers })
    }
}

/// When an LSA of ours may be succeeded, if it is young.
fn may_follow(entry: &Entry) -> Option<Instant> {
    let wait = if entry.rested { MIN_LS_INTERVAL_AT_FIRST } else { MIN_LS_INTERVAL };
    entry.originated.map(|at| at + wait)
}

/// RFC 2328 sections 12.4.1.1 to 12.4.1.4.
fn links_of(interface: &Interface, links: &mut Vec<RouterLink>) {
    let settings = &interface.settings;
    let metric = settings.cost;
    let network = RouterLink {
        kind: LinkType::STUB,
        id: settings.address.network(),
        data: settings.address.netmask(),
        metric,
    };
    let to_each = interface.full().map(|neighbor| RouterLink {
        kind: LinkType::POINT_TO_POINT,
        id: neighbor.router_id,
        data: interface.address(),
        metric,
    });
    match settings.network {
        NetworkType::PointToPoint => {
            links.extend(to_each);
            links.push(network);
        }
        NetworkType::PointToMultipoint => {
            links.push(RouterLink {
                id: interface.address(),
                data: Ipv4Addr::BROADCAST,
                metric: 0,
                ..network
            });
            links.extend(to_each);
        }
        NetworkType::Broadcast | NetworkType::Nbma => {
            links.push(if is_transit(interface) {
                let id = interface.elected.designated;
                RouterLink { kind: LinkType::TRANSIT, id, data: interface.address(), metric }
            } else {
                network
            });
        }
    }
}

/// Whether other routers can be reached through the network (RFC 2328 section 12.4.1.2).
fn is_transit(interface: &Interface) -> bool {
    let designated = interface.elected.designated;
    interface.state != InterfaceState::Waiting
        && is_some(designated)
        && interface
            .full()
            .any(|other| interface.state == InterfaceState::Dr || other.address == designated)
}
