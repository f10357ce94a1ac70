//! Which packet is in which lane.
//!
//! Busy lanes are always in front: when the queue is empty, the last of them moves into the place
//! of one that is done, and with eight or fewer the narrow kernel takes over.

use zeroize::Zeroize;

use super::{
    CbcJob,
    kernel::{self, Keys, NARROW, PairKeys, WIDE},
};
use crate::aes::Schedule;

/// Blocks of scratch, for lanes that have nothing to do.
const SCRATCH: usize = 32;

/// Blocks that the first half of the lanes is ahead of the second.
///
/// Packets in memory begin at the same place of their pages, so the same block of all of them is
/// in the same set of the first-level cache, which has room for eight: sixteen lanes in step would
/// throw each other out with every block, at three times the cost.
const SKEW: usize = 12;

/// Encrypts all jobs, one key size after the other. `vaes`: whether the CPU has it.
pub(super) fn run(jobs: &mut [CbcJob<'_>], vaes: bool) {
    run_rounds::<10>(jobs, vaes);
    run_rounds::<12>(jobs, vaes);
    run_rounds::<14>(jobs, vaes);
}

fn run_rounds<const ROUNDS: usize>(jobs: &mut [CbcJob<'_>], vaes: bool) {
    let mut queue = jobs
        .iter_mut()
        .filter(|job| usize::from(job.key.0.rounds) == ROUNDS && job.blocks.len() >= 16);
    let Some(first) = queue.next() else { return };
    let mut lanes = Lanes {
        keys: [&first.key.0; WIDE],
        last: [[0; 16]; WIDE],
        texts: [core::ptr::null_mut(); WIDE],
        left: [0; WIDE],
        scratch: [0; 16 * SCRATCH],
    };
    let width = if vaes { WIDE } else { NARROW };
    lanes.begin(0, first);
    let mut busy = 1;
    for (lane, job) in (1..width).zip(&mut queue) {
        lanes.begin(lane, job);
        busy += 1;
    }
    // Keys are put side by side when the first two that differ meet.
    let mut pairs = None;
    if busy == WIDE {
        lanes.work_narrow::<ROUNDS>(NARROW, SKEW);
    }
    while busy > 0 {
        if busy > NARROW {
            lanes.work_wide::<ROUNDS>(busy, &mut pairs);
        } else {
            lanes.work_narrow::<ROUNDS>(busy, usize::MAX);
        }
        for lane in (0..busy).rev() {
            if lanes.left[lane] > 0 {
                continue;
            }
            if let Some(job) = queue.next() {
                lanes.begin(lane, job);
            } else {
                busy -= 1;
                lanes.take_over(lane, busy);
            }
        }
    }
}

struct Lanes<'a> {
    keys: [&'a Schedule; WIDE],
    /// The ciphertext blocks before the next ones.
    last: [[u8; 16]; WIDE],
    texts: [*mut u8; WIDE],
    left: [usize; WIDE],
    scratch: [u8; 16 * SCRATCH],
}

/// The keys of all lanes side by side, and whose they are.
struct Pairs<'a> {
    of: [Option<&'a Schedule>; WIDE],
    keys: [PairKeys; WIDE / 2],
}

impl<'a> Lanes<'a> {
    #[inline(always)]
    fn begin(&mut self, lane: usize, job: &mut CbcJob<'a>) {
        self.keys[lane] = &job.key.0;
        self.last[lane] = job.iv;
        self.texts[lane] = job.blocks.as_mut_ptr();
        self.left[lane] = job.blocks.len() / 16;
    }

    fn work_wide<const ROUNDS: usize>(&mut self, busy: usize, pairs: &mut Option<Pairs<'a>>) {
        let blocks = self.blocks(busy, WIDE);
        let one = self.keys[..busy].iter().all(|key| core::ptr::eq(*key, self.keys[0]));
        let keys = if one {
            Keys::One(self.keys[0])
        } else {
            let pairs = pairs.get_or_insert_with(Pairs::new);
            pairs.update::<ROUNDS>(&self.keys, busy);
            Keys::Pairs(&pairs.keys)
        };
        // SAFETY: a key exists only on a CPU with AES-NI, and this is only called with VAES. Each
        // busy lane has at least `blocks` blocks left, and the others have scratch.
        unsafe { kernel::wide::<ROUNDS>(&keys, &mut self.last, &self.texts, blocks) }
        self.advance(busy, blocks);
    }

    fn work_narrow<const ROUNDS: usize>(&mut self, busy: usize, most: usize) {
        let blocks = self.blocks(busy, NARROW).min(most);
        let keys = self.keys.first_chunk::<NARROW>();
        let last = self.last.first_chunk_mut::<NARROW>();
        let texts = self.texts.first_chunk::<NARROW>();
        if let (Some(keys), Some(last), Some(texts)) = (keys, last, texts) {
            // SAFETY: a key exists only on a CPU with AES-NI and AVX. Each busy lane has at least
            // `blocks` blocks left, and the others have scratch.
            unsafe { kernel::narrow::<ROUNDS>(keys, last, texts, blocks) }
        }
        self.advance(busy, blocks);
    }

    /// How many blocks all lanes can do; lanes that are not busy are sent to the scratch.
    #[inline(always)]
    fn blocks(&mut self, busy: usize, width: usize) -> usize {
        let mut blocks = if busy < width { SCRATCH } else { usize::MAX };
        for left in &self.left[..busy] {
            blocks = blocks.min(*left);
        }
        for lane in busy..width {
            self.texts[lane] = self.scratch.as_mut_ptr();
        }
        blocks
    }

    #[inline(always)]
    fn advance(&mut self, busy: usize, blocks: usize) {
        for lane in 0..busy {
            self.left[lane] -= blocks;
            self.texts[lane] = self.texts[lane].wrapping_add(16 * blocks);
        }
    }

    fn take_over(&mut self, lane: usize, other: usize) {
        self.keys[lane] = self.keys[other];
        self.last[lane] = self.last[other];
        self.texts[lane] = self.texts[other];
        self.left[lane] = self.left[other];
    }
}

impl<'a> Pairs<'a> {
    fn new() -> Self {
        Self { of: [None; WIDE], keys: kernel::no_keys() }
    }

    /// Copies the keys of lanes that have others than before.
    #[inline(always)]
    fn update<const ROUNDS: usize>(&mut self, keys: &[&'a Schedule; WIDE], busy: usize) {
        for lane in 0..busy {
            let key = keys[lane];
            if self.of[lane].is_some_and(|of| core::ptr::eq(of, key)) {
                continue;
            }
            self.of[lane] = Some(key);
            kernel::put::<ROUNDS>(&mut self.keys[lane / 2], lane % 2, key);
        }
    }
}

impl Drop for Pairs<'_> {
    fn drop(&mut self) {
        self.keys.zeroize();
    }
}
