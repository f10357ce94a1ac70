//! Where to find the tunnel of a pair, a child or a packet, without looking at all tunnels.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ike::identity::Identity;
use ike::msg::TrafficSelector;
use ike::output::{ChildSa, ChildSaId};
use tables::Endpoints;

use super::negotiated::negotiated;
use super::protection::Sas;
use super::spec::TunnelSpec;

/// The indices of tunnels by what they have.
#[derive(Default)]
pub(super) struct Places {
    /// The tunnel of each configured child.
    pub(super) children: BTreeMap<Box<str>, usize>,
    /// The tunnel of each pair.
    pub(super) pairs: BTreeMap<ChildSaId, usize>,
    /// The pair of each inbound SPI.
    pub(super) spis: BTreeMap<u32, ChildSaId>,
    /// The tunnel of each peer of a template.
    pub(super) instances: BTreeMap<InstanceKey, usize>,
    /// Tunnels that a template's peer has left.
    pub(super) vacant: Vec<usize>,
    /// How many tunnels the configuration has: those behind are templates' peers.
    pub(super) configured: usize,
    /// The tunnel of each manual SA, by its inbound SPI.
    pub(super) manual_spis: BTreeMap<u32, usize>,
    /// Outbound SPIs, each with the tunnel that sends by it and its pair; peers choose them, and
    /// two may choose the same.
    outbound: BTreeSet<(u32, usize, Option<ChildSaId>)>,
    /// Tunnels without protection by their ends, ours first.
    clear: BTreeSet<(IpAddr, IpAddr, usize)>,
}

/// What tells a peer of a template from the others: the template's child, whom it has proven to be,
/// and for which networks.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InstanceKey {
    child: Box<str>,
    identity: Identity,
    remote: Vec<TrafficSelector>,
}

impl InstanceKey {
    pub(super) fn of(child: &ChildSa) -> Self {
        Self {
            child: child.child.clone(),
            identity: child.peer_identity.clone(),
            remote: child.remote.clone(),
        }
    }
}

impl Places {
    /// Those of `tunnels`, of which the first `configured` are not templates' peers.
    pub(super) fn of(tunnels: &[TunnelSpec], configured: usize) -> Self {
        let mut places = Self { configured, ..Self::default() };
        for (at, spec) in tunnels.iter().enumerate() {
            places.add_fixed(at, spec);
            let Some(sas) = negotiated(spec) else { continue };
            if at < configured {
                places.children.insert(sas.child.clone(), at);
            } else if let Some(pair) = sas.pairs.first() {
                places.instances.insert(InstanceKey::of(&pair.child), at);
            } else {
                places.vacant.push(at);
            }
            for pair in &sas.pairs {
                places.add(at, &pair.child);
            }
        }
        places
    }

    /// What of a tunnel stays as long as the configuration does.
    fn add_fixed(&mut self, at: usize, spec: &TunnelSpec) {
        match spec.protection.as_ref().map(|protected| &protected.sas) {
            Some(Sas::Manual(sas)) => {
                self.manual_spis.insert(sas.inbound.spi(), at);
                self.outbound.insert((sas.outbound.spi(), at, None));
            }
            Some(Sas::Negotiated(_)) => {}
            None => {
                let Endpoints { local, remote } = spec.outer_ends;
                self.clear.insert((local, remote, at));
            }
        }
    }

    /// A tunnel has a new pair.
    pub(super) fn add(&mut self, at: usize, child: &ChildSa) {
        self.pairs.insert(child.id, at);
        self.spis.insert(child.inbound.spi, child.id);
        self.outbound.insert((child.outbound.spi, at, Some(child.id)));
    }

    /// A pair is over; the tunnel that it was in.
    pub(super) fn remove(&mut self, child: &ChildSa) -> Option<usize> {
        let at = self.pairs.remove(&child.id)?;
        self.spis.remove(&child.inbound.spi);
        self.outbound.remove(&(child.outbound.spi, at, Some(child.id)));
        Some(at)
    }

    /// A template's peer has left its tunnel.
    pub(super) fn vacate(&mut self, at: usize, key: &InstanceKey) {
        self.instances.remove(key);
        self.vacant.push(at);
    }

    /// The tunnels that may send by this SPI.
    pub(super) fn senders(&self, spi: u32) -> impl Iterator<Item = usize> {
        let of_spi = self.outbound.range((spi, 0, None)..);
        of_spi.take_while(move |(other, ..)| *other == spi).map(|(_, at, _)| *at)
    }

    /// The tunnels without protection that have these ends.
    pub(super) fn in_clear(&self, ends: Endpoints) -> impl Iterator<Item = usize> {
        let Endpoints { local, remote } = ends;
        let of_ends = self.clear.range((local, remote, 0)..=(local, remote, usize::MAX));
        of_ends.map(|(.., at)| *at)
    }
}
