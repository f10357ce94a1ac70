//! What the three hashes have in common, and how a key is absorbed.

use zeroize::Zeroize;

use super::Pads;

/// Bytes that a hash takes at a time.
pub(super) const BLOCK: usize = 64;

/// A hash that works on several messages at once.
pub(super) trait Hash<const WORDS: usize, const LANES: usize> {
    /// The state that every message starts from.
    const START: [u32; WORDS];
    /// Whether words and lengths are written with their high byte first.
    const BIG_ENDIAN: bool;

    /// Whether the CPU has what `compress` uses.
    fn is_available() -> bool;

    /// Absorbs `blocks` blocks into the first `lanes` states or more; those behind them become
    /// something undefined.
    ///
    /// # Safety
    /// The CPU has the kernel; each of `from` leads to `blocks` blocks that can be read.
    unsafe fn compress(
        states: &mut [[u32; WORDS]; LANES],
        from: &[*const u8; LANES],
        blocks: usize,
        lanes: usize,
    );

    /// A word as it stands in a block and in a digest.
    fn bytes(word: u32) -> [u8; 4] {
        if Self::BIG_ENDIAN { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    /// A message's length in bits as it stands at the end of its last block.
    fn length(bytes: usize) -> [u8; 8] {
        let bits = (bytes as u64) << 3;
        if Self::BIG_ENDIAN { bits.to_be_bytes() } else { bits.to_le_bytes() }
    }
}

/// RFC 2104 section 2; `None` where the CPU lacks the kernel.
pub(super) fn pads<H, const WORDS: usize, const LANES: usize>(key: &[u8]) -> Option<Pads<WORDS>>
where
    H: Hash<WORDS, LANES>,
{
    if !H::is_available() {
        return None;
    }
    let mut block = [0; BLOCK];
    if let Some(start) = block.get_mut(..key.len()) {
        start.copy_from_slice(key);
    } else {
        let digest = digest::<H, WORDS, LANES>(key);
        for (bytes, word) in block.as_chunks_mut().0.iter_mut().zip(digest) {
            *bytes = H::bytes(word);
        }
    }
    let mut pads = Pads { inner: H::START, outer: H::START };
    for (state, mask) in [(&mut pads.inner, 0x36), (&mut pads.outer, 0x5c)] {
        let mut pad = block.map(|byte| byte ^ mask);
        absorb::<H, WORDS, LANES>(state, &pad);
        pad.zeroize();
    }
    block.zeroize();
    Some(pads)
}

/// The hash of a key that is longer than a block.
fn digest<H, const WORDS: usize, const LANES: usize>(message: &[u8]) -> [u32; WORDS]
where
    H: Hash<WORDS, LANES>,
{
    let mut state = H::START;
    let (blocks, rest) = message.as_chunks();
    for block in blocks {
        absorb::<H, WORDS, LANES>(&mut state, block);
    }
    let mut last = [0; 2 * BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    let end = if rest.len() + 9 <= BLOCK { BLOCK } else { 2 * BLOCK };
    last[end - 8..end].copy_from_slice(&H::length(message.len()));
    for block in last[..end].as_chunks().0 {
        absorb::<H, WORDS, LANES>(&mut state, block);
    }
    last.zeroize();
    state
}

/// One block in one lane. Only called where the kernel is available.
fn absorb<H, const WORDS: usize, const LANES: usize>(state: &mut [u32; WORDS], block: &[u8; BLOCK])
where
    H: Hash<WORDS, LANES>,
{
    let mut states = [*state; LANES];
    // SAFETY: `pads` has seen that the CPU has the kernel; the block is as long as one.
    unsafe { H::compress(&mut states, &[block.as_ptr(); LANES], 1, 1) }
    *state = states[0];
    states.zeroize();
}
