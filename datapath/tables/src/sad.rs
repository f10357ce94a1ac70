//! The inbound half of the SAD: SPI to SA (RFC 4301 4.4.2).

use std::net::IpAddr;
use std::sync::Arc;

use esp::InboundSa;

use crate::{Index, TunnelId};

/// An inbound SA and what a packet under it must look like.
#[derive(Clone)]
pub struct InboundEntry {
    /// Keys, replay window, counters.
    pub sa: Arc<InboundSa>,
    /// The tunnel whose selectors the decrypted packet is held against.
    pub tunnel: TunnelId,
    /// The outer source it must come from.
    pub remote: IpAddr,
    /// The UDP source port it must come from (RFC 3948); `None` when ESP is right behind IP.
    pub remote_port: Option<u16>,
    /// Whether the newest authentic packet from elsewhere means that the peer has moved there,
    /// or a NAT has changed its mind. Otherwise such packets are refused.
    pub follows: bool,
    /// The outer destination it must be sent to.
    pub local: IpAddr,
}

/// Inbound SAs. We choose the SPIs, so the SPI alone names the SA (RFC 4301 4.1).
#[derive(Clone, Default)]
pub struct Sad {
    entries: Box<[InboundEntry]>,
    index: Index,
}

impl Sad {
    /// The table of these SAs; their SPIs differ.
    #[must_use]
    pub fn build(entries: Vec<InboundEntry>) -> Self {
        let keys = entries.iter().enumerate();
        let index = Index::build(keys.map(|(n, entry)| (u64::from(entry.sa.spi()), n as u32)));
        Self { entries: entries.into_boxed_slice(), index }
    }

    /// The slot of an SPI, to be used with [`Sad::entry`] of the same snapshot.
    #[inline]
    #[must_use]
    pub fn slot(&self, spi: u32) -> Option<u32> {
        self.index.find(u64::from(spi))
    }

    /// The SA in a slot.
    #[inline]
    #[must_use]
    pub fn entry(&self, slot: u32) -> Option<&InboundEntry> {
        self.entries.get(slot as usize)
    }

    /// All of them.
    #[must_use]
    pub fn entries(&self) -> &[InboundEntry] {
        &self.entries
    }
}
