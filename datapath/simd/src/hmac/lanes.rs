//! Keeps the lanes of a hash busy with messages of different lengths.
//!
//! A job passes through three phases, each a number of whole blocks that lie somewhere: the
//! message's own, where they are; its end with padding, in the lane's scratch; and the inner
//! digest under the outer pad, again in scratch. All lanes run for as many blocks as the lane with
//! the least has left, then those that are done move to their next phase or take the next job.
//! When the queue is empty, the last lane moves into the place of one that is done, so that the
//! busy ones are always in front and a kernel of fewer lanes can take over.

use super::{MacJob, Pads, start::BLOCK, start::Hash};

/// The end of a message, its padding and its length, behind room that a whole block of the
/// message is copied over.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Scratch {
    before: [u8; BLOCK],
    blocks: [u8; 2 * BLOCK],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Message,
    End,
    Outer,
}

/// What a lane is at.
#[derive(Clone, Copy)]
struct Lane {
    job: usize,
    phase: Phase,
}

/// Pointers into its own scratch: it is not moved once lanes have begun.
struct Lanes<const WORDS: usize, const LANES: usize> {
    states: [[u32; WORDS]; LANES],
    from: [*const u8; LANES],
    left: [usize; LANES],
    lanes: [Lane; LANES],
    scratch: [Scratch; LANES],
}

/// Computes the MAC of every job.
pub(super) fn run<H, K, const WORDS: usize, const LANES: usize, const N: usize>(
    jobs: &mut [MacJob<'_, K, N>],
    pads: impl Fn(&K) -> &Pads<WORDS> + Copy,
) where
    H: Hash<WORDS, LANES>,
{
    let mut lanes = Lanes::<WORDS, LANES> {
        states: [[0; WORDS]; LANES],
        from: [core::ptr::null(); LANES],
        left: [0; LANES],
        lanes: [Lane { job: 0, phase: Phase::Message }; LANES],
        scratch: [const { Scratch { before: [0; BLOCK], blocks: [0; 2 * BLOCK] } }; LANES],
    };
    let mut busy = LANES.min(jobs.len());
    let mut next = busy;
    for lane in 0..busy {
        lanes.begin::<H, _, _>(lane, lane, &jobs[lane], pads);
    }
    while busy > 0 {
        lanes.work::<H>(busy);
        for lane in (0..busy).rev() {
            if lanes.left[lane] > 0 {
                continue;
            }
            let Lane { job, phase } = lanes.lanes[lane];
            match phase {
                Phase::Message => lanes.end::<H, _, _>(lane, &jobs[job]),
                Phase::End => lanes.outer::<H>(lane, pads(jobs[job].key)),
                Phase::Outer => {
                    lanes.write::<H, N>(lane, &mut jobs[job].mac);
                    if next < jobs.len() {
                        lanes.begin::<H, _, _>(lane, next, &jobs[next], pads);
                        next += 1;
                    } else {
                        busy -= 1;
                        lanes.take_over(lane, busy);
                    }
                }
            }
        }
    }
}

impl<const WORDS: usize, const LANES: usize> Lanes<WORDS, LANES> {
    #[inline(always)]
    fn begin<H: Hash<WORDS, LANES>, K, const N: usize>(
        &mut self,
        lane: usize,
        index: usize,
        job: &MacJob<'_, K, N>,
        pads: impl Fn(&K) -> &Pads<WORDS>,
    ) {
        self.states[lane] = pads(job.key).inner;
        self.lanes[lane] = Lane { job: index, phase: Phase::Message };
        self.from[lane] = job.message.as_ptr();
        self.left[lane] = job.message.len() / BLOCK;
        if self.left[lane] == 0 {
            self.end::<H, _, _>(lane, job);
        }
    }

    /// Runs all lanes as far as the first of them has to go.
    #[inline(always)]
    fn work<H: Hash<WORDS, LANES>>(&mut self, busy: usize) {
        let mut blocks = usize::MAX;
        let mut nearest = 0;
        for lane in 0..busy {
            if self.left[lane] < blocks {
                blocks = self.left[lane];
                nearest = lane;
            }
        }
        for lane in busy..LANES {
            self.from[lane] = self.from[nearest];
        }
        // SAFETY: a job's key exists only where the kernel does. Each busy lane has at least
        // `blocks` blocks left, and the others look at one of theirs.
        unsafe { H::compress(&mut self.states, &self.from, blocks, busy) }
        for lane in 0..busy {
            self.left[lane] -= blocks;
            self.from[lane] = self.from[lane].wrapping_add(blocks * BLOCK);
        }
    }

    /// The blocks that hold what is left of the message, the high half of an extended sequence
    /// number and the padding.
    #[inline(always)]
    fn end<H: Hash<WORDS, LANES>, K, const N: usize>(
        &mut self,
        lane: usize,
        job: &MacJob<'_, K, N>,
    ) {
        let scratch = &mut self.scratch[lane];
        let mut rest = job.message.len() % BLOCK;
        scratch.blocks = [0; 2 * BLOCK];
        match job.message.last_chunk::<BLOCK>() {
            // A copy of a fixed length is a few instructions: what is before the rest falls into
            // the room before the blocks.
            Some(last) => scratch.put(rest, last),
            None => scratch.blocks[..rest].copy_from_slice(job.message),
        }
        let mut len = job.message.len();
        if let Some(tail) = job.tail {
            scratch.blocks[rest..rest + 4].copy_from_slice(&tail);
            rest += 4;
            len += 4;
        }
        scratch.blocks[rest] = 0x80;
        let blocks = if rest + 9 <= BLOCK { 1 } else { 2 };
        let end = blocks * BLOCK;
        // The inner pad is a block in front of the message.
        scratch.blocks[end - 8..end].copy_from_slice(&H::length(BLOCK + len));
        self.from[lane] = scratch.blocks.as_ptr();
        self.left[lane] = blocks;
        self.lanes[lane].phase = Phase::End;
    }

    /// The inner digest as the only block under the outer pad.
    #[inline(always)]
    fn outer<H: Hash<WORDS, LANES>>(&mut self, lane: usize, pads: &Pads<WORDS>) {
        let blocks = &mut self.scratch[lane].blocks;
        let words = blocks.as_chunks_mut().0;
        for (bytes, word) in words.iter_mut().zip(self.states[lane]) {
            *bytes = H::bytes(word);
        }
        blocks[4 * WORDS..BLOCK].fill(0);
        blocks[4 * WORDS] = 0x80;
        blocks[BLOCK - 8..BLOCK].copy_from_slice(&H::length(BLOCK + 4 * WORDS));
        self.states[lane] = pads.outer;
        self.from[lane] = blocks.as_ptr();
        self.left[lane] = 1;
        self.lanes[lane].phase = Phase::Outer;
    }

    #[inline(always)]
    fn write<H: Hash<WORDS, LANES>, const N: usize>(&self, lane: usize, mac: &mut [u8; N]) {
        for (bytes, word) in mac.as_chunks_mut().0.iter_mut().zip(self.states[lane]) {
            *bytes = H::bytes(word);
        }
    }

    /// Moves what lane `other` is at into `lane`.
    fn take_over(&mut self, lane: usize, other: usize) {
        self.states[lane] = self.states[other];
        self.lanes[lane] = self.lanes[other];
        self.left[lane] = self.left[other];
        self.scratch[lane] = self.scratch[other];
        self.from[lane] = match self.lanes[lane].phase {
            Phase::Message => self.from[other],
            // Blocks of scratch are where the lane is: it has done none of them, or the first.
            Phase::End | Phase::Outer => {
                let done = self.from[other].addr() - self.scratch[other].blocks.as_ptr().addr();
                self.scratch[lane].blocks.as_ptr().wrapping_add(done)
            }
        };
    }
}

impl Scratch {
    /// Writes `chunk` so that its last `rest` bytes are the first of the blocks.
    #[inline(always)]
    fn put(&mut self, rest: usize, chunk: &[u8; BLOCK]) {
        let all = core::ptr::from_mut(self).cast::<u8>();
        // SAFETY: `rest` is less than a block, and two blocks follow the room before them.
        unsafe { all.add(rest).cast::<[u8; BLOCK]>().write_unaligned(*chunk) }
    }
}
