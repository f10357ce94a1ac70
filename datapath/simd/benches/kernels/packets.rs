//! Batches of packets as they lie in a UMEM: a chunk of a page each, text at an offset.

/// Bytes of a chunk.
const CHUNK: usize = 4096;
/// Where the text of a packet begins: headroom, Ethernet, IPv4, ESP and an IV of eight bytes.
const OFFSET: usize = 256 + 14 + 20 + 16;

/// The columns of a table: batches of one length each, and one with all mixed.
pub(crate) struct Lengths([usize; 3]);

impl Lengths {
    pub(crate) fn each(lengths: [usize; 3]) -> Self {
        Self(lengths)
    }

    pub(crate) fn title(&self) -> String {
        let [a, b, c] = self.0;
        format!("{a:7} {b:7} {c:7}   mixed")
    }

    pub(crate) fn batches(&self, packets: usize) -> impl Iterator<Item = Packets> {
        let [a, b, c] = self.0;
        let mixed = move |at: usize| {
            // Any length up to the longest in steps of 16, the same in every run.
            let at = at as u64 * 0x9e37_79b9_7f4a_7c15;
            16 * ((at >> 40) as usize % (c / 16)) + 16
        };
        let same = [a, b, c].into_iter().map(move |len| Packets::new(packets, |_| len));
        same.chain(std::iter::once_with(move || Packets::new(packets, mixed)))
    }
}

pub(crate) struct Packets {
    memory: Vec<u8>,
    lens: Vec<usize>,
}

impl Packets {
    fn new(packets: usize, len: impl Fn(usize) -> usize) -> Self {
        let memory = (0..packets * CHUNK).map(|at| (at * 31) as u8).collect();
        Self { memory, lens: (0..packets).map(len).collect() }
    }

    pub(crate) fn iter(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let chunks = self.memory.chunks_mut(CHUNK);
        chunks.zip(&self.lens).map(|(chunk, len)| &mut chunk[OFFSET..OFFSET + len])
    }
}

/// A nonce that no other packet of the run has.
pub(crate) fn nonce(turn: u64, at: usize) -> [u8; 12] {
    let mut nonce = [7; 12];
    nonce[4..].copy_from_slice(&((turn << 16) + at as u64).to_be_bytes());
    nonce
}
