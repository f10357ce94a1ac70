//! What became of every packet, from the sequence numbers of its flow.
//!
//! Each flow counts its packets from zero. The ledger remembers which of the last `window` numbers
//! of a flow were seen, in a ring of bits, so a second arrival is told from a late first one; a
//! packet that is later than the window is counted apart, since it could be either. A packet is
//! reordered when a later one of its flow came before it (RFC 4737 section 3); what never came is
//! lost, and counted by the sender's numbers.

/// Bits of all windows together, at most; a flow has at least [`WINDOW_MIN`] of them.
const BITS_TOTAL: usize = 1 << 28;
const WINDOW_MAX: usize = 1 << 16;
const WINDOW_MIN: usize = 1 << 10;
/// Flows that a sink which was not told their number will remember.
pub const FLOWS_MAX: usize = 1 << 20;

/// What an arrival is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of its number, behind all that came before it.
    InOrder,
    /// The first of its number; one with a later number, by so many, came before.
    Reordered(u32),
    /// Its number was seen.
    Duplicate,
    /// It comes so late that it may be a late first one or a duplicate.
    Stale,
    /// Its flow is none of ours.
    Stranger,
}

/// Counts over all flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets that came for the first time.
    pub unique: u64,
    /// Of those, packets behind a later one of their flow.
    pub reordered: u64,
    /// Further arrivals of packets that had come.
    pub duplicates: u64,
    /// Arrivals beyond the window.
    pub stale: u64,
    /// Packets of flows that are none of ours.
    pub strangers: u64,
    /// The longest way back of a reordered packet, in sequence numbers.
    pub reorder_extent: u32,
}

/// The ledger of one load.
#[derive(Debug)]
pub struct Ledger {
    flows: Vec<Flow>,
    window: usize,
    flows_max: usize,
    totals: Totals,
}

#[derive(Clone, Debug, Default)]
struct Flow {
    /// One more than the highest number seen.
    next: u32,
    /// The lowest number that this flow is known to begin with.
    first: u32,
    /// A bit for each of the last numbers; empty before the first arrival.
    seen: Box<[u64]>,
}

impl Ledger {
    /// For `flows` flows that begin with number zero.
    #[must_use]
    pub fn new(flows: usize) -> Self {
        let window = (BITS_TOTAL / flows.max(1)).clamp(WINDOW_MIN, WINDOW_MAX);
        let window = 1 << window.ilog2();
        let flows_max = flows;
        Self { flows: vec![Flow::default(); flows], window, flows_max, totals: Totals::default() }
    }

    /// For flows that nobody has announced, at most [`FLOWS_MAX`], and that may have begun before.
    #[must_use]
    pub fn open() -> Self {
        let window = WINDOW_MIN * 4;
        Self { flows: Vec::new(), window, flows_max: FLOWS_MAX, totals: Totals::default() }
    }

    /// Enters an arrival.
    pub fn record(&mut self, flow: u32, seq: u32) -> Arrival {
        let at = flow as usize;
        if at >= self.flows_max {
            self.totals.strangers += 1;
            return Arrival::Stranger;
        }
        let announced = self.flows_max != FLOWS_MAX;
        if at >= self.flows.len() {
            self.flows.resize(at + 1, Flow::default());
        }
        let arrival = self.flows[at].record(seq, self.window, announced);
        match arrival {
            Arrival::InOrder => self.totals.unique += 1,
            Arrival::Reordered(extent) => {
                self.totals.unique += 1;
                self.totals.reordered += 1;
                self.totals.reorder_extent = self.totals.reorder_extent.max(extent);
            }
            Arrival::Duplicate => self.totals.duplicates += 1,
            Arrival::Stale => self.totals.stale += 1,
            Arrival::Stranger => {}
        }
        arrival
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Packets that must have been sent, for all that the numbers tell: from the first to the last
    /// that was seen of each flow.
    #[must_use]
    pub fn spanned(&self) -> u64 {
        self.flows.iter().map(|flow| u64::from(flow.next - flow.first)).sum()
    }

    /// Flows of which anything came.
    #[must_use]
    pub fn flows_seen(&self) -> usize {
        self.flows.iter().filter(|flow| !flow.seen.is_empty()).count()
    }
}

impl Flow {
    fn record(&mut self, seq: u32, window: usize, announced: bool) -> Arrival {
        if self.seen.is_empty() {
            self.seen = vec![0; window / 64].into_boxed_slice();
            if !announced {
                (self.first, self.next) = (seq, seq);
            }
        }
        if seq >= self.next {
            self.forget(u64::from(self.next)..u64::from(seq), window);
            self.next = seq.saturating_add(1);
            self.set(seq, true);
            return Arrival::InOrder;
        }
        let back = self.next - seq;
        if back as usize > window || seq < self.first {
            return Arrival::Stale;
        }
        if self.has(seq) {
            return Arrival::Duplicate;
        }
        self.set(seq, true);
        // The number after it, at least, came before it.
        Arrival::Reordered(back - 1)
    }

    /// Clears the bits of numbers that were jumped over: their places served older ones.
    fn forget(&mut self, numbers: std::ops::Range<u64>, window: usize) {
        if numbers.end - numbers.start >= window as u64 {
            self.seen.fill(0);
            return;
        }
        for seq in numbers {
            self.set(seq as u32, false);
        }
    }

    fn has(&self, seq: u32) -> bool {
        let (word, bit) = self.place(seq);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, seq: u32, to: bool) {
        let (word, bit) = self.place(seq);
        if to {
            self.seen[word] |= bit;
        } else {
            self.seen[word] &= !bit;
        }
    }

    fn place(&self, seq: u32) -> (usize, u64) {
        let at = seq as usize & (self.seen.len() * 64 - 1);
        (at / 64, 1 << (at % 64))
    }
}

#[cfg(test)]
mod tests;
