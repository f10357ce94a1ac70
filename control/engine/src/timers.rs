//! Deadlines by what they are for.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// What is due when: at most one deadline for each key. Every operation takes logarithmic time, and
/// deadlines of one instant come in the order of their keys, so the same run is the same again.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    due: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Sets the key's deadline, whether or not it had another.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(before) = self.at.insert(key, at) {
            self.due.remove(&(before, key));
        }
        self.due.insert((at, key));
    }

    /// Sets the key's deadline unless it has an earlier one.
    pub fn set_by(&mut self, key: K, at: Instant) {
        if self.at.get(&key).is_none_or(|before| at < *before) {
            self.set(key, at);
        }
    }

    /// Forgets the key's deadline.
    pub fn cancel(&mut self, key: K) {
        if let Some(at) = self.at.remove(&key) {
            self.due.remove(&(at, key));
        }
    }

    /// The key's deadline.
    #[must_use]
    pub fn deadline_of(&self, key: K) -> Option<Instant> {
        self.at.get(&key).copied()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest key whose deadline is not after `now`.
    pub fn expired(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.remove(&(at, key));
        self.at.remove(&key);
        Some(key)
    }

    /// Forgets the deadlines of all keys that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.at.retain(|key, _| keep(key));
        let at = &self.at;
        self.due.retain(|(_, key)| at.contains_key(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_expire_in_the_order_of_their_newest_deadlines() {
        let mut timers = Timers::default();
        timers.set('a', Instant(30));
        timers.set('b', Instant(20));
        timers.set('c', Instant(20));
        timers.set('a', Instant(10));
        timers.set_by('b', Instant(25));
        assert_eq!(timers.deadline(), Some(Instant(10)));
        assert_eq!(timers.expired(Instant(9)), None);
        assert_eq!(timers.expired(Instant(20)), Some('a'));
        assert_eq!(timers.deadline_of('a'), None);
        timers.cancel('b');
        assert_eq!(timers.expired(Instant(20)), Some('c'));
        assert_eq!((timers.expired(Instant(99)), timers.deadline()), (None, None));
    }

    #[test]
    fn what_is_not_kept_is_not_due() {
        let mut timers = Timers::default();
        (0..10).for_each(|key| timers.set(key, Instant(key)));
        timers.retain(|key| key % 3 == 1);
        let left: alloc::vec::Vec<u64> =
            core::iter::from_fn(|| timers.expired(Instant(99))).collect();
        assert_eq!(left, [1, 4, 7]);
    }
}
