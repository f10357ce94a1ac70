//! The outbound SA (RFC 4303 3.3). A packet's way:
//!
//! 1. its run reserves sequence numbers;
//! 2. SPI, sequence number and IV are written in front of the payload;
//! 3. pad, pad length and next header are written behind it;
//! 4. payload and trailer are encrypted, and the ICV is computed.

use std::{fmt, slice};

use arrayvec::ArrayVec;
use wire::esp::{Esp, pad_len};

use crate::cipher::{self, JOBS_MAX, SealJob, Sealer};
use crate::head::{Head, methods_of_both_directions};
use crate::iv::IvSource;
use crate::sequence::Sequence;
use crate::usage::Usage;
use crate::{Crypto, KeyError, Keys, Limits, Suite};

/// One direction of a tunnel, towards the peer. Shared by the workers; see the crate's essay.
pub struct OutboundSa {
    head: Head,
    iv: IvSource,
    sealer: Sealer,
    written: Written,
}

/// What workers write, in a cache line that holds nothing else.
#[repr(align(64))]
struct Written {
    sequence: Sequence,
    usage: Usage,
}

/// Why no sequence numbers were reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// Too few sequence numbers are left, and they never wrap (RFC 4303 3.3.3).
    Exhausted,
    /// A hard limit is reached or would be passed, or the SA was told to expire (RFC 4301
    /// 4.4.2.1).
    Expired,
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SealError {
    /// The buffer is not as long as header, payload, trailer and ICV together.
    Length,
}

impl OutboundSa {
    /// An SA that has sent nothing yet.
    ///
    /// `spi` is the receiver's choice, `esn` whether sequence numbers have 64 bits (RFC 4303
    /// 2.2.1), `seed` 32 random bytes that no other SA uses: IVs are drawn from it.
    ///
    /// # Errors
    /// A key whose length is not the suite's.
    pub fn new(
        spi: u32,
        suite: Suite,
        keys: Keys<'_>,
        esn: bool,
        seed: [u8; 32],
    ) -> Result<Self, KeyError> {
        Self::with_crypto(spi, suite, keys, esn, seed, Crypto::Fastest)
    }

    /// The same as [`OutboundSa::new`] with a choice of implementations.
    ///
    /// # Errors
    /// As [`OutboundSa::new`].
    pub fn with_crypto(
        spi: u32,
        suite: Suite,
        keys: Keys<'_>,
        esn: bool,
        seed: [u8; 32],
        crypto: Crypto,
    ) -> Result<Self, KeyError> {
        let sealer = Sealer::new(suite, keys, crypto)?;
        let written = Written { sequence: Sequence::new(esn), usage: Usage::default() };
        let head = Head::new(spi, suite, esn);
        Ok(Self { head, iv: IvSource::new(suite, seed), sealer, written })
    }

    /// The same SA with these hard limits, in place of any that it had. One that has expired
    /// stays expired.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.head.lifetime.limit(limits);
        self.written.sequence.limit(self.head.esn, limits.packets);
        self
    }

    /// Reserves `n` consecutive sequence numbers with one atomic add and gives the first, which is
    /// 1 for a new SA.
    ///
    /// The limit on packets is exact: no more numbers than that are ever handed out. The limit on
    /// bytes is held against those [counted](Self::count) so far, so that each worker may pass it
    /// by the one run that it carries meanwhile.
    ///
    /// # Errors
    /// The SA needs a successor, for the reason that [`Unavailable`] gives. A run that does not
    /// fit what is left is refused whole; a shorter one may still be served. `n` = 0 is
    /// [`Unavailable::Exhausted`] unless the SA has expired.
    #[inline]
    pub fn reserve(&self, n: u32) -> Result<u64, Unavailable> {
        if self.head.lifetime.is_over(&self.written.usage) {
            return Err(Unavailable::Expired);
        }
        self.written.sequence.reserve(n)
    }

    /// Seals a packet in place: a batch of one (see [`Sealing`] for what the arguments are).
    ///
    /// # Errors
    /// [`SealError::Length`] when `packet` does not have the length that `payload_len` implies; it
    /// may have been written to.
    pub fn seal(
        &self,
        seq: u64,
        next_header: u8,
        packet: &mut [u8],
        payload_len: usize,
    ) -> Result<(), SealError> {
        let mut sealing = Sealing::new(self, seq, next_header, packet, payload_len);
        seal_batch(slice::from_mut(&mut sealing));
        sealing.outcome
    }

    /// The last sequence number reserved, 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.written.sequence.last()
    }

    /// Writes header, IV and trailer around the payload of a packet.
    #[inline]
    fn frame(
        &self,
        seq: u64,
        next_header: u8,
        packet: &mut [u8],
        payload_len: usize,
    ) -> Option<()> {
        let suite = self.head.suite;
        let header_len = suite.header_len();
        // First against the packet, so that no sum below can overflow.
        let behind = packet.len().checked_sub(header_len)?.checked_sub(payload_len)?;
        let pad_len = pad_len(payload_len, suite.align());
        if behind != pad_len + Esp::TRAILER_LEN + suite.icv_len() {
            return None;
        }
        let (header, rest) = packet.split_at_mut_checked(header_len)?;
        let (esp, iv) = header.split_first_chunk_mut::<{ Esp::LEN }>()?;
        *esp = (u64::from(self.head.spi) << 32 | u64::from(seq as u32)).to_be_bytes();
        self.iv.write(seq, iv);

        let trailer = rest.get_mut(payload_len..)?;
        let (pad, trailer) = trailer.split_at_mut_checked(pad_len)?;
        for (byte, value) in pad.iter_mut().zip(1..) {
            *byte = value;
        }
        *trailer.first_chunk_mut()? = [pad_len as u8, next_header];
        Some(())
    }
}

/// A packet to be sealed with others.
pub struct Sealing<'a> {
    sa: &'a OutboundSa,
    seq: u64,
    next_header: u8,
    packet: &'a mut [u8],
    payload_len: usize,
    /// Whether it was sealed, once it was its turn.
    pub outcome: Result<(), SealError>,
}

impl<'a> Sealing<'a> {
    /// A packet that `sa` is to seal in place.
    ///
    /// `packet` is [`header_len`](Suite::header_len) bytes to be written, `payload_len` bytes of
    /// payload and [`trailer_len`](Suite::trailer_len) bytes to be written. `seq` comes from
    /// [`reserve`](OutboundSa::reserve) and is used once: sealing two packets with one number
    /// gives away what both hold. `next_header` is the payload's IANA protocol number.
    #[inline]
    #[must_use]
    pub fn new(
        sa: &'a OutboundSa,
        seq: u64,
        next_header: u8,
        packet: &'a mut [u8],
        payload_len: usize,
    ) -> Self {
        Self { sa, seq, next_header, packet, payload_len, outcome: Ok(()) }
    }
}

/// Seals any number of packets in place, of any SAs and suites: those whose ciphers wait for
/// themselves are done side by side.
///
/// Each outcome is [`SealError::Length`] when the packet does not have the length that its
/// `payload_len` implies; it may have been written to.
pub fn seal_batch(batch: &mut [Sealing<'_>]) {
    for batch in batch.chunks_mut(JOBS_MAX) {
        let mut jobs = ArrayVec::<_, JOBS_MAX>::new();
        for Sealing { sa, seq, next_header, packet, payload_len, outcome } in batch {
            let framed = sa.frame(*seq, *next_header, packet, *payload_len);
            *outcome = framed.ok_or(SealError::Length);
            if outcome.is_ok() {
                let high = sa.head.esn.then_some((*seq >> 32) as u32);
                jobs.push(SealJob { sealer: &sa.sealer, high, packet, outcome });
            }
        }
        cipher::seal(&mut jobs);
    }
}

methods_of_both_directions!(OutboundSa);

impl fmt::Debug for OutboundSa {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.debug("OutboundSa", f).field("sequence", &self.sequence()).finish_non_exhaustive()
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "the sequence numbers are used up",
            Self::Expired => "the SA has reached a hard limit",
        })
    }
}

impl std::error::Error for Unavailable {}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "the buffer does not fit the payload's length"),
        }
    }
}

impl std::error::Error for SealError {}

#[cfg(test)]
mod tests;
