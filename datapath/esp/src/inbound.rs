//! The inbound SA (RFC 4303 3.4). A packet's way:
//!
//! 1. its lengths are checked, and the sequence number is completed if it is extended;
//! 2. the anti-replay window refuses what it has seen and what is too old;
//! 3. the ICV is verified and the payload decrypted;
//! 4. the window takes the number;
//! 5. the trailer tells where the payload ends.

use std::ops::Range;
use std::{fmt, slice};

use arrayvec::ArrayVec;
use wire::esp::{Esp, strip_trailer};

use crate::cipher::{self, JOBS_MAX, OpenJob, Opener};
use crate::head::{Head, methods_of_both_directions};
use crate::replay::ReplayWindow;
use crate::usage::Usage;
use crate::{Crypto, KeyError, Keys, Limits, Suite, esn};

/// One direction of a tunnel, from the peer. Shared by the workers; see the crate's essay.
pub struct InboundSa {
    head: Head,
    opener: Opener,
    written: Written,
}

/// What workers write, in a cache line that holds nothing else.
#[repr(align(64))]
struct Written {
    window: ReplayWindow,
    usage: Usage,
}

/// What an opened packet holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Where in the packet the payload is.
    pub payload: Range<usize>,
    /// IANA protocol number of the payload.
    pub next_header: u8,
    /// Sequence number, with its inferred high half if it is extended.
    pub seq: u64,
    /// Whether that number was the highest of all accepted when this packet was. Only such a
    /// packet may move the SA to another address of the peer: one that somebody held back and
    /// sends from elsewhere is not. Workers may get hold of two such packets at once, in either
    /// order; `seq` tells which is newer. With the window off, a sender whose numbers wrapped has
    /// no newest packet until they pass their old top.
    pub newest: bool,
}

/// Why a packet was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OpenError {
    /// Shorter than header, IV, the shortest trailer and ICV together.
    Truncated,
    /// The ciphertext is not a multiple of the cipher's block, or of 4 bytes (RFC 4303 2.4).
    Alignment,
    /// A packet with this sequence number was accepted before (RFC 4303 3.4.3).
    Replayed,
    /// The sequence number lies left of the anti-replay window, or is 0 (RFC 4303 3.4.3).
    TooOld,
    /// The ICV is not that of this packet under this key.
    Integrity,
    /// Authentic, but the pad is longer than the payload or is not 1, 2, 3, … (RFC 4303 2.4).
    Padding,
}

impl InboundSa {
    /// An SA that has received nothing yet.
    ///
    /// `spi` is our choice, `esn` whether sequence numbers have 64 bits (RFC 4303 2.2.1),
    /// `replay_window` the size of the anti-replay window in packets: 32 to 65536, or 0 for none.
    /// It takes a byte of memory per 4 packets, rounded up beyond the next power of two.
    ///
    /// # Errors
    /// A key whose length is not the suite's, a window outside of the range, and extended sequence
    /// numbers without a window.
    pub fn new(
        spi: u32,
        suite: Suite,
        keys: Keys<'_>,
        esn: bool,
        replay_window: u32,
    ) -> Result<Self, KeyError> {
        Self::with_crypto(spi, suite, keys, esn, replay_window, Crypto::Fastest)
    }

    /// The same as [`InboundSa::new`] with a choice of implementations.
    ///
    /// # Errors
    /// As [`InboundSa::new`].
    pub fn with_crypto(
        spi: u32,
        suite: Suite,
        keys: Keys<'_>,
        esn: bool,
        replay_window: u32,
        crypto: Crypto,
    ) -> Result<Self, KeyError> {
        let opener = Opener::new(suite, keys, crypto)?;
        if esn && replay_window == 0 {
            return Err(KeyError::EsnWithoutWindow);
        }
        let window =
            ReplayWindow::new(replay_window).ok_or(KeyError::ReplayWindow(replay_window))?;
        let written = Written { window, usage: Usage::default() };
        Ok(Self { head: Head::new(spi, suite, esn), opener, written })
    }

    /// The same SA with these hard limits, in place of any that it had. One that has expired
    /// stays expired.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.head.lifetime.limit(limits);
        self
    }

    /// Whether packets may still be opened: asked once per run, since [`open`](Self::open) does
    /// not ask. `false` once those [counted](Self::count) have reached a hard limit, or the SA has
    /// [expired](Self::expire) (RFC 4301 4.4.2.1). Each worker may pass a limit by the one run
    /// that it carries meanwhile.
    #[inline]
    #[must_use]
    pub fn admits(&self) -> bool {
        !self.head.lifetime.is_over(&self.written.usage)
    }

    /// Opens a packet in place: a batch of one (see [`open_batch`]).
    ///
    /// # Errors
    /// As [`OpenError`] says. The packet's bytes may have been changed, and are not to be used. A
    /// packet that fails before it is authenticated leaves the anti-replay window as it was.
    pub fn open(&self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let mut opening = Opening::new(self, packet);
        open_batch(slice::from_mut(&mut opening));
        opening.outcome
    }

    /// What is to be known before a packet is worth decrypting: where its ciphertext is, and its
    /// sequence number.
    #[inline]
    fn admit(&self, packet: &[u8]) -> Result<(Range<usize>, u64), OpenError> {
        let text = self.text(packet.len())?;
        let seq = self.sequence_of(packet)?;
        self.written.window.check(seq)?;
        Ok((text, seq))
    }

    /// What an authentic packet holds.
    #[inline]
    fn accept(&self, packet: &[u8], text: Range<usize>, seq: u64) -> Result<Opened, OpenError> {
        // RFC 4303 3.4.3: the window moves for authentic packets only.
        let newest = self.written.window.commit(seq)?;
        let plain = packet.get(text.clone()).ok_or(OpenError::Truncated)?;
        let (payload_len, next_header) = strip_trailer(plain).map_err(|_| OpenError::Padding)?;
        let payload = text.start..text.start + payload_len;
        Ok(Opened { payload, next_header, seq, newest })
    }

    /// The highest sequence number accepted, 0 before the first: the window's right edge.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.written.window.top()
    }

    /// The size of the anti-replay window, packets; 0 when it is off.
    #[must_use]
    pub fn replay_window(&self) -> u32 {
        self.written.window.size() as u32
    }

    /// Where the ciphertext of a packet of `packet_len` bytes lies.
    fn text(&self, packet_len: usize) -> Result<Range<usize>, OpenError> {
        let start = self.head.suite.header_len();
        let end = packet_len.checked_sub(self.head.suite.icv_len()).ok_or(OpenError::Truncated)?;
        let text_len = end.checked_sub(start).ok_or(OpenError::Truncated)?;
        if text_len < Esp::TRAILER_LEN {
            return Err(OpenError::Truncated);
        }
        if text_len % self.head.suite.align() != 0 {
            return Err(OpenError::Alignment);
        }
        Ok(start..end)
    }

    fn sequence_of(&self, packet: &[u8]) -> Result<u64, OpenError> {
        let (esp, _) = Esp::split(packet).map_err(|_| OpenError::Truncated)?;
        let low = esp.seq.get();
        if !self.head.esn {
            return Ok(u64::from(low));
        }
        let window = &self.written.window;
        esn::infer(window.top(), window.size(), low).ok_or(OpenError::TooOld)
    }
}

/// A packet to be opened with others.
pub struct Opening<'a> {
    sa: &'a InboundSa,
    packet: &'a mut [u8],
    /// Where its ciphertext is, and its number.
    admitted: Option<(Range<usize>, u64)>,
    authentic: Result<(), OpenError>,
    /// What it holds, once it was its turn. Before, as if it were too short.
    pub outcome: Result<Opened, OpenError>,
}

impl<'a> Opening<'a> {
    /// A packet that `sa` is to open in place. `packet` starts at the ESP header and ends at the
    /// ICV; that its SPI is the SA's is the caller's to know.
    #[inline]
    #[must_use]
    pub fn new(sa: &'a InboundSa, packet: &'a mut [u8]) -> Self {
        let unknown = OpenError::Truncated;
        Self { sa, packet, admitted: None, authentic: Err(unknown), outcome: Err(unknown) }
    }
}

/// Opens any number of packets in place, of any SAs and suites, as if one after the other: those
/// whose ciphers wait for themselves are done side by side. A next header of 59 is a dummy packet,
/// to be dropped silently (RFC 4303 2.6).
///
/// Where an outcome is an error, the packet's bytes may have been changed, and are not to be used.
/// A packet that fails before it is authenticated leaves the anti-replay window as it was.
pub fn open_batch(batch: &mut [Opening<'_>]) {
    for batch in batch.chunks_mut(JOBS_MAX) {
        let mut jobs = ArrayVec::<_, JOBS_MAX>::new();
        for Opening { sa, packet, admitted, authentic, outcome } in batch.iter_mut() {
            match sa.admit(packet) {
                Ok((text, seq)) => {
                    *admitted = Some((text, seq));
                    let high = sa.head.esn.then_some((seq >> 32) as u32);
                    jobs.push(OpenJob { opener: &sa.opener, high, packet, outcome: authentic });
                }
                Err(error) => *outcome = Err(error),
            }
        }
        cipher::open(&mut jobs);
        drop(jobs);
        for Opening { sa, packet, admitted, authentic, outcome } in batch {
            let Some((text, seq)) = admitted.take() else { continue };
            // A second packet of the same number in one batch fails here.
            *outcome = authentic.and_then(|()| sa.accept(packet, text, seq));
        }
    }
}

methods_of_both_directions!(InboundSa);

impl fmt::Debug for InboundSa {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head
            .debug("InboundSa", f)
            .field("replay_window", &self.replay_window())
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet is too short for its suite",
            Self::Alignment => "the ciphertext is not a multiple of the block",
            Self::Replayed => "the sequence number was seen before",
            Self::TooOld => "the sequence number is left of the window",
            Self::Integrity => "the integrity check value is wrong",
            Self::Padding => "the pad is wrong",
        })
    }
}

impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests;
