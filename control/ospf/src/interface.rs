//! An interface, and its state machine (RFC 2328 sections 9 and 9.3).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use crate::election::{Candidate, Elected};
use crate::lsdb::Lsdb;
use crate::msg::{LsaHeader, LsaKey};
use crate::neighbor::{Neighbor, NeighborState};
use crate::scope::Scope;
use crate::settings::{InterfaceId, InterfaceSettings, NetworkType};

/// All routers of a network (RFC 2328 appendix A.1).
pub const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// The designated router of a network and its backup.
pub const ALL_D_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);

/// What we are on a network (RFC 2328 section 9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InterfaceState {
    /// Nothing can be sent there.
    Down,
    /// Whether there is a designated router is to be heard.
    Waiting,
    /// There is none on such a network.
    PointToPoint,
    /// Neither of the two below.
    DrOther,
    /// The backup designated router.
    Backup,
    /// The designated router.
    Dr,
}

/// What happens to an interface (RFC 2328 section 9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterfaceEvent {
    InterfaceUp,
    WaitTimer,
    BackupSeen,
    NeighborChange,
    InterfaceDown,
}

/// What an event leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InterfaceStep {
    /// Nothing.
    Stay,
    /// This state, from [`InterfaceState::Down`].
    Begin(InterfaceState),
    /// An election, which tells the state.
    Elect,
    /// The end of all that was.
    End,
}

/// The RFC's section 9.3, in its order.
pub(crate) fn after(
    state: InterfaceState,
    event: InterfaceEvent,
    network: NetworkType,
    priority: u8,
) -> InterfaceStep {
    use InterfaceEvent as Event;
    use InterfaceState as State;
    match (state, event) {
        (State::Down, Event::InterfaceUp) if !network.has_designated() => {
            InterfaceStep::Begin(State::PointToPoint)
        }
        (State::Down, Event::InterfaceUp) if priority == 0 => InterfaceStep::Begin(State::DrOther),
        (State::Down, Event::InterfaceUp) => InterfaceStep::Begin(State::Waiting),
        (State::Waiting, Event::BackupSeen | Event::WaitTimer) => InterfaceStep::Elect,
        (State::DrOther | State::Backup | State::Dr, Event::NeighborChange) => InterfaceStep::Elect,
        (state, Event::InterfaceDown) if state != State::Down => InterfaceStep::End,
        _ => InterfaceStep::Stay,
    }
}

/// An interface.
#[derive(Debug)]
pub(crate) struct Interface {
    pub id: InterfaceId,
    pub settings: InterfaceSettings,
    pub state: InterfaceState,
    pub neighbors: BTreeMap<Ipv4Addr, Neighbor>,
    pub elected: Elected,
    /// LSAs that do not leave this network (RFC 5250).
    pub lsdb: Lsdb,
    /// Acknowledgments that wait for company.
    pub acknowledgments: Vec<LsaHeader>,
    /// LSAs that are to be sent there before this turn ends, by destination.
    pub updates: BTreeMap<Ipv4Addr, BTreeSet<(Scope, LsaKey)>>,
}

impl Interface {
    /// One that is down.
    pub fn new(id: InterfaceId, settings: InterfaceSettings) -> Self {
        Self {
            id,
            settings,
            state: InterfaceState::Down,
            neighbors: BTreeMap::new(),
            elected: Elected::NOBODY,
            lsdb: Lsdb::default(),
            acknowledgments: Vec::new(),
            updates: BTreeMap::new(),
        }
    }

    /// Our address.
    pub fn address(&self) -> Ipv4Addr {
        self.settings.address.addr()
    }

    /// Whether it is the designated router or its backup.
    pub fn has_role(&self) -> bool {
        matches!(self.state, InterfaceState::Dr | InterfaceState::Backup)
    }

    /// Where packets for all adjacent routers go; `None` where each gets its own.
    pub fn flooding_destination(&self) -> Option<Ipv4Addr> {
        match self.settings.network {
            NetworkType::PointToPoint => Some(ALL_SPF_ROUTERS),
            NetworkType::Broadcast if self.has_role() => Some(ALL_SPF_ROUTERS),
            NetworkType::Broadcast => Some(ALL_D_ROUTERS),
            NetworkType::PointToMultipoint | NetworkType::Nbma => None,
        }
    }

    /// Whether there is to be an adjacency (RFC 2328 section 10.4).
    pub fn wants_adjacency(&self, neighbor: &Neighbor) -> bool {
        let has_role =
            |address| self.elected.designated == address || self.elected.backup == address;
        !self.settings.network.has_designated()
            || self.state != InterfaceState::Waiting
                && (has_role(self.address()) || has_role(neighbor.address))
    }

    /// The neighbours whose databases are the same as ours, and those that are treated so while
    /// they restart (RFC 3623 section 3).
    pub fn full(&self) -> impl Iterator<Item = &Neighbor> {
        let is_full = |neighbor: &&Neighbor| {
            neighbor.state == NeighborState::Full || neighbor.helped_until.is_some()
        };
        self.neighbors.values().filter(is_full)
    }

    /// Those who can be elected, but for us.
    pub fn candidates(&self) -> Vec<Candidate> {
        let takes_part = |neighbor: &&Neighbor| neighbor.state >= NeighborState::TwoWay;
        let candidate = |neighbor: &Neighbor| Candidate {
            router_id: neighbor.router_id,
            address: neighbor.address,
            priority: neighbor.priority,
            designated: neighbor.designated,
            backup: neighbor.backup,
        };
        self.neighbors.values().filter(takes_part).map(candidate).collect()
    }
}
