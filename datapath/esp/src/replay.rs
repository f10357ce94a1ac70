//! The anti-replay window (RFC 4303 3.4.3), shared by all workers without a lock.
//!
//! # Shape
//!
//! Sequence numbers are cut into blocks of 32, and the blocks fall round-robin into a power of two
//! of words that together span more than the window. A word says in its high half which round of
//! blocks it stands for, and in its low half, a bit each, which of the block's numbers were
//! accepted. A word is never cleared: the first number of a newer block takes it over. So the
//! window has no moving edge that one worker tidies up while another still uses it.
//!
//! # Why no number is accepted twice
//!
//! Accepting a number means to set its bit by compare-and-exchange in a word of its own block.
//! While the word stands for that block the bit stays, and a second attempt finds it. What is left
//! to show is that a word never goes back to an older block. Before a worker touches a word it
//! raises the window's top to its number. Whoever then finds a word of a newer block in his way has
//! acquired it together with that raised top, and since a round is longer than the window, the top
//! tells him that his own number is too old. He never gets to exchange the word.
//!
//! # What the 32 bits of a round cannot tell apart
//!
//! Rounds that differ by a multiple of 2^32, which is 2^38 numbers or more. Only a sender who skips
//! that many, in steps below 2^32 that all miss the word, could have a number refused that was not
//! seen. He cannot have one accepted twice: a bit that is set stays set.

use crate::OpenError;
use crate::sync::{AtomicU64, Ordering};

/// Remembers which of the last `size` sequence numbers were accepted.
pub(crate) struct ReplayWindow {
    /// A power of two; none at all when the window is off.
    words: Box<[AtomicU64]>,
    size: u64,
    /// log2 of the numbers that one round of all words spans.
    round_shift: u32,
    /// The highest number accepted, 0 before the first.
    top: AtomicU64,
}

/// Sequence numbers in a word.
const BLOCK: u64 = 32;
const BLOCK_SHIFT: u32 = BLOCK.ilog2();

impl ReplayWindow {
    /// Sizes that [`new`](Self::new) takes besides 0.
    pub(crate) const SIZES: std::ops::RangeInclusive<u32> = 32..=65_536;

    /// A window of `size` packets, or with 0 one that lets every number pass; `None` for any other
    /// size outside of [`SIZES`](Self::SIZES).
    pub(crate) fn new(size: u32) -> Option<Self> {
        let size = u64::from(size);
        let words = match size {
            0 => 0,
            // One block more than the window, which begins and ends within blocks.
            _ if Self::SIZES.contains(&(size as u32)) => {
                (size + BLOCK).div_ceil(BLOCK).next_power_of_two()
            }
            _ => return None,
        };
        Some(Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            size,
            round_shift: BLOCK_SHIFT + words.max(1).ilog2(),
            top: AtomicU64::new(0),
        })
    }

    /// Whether the number may still be accepted: asked before the packet is authenticated, so that
    /// replayed packets cost no cryptography.
    #[inline]
    pub(crate) fn check(&self, seq: u64) -> Result<(), OpenError> {
        let Some(word) = self.word(seq) else { return Ok(()) };
        self.check_not_left(seq)?;
        self.mark(word.load(Ordering::Acquire), seq).map(|_| ())
    }

    /// Accepts the number of an authenticated packet, and tells whether it is the highest so far;
    /// or finds that another worker did or that the window has passed it in the meantime.
    #[inline]
    pub(crate) fn commit(&self, seq: u64) -> Result<bool, OpenError> {
        // Most packets that are late need no write here.
        let raised = self.top() < seq && self.top.fetch_max(seq, Ordering::Relaxed) < seq;
        let Some(word) = self.word(seq) else { return Ok(raised) };
        let mut found = word.load(Ordering::Acquire);
        loop {
            // After the word was read: if it is of a newer block, this sees the newer top.
            self.check_not_left(seq)?;
            let marked = self.mark(found, seq)?;
            match word.compare_exchange(found, marked, Ordering::AcqRel, Ordering::Acquire) {
                // Not `raised`: who raised the top to this number may lose the number itself to
                // another worker, who then holds the newest packet.
                Ok(_) => return Ok(self.top() == seq),
                Err(changed) => found = changed,
            }
        }
    }

    /// The highest number accepted, 0 before the first.
    #[inline]
    pub(crate) fn top(&self) -> u64 {
        self.top.load(Ordering::Relaxed)
    }

    /// The window's length, packets; 0 when it is off.
    #[inline]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    fn word(&self, seq: u64) -> Option<&AtomicU64> {
        let last = (self.words.len() as u64).wrapping_sub(1);
        self.words.get(((seq >> BLOCK_SHIFT) & last) as usize)
    }

    /// RFC 4303 3.3.3: the first number is 1, so that 0 is left of every window.
    fn check_not_left(&self, seq: u64) -> Result<(), OpenError> {
        if seq == 0 || self.top().saturating_sub(seq) >= self.size {
            return Err(OpenError::TooOld);
        }
        Ok(())
    }

    /// The word with the number's bit set, taken over from an older round where needed.
    fn mark(&self, word: u64, seq: u64) -> Result<u64, OpenError> {
        let round = seq >> self.round_shift << 32;
        let bit = 1 << (seq % BLOCK);
        if word & !u64::from(u32::MAX) != round {
            return Ok(round | bit);
        }
        if word & bit != 0 { Err(OpenError::Replayed) } else { Ok(word | bit) }
    }
}

#[cfg(test)]
mod tests;
