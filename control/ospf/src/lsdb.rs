//! A link-state database: the newest instance of each LSA of one scope, and how old it is.

use alloc::collections::BTreeMap;
use core::net::Ipv4Addr;

use engine::Instant;

use crate::msg::{Lsa, LsaBody, LsaHeader, LsaKey, LsaType, MAX_AGE};

/// Most that the LSAs of one database may cost, bytes, so that no neighbour fills the memory.
const COST_MAX: usize = 256 << 20;

/// About what an LSA takes, parsed and with its place, bytes.
fn cost(lsa: &Lsa) -> usize {
    256 + 4 * lsa.len()
}

/// An LSA of the database.
#[derive(Debug)]
pub(crate) struct Entry {
    /// As it was when it was installed: its age then is in its header.
    pub lsa: Lsa,
    /// What it says.
    pub body: LsaBody,
    /// When it was installed.
    pub installed: Instant,
    /// It came by flooding, and too quick a successor is not taken (MinLSArrival).
    pub was_flooded: bool,
    /// How many neighbours have not acknowledged it.
    pub unacknowledged: u32,
    /// It is ours, and had not changed for a while before.
    pub rested: bool,
    /// When we last originated an instance of it, if that was here.
    pub originated: Option<Instant>,
}

impl Entry {
    /// Seconds since it was originated, at most [`MAX_AGE`].
    pub fn age(&self, now: Instant) -> u16 {
        let here = u16::try_from(now.since(self.installed).as_secs()).unwrap_or(MAX_AGE);
        self.lsa.header().age.saturating_add(here).min(MAX_AGE)
    }

    /// Whether it is too old to be used.
    pub fn is_max_aged(&self, now: Instant) -> bool {
        self.age(now) == MAX_AGE
    }

    /// The header, with the age of now.
    pub fn header(&self, now: Instant) -> LsaHeader {
        LsaHeader { age: self.age(now), ..*self.lsa.header() }
    }

    /// The LSA as it is sent: older by what the way takes.
    pub fn to_send(&self, now: Instant, transmit_delay: u16) -> Lsa {
        let age = self.age(now).saturating_add(transmit_delay).min(MAX_AGE);
        self.lsa.with_age(age)
    }
}

/// The LSAs of an area, of an interface, or of the autonomous system.
#[derive(Debug, Default)]
pub(crate) struct Lsdb {
    entries: BTreeMap<LsaKey, Entry>,
    /// What all LSAs cost together.
    cost: usize,
}

impl Lsdb {
    /// The LSA, if there is one.
    pub fn find(&self, key: &LsaKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, key: &LsaKey) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// Puts an LSA in the place of its older instance, which is given back.
    pub fn install(&mut self, entry: Entry) -> Option<Entry> {
        self.cost += cost(&entry.lsa);
        let before = self.entries.insert(entry.lsa.header().key(), entry);
        self.cost -= before.as_ref().map_or(0, |entry| cost(&entry.lsa));
        before
    }

    /// Takes an LSA out.
    pub fn remove(&mut self, key: &LsaKey) -> Option<Entry> {
        let gone = self.entries.remove(key);
        self.cost -= gone.as_ref().map_or(0, |entry| cost(&entry.lsa));
        gone
    }

    /// Whether there is room for an LSA of another; one in place of a longer one always fits.
    pub fn has_room_for(&self, lsa: &Lsa) -> bool {
        let held = self.find(&lsa.key()).map_or(0, |entry| cost(&entry.lsa));
        cost(lsa) <= held || self.cost - held + cost(lsa) <= COST_MAX
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&LsaKey, &Entry)> {
        self.entries.iter()
    }

    /// All of one type.
    pub fn of_type(&self, kind: LsaType) -> impl Iterator<Item = (&LsaKey, &Entry)> {
        let bound = |address| LsaKey { kind, id: address, advertising_router: address };
        self.entries.range(bound(Ipv4Addr::UNSPECIFIED)..=bound(Ipv4Addr::BROADCAST))
    }
}
