//! How a new snapshot reaches the workers, and who frees the old one.
//!
//! The publisher swaps in a whole new [`Tables`]; each worker's [`Reader`] looks once per batch
//! whether there is a newer one (one atomic load) and then keeps it for the batch. No reader ever
//! waits, and the publisher never waits for a reader.
//!
//! A worker looks after it has received the batch. What allows a peer to send by new keys comes
//! after their publication, so the tables that the batch meets have the keys of all that is in it.
//!
//! An old snapshot may hold the last reference to an SA's keys or to a route table of a hundred
//! megabytes. A worker must not be the one to free those, so the publisher keeps every snapshot it
//! replaced until it sees that no reader holds it any more, and frees it then, on its own thread.
//! A worker that stalls only makes the publisher keep memory; it never reads freed memory.
//!
//! What goes wrong otherwise: with plain reference counting the last worker to move on runs the
//! destructors between two batches and drops packets for as long as that takes.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use crate::Tables;

/// Publishes snapshots. One per process, on the control thread.
pub struct Publisher {
    newest: Arc<ArcSwap<Tables>>,
    replaced: Vec<Arc<Tables>>,
}

impl Publisher {
    /// A publisher whose readers start with `tables`.
    #[must_use]
    pub fn new(tables: Tables) -> Self {
        Self { newest: Arc::new(ArcSwap::from_pointee(tables)), replaced: Vec::new() }
    }

    /// Makes `tables` what readers see from their next batch on.
    pub fn publish(&mut self, tables: Tables) {
        self.replaced.push(self.newest.swap(Arc::new(tables)));
        self.reclaim();
    }

    /// Frees the replaced snapshots that no reader holds any more; returns how many are left.
    pub fn reclaim(&mut self) -> usize {
        // A count of one is ours alone, and nobody can make it grow: readers only copy `newest`.
        self.replaced.retain(|tables| Arc::strong_count(tables) > 1);
        self.replaced.len()
    }

    /// The newest snapshot.
    #[must_use]
    pub fn newest(&self) -> Arc<Tables> {
        self.newest.load_full()
    }

    /// A reader for one worker.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.newest)), seen: 0, generation: 0 }
    }
}

/// One worker's view.
pub struct Reader {
    cache: Cache<Arc<ArcSwap<Tables>>, Arc<Tables>>,
    /// Address of the snapshot given out last. The cache keeps that one alive until it has the
    /// next, so two snapshots that are told apart here never share an address.
    seen: usize,
    generation: u64,
}

impl Reader {
    /// The newest snapshot, to be used for one batch, and a number that grows whenever it is
    /// another one than last time.
    #[inline]
    pub fn refresh(&mut self) -> (&Tables, u64) {
        let tables = self.cache.load();
        let address = Arc::as_ptr(tables).addr();
        if address != self.seen {
            self.seen = address;
            self.generation += 1;
        }
        (tables, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use ipnet::IpNet;

    use super::*;
    use crate::{Fib, PortId, Route};

    /// A snapshot in which every part says the same number.
    fn numbered(n: u32) -> Tables {
        let all: IpNet = "0.0.0.0/0".parse().unwrap();
        let fib = Fib::build([(all, Route::Connected(PortId(n)))]);
        let ports = (0..n).map(|_| crate::PortEntry {
            name: "".into(),
            role: crate::Role::Inside,
            mac: None,
            mtu: 1500,
            addresses: crate::Addresses::default(),
            up: true,
        });
        Tables { fib: Arc::new(fib), ports: ports.collect(), ..Tables::default() }
    }

    #[test]
    fn a_reader_sees_the_newest_whole_and_counts_changes() {
        let mut publisher = Publisher::new(numbered(1));
        let mut reader = publisher.reader();
        assert_eq!((reader.refresh().1, reader.refresh().1), (1, 1));
        publisher.publish(numbered(2));
        let (tables, generation) = reader.refresh();
        assert_eq!((tables.ports.len(), generation), (2, 2));
    }

    #[test]
    fn an_old_snapshot_lives_until_its_last_reader_moves_on_and_dies_with_the_publisher() {
        let mut publisher = Publisher::new(numbered(1));
        let first = Arc::downgrade(&publisher.newest());
        let mut reader = publisher.reader();
        reader.refresh();
        publisher.publish(numbered(2));
        assert_eq!((publisher.reclaim(), first.strong_count()), (1, 2));
        reader.refresh();
        assert_eq!(first.strong_count(), 1, "the reader must not be the last owner");
        assert_eq!((publisher.reclaim(), first.strong_count()), (0, 0));
    }

    #[test]
    fn readers_on_other_threads_never_see_a_mixture() {
        let mut publisher = Publisher::new(numbered(1));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (mut reader, stop) = (publisher.reader(), &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let (tables, _) = reader.refresh();
                        let n = PortId(tables.ports.len() as u32);
                        let route = tables.fib.lookup([192, 0, 2, 1].into());
                        assert_eq!(route, Some(&Route::Connected(n)));
                    }
                });
            }
            for n in 0..300 {
                publisher.publish(numbered(n % 7 + 1));
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(publisher.reclaim(), 0);
    }
}
