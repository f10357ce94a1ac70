//! Frame sizes as RFC 2544 counts them: from the Ethernet header to the check sequence, which
//! software does not see.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// Bytes of the frame check sequence.
pub const FCS: usize = 4;
/// The sizes of RFC 2544 section 9.1 for Ethernet.
pub const RFC2544: [u16; 7] = [64, 128, 256, 512, 1024, 1280, 1518];
/// Largest frame that fits a chunk of packet memory with room for every tunnel's headers.
pub const LARGEST: u16 = 3500;

/// Which sizes the frames of a load have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    name: String,
    /// One round, in the order of sending.
    round: Vec<u16>,
}

impl Sizes {
    /// All frames of one size, bytes.
    #[must_use]
    pub fn fixed(size: u16) -> Self {
        Self { name: size.to_string(), round: vec![size] }
    }

    /// The simple IMIX of twelve frames: 7 of 64, 4 of 594 and 1 of 1518 bytes, spread out.
    #[must_use]
    pub fn imix() -> Self {
        let round = vec![64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594];
        Self { name: "imix".into(), round }
    }

    /// How it is called: a number, `imix`, or the list.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One round of sizes, in the order of sending; never empty.
    #[must_use]
    pub fn round(&self) -> &[u16] {
        &self.round
    }

    /// Mean bytes of a frame.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.round.iter().map(|size| f64::from(*size)).sum::<f64>() / self.round.len() as f64
    }

    /// Whether every frame holds `smallest` bytes and fits a chunk.
    ///
    /// # Errors
    /// Which size does not, and why.
    pub fn check(&self, smallest: usize) -> Result<(), String> {
        for &size in &self.round {
            if usize::from(size) < smallest {
                return Err(format!(
                    "frames of {size} bytes are too small: Ethernet, IP and UDP headers, the \
                     generator's stamp of 18 bytes and the frame check sequence take {smallest}"
                ));
            }
            if size > LARGEST {
                return Err(format!(
                    "frames of {size} bytes are too large: at most {LARGEST} fit AF_XDP's chunks"
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("imix") {
            return Ok(Self::imix());
        }
        let size = |word: &str| {
            word.trim().parse::<u16>().map_err(|_| {
                format!("{text:?} is no frame size: write 64, a list such as 64,594,1518, or imix")
            })
        };
        let round = text.split(',').map(size).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { name: text.to_owned(), round })
    }
}

impl<'de> Deserialize<'de> for Sizes {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(
            untagged,
            expecting = "a frame size is a number such as 64, \"imix\", or a list \
                                       in quotes such as \"64,594\""
        )]
        enum Written {
            Number(u16),
            Words(String),
        }
        match Written::deserialize(source)? {
            Written::Number(size) => Ok(Self::fixed(size)),
            Written::Words(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imix_is_seven_four_and_one() {
        let imix: Sizes = "IMIX".parse().unwrap();
        let count = |size| imix.round().iter().filter(|found| **found == size).count();
        assert_eq!((count(64), count(594), count(1518), imix.round().len()), (7, 4, 1, 12));
        assert!((imix.mean() - 361.83).abs() < 0.01);
    }

    #[test]
    fn lists_keep_their_order_and_name() {
        let list: Sizes = "64,1518, 64".parse().unwrap();
        assert_eq!(list.round(), [64, 1518, 64]);
        assert_eq!(list.name(), "64,1518, 64");
        for text in ["", "64,", "x", "70000", "-1"] {
            assert!(text.parse::<Sizes>().unwrap_err().contains("1518"), "{text}");
        }
    }

    #[test]
    fn too_small_and_too_large_are_refused_with_the_limit() {
        assert!(Sizes::fixed(64).check(64).is_ok());
        let small = Sizes::fixed(63).check(64).unwrap_err();
        assert!(small.contains("63") && small.contains("take 64"), "{small}");
        assert!(Sizes::fixed(9000).check(64).unwrap_err().contains("3500"));
    }
}
