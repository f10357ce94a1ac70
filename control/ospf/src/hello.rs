//! Hellos: who is there, and whether they hear us (RFC 2328 sections 9.5 and 10.5).

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use engine::{Instant, UnixTime};

use crate::area::is_some;
use crate::instance::{Ospf, Timer};
use crate::interface::{ALL_SPF_ROUTERS, InterfaceEvent, InterfaceState};
use crate::msg::{Body, Hello, Options};
use crate::neighbor::{Neighbor, NeighborEvent, NeighborId, NeighborState};
use crate::refusal::Refusal;
use crate::settings::{InterfaceId, InterfaceSettings, NetworkType};

/// Most neighbours of an interface, so that a stranger who invents routers fills no memory.
pub const NEIGHBORS_MAX: usize = 4096;

/// The interval as hellos carry it, seconds: zero for a fraction of one.
fn in_seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

/// What hellos say of the intervals: hello, dead. With a dead interval below a second the hello
/// interval is zero and means nothing.
fn intervals(settings: &InterfaceSettings) -> (u16, u32) {
    if settings.dead_interval <= Duration::from_secs(1) {
        return (0, 1);
    }
    let hello = u16::try_from(in_seconds(settings.hello_interval)).unwrap_or(u16::MAX);
    (hello, in_seconds(settings.dead_interval))
}

impl Ospf {
    /// Says hello and sets the time of the next one.
    pub(crate) fn hello_due(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        if interface.state == InterfaceState::Down {
            return;
        }
        let settings = &interface.settings;
        self.timers.set(Timer::Hello(id), self.now + settings.hello_interval);
        let called = settings.neighbors.iter().copied();
        let is_multicast = settings.network != NetworkType::Nbma;
        let destinations: Vec<Ipv4Addr> =
            called.chain(is_multicast.then_some(ALL_SPF_ROUTERS)).collect();
        for destination in destinations {
            self.say_hello(id, destination);
        }
    }

    /// Has others draw no traffic through this router from now on (RFC 6987), as it will stop.
    pub fn become_stub_router(&mut self, now: Instant, wall: UnixTime) {
        self.tick(now, wall);
        self.is_stub_router = true;
        self.timers.cancel(Timer::Start);
        self.all_routers_change();
        self.settle();
    }

    /// Says on all interfaces that nobody is heard any more: neighbours need not wait until they
    /// miss us. What is said afterwards begins anew.
    pub fn leave(&mut self, now: Instant, wall: UnixTime) {
        self.tick(now, wall);
        let ids: Vec<InterfaceId> = self.interfaces.keys().copied().collect();
        for id in ids {
            let Some(interface) = self.interfaces.get_mut(&id) else { continue };
            let neighbors = core::mem::take(&mut interface.neighbors);
            let called = neighbors.values().map(|neighbor| neighbor.address);
            let called: Vec<Ipv4Addr> = match interface.settings.network {
                NetworkType::Nbma => called.collect(),
                _ => alloc::vec![ALL_SPF_ROUTERS],
            };
            called.into_iter().for_each(|destination| self.say_hello(id, destination));
            if let Some(interface) = self.interfaces.get_mut(&id) {
                interface.neighbors = neighbors;
            }
            self.interface_event(id, InterfaceEvent::InterfaceDown);
        }
    }

    fn say_hello(&mut self, id: InterfaceId, destination: Ipv4Addr) {
        let Some((interface, area)) = self.area_of(id) else { return };
        let settings = &interface.settings;
        let heard = interface.neighbors.values();
        let heard = heard.filter(|neighbor| neighbor.state >= NeighborState::Init);
        let (hello_interval, dead_interval) = intervals(settings);
        let hello = Hello {
            mask: settings.address.netmask(),
            hello_interval,
            options: area.options(),
            priority: settings.priority,
            dead_interval,
            designated: interface.elected.designated,
            backup: interface.elected.backup,
            neighbors: heard.map(|neighbor| neighbor.router_id).collect(),
        };
        self.transmit(id, destination, Body::Hello(hello));
    }

    pub(crate) fn hello_received(
        &mut self,
        interface: InterfaceId,
        router_id: Ipv4Addr,
        source: Ipv4Addr,
        hello: &Hello,
        crypto_sequence: u32,
    ) -> Result<(), Refusal> {
        let (known, area) = self.area_of(interface).ok_or(Refusal::NotHeard)?;
        compare(&known.settings, area.options(), hello)?;
        let network = known.settings.network;
        let key = if network == NetworkType::PointToPoint { router_id } else { source };
        if known.neighbors.len() >= NEIGHBORS_MAX && !known.neighbors.contains_key(&key) {
            return Err(Refusal::TooManyNeighbors);
        }
        let now = self.now;
        let id = NeighborId { interface, key };
        // Another router has the address now: nothing that is known of the old one holds.
        let is_other = |old: &Neighbor| is_some(old.router_id) && old.router_id != router_id;
        if known.neighbors.get(&key).is_some_and(is_other) {
            self.help_no_longer(id, "another router has its address");
            self.neighbor_event(id, NeighborEvent::Gone);
        }
        let Some(known) = self.interfaces.get_mut(&interface) else { return Ok(()) };
        let neighbor =
            known.neighbors.entry(key).or_insert_with(|| Neighbor::new(router_id, source, now));
        let before = (neighbor.priority, neighbor.designated, neighbor.backup);
        let moved_from = (neighbor.address != source).then_some(neighbor.address);
        neighbor.router_id = router_id;
        neighbor.address = source;
        // Who restarts stays what it was, and does not know yet that it is (RFC 3623 section 3).
        if neighbor.helped_until.is_none() {
            neighbor.priority = hello.priority;
            neighbor.designated = hello.designated;
            neighbor.backup = hello.backup;
        }
        neighbor.crypto_sequence = crypto_sequence;
        let is_new = neighbor.state < NeighborState::Init;
        if let Some(before) = moved_from {
            self.interface_changes(interface);
            self.watch_elsewhere(id, before);
        }
        self.neighbor_event(id, NeighborEvent::HelloReceived);
        if is_new && network == NetworkType::Nbma {
            self.say_hello(interface, source);
        }
        if hello.neighbors.contains(&self.settings.router_id) {
            self.neighbor_event(id, NeighborEvent::TwoWayReceived);
        } else if !self.is_helped(id) {
            self.neighbor_event(id, NeighborEvent::OneWay);
            // It need not wait for its answer until the next hello is due.
            if is_new {
                self.timers.set_by(Timer::Hello(interface), now);
            }
            return Ok(());
        }
        self.roles_heard(interface, source, before, hello);
        Ok(())
    }

    /// What a neighbour's wishes mean for the election (RFC 2328 section 10.5, the end).
    fn roles_heard(
        &mut self,
        interface: InterfaceId,
        source: Ipv4Addr,
        before: (u8, Ipv4Addr, Ipv4Addr),
        hello: &Hello,
    ) {
        let (priority, designated, backup) = before;
        let Some(known) = self.interfaces.get(&interface) else { return };
        if !known.settings.network.has_designated() {
            return;
        }
        let takes_up = self.takes_up_role(interface, hello.designated, hello.backup);
        let Some(known) = self.interfaces.get(&interface) else { return };
        let claims = |address: Ipv4Addr| address == source;
        let is_alone = claims(hello.designated) && !is_some(hello.backup);
        if known.state == InterfaceState::Waiting && (takes_up || is_alone || claims(hello.backup))
        {
            self.interface_event(interface, InterfaceEvent::BackupSeen);
            return;
        }
        let now_known = known.neighbors.values().find(|neighbor| neighbor.address == source);
        let changed = now_known.is_some_and(|neighbor| {
            priority != neighbor.priority
                || claims(designated) != claims(neighbor.designated)
                || claims(backup) != claims(neighbor.backup)
        });
        if changed {
            self.interface_event(interface, InterfaceEvent::NeighborChange);
        }
    }
}

/// What must be the same on both sides (RFC 2328 section 10.5).
fn compare(settings: &InterfaceSettings, options: Options, hello: &Hello) -> Result<(), Refusal> {
    if settings.network.has_designated() && hello.mask != settings.address.netmask() {
        return Err(Refusal::Mask);
    }
    let (hello_interval, dead_interval) = intervals(settings);
    if hello_interval != 0 && hello.hello_interval != hello_interval {
        return Err(Refusal::HelloInterval);
    }
    if hello.dead_interval != dead_interval {
        return Err(Refusal::DeadInterval);
    }
    let kind = Options::E | Options::NP;
    if hello.options & kind != options & kind {
        return Err(Refusal::AreaKind);
    }
    Ok(())
}
