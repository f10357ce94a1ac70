//! How long packets take: histograms that a worker fills and anybody reads meanwhile.
//!
//! A [`Histogram`] counts in the slots of an HdrHistogram (hdrhistogram.org) with two significant
//! digits, so that a reader can pour it into one, slot by slot, without losing anything. Each slot
//! is a [`Counter`]: its one writer needs a plain load and a plain store, and nobody waits. A
//! reader sees every slot as it was at some moment of its reading. What it sums up is therefore
//! whole in itself, since the count is the sum of the slots, and lacks at most what was recorded
//! while it read. The other way, two histograms that writer and reader swap, would give the reader
//! one moment for all slots, which percentiles have no use for, and have the reader wait for the
//! writer's next turn, which may be 100 ms away.

use core::fmt;

use crate::counters::Counter;

/// A part of a packet's way through the worker, or all of it. A batch goes a part of its way
/// together: the time is that of the whole batch, and each packet in it takes as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Ethernet off, the IP header checked.
    Arrival,
    /// Route lookups and policies, before and after tunnels.
    Route,
    /// ESP opened.
    Open,
    /// GRE, IP in IP and L2TP taken off, outside of ESP.
    Decap,
    /// Into the tunnel: sealed, outer headers put on.
    Encap,
    /// Ethernet put on.
    Emit,
    /// Other ports' batches of the same turn, before all of them are transmitted.
    Wait,
    /// Into the transmit rings, the kernel's kick included.
    Transmit,
    /// From the receive ring to the end of `Transmit`: the sum of the others.
    EndToEnd,
}

impl Stage {
    /// All of them, in the order of a packet's way.
    pub const ALL: [Self; 9] = [
        Self::Arrival,
        Self::Route,
        Self::Open,
        Self::Decap,
        Self::Encap,
        Self::Emit,
        Self::Wait,
        Self::Transmit,
        Self::EndToEnd,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::Route => "route",
            Self::Open => "open",
            Self::Decap => "decap",
            Self::Encap => "encap",
            Self::Emit => "emit",
            Self::Wait => "wait",
            Self::Transmit => "transmit",
            Self::EndToEnd => "end_to_end",
        }
    }
}

/// A histogram of each stage. One worker writes it.
#[derive(Debug)]
pub struct Latency([Histogram; Stage::ALL.len()]);

impl Latency {
    /// Nothing recorded yet.
    #[must_use]
    pub fn new() -> Self {
        Self(core::array::from_fn(|_| Histogram::new()))
    }

    /// The histogram of a stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> &Histogram {
        // There is one for each stage.
        let [first, ..] = &self.0;
        self.0.get(stage as usize).unwrap_or(first)
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts of durations from 0 to [`Histogram::NS_MAX`] nanoseconds, each known to within one part
/// in 128. It never grows: 24 KiB.
pub struct Histogram(Box<[Counter]>);

impl Histogram {
    /// Longest duration that is told apart from longer ones: 1.07 s. Those count as this long.
    pub const NS_MAX: u64 = (1 << 30) - 1;
    /// Significant decimal digits of a duration.
    pub const DIGITS: u8 = 2;

    fn new() -> Self {
        Self((0..=slot_of(Self::NS_MAX)).map(|_| Counter::default()).collect())
    }

    /// Counts a duration. Only the histogram's one writer calls this.
    #[inline]
    pub fn record(&self, ns: u64) {
        if let Some(slot) = self.0.get(slot_of(ns.min(Self::NS_MAX))) {
            slot.add(1);
        }
    }

    /// The slots that have counted anything: the shortest duration that falls into each,
    /// nanoseconds, and its count. Shorter ones come first.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let all = self.0.iter().enumerate().map(|(slot, count)| (shortest_in(slot), count.value()));
        all.filter(|(_, count)| *count > 0)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counts()).finish()
    }
}

/// Slots of the finest kind: those of 1 ns. Two significant digits need 200, rounded up to a power
/// of two.
const FINE: u32 = u8::BITS;

/// Every duration below 256 ns has a slot. From there on each power of two has 128 slots.
fn slot_of(ns: u64) -> usize {
    let coarseness = (u64::BITS - ns.leading_zeros()).saturating_sub(FINE);
    ((u64::from(coarseness) << (FINE - 1)) + (ns >> coarseness)) as usize
}

fn shortest_in(slot: usize) -> u64 {
    let coarseness = (slot >> (FINE - 1)).saturating_sub(1) as u64;
    (slot as u64 - (coarseness << (FINE - 1))) << coarseness
}

#[cfg(test)]
mod tests {
    use std::thread;

    use hdrhistogram::Histogram as Hdr;
    use proptest::prelude::*;

    use super::*;

    fn hdr() -> Hdr<u64> {
        Hdr::new_with_bounds(1, Histogram::NS_MAX, Histogram::DIGITS).unwrap()
    }

    /// As a reader pours it out.
    fn poured(histogram: &Histogram) -> Hdr<u64> {
        let mut hdr = hdr();
        for (ns, count) in histogram.counts() {
            hdr.record_n(ns, count).unwrap();
        }
        hdr
    }

    #[test]
    fn slots_are_those_of_an_hdr_histogram() {
        let reference = hdr();
        assert_eq!(slot_of(Histogram::NS_MAX) + 1, reference.distinct_values());
        for slot in 0..reference.distinct_values() {
            let ns = shortest_in(slot);
            assert_eq!(slot_of(ns), slot);
            assert_eq!(reference.lowest_equivalent(ns), ns);
            assert_eq!(slot_of(reference.highest_equivalent(ns)), slot);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_into_an_hdr_histogram(
            durations in prop::collection::vec((0..40u32, any::<u64>()), 1..500),
        ) {
            let (histogram, mut reference) = (Histogram::new(), hdr());
            for (bits, noise) in durations {
                let ns = noise & ((1 << bits) - 1);
                histogram.record(ns);
                reference.saturating_record(ns);
            }
            let poured = poured(&histogram);
            prop_assert_eq!(poured.len(), reference.len());
            prop_assert_eq!(poured.max(), reference.max());
            for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
                let [a, b] = [&poured, &reference].map(|hdr| hdr.value_at_quantile(quantile));
                prop_assert_eq!(a, b);
            }
        }
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let histogram = Histogram::new();
        for ns in [Histogram::NS_MAX, Histogram::NS_MAX + 1, u64::MAX] {
            histogram.record(ns);
        }
        let poured = poured(&histogram);
        assert_eq!(
            (poured.len(), poured.min(), poured.max()),
            (3, (1 << 30) - (1 << 22), (1 << 30) - 1)
        );
    }

    /// A reader beside the writer: what it sees was recorded, and never becomes less.
    #[test]
    fn a_reader_beside_the_writer_sees_counts_that_only_grow() {
        const EACH: u64 = 20_000;
        const DURATIONS: [u64; 4] = [7, 5_000, 120_000, 2_000_000_000];
        let histogram = Histogram::new();
        let write = || {
            for _ in 0..EACH {
                DURATIONS.iter().for_each(|ns| histogram.record(*ns));
            }
        };
        thread::scope(|scope| {
            let writer = scope.spawn(write);
            let mut seen = 0;
            while !writer.is_finished() {
                let now = poured(&histogram);
                assert!(now.len() >= seen);
                seen = now.len();
                for recorded in now.iter_recorded() {
                    let value = recorded.value_iterated_to();
                    let known = |ns: &u64| slot_of((*ns).min(Histogram::NS_MAX)) == slot_of(value);
                    assert!(DURATIONS.iter().any(known), "{value} was never recorded");
                    assert!(recorded.count_at_value() <= EACH);
                }
            }
        });
        assert_eq!(poured(&histogram).len(), EACH * DURATIONS.len() as u64);
    }

    #[test]
    fn each_stage_has_a_histogram_of_its_own() {
        let latency = Latency::new();
        for (ns, stage) in (1..).zip(Stage::ALL) {
            latency.of(stage).record(ns);
        }
        for (ns, stage) in (1..).zip(Stage::ALL) {
            assert_eq!(latency.of(stage).counts().collect::<Vec<_>>(), [(ns, 1)]);
        }
    }
}
