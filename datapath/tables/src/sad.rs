//! The inbound half of the SAD: SPI to SA (RFC 4301 4.4.2).
//!
//! The SAs are in shards by a hash of their SPIs, about as many shards as there are SAs in one: the
//! table of the next snapshot shares all but those in which an SA has come, gone or moved.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use esp::InboundSa;

use crate::{Index, TunnelId};

/// Bits of a slot that say where in its shard an SA is.
const PLACE_BITS: u32 = 20;
/// Most shards: a slot has 32 bits.
const SHARDS_MAX: usize = 1 << (32 - PLACE_BITS);

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
#[derive(Clone)]
pub struct Sad {
    /// A power of two of them.
    shards: Box<[Arc<Shard>]>,
    /// What leaves the number of a shard of a hash.
    shift: u32,
    len: usize,
}

#[derive(Default)]
struct Shard {
    entries: Box<[InboundEntry]>,
    index: Index,
}

impl Shard {
    fn build(entries: Vec<InboundEntry>) -> Arc<Self> {
        let keys = entries.iter().enumerate();
        let index = Index::build(keys.map(|(n, entry)| (u64::from(entry.sa.spi()), n as u32)));
        Arc::new(Self { entries: entries.into_boxed_slice(), index })
    }
}

impl Sad {
    /// The table of these SAs; their SPIs differ.
    #[must_use]
    pub fn build(entries: Vec<InboundEntry>) -> Self {
        let len = entries.len();
        let count = len.isqrt().next_power_of_two().clamp(1, SHARDS_MAX);
        let shift = 32 - count.trailing_zeros();
        let mut shards: Vec<Vec<InboundEntry>> = (0..count).map(|_| Vec::new()).collect();
        for entry in entries {
            shards[shard(entry.sa.spi(), shift)].push(entry);
        }
        Self { shards: shards.into_iter().map(Shard::build).collect(), shift, len }
    }

    /// The same without the SAs that have these SPIs and with these others; one whose SPI is there
    /// already takes that one's place. Takes time for the shards that they are in, not for all,
    /// but for when the table has grown or shrunk to many times its size.
    #[must_use]
    pub fn with(&self, gone: impl IntoIterator<Item = u32>, come: Vec<InboundEntry>) -> Self {
        let mut changed = BTreeMap::new();
        let mut len = self.len;
        for spi in gone {
            let entries = self.copied(&mut changed, spi);
            let before = entries.len();
            entries.retain(|entry| entry.sa.spi() != spi);
            len -= before - entries.len();
        }
        for entry in come {
            let entries = self.copied(&mut changed, entry.sa.spi());
            match entries.iter_mut().find(|known| known.sa.spi() == entry.sa.spi()) {
                Some(known) => *known = entry,
                None => {
                    entries.push(entry);
                    len += 1;
                }
            }
        }
        let mut next = Self { shards: self.shards.clone(), shift: self.shift, len };
        for (n, entries) in changed {
            next.shards[n] = Shard::build(entries);
        }
        let usual = len.isqrt();
        let misfit = usual > 2 * next.shards.len() || next.shards.len() > 8 * usual.max(1);
        if misfit { Self::build(next.entries().cloned().collect()) } else { next }
    }

    /// A copy of the shard that an SPI is in, to be changed.
    fn copied<'a>(
        &self,
        changed: &'a mut BTreeMap<usize, Vec<InboundEntry>>,
        spi: u32,
    ) -> &'a mut Vec<InboundEntry> {
        let n = shard(spi, self.shift);
        changed.entry(n).or_insert_with(|| self.shards[n].entries.to_vec())
    }

    /// The slot of an SPI, to be used with [`Sad::entry`] of the same snapshot.
    #[inline]
    #[must_use]
    pub fn slot(&self, spi: u32) -> Option<u32> {
        let shard = shard(spi, self.shift);
        let place = self.shards.get(shard)?.index.find(u64::from(spi))?;
        Some((shard as u32) << PLACE_BITS | place)
    }

    /// The SA in a slot.
    #[inline]
    #[must_use]
    pub fn entry(&self, slot: u32) -> Option<&InboundEntry> {
        let shard = self.shards.get((slot >> PLACE_BITS) as usize)?;
        shard.entries.get((slot & ((1 << PLACE_BITS) - 1)) as usize)
    }

    /// All of them, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &InboundEntry> {
        self.shards.iter().flat_map(|shard| shard.entries.iter())
    }
}

impl Default for Sad {
    fn default() -> Self {
        Self::build(Vec::new())
    }
}

/// The shard of an SPI. Another hash than [`Index`] has: within a shard all would have the same.
#[inline]
fn shard(spi: u32, shift: u32) -> usize {
    (u64::from(spi.wrapping_mul(0x85eb_ca6b)) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use esp::{Keys, Suite};
    use proptest::prelude::*;

    use super::*;

    fn entry(spi: u32, tunnel: u32) -> InboundEntry {
        let keys = Keys { encryption: &[7; 20], authentication: &[] };
        let sa = InboundSa::new(spi, Suite::AES128GCM16, keys, false, 0).unwrap();
        let (remote, local) = ([192, 0, 2, 2].into(), [192, 0, 2, 1].into());
        InboundEntry {
            sa: Arc::new(sa),
            tunnel: TunnelId(tunnel),
            remote,
            remote_port: None,
            follows: false,
            local,
        }
    }

    fn tunnel_of(sad: &Sad, spi: u32) -> Option<u32> {
        let entry = sad.entry(sad.slot(spi)?)?;
        assert_eq!(entry.sa.spi(), spi);
        Some(entry.tunnel.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn changes_add_up_to_what_a_map_holds(
            first in proptest::collection::vec(256u32..600, 0..200),
            changes in proptest::collection::vec(
                (
                    proptest::collection::vec(256u32..600, 0..60),
                    proptest::collection::vec(256u32..600, 0..60),
                ),
                0..8,
            ),
        ) {
            let first: BTreeMap<u32, u32> = first.into_iter().map(|spi| (spi, 0)).collect();
            let mut sad = Sad::build(first.keys().map(|spi| entry(*spi, 0)).collect());
            let mut model = first;
            for (n, (gone, come)) in (1..).zip(changes) {
                let new = come.iter().map(|spi| entry(*spi, n)).collect();
                sad = sad.with(gone.iter().copied(), new);
                model.retain(|spi, _| !gone.contains(spi));
                model.extend(come.into_iter().map(|spi| (spi, n)));
                for spi in 250..610 {
                    prop_assert_eq!(tunnel_of(&sad, spi), model.get(&spi).copied());
                }
                prop_assert_eq!(sad.entries().count(), model.len());
            }
        }
    }

    #[test]
    fn a_change_shares_the_other_shards_and_growth_brings_more_of_them() {
        let before = Sad::build((1000..2000).map(|spi| entry(spi, 1)).collect());
        let after = before.with([1234], vec![entry(5000, 2)]);
        let same = |(a, b): (&Arc<Shard>, &Arc<Shard>)| Arc::ptr_eq(a, b);
        let shared = before.shards.iter().zip(&after.shards).filter(|pair| same(*pair)).count();
        assert!(before.shards.len() == 32 && shared >= 30, "{shared}");
        assert_eq!((tunnel_of(&after, 1234), tunnel_of(&before, 1234)), (None, Some(1)));
        assert_eq!((tunnel_of(&after, 5000), tunnel_of(&before, 5000)), (Some(2), None));
        let mut sad = Sad::default();
        for spi in 1000..4000 {
            sad = sad.with([], vec![entry(spi, spi)]);
        }
        assert!((1000..4000).all(|spi| tunnel_of(&sad, spi) == Some(spi)));
        assert!(sad.shards.len() >= 16, "{} shards of 3000", sad.shards.len());
        let largest = sad.shards.iter().map(|shard| shard.entries.len()).max();
        assert!(largest.is_some_and(|largest| largest < 200), "{largest:?} in one shard");
        sad = sad.with(1010..4000, Vec::new());
        assert_eq!((sad.entries().count(), sad.shards.len() <= 32), (10, true));
    }
}
