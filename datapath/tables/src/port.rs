//! What a worker knows of a port: addresses and limits, not rings.

use wire::ethernet::Mac;

use crate::Addresses;

/// Index of a port in [`crate::Tables::ports`] and in each worker's list of port queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub u32);

impl PortId {
    /// As an index.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which side of the gateway a port is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Our sites: clear traffic is forwarded.
    Inside,
    /// The network between the sites: only tunnels; clear traffic is the kernel's.
    Outside,
}

/// A port.
#[derive(Clone, Debug)]
pub struct PortEntry {
    /// Name from the configuration.
    pub name: Box<str>,
    /// Which side it is on.
    pub role: Role,
    /// Its link-layer address; `None` where there is no link (capture files): then frames for
    /// anybody are taken.
    pub mac: Option<Mac>,
    /// Largest IP packet it carries, bytes.
    pub mtu: u16,
    /// Its first addresses, the sources of ICMP errors about what came in here.
    pub addresses: Addresses,
    /// Whether the link can carry packets now.
    pub up: bool,
}
