//! The randomness of keys, nonces and SPIs: ChaCha20, seeded by the system, and seeded anew before
//! it has given much.

use std::error::Error;

use engine::{Random, Seeded};

use crate::gateway::random_seed;

/// How much one seed is for, bytes.
const SEED_LASTS: usize = 1 << 20;

/// A generator that the system seeds.
pub struct System {
    seeded: Seeded,
    left: usize,
}

impl System {
    /// With a first seed.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { seeded: Seeded::new(random_seed()?), left: SEED_LASTS })
    }
}

impl Random for System {
    fn fill(&mut self, bytes: &mut [u8]) {
        if self.left < bytes.len()
            // A generator that was seeded once stays good if the system should fail.
            && let Ok(seed) = random_seed()
        {
            self.seeded = Seeded::new(seed);
            self.left = SEED_LASTS;
        }
        self.left = self.left.saturating_sub(bytes.len());
        self.seeded.fill(bytes);
    }
}
