//! SAs that IKE makes, changes and ends while the gateway runs.
//!
//! What each of these calls changes is made visible to workers by [`Bridge::refresh`], once for as
//! many of them as have come together: only the tunnels that have changed are made anew, and only
//! the parts of the tables that they are in. A template's tunnel that appears or goes takes a whole
//! [`Bridge::build`].

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use config::AddressRange;
use esp::{InboundSa, OutboundSa};
use ike::msg::TrafficSelector;
use ike::output::{ChildSa, ChildSaId, Input, Path};
use tables::{PortEntry, Sad, Tables, TunnelId};

use super::pair::Pair;
use super::places::{InstanceKey, Places};
use super::protection::{Negotiated, Sas};
use super::spec::TunnelSpec;
use super::{Bridge, Underlay};

/// What SAs have come and gone since workers were last told.
#[derive(Default)]
pub(super) struct Changes {
    /// Tunnels whose keys or ends are others now.
    tunnels: BTreeSet<usize>,
    /// Inbound SPIs of pairs that are over.
    gone: Vec<u32>,
    /// There are other tunnels, or other ends of ours, than before.
    all: bool,
}

/// What must be done for workers to see what IKE has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Nothing.
    Nothing,
    /// [`Bridge::refresh`].
    Keys,
    /// [`Bridge::build`].
    All,
}

impl Bridge {
    /// Takes what comes through a pair's inbound SA from now on. `seed` is that of the outbound
    /// one.
    ///
    /// # Errors
    /// No tunnel has the child's name, or its keys do not fit its suite.
    pub fn install_inbound(
        &mut self,
        child: &Arc<ChildSa>,
        seed: [u8; 32],
    ) -> Result<(), Box<dyn Error>> {
        let at = self.places.children.get(&child.child).copied();
        let at = at.ok_or_else(|| format!("no tunnel is called {}", child.child))?;
        let at = if self.tunnels[at].is_template { self.instance(at, child) } else { at };
        let Some(sas) = negotiated_mut(&mut self.tunnels[at]) else {
            return Err(format!("tunnel {} has keys of its own", child.child).into());
        };
        let pair = Pair::new(child, sas.replay_window, seed, sas.crypto)?;
        sas.pairs.push(pair);
        self.places.add(at, child);
        self.changes.tunnels.insert(at);
        Ok(())
    }

    /// Sends through a pair from now on.
    pub fn install_outbound(&mut self, id: ChildSaId) {
        self.change_pair(id, |sas| sas.send_through(id));
    }

    /// Workers that send through this pair need not ask for one of their own any more.
    pub fn share_among_workers(&mut self, id: ChildSaId) {
        self.change_pair(id, |sas| {
            let shared = sas.pairs.iter_mut().filter(|pair| pair.child.id == id);
            shared.for_each(|pair| pair.per_worker = false);
        });
    }

    /// Ends a pair. If it was the one that is sent through, nothing is sent until another is.
    pub fn remove(&mut self, id: ChildSaId) {
        let mut child = None;
        self.change_pair(id, |sas| child = sas.forget(id));
        let Some(child) = child else { return };
        self.changes.gone.push(child.inbound.spi);
        let Some(at) = self.places.remove(&child) else { return };
        let is_over = negotiated(&self.tunnels[at]).is_some_and(|sas| sas.pairs.is_empty());
        if at >= self.places.configured && is_over {
            self.tunnels[at].vacate();
            self.places.vacate(at, &InstanceKey::of(&child));
            self.changes.all = true;
        }
    }

    /// Changes where a pair goes.
    pub fn move_pair(&mut self, id: ChildSaId, path: Path, udp: bool) {
        self.change_pair(id, |sas| {
            for pair in sas.pairs.iter_mut().filter(|pair| pair.child.id == id) {
                (pair.path, pair.udp) = (path, udp);
            }
        });
    }

    fn change_pair(&mut self, id: ChildSaId, change: impl FnOnce(&mut Negotiated)) {
        let Some(at) = self.places.pairs.get(&id).copied() else { return };
        let spec = &mut self.tunnels[at];
        let local = spec.outer_ends.local;
        if let Some(sas) = negotiated_mut(spec) {
            change(sas);
        }
        spec.follow_pair();
        // The XDP programs take what comes to our ends.
        self.changes.all |= spec.outer_ends.local != local;
        self.changes.tunnels.insert(at);
    }

    /// The tunnel to the peer of `child`, which the template at `at` stands for: the one that it
    /// has already, if it has proven to be the same for the same networks, or a new one.
    fn instance(&mut self, at: usize, child: &ChildSa) -> usize {
        let key = InstanceKey::of(child);
        if let Some(known) = self.places.instances.get(&key) {
            return *known;
        }
        let name = format!("{}[{}]", self.tunnels[at].name, child.path.remote);
        let selectors = selectors(&child.local, &child.remote);
        let spec = self.tunnels[at].instance(name.into(), selectors);
        self.changes.all = true;
        let at = match self.places.vacant.pop() {
            Some(vacant) => {
                self.numbering += 1;
                self.tunnels[vacant] = spec;
                vacant
            }
            None => {
                self.tunnels.push(spec);
                self.tunnels.len() - 1
            }
        };
        self.places.instances.insert(key, at);
        at
    }

    /// What is to be done for workers to see what has changed.
    #[must_use]
    pub fn pending(&self) -> Pending {
        match (self.changes.all, self.changes.tunnels.is_empty()) {
            (true, _) => Pending::All,
            (false, false) => Pending::Keys,
            (false, true) => Pending::Nothing,
        }
    }

    /// The tables with the SAs that there are now; `current` are those of the last
    /// [`Bridge::build`] or of this. Takes time for the tunnels that have changed, and not for all.
    pub fn refresh(&mut self, current: &Tables, underlay: &dyn Underlay) -> Tables {
        let Changes { tunnels: changed, gone, .. } = std::mem::take(&mut self.changes);
        let ports: &[PortEntry] = &current.ports;
        let hops = self.nexthops.len();
        let (mut tunnels, mut inbound) = (Vec::with_capacity(changed.len()), Vec::new());
        // What keeps a tunnel from working is told when everything is built.
        let mut problems = Vec::new();
        for at in changed {
            let id = TunnelId(at as u32);
            let named = self.policies.protecting(id);
            let (spec, hops) = (&self.tunnels[at], &mut self.nexthops);
            let tunnel = spec.tunnel(named, underlay, ports, hops, &mut problems);
            tunnels.push((id, Arc::new(tunnel)));
            inbound.extend(spec.inbound(id));
        }
        let nexthops = match self.nexthops.len() == hops {
            true => Arc::clone(&current.nexthops),
            false => self.nexthops(underlay),
        };
        let sad = Arc::new(current.sad.with(gone, inbound));
        let tunnels = current.tunnels.with(tunnels);
        let mut tables = Tables { tunnels, nexthops, sad, ..current.clone() };
        tables.multipaths = self.multipaths(&tables);
        tables
    }

    /// The inbound SAs of all tunnels.
    pub(super) fn sad(&self) -> Sad {
        let specs = self.tunnels.iter().zip(0..);
        Sad::build(specs.flat_map(|(spec, n)| spec.inbound(TunnelId(n))).collect())
    }

    /// How many tunnels are configured; those behind are templates' peers.
    pub(super) fn configured(&self) -> usize {
        self.places.configured
    }

    /// Workers have been told of all changes.
    pub(super) fn changes_are_told(&mut self) {
        self.changes = Changes::default();
    }

    /// Finds pairs and children anew, after the configured tunnels have changed: `configured` of
    /// them.
    pub(super) fn find_places(&mut self, configured: usize) {
        self.places = Places::of(&self.tunnels, configured);
    }

    /// Takes the tunnels of templates' peers over from before the configuration changed, if their
    /// templates are still there.
    pub(super) fn adopt_instances(&mut self, before: &Self) {
        let first = before.places.configured.min(before.tunnels.len());
        for old in &before.tunnels[first..] {
            let Some(sas) = negotiated(old).filter(|sas| !sas.pairs.is_empty()) else { continue };
            let Some(at) = self.places.children.get(&sas.child).copied() else { continue };
            let Some(pair) = sas.pairs.first().filter(|_| self.tunnels[at].is_template) else {
                continue;
            };
            let selectors = selectors(&pair.child.local, &pair.child.remote);
            let mut spec = self.tunnels[at].instance(old.name.clone(), selectors);
            spec.adopt(old);
            self.tunnels.push(spec);
        }
        self.find_places(self.places.configured);
    }

    /// What the counters of the SAs say that IKE is to know: signs of life, limits, and first
    /// packets that were not told of otherwise.
    pub fn usage(&mut self) -> Vec<Input> {
        let mut news = Vec::new();
        let sas = self.tunnels.iter_mut().filter_map(negotiated_mut);
        sas.flat_map(|sas| &mut sas.pairs).for_each(|pair| pair.news(&mut news));
        news
    }

    /// The pair through whose inbound SA, with this SPI, the first packet has come, unless IKE has
    /// been told of that already.
    pub fn first_packet(&mut self, spi: u32) -> Option<ChildSaId> {
        let pair = self.pair_of(spi)?;
        pair.is_first_use().then_some(pair.child.id)
    }

    fn pair_of(&mut self, spi: u32) -> Option<&mut Pair> {
        let id = *self.places.spis.get(&spi)?;
        let spec = self.tunnels.get_mut(*self.places.pairs.get(&id)?)?;
        negotiated_mut(spec)?.pairs.iter_mut().find(|pair| pair.child.id == id)
    }

    /// The worker whose pair has the inbound SA of this SPI (RFC 9611); `None` is any.
    #[must_use]
    pub fn worker_of(&self, spi: u32) -> Option<u16> {
        let id = *self.places.spis.get(&spi)?;
        let sas = negotiated(self.tunnels.get(*self.places.pairs.get(&id)?)?)?;
        sas.pairs.iter().find(|pair| pair.child.id == id)?.child.worker
    }

    /// Where a pair goes.
    #[must_use]
    pub fn path_of(&self, id: ChildSaId) -> Option<Path> {
        let sas = negotiated(self.tunnels.get(*self.places.pairs.get(&id)?)?)?;
        sas.pairs.iter().find(|pair| pair.child.id == id).map(|pair| pair.path)
    }

    /// The child that gives a tunnel its keys.
    #[must_use]
    pub fn child_of(&self, tunnel: TunnelId) -> Option<&str> {
        let spec = self.tunnels.get(tunnel.0 as usize)?;
        negotiated(spec).map(|sas| &*sas.child)
    }

    /// The pair that a tunnel's workers share.
    #[must_use]
    pub fn shared_pair(&self, tunnel: TunnelId) -> Option<ChildSaId> {
        negotiated(self.tunnels.get(tunnel.0 as usize)?)?.sending
    }

    /// The SAs of a pair, for display.
    #[must_use]
    pub fn pair(&self, id: ChildSaId) -> Option<(&InboundSa, &OutboundSa)> {
        let sas = negotiated(self.tunnels.get(*self.places.pairs.get(&id)?)?)?;
        let pair = sas.pairs.iter().find(|pair| pair.child.id == id)?;
        Some((&pair.inbound, &pair.outbound))
    }

    /// The negotiated pair whose peer has sent the packet `seq` from elsewhere, if that is news.
    pub(super) fn pair_heard(&mut self, spi: u32, seq: u64) -> Option<&Pair> {
        let pair = self.pair_of(spi)?;
        pair.hears(seq).then_some(&*pair)
    }
}

pub(super) fn negotiated(spec: &TunnelSpec) -> Option<&Negotiated> {
    spec.protection.as_ref().and_then(|protected| protected.sas.negotiated())
}

fn negotiated_mut(spec: &mut TunnelSpec) -> Option<&mut Negotiated> {
    spec.protection.as_mut().and_then(|protected| Sas::negotiated_mut(&mut protected.sas))
}

/// What has been negotiated, in the words of a configuration.
fn selectors(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Vec<config::Selector> {
    let range = |selector: &TrafficSelector| {
        let (first, last) = selector.addresses;
        vec![AddressRange { first, last, at: 0..0 }]
    };
    let ports = |selector: &TrafficSelector| {
        let (first, last) = selector.ports;
        ((first, last) != (0, u16::MAX)).then_some(first..=last)
    };
    let both = remote.iter().flat_map(|remote| local.iter().map(move |local| (local, remote)));
    let both = both.filter(|(a, b)| a.addresses.0.is_ipv4() == b.addresses.0.is_ipv4());
    let one = |(local, remote): (&TrafficSelector, &TrafficSelector)| config::Selector {
        local: range(local),
        remote: range(remote),
        protocol: [local.protocol, remote.protocol].into_iter().find(|number| *number != 0),
        local_ports: ports(local),
        remote_ports: ports(remote),
    };
    both.map(one).collect()
}

#[cfg(test)]
mod tests;
