//! A read-only hash index: integer key to integer value, built once, one probe as a rule.

use std::net::IpAddr;

/// An address in 64 bits: different for different IPv4 addresses, nearly always different for
/// others, and compared in full by whoever finds an entry by it.
#[inline]
pub(crate) fn digest(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            ((bits >> 64) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31) ^ bits as u64
        }
    }
}

/// Open addressing with linear probing at a load of at most one half. Keys are spread by a
/// multiplicative hash: they are chosen by the configuration, or capped where strangers can add
/// to them (next hops).
#[derive(Clone, Debug)]
pub struct Index {
    /// (key, value + 1); a zero value marks a free slot.
    slots: Box<[(u64, u32)]>,
    shift: u32,
}

impl Index {
    /// Builds the index; of two equal keys the last one wins.
    pub fn build(entries: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let entries: Vec<_> = entries.into_iter().collect();
        let slots = (entries.len() * 2).next_power_of_two().max(2);
        let mut index = Self {
            slots: vec![(0, 0); slots].into_boxed_slice(),
            shift: 64 - slots.trailing_zeros(),
        };
        for (key, value) in entries {
            index.insert(key, value);
        }
        index
    }

    fn insert(&mut self, key: u64, value: u32) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == 0 || slot.0 == key {
                *slot = (key, value + 1);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The value of `key`.
    #[inline]
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        loop {
            match self.slots.get(at) {
                Some(&(found, value)) if found == key && value != 0 => return Some(value - 1),
                Some(&(_, value)) if value != 0 => at = (at + 1) & mask,
                _ => return None,
            }
        }
    }
}

impl Default for Index {
    fn default() -> Self {
        Self::build([])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_hash_map_finds(
            entries in proptest::collection::vec((0u64..500, 0u32..u32::MAX - 1), 0..400),
            probes in proptest::collection::vec(0u64..600, 0..100),
        ) {
            let index = Index::build(entries.iter().copied());
            let model: HashMap<u64, u32> = entries.into_iter().collect();
            for probe in probes {
                prop_assert_eq!(index.find(probe), model.get(&probe).copied());
            }
        }
    }
}
