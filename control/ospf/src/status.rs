//! What there is to see.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use ipnet::Ipv4Net;

use crate::instance::{Ospf, Timer};
use crate::interface::InterfaceState;
use crate::msg::{LsaBody, LsaHeader, Options};
use crate::neighbor::{NeighborId, NeighborState};
use crate::refusal::Refusal;
use crate::routes::Route;
use crate::scope::Scope;
use crate::settings::{InterfaceId, InterfaceSettings};

/// A neighbour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighborStatus {
    /// Its router ID.
    pub router_id: Ipv4Addr,
    /// Its address on the interface.
    pub address: Ipv4Addr,
    /// Its wish to be the designated router.
    pub priority: u8,
    /// How far we are with it.
    pub state: NeighborState,
    /// What it is on the network.
    pub role: InterfaceState,
    /// How long it has been in that state.
    pub since: Duration,
    /// How long until it counts as dead, if nothing is heard.
    pub dead_in: Duration,
    /// What we call the interface.
    pub interface: Box<str>,
    /// Our address there.
    pub interface_address: Ipv4Addr,
    /// LSAs that it has not acknowledged.
    pub unacknowledged: usize,
    /// LSAs that are still to be fetched from it.
    pub requested: usize,
    /// It restarts, and is treated as if it were there.
    pub is_helped: bool,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// How it is configured.
    pub settings: InterfaceSettings,
    /// What we are there.
    pub state: InterfaceState,
    /// Address of the designated router, unspecified for none.
    pub designated: Ipv4Addr,
    /// Address of the backup.
    pub backup: Ipv4Addr,
    /// Neighbours that are heard, and those of them that are full.
    pub neighbors: (usize, usize),
    /// Until the next hello.
    pub hello_in: Option<Duration>,
    /// What was refused there, and how often.
    pub refused: Vec<(Refusal, u64)>,
}

/// An LSA of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LsaStatus {
    /// The area; none for what is flooded everywhere.
    pub area: Option<Ipv4Addr>,
    /// Its header, with the age of now.
    pub header: LsaHeader,
    /// What it says.
    pub body: LsaBody,
}

/// The router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterStatus {
    /// Its ID.
    pub router_id: Ipv4Addr,
    /// It is in more than one area.
    pub is_area_border: bool,
    /// It tells of routes of other protocols.
    pub is_as_boundary: bool,
    /// No traffic is drawn through it (RFC 6987).
    pub is_stub_router: bool,
    /// How often routes were computed.
    pub computations: u64,
    /// Areas: ID, options of their LSAs, and the number of these.
    pub areas: Vec<(Ipv4Addr, Options, usize)>,
}

impl Ospf {
    /// The router itself.
    #[must_use]
    pub fn router_status(&self) -> RouterStatus {
        let areas = self.areas.iter();
        RouterStatus {
            router_id: self.settings.router_id,
            is_area_border: self.is_area_border(),
            is_as_boundary: self.is_as_boundary(),
            is_stub_router: self.is_stub_router,
            computations: self.computations,
            areas: areas.map(|(id, area)| (*id, area.options(), area.lsdb.len())).collect(),
        }
    }

    /// All neighbours, by interface and address.
    #[must_use]
    pub fn neighbors(&self) -> Vec<NeighborStatus> {
        let mut all = Vec::new();
        for interface in self.interfaces.values() {
            for (key, neighbor) in &interface.neighbors {
                let id = NeighborId { interface: interface.id, key: *key };
                let dead_at = self.timers.deadline_of(Timer::Inactivity(id));
                let role = if !interface.settings.network.has_designated() {
                    InterfaceState::PointToPoint
                } else if neighbor.address == interface.elected.designated {
                    InterfaceState::Dr
                } else if neighbor.address == interface.elected.backup {
                    InterfaceState::Backup
                } else {
                    InterfaceState::DrOther
                };
                all.push(NeighborStatus {
                    router_id: neighbor.router_id,
                    address: neighbor.address,
                    priority: neighbor.priority,
                    state: neighbor.state,
                    role,
                    since: self.now.since(neighbor.since),
                    dead_in: dead_at.map(|at| at.since(self.now)).unwrap_or_default(),
                    interface: interface.settings.name.clone(),
                    interface_address: interface.address(),
                    unacknowledged: neighbor.retransmit.len(),
                    requested: neighbor.requests.len(),
                    is_helped: neighbor.helped_until.is_some(),
                });
            }
        }
        all
    }

    /// All interfaces.
    #[must_use]
    pub fn interfaces(&self) -> Vec<(InterfaceId, InterfaceStatus)> {
        let status = |interface: &crate::interface::Interface| {
            let heard = interface.neighbors.values();
            let heard = heard.filter(|neighbor| neighbor.state >= NeighborState::Init).count();
            let hello_at = self.timers.deadline_of(Timer::Hello(interface.id));
            let refused = Refusal::ALL.into_iter().filter_map(|refusal| {
                Some((refusal, *self.refused.get(&(interface.id, refusal))?))
            });
            InterfaceStatus {
                settings: interface.settings.clone(),
                state: interface.state,
                designated: interface.elected.designated,
                backup: interface.elected.backup,
                neighbors: (heard, interface.full().count()),
                hello_in: hello_at.map(|at| at.since(self.now)),
                refused: refused.collect(),
            }
        };
        self.interfaces.iter().map(|(id, interface)| (*id, status(interface))).collect()
    }

    /// All LSAs, area by area, and then those of the autonomous system.
    #[must_use]
    pub fn database(&self) -> Vec<LsaStatus> {
        let links = self
            .interfaces
            .values()
            .map(|known| (Scope::Link(known.id), Some(known.settings.area), &known.lsdb));
        let areas = self.areas.iter().map(|(id, area)| (Scope::Area(*id), Some(*id), &area.lsdb));
        let all = areas.chain(links).chain([(Scope::As, None, &self.as_lsdb)]);
        all.flat_map(|(_, area, lsdb)| {
            lsdb.iter().map(move |(_, entry)| LsaStatus {
                area,
                header: entry.header(self.now),
                body: entry.body.clone(),
            })
        })
        .collect()
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = (&Ipv4Net, &Route)> {
        self.table.routes.iter()
    }
}
