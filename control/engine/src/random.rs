//! Where an engine's random bytes come from.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A source of random bytes: the shell's is seeded by the operating system, a simulation's by a
/// number, and that of a known-answer test repeats what a recorded peer drew.
pub trait Random: Send {
    /// Fills `bytes`, all of it.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// ChaCha20 as a generator, from one seed.
pub struct Seeded(ChaCha20Rng);

impl Seeded {
    /// The same seed gives the same bytes.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
