//! Random inputs, the same in every run.

/// SplitMix64.
pub(crate) struct Generator(u64);

/// Where texts, keys and nonces are taken from.
const POOL: usize = 1 << 16;
/// Bytes around an input that must stay as they are.
const MARGIN: usize = 32;
/// Longest input.
pub(crate) const LONGEST: usize = 2100;

impl Generator {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        println!("{name}: seed {seed:#x}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    pub(crate) fn pool(&mut self) -> Vec<u8> {
        (0..POOL / 8).flat_map(|_| self.next().to_le_bytes()).collect()
    }

    /// Where in the pool an input of any length may begin.
    pub(crate) fn place(&mut self) -> usize {
        self.below(POOL - LONGEST - MARGIN)
    }

    /// A length of a message: mostly short, some next to a border of blocks or of the groups that
    /// kernels work in, a few anywhere.
    pub(crate) fn len(&mut self) -> usize {
        match self.below(64) {
            0 => self.below(LONGEST),
            1..8 => {
                let block = [16, 64, 128, 256][self.below(4)];
                (block * (1 + self.below(640 / block)) + self.below(5)).saturating_sub(2)
            }
            _ => self.below(160),
        }
    }
}
