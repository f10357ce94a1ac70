//! The open-loop schedule: when each frame is to be sent, whatever became of those before it.
//!
//! A frame's intended time depends on its number alone. A generator that falls behind sends late
//! and says so, and a latency that is taken from the intended time contains the delay
//! (no coordinated omission).

/// Intended times of the frames of one load.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start_ns: u64,
    /// Nanoseconds from one frame to the next, in units of 2^-32; zero is "as fast as possible".
    period: u64,
    frames: u64,
}

impl Schedule {
    /// `frames` frames, `pps` a second, from `start_ns` on. `None` is as fast as possible.
    #[must_use]
    pub fn new(start_ns: u64, pps: Option<f64>, frames: u64) -> Self {
        // 2^32 ns of 2^-32 ns fit; a slower load than a frame in 4 s is not offered.
        let period = pps.map_or(0, |pps| ((1e9 / pps) * 4_294_967_296.0) as u64);
        Self { start_ns, period, frames }
    }

    /// Frames of the whole load.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether frames have no times of their own.
    #[must_use]
    pub fn is_unpaced(&self) -> bool {
        self.period == 0
    }

    /// When frame `n`, from zero, is to be sent, nanoseconds. Without a pace, now.
    #[must_use]
    pub fn intended_ns(&self, n: u64, now_ns: u64) -> u64 {
        if self.is_unpaced() {
            return now_ns;
        }
        self.start_ns + ((u128::from(n) * u128::from(self.period)) >> 32) as u64
    }

    /// How many frames are to have been sent by `now_ns`.
    #[must_use]
    pub fn due(&self, now_ns: u64) -> u64 {
        if now_ns < self.start_ns {
            return 0;
        }
        if self.is_unpaced() {
            return self.frames;
        }
        let elapsed = u128::from(now_ns - self.start_ns);
        let due = (((elapsed + 1) << 32) - 1) / u128::from(self.period) + 1;
        self.frames.min(u64::try_from(due).unwrap_or(u64::MAX))
    }
}

/// Frames of a load of `pps` that lasts `seconds`: at least one.
#[must_use]
pub fn frames_of(pps: f64, seconds: f64) -> u64 {
    ((pps * seconds).round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_million_frames_a_second_are_a_microsecond_apart() {
        let schedule = Schedule::new(5_000, Some(1e6), 3);
        assert_eq!([0, 1, 2].map(|n| schedule.intended_ns(n, 0)), [5_000, 6_000, 7_000]);
        let due = [4_999, 5_000, 5_999, 6_000, 7_000, 99_000].map(|now| schedule.due(now));
        assert_eq!(due, [0, 1, 1, 2, 3, 3]);
    }

    #[test]
    fn an_unpaced_load_is_due_at_once_and_stamped_when_sent() {
        let schedule = Schedule::new(10, None, 7);
        assert_eq!((schedule.due(9), schedule.due(10)), (0, 7));
        assert_eq!(schedule.intended_ns(3, 1234), 1234);
    }

    proptest! {
        #[test]
        fn a_frame_is_due_exactly_from_its_intended_time_on(
            pps in 0.5f64..5e8, n in 0u64..1_000_000_000, start in 0u64..1 << 50,
        ) {
            let schedule = Schedule::new(start, Some(pps), u64::MAX);
            let at = schedule.intended_ns(n, 0);
            prop_assert!(schedule.due(at) > n);
            prop_assert!(at == start || schedule.due(at - 1) <= n);
        }

        #[test]
        fn the_pace_does_not_drift(pps in 0.5f64..5e7) {
            let n = 100_000_000;
            let at = Schedule::new(0, Some(pps), n).intended_ns(n, 0) as f64;
            let ideal = n as f64 * 1e9 / pps;
            prop_assert!((at - ideal).abs() <= 1e-9 * ideal + 1.0, "{at} for {ideal}");
        }
    }

    #[test]
    fn a_load_has_at_least_one_frame() {
        assert_eq!(frames_of(1000.0, 2.5), 2500);
        assert_eq!(frames_of(0.1, 1.0), 1);
    }
}
