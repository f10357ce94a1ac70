//! The outbound SA (RFC 4303 3.3). A packet's way:
//!
//! 1. its run reserves sequence numbers;
//! 2. SPI, sequence number and IV are written in front of the payload;
//! 3. pad, pad length and next header are written behind it;
//! 4. payload and trailer are encrypted, and the ICV is computed.

use std::fmt;

use wire::esp::{Esp, PADDING, pad_len};

use crate::cipher::Sealer;
use crate::iv::IvSource;
use crate::sequence::Sequence;
use crate::usage::{Limits, Usage};
use crate::{KeyError, Keys, Suite};

/// One direction of a tunnel, towards the peer. Shared by the workers; see the crate's essay.
pub struct OutboundSa {
    spi: u32,
    suite: Suite,
    esn: bool,
    limits: Limits,
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

/// Why no sequence number was to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// Fewer are left than were asked for (RFC 4303 3.3.3: the counter never wraps): the SA is
    /// used up and needs a successor.
    Exhausted,
    /// The SA has reached a hard limit, or was ended by [`OutboundSa::expire`].
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
        let sealer = Sealer::new(suite, keys)?;
        let written = Written { sequence: Sequence::new(esn), usage: Usage::default() };
        let (iv, limits) = (IvSource::new(suite, seed), Limits::default());
        Ok(Self { spi, suite, esn, limits, iv, sealer, written })
    }

    /// The SPI, as the receiver knows it.
    #[must_use]
    pub const fn spi(&self) -> u32 {
        self.spi
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether sequence numbers have 64 bits (RFC 4303 2.2.1).
    #[must_use]
    pub const fn esn(&self) -> bool {
        self.esn
    }

    /// The same SA with hard limits (RFC 4301 4.4.2.1). No packet is sent beyond the packet limit;
    /// the byte limit is looked at before each run, so that each worker may overshoot it by one.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.written.sequence.limit_to(limits.packets);
        self
    }

    /// Ends the SA: from now on nothing is reserved. What is sealed already is not called back.
    pub fn expire(&self) {
        self.written.usage.expire();
    }

    /// Reserves `n` consecutive sequence numbers with one atomic add and gives the first, which is
    /// 1 for a new SA.
    ///
    /// # Errors
    /// As [`Unavailable`] says; [`Unavailable::Exhausted`] also for `n` = 0.
    #[inline]
    pub fn reserve(&self, n: u32) -> Result<u64, Unavailable> {
        if self.written.usage.is_spent(self.limits) {
            return Err(Unavailable::Expired);
        }
        self.written.sequence.reserve(n).ok_or_else(|| self.why_unavailable())
    }

    #[cold]
    fn why_unavailable(&self) -> Unavailable {
        let limited = self.limits.packets <= Sequence::new(self.esn).limit();
        if limited { Unavailable::Expired } else { Unavailable::Exhausted }
    }

    /// Seals a packet in place.
    ///
    /// `packet` is [`header_len`](Suite::header_len) bytes to be written, `payload_len` bytes of
    /// payload and [`trailer_len`](Suite::trailer_len) bytes to be written. `seq` comes from
    /// [`reserve`](Self::reserve) and is used once: sealing two packets with one number gives away
    /// what both hold. `next_header` is the payload's IANA protocol number.
    ///
    /// # Errors
    /// [`SealError::Length`] when `packet` does not have the length that `payload_len` implies; it
    /// may have been written to.
    #[inline]
    pub fn seal(
        &self,
        seq: u64,
        next_header: u8,
        packet: &mut [u8],
        payload_len: usize,
    ) -> Result<(), SealError> {
        self.seal_with(seq, next_header, packet, payload_len, |iv| self.iv.write(seq, iv))
            .ok_or(SealError::Length)
    }

    /// Adds to what the SA has carried: once per run of packets. What a byte is (payload, or the
    /// whole outer packet) is the caller's to decide.
    #[inline]
    pub fn count(&self, packets: u64, bytes: u64) {
        self.written.usage.count(packets, bytes);
    }

    /// Packets counted.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.written.usage.packets()
    }

    /// Bytes counted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written.usage.bytes()
    }

    /// The last sequence number reserved, 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.written.sequence.last()
    }

    #[inline]
    fn seal_with(
        &self,
        seq: u64,
        next_header: u8,
        packet: &mut [u8],
        payload_len: usize,
        write_iv: impl FnOnce(&mut [u8]),
    ) -> Option<()> {
        let header_len = self.suite.header_len();
        // First against the packet, so that no sum below can overflow.
        let behind = packet.len().checked_sub(header_len)?.checked_sub(payload_len)?;
        if behind != self.suite.trailer_len(payload_len) {
            return None;
        }
        let (header, rest) = packet.split_at_mut_checked(header_len)?;
        let (esp, iv) = header.split_first_chunk_mut::<{ Esp::LEN }>()?;
        *esp = (u64::from(self.spi) << 32 | u64::from(seq as u32)).to_be_bytes();
        write_iv(iv);

        let pad_len = pad_len(payload_len, self.suite.align());
        let (pad, trailer) = rest.get_mut(payload_len..)?.split_at_mut_checked(pad_len)?;
        pad.copy_from_slice(PADDING.get(..pad_len)?);
        *trailer.first_chunk_mut()? = [u8::try_from(pad_len).ok()?, next_header];

        self.sealer.seal(self.esn.then_some((seq >> 32) as u32), packet)
    }
}

impl fmt::Debug for OutboundSa {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundSa")
            .field("spi", &format_args!("{:#010x}", self.spi))
            .field("suite", &self.suite)
            .field("esn", &self.esn)
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}

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
