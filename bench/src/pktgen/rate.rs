//! Rates: how fast, in frames or bits, and which of them no link or generator could have.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// Bytes that a frame takes on an Ethernet besides its own: preamble, start delimiter and the gap
/// between frames (IEEE 802.3; RFC 2544 section 20 counts them).
pub const LINE_OVERHEAD: u64 = 20;
/// More frames a second than any schedule in whole nanoseconds can tell apart.
const PPS_MAX: f64 = 1e9;

/// An offered load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Frames a second.
    Frames(f64),
    /// Bits a second, of frames with their check sequence, without [`LINE_OVERHEAD`].
    Bits(f64),
    /// As fast as the generator can.
    Max,
}

impl Rate {
    /// Frames a second when frames have `mean` bytes; `None` for [`Rate::Max`].
    #[must_use]
    pub fn frames_per_second(self, mean: f64) -> Option<f64> {
        match self {
            Self::Frames(pps) => Some(pps),
            Self::Bits(bits) => Some(bits / (8.0 * mean)),
            Self::Max => None,
        }
    }

    /// Frames a second, if a link of `speed` bits a second can carry them.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub fn check(self, mean: f64, speed: Option<u64>) -> Result<Option<f64>, String> {
        let Some(pps) = self.frames_per_second(mean) else { return Ok(None) };
        if pps > PPS_MAX {
            return Err(format!("{self} is impossible: frames would be less than 1 ns apart"));
        }
        let line = speed.map(|speed| speed as f64 / (8.0 * (mean + LINE_OVERHEAD as f64)));
        match line {
            Some(line) if pps > line * 1.000_001 => Err(format!(
                "{self} is impossible: a link of {} carries at most {} of {mean:.0} bytes, with \
                 20 bytes of preamble and gap each",
                bits(speed.unwrap_or(0) as f64),
                frames(line),
            )),
            _ => Ok(Some(pps)),
        }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("max") {
            return Ok(Self::Max);
        }
        let refuse = || {
            format!(
                "{text:?} is no rate: write frames such as 250000pps, 1.5Mpps, bits such as \
                 800Mbit, 10Gbit/s, or max"
            )
        };
        let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(refuse)?;
        let (number, unit) = text.split_at(split);
        let number: f64 = number.trim().replace('_', "").parse().map_err(|_| refuse())?;
        let unit = unit.trim_end_matches("/s").to_ascii_lowercase();
        let (scale, unit) = match unit.split_at_checked(1) {
            Some(("k", rest)) => (1e3, rest),
            Some(("m", rest)) => (1e6, rest),
            Some(("g", rest)) => (1e9, rest),
            _ => (1.0, unit.as_str()),
        };
        let amount = number * scale;
        if !amount.is_finite() || amount <= 0.0 {
            return Err(format!("a rate is above zero, and {text:?} is not"));
        }
        match unit {
            "pps" | "fps" => Ok(Self::Frames(amount)),
            "bit" | "bits" | "bps" => Ok(Self::Bits(amount)),
            _ => Err(refuse()),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Frames(pps) => f.write_str(&frames(pps)),
            Self::Bits(rate) => f.write_str(&bits(rate)),
            Self::Max => f.write_str("max"),
        }
    }
}

/// Frames a second, to be read.
#[must_use]
pub fn frames(pps: f64) -> String {
    scaled(pps, "pps")
}

/// Bits a second, to be read.
#[must_use]
pub fn bits(rate: f64) -> String {
    scaled(rate, "bit/s")
}

fn scaled(amount: f64, unit: &str) -> String {
    match amount {
        _ if amount >= 1e9 => format!("{:.3} G{unit}", amount / 1e9),
        _ if amount >= 1e6 => format!("{:.3} M{unit}", amount / 1e6),
        _ if amount >= 1e3 => format!("{:.2} k{unit}", amount / 1e3),
        _ => format!("{amount:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_frames_and_bits() {
        let read = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!(read("1.5Mpps"), Rate::Frames(1.5e6));
        assert_eq!(read("250_000 pps"), Rate::Frames(250_000.0));
        assert_eq!(read("10Gbit/s"), Rate::Bits(1e10));
        assert_eq!(read("64kbps"), Rate::Bits(64e3));
        assert_eq!(read("MAX"), Rate::Max);
    }

    #[test]
    fn what_is_no_rate_is_refused_with_an_example() {
        for text in ["", "10", "fast", "1Tpps", "10 apples", "1e3", "--pps"] {
            let refusal = text.parse::<Rate>().unwrap_err();
            assert!(refusal.contains("1.5Mpps"), "{text}: {refusal}");
        }
        for text in ["0pps", "-5Mpps", "0bit"] {
            assert!(text.parse::<Rate>().unwrap_err().contains("above zero"), "{text}");
        }
    }

    #[test]
    fn a_link_carries_what_rfc_2544_says_and_no_more() {
        // RFC 2544 Appendix: 10 Mbit/s Ethernet, 14,880 frames of 64 bytes, 812 of 1518.
        let check = |pps, size| Rate::Frames(pps).check(size, Some(10_000_000));
        assert!(check(14_880.0, 64.0).is_ok() && check(812.0, 1518.0).is_ok());
        assert!(check(14_882.0, 64.0).unwrap_err().contains("14.88 kpps"));
        assert!(check(813.0, 1518.0).is_err());
        assert!(Rate::Frames(2e9).check(64.0, None).unwrap_err().contains("1 ns"));
        assert_eq!(Rate::Bits(512.0).check(64.0, None), Ok(Some(1.0)));
        assert_eq!(Rate::Max.check(64.0, Some(1)), Ok(None));
    }
}
