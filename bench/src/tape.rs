//! Frames one after the other, to be played again and again.

use crate::packets::frame;

/// Recorded frames and the place of the next one.
#[derive(Default)]
pub(crate) struct Tape {
    bytes: Vec<u8>,
    /// Where each frame ends in `bytes`.
    ends: Vec<usize>,
    next: usize,
}

impl Tape {
    /// Frames to the gateway around these IP packets.
    pub(crate) fn of_packets(packets: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut tape = Self::default();
        for packet in packets {
            tape.record(&frame(&packet));
        }
        tape
    }

    /// Forgets all frames.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.next = 0;
    }

    /// Adds one frame.
    pub(crate) fn record(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// The next frame; the first one follows the last.
    pub(crate) fn next(&mut self) -> &[u8] {
        let at = if self.next < self.ends.len() { self.next } else { 0 };
        self.next = at + 1;
        self.at(at)
    }

    /// The `n`-th frame.
    pub(crate) fn at(&self, n: usize) -> &[u8] {
        let begin = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.bytes[begin..self.ends[n]]
    }
}
