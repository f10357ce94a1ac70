//! How long a batch takes in each stage and from its receive ring to the transmit rings, measured
//! on samples.
//!
//! 1. [`Stopwatch::turn`]: a turn may measure when the last sample is long enough ago.
//! 2. [`Stopwatch::begin`]: the first batch of such a turn is the sample.
//! 3. [`Stopwatch::lap`]: what has passed since the last lap belongs to the stage that has just
//!    ended. A batch goes through some stages more than once; their laps add up.
//! 4. [`Stopwatch::emitted`]: the batch waits for those of the other ports. One of which nothing
//!    leaves has no latency and is forgotten.
//! 5. [`Stopwatch::transmit`], [`Stopwatch::end`]: the wait is over, the frames have left, and the
//!    histograms count it.
//!
//! A sample costs six to ten readings of the clock and as many histogram slots: 250 to 290 ns with
//! readings of 30 ns, as much as carrying one or two packets. Samples are spread in time and not
//! over turns, because then their share of the worker's time is the same whether its batches are
//! of one packet or of 256, and a quiet gateway, which has time, measures nearly all of its
//! packets. Whoever calls [`crate::Worker::measure`] knows what a reading costs and chooses the
//! distance: 100 us make a share of 0.3 %.
//!
//! A turn without a sample pays one comparison, and a branch for each stage: 44 instructions of
//! 1,300 for a turn with a single packet (of 163 ns, where they cannot be seen: other instructions
//! wait for memory), and none for each packet.

use tables::latency::{Latency, Stage};

/// Reads a monotonic clock, nanoseconds from any point in time.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

/// Times one batch at a time.
pub(crate) struct Stopwatch {
    clock: Option<Clock>,
    every_ns: u64,
    /// When the next batch may be timed, in the time of turns.
    due_ns: u64,
    turn_ns: u64,
    state: State,
    /// The ports before this one have had their sample: none hides behind a busier one.
    from_port: usize,
    /// Readings at the beginning and at the last lap.
    began_ns: u64,
    last_ns: u64,
    /// Time in each stage that the batch has been in.
    spent: [Option<u64>; Stage::ALL.len()],
}

/// What the stopwatch does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing in this turn.
    Off,
    /// It times the first batch that comes.
    Due,
    /// A batch is on its way through the stages.
    Running,
    /// It waits for transmission.
    Emitted,
}

impl Stopwatch {
    /// One that never measures.
    pub(crate) fn new() -> Self {
        Self {
            clock: None,
            every_ns: 0,
            due_ns: u64::MAX,
            turn_ns: 0,
            state: State::Off,
            from_port: 0,
            began_ns: 0,
            last_ns: 0,
            spent: [None; Stage::ALL.len()],
        }
    }

    /// One that measures a batch every `every_ns`, if there are any.
    pub(crate) fn sampling(clock: Clock, every_ns: u64) -> Self {
        Self { clock: Some(clock), every_ns, due_ns: 0, ..Self::new() }
    }

    /// A turn begins. False for one in which nothing is timed and the other functions need not be
    /// called.
    #[inline]
    pub(crate) fn turn(&mut self, now_ns: u64) -> bool {
        let due = now_ns >= self.due_ns;
        if due {
            self.prepare(now_ns);
        }
        due
    }

    #[cold]
    fn prepare(&mut self, now_ns: u64) {
        if self.state == State::Due {
            // The last turn had nothing from the ports that were next.
            self.from_port = 0;
        }
        self.state = State::Due;
        self.turn_ns = now_ns;
    }

    /// So many frames have left the receive ring of the port at this place.
    #[cold]
    pub(crate) fn begin(&mut self, port: usize, frames: usize) {
        if self.state != State::Due || frames == 0 || port < self.from_port {
            return;
        }
        self.from_port = port + 1;
        self.due_ns = self.turn_ns.saturating_add(self.every_ns);
        self.state = State::Running;
        self.spent = [None; Stage::ALL.len()];
        self.began_ns = self.now();
        self.last_ns = self.began_ns;
    }

    /// A stage has ended.
    #[inline]
    pub(crate) fn lap(&mut self, stage: Stage) {
        if self.state == State::Running {
            self.take(stage);
        }
    }

    /// The batch has been emitted, with so many packets.
    #[cold]
    pub(crate) fn emitted(&mut self, packets: usize) {
        if self.state == State::Running {
            self.take(Stage::Emit);
            self.state = if packets > 0 { State::Emitted } else { State::Off };
        }
    }

    /// All batches have been emitted.
    #[cold]
    pub(crate) fn transmit(&mut self) {
        if self.state == State::Emitted {
            self.take(Stage::Wait);
        }
    }

    /// All frames that there was room for are in the transmit rings, and the kernel knows.
    #[cold]
    pub(crate) fn end(&mut self, latency: &Latency) {
        if self.state != State::Emitted {
            return;
        }
        self.take(Stage::Transmit);
        self.state = State::Off;
        for (stage, spent) in Stage::ALL.into_iter().zip(self.spent) {
            if let Some(ns) = spent {
                latency.of(stage).record(ns);
            }
        }
        latency.of(Stage::EndToEnd).record(self.last_ns.saturating_sub(self.began_ns));
    }

    #[cold]
    fn take(&mut self, stage: Stage) {
        let now_ns = self.now();
        if let Some(spent) = self.spent.get_mut(stage as usize) {
            *spent = Some(spent.unwrap_or(0) + now_ns.saturating_sub(self.last_ns));
        }
        self.last_ns = now_ns;
    }

    fn now(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tables::latency::Histogram;

    use super::*;

    /// A stopwatch by a clock that stands still unless it is told, and what it has recorded.
    struct Bench {
        time: Arc<AtomicU64>,
        stopwatch: Stopwatch,
        latency: Latency,
    }

    impl Bench {
        fn new(every_ns: u64) -> Self {
            let time = Arc::new(AtomicU64::new(1_000_000));
            let clock = Arc::clone(&time);
            let clock = Box::new(move || clock.load(Ordering::Relaxed));
            let stopwatch = Stopwatch::sampling(clock, every_ns);
            Self { time, stopwatch, latency: Latency::new() }
        }

        fn stage(&mut self, stage: Stage, ns: u64) {
            self.time.fetch_add(ns, Ordering::Relaxed);
            self.stopwatch.lap(stage);
        }

        /// A batch of one packet from this port, which goes 5 us through each stage named.
        fn batch(&mut self, port: usize, stages: &[Stage], leaving: usize) {
            self.stopwatch.begin(port, 1);
            stages.iter().for_each(|stage| self.stage(*stage, 5_000));
            self.time.fetch_add(700, Ordering::Relaxed);
            self.stopwatch.emitted(leaving);
        }

        fn transmit(&mut self, ns: u64) {
            self.stopwatch.transmit();
            self.time.fetch_add(ns, Ordering::Relaxed);
            self.stopwatch.end(&self.latency);
        }

        fn counts(&self, stage: Stage) -> Vec<(u64, u64)> {
            self.latency.of(stage).counts().collect()
        }

        fn samples(&self) -> u64 {
            self.counts(Stage::EndToEnd).iter().map(|(_, count)| count).sum()
        }
    }

    /// The shortest duration that is counted as this one is.
    fn counted(ns: u64) -> u64 {
        let latency = Latency::new();
        latency.of(Stage::Wait).record(ns);
        latency.of(Stage::Wait).counts().next().unwrap().0
    }

    #[test]
    fn a_stage_that_takes_5_us_shows_5_us() {
        let mut bench = Bench::new(0);
        bench.stopwatch.turn(1);
        bench.batch(0, &[Stage::Arrival, Stage::Route, Stage::Encap], 1);
        // The other port's batch passes the same stages, and is no part of the sample but its wait.
        bench.batch(1, &[Stage::Arrival, Stage::Open], 1);
        bench.transmit(2_000);
        for stage in [Stage::Arrival, Stage::Route, Stage::Encap] {
            assert_eq!(bench.counts(stage), [(counted(5_000), 1)], "{stage:?}");
        }
        assert_eq!(bench.counts(Stage::Emit), [(counted(700), 1)]);
        assert_eq!(bench.counts(Stage::Wait), [(counted(10_700), 1)]);
        assert_eq!(bench.counts(Stage::Transmit), [(counted(2_000), 1)]);
        assert_eq!(bench.counts(Stage::EndToEnd), [(counted(28_400), 1)]);
        for stage in [Stage::Open, Stage::Decap] {
            assert_eq!(bench.counts(stage), [], "{stage:?}");
        }
    }

    #[test]
    fn a_stage_that_is_passed_twice_counts_once_with_both_times() {
        let mut bench = Bench::new(0);
        bench.stopwatch.turn(1);
        bench.batch(0, &[Stage::Arrival, Stage::Route, Stage::Open, Stage::Route], 1);
        bench.transmit(0);
        assert_eq!(bench.counts(Stage::Route), [(counted(10_000), 1)]);
        assert_eq!(bench.counts(Stage::Open), [(counted(5_000), 1)]);
        assert_eq!(bench.counts(Stage::EndToEnd), [(counted(20_700), 1)]);
    }

    #[test]
    fn samples_are_as_far_apart_as_was_asked_for() {
        let mut bench = Bench::new(50_000);
        for now_ns in (1_000..=100_000).step_by(1_000) {
            bench.stopwatch.turn(now_ns);
            bench.batch(0, &[Stage::Arrival], 1);
            bench.transmit(0);
        }
        assert_eq!(bench.samples(), 2, "at 1 us and at 51 us");
    }

    #[test]
    fn a_turn_without_packets_measures_nothing_and_the_next_may() {
        let mut bench = Bench::new(50_000);
        for now_ns in [1, 2, 3] {
            bench.stopwatch.turn(now_ns);
            bench.stopwatch.begin(0, 0);
            bench.stage(Stage::Arrival, 100);
            bench.stopwatch.emitted(0);
            bench.transmit(100);
        }
        assert!(Stage::ALL.iter().all(|stage| bench.counts(*stage).is_empty()));
        bench.stopwatch.turn(4);
        bench.batch(0, &[Stage::Arrival], 1);
        bench.transmit(0);
        assert_eq!(bench.samples(), 1);
    }

    /// A flood of what is dropped costs no more readings than other traffic.
    #[test]
    fn a_batch_of_which_nothing_leaves_is_not_recorded_but_was_a_sample() {
        let mut bench = Bench::new(50_000);
        for now_ns in [1, 2, 50_001, 50_002] {
            bench.stopwatch.turn(now_ns);
            bench.batch(0, &[Stage::Arrival, Stage::Route], usize::from(now_ns != 1));
            bench.transmit(0);
        }
        assert_eq!((bench.samples(), bench.counts(Stage::Route).len()), (1, 1));
    }

    #[test]
    fn no_port_hides_behind_a_busy_one() {
        let mut bench = Bench::new(0);
        for now_ns in 0..20 {
            bench.stopwatch.turn(now_ns);
            bench.batch(0, &[Stage::Arrival, Stage::Encap], 1);
            bench.batch(1, &[Stage::Arrival, Stage::Open], 1);
            bench.transmit(0);
        }
        let of = |stage| bench.counts(stage).iter().map(|(_, count)| *count).sum::<u64>();
        assert!(of(Stage::Encap) >= 6 && of(Stage::Open) >= 6, "{:?}", bench.latency);
        assert_eq!(of(Stage::Encap) + of(Stage::Open), of(Stage::EndToEnd));
    }

    #[test]
    fn what_takes_too_long_counts_as_the_longest() {
        let mut bench = Bench::new(0);
        bench.stopwatch.turn(0);
        bench.stopwatch.begin(0, 1);
        bench.stage(Stage::Arrival, 5_000_000_000);
        bench.stopwatch.emitted(1);
        bench.transmit(0);
        assert_eq!(bench.counts(Stage::Arrival), [(counted(Histogram::NS_MAX), 1)]);
        assert_eq!(bench.counts(Stage::EndToEnd), [(counted(Histogram::NS_MAX), 1)]);
    }

    #[test]
    fn without_a_clock_nothing_is_measured() {
        let mut bench = Bench::new(0);
        bench.stopwatch = Stopwatch::new();
        bench.stopwatch.turn(u64::MAX - 1);
        bench.batch(0, &[Stage::Arrival], 1);
        bench.transmit(0);
        assert_eq!(bench.samples(), 0);
    }
}
