//! The tunnels of a snapshot, in blocks: the next snapshot shares all of them but those in which a
//! tunnel has changed.

use std::ops::Index;
use std::sync::Arc;

use crate::{Tunnel, TunnelId};

/// Tunnels in a block. A change copies one block and the list of blocks: both are short where there
/// are about as many tunnels in a block as there are blocks, at ten or twenty thousand tunnels.
const BLOCK: usize = 128;

/// The tunnels, by [`TunnelId`].
#[derive(Clone, Default)]
pub struct Tunnels {
    /// All full but the last.
    blocks: Arc<[Arc<[Arc<Tunnel>]>]>,
    len: usize,
}

impl Tunnels {
    /// The tunnel whose id has this number.
    #[inline]
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Arc<Tunnel>> {
        self.blocks.get(number / BLOCK)?.get(number % BLOCK)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Tunnel>> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    /// The same with other tunnels in the places of these ids; ids that there are not yet are left
    /// out. Takes time for the blocks that these are in, not for all.
    #[must_use]
    pub fn with(&self, changed: impl IntoIterator<Item = (TunnelId, Arc<Tunnel>)>) -> Self {
        let mut blocks = self.blocks.to_vec();
        for (id, tunnel) in changed {
            let number = id.0 as usize;
            // The first change in a block copies it.
            let block = blocks.get_mut(number / BLOCK).map(Arc::make_mut);
            if let Some(place) = block.and_then(|block| block.get_mut(number % BLOCK)) {
                *place = tunnel;
            }
        }
        Self { blocks: blocks.into(), len: self.len }
    }
}

impl Index<usize> for Tunnels {
    type Output = Arc<Tunnel>;

    fn index(&self, number: usize) -> &Arc<Tunnel> {
        &self.blocks[number / BLOCK][number % BLOCK]
    }
}

impl From<Vec<Arc<Tunnel>>> for Tunnels {
    fn from(tunnels: Vec<Arc<Tunnel>>) -> Self {
        let blocks = tunnels.chunks(BLOCK).map(Arc::from).collect();
        Self { blocks, len: tunnels.len() }
    }
}

impl<const N: usize> From<[Arc<Tunnel>; N]> for Tunnels {
    fn from(tunnels: [Arc<Tunnel>; N]) -> Self {
        Vec::from(tunnels).into()
    }
}

impl FromIterator<Arc<Tunnel>> for Tunnels {
    fn from_iter<T: IntoIterator<Item = Arc<Tunnel>>>(tunnels: T) -> Self {
        Vec::from_iter(tunnels).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addresses, Endpoints, OuterRules, Payload, Protection, Rewrite};

    fn tunnel(name: String) -> Arc<Tunnel> {
        let ends = Endpoints { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, 2].into() };
        Arc::new(Tunnel {
            name: name.into(),
            ends,
            inner: None,
            rewrite: Rewrite::ipip(ends, OuterRules::default()),
            payload: Payload::IP,
            protection: Protection::Clear,
            demand: None,
            selectors: None,
            narrowed: None,
            worker_sas: crate::WorkerSas::default(),
            punts_ospf: false,
            punts_bfd: false,
            egress: None,
            mtu: 1480,
            mss: None,
            padded_len: None,
            addresses: Addresses::default(),
            sequences: Arc::default(),
            counters: Arc::default(),
        })
    }

    #[test]
    fn a_change_replaces_those_tunnels_and_shares_the_blocks_of_the_others() {
        let count = 3 * BLOCK + 5;
        let before: Tunnels = (0..count).map(|n| tunnel(n.to_string())).collect();
        let changed = [1, BLOCK - 1, count - 1, count];
        let after = before.with(changed.map(|n| (TunnelId(n as u32), tunnel("new".to_owned()))));
        assert_eq!((before.len(), after.len()), (count, count));
        assert!(before.get(count).is_none() && after.get(count).is_none());
        for (n, (old, new)) in before.iter().zip(after.iter()).enumerate() {
            assert_eq!(&*old.name, n.to_string());
            assert_eq!(&*new.name == "new", changed.contains(&n), "{n}");
            assert!(Arc::ptr_eq(new, &after[n]) && after.get(n).is_some());
        }
        let shared: Vec<bool> =
            (0..4).map(|n| Arc::ptr_eq(&before.blocks[n], &after.blocks[n])).collect();
        assert_eq!(shared, [false, true, true, false]);
    }

    #[test]
    fn there_may_be_none() {
        let none = Tunnels::from([]);
        assert!(none.is_empty() && none.get(0).is_none() && none.iter().next().is_none());
        assert!(none.with([(TunnelId(0), tunnel("new".to_owned()))]).is_empty());
    }
}
