//! Reading bytes in order, and writing lengths once they are known.

use alloc::vec::Vec;

use super::malformed::Fault;

/// The bytes that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left, all of it.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Fault::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, Fault> {
        self.array().map(u128::from_be_bytes)
    }

    /// All bytes must have been read.
    pub fn end(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }
}

/// Appends a structure that begins with a byte, a reserved byte and its own length, as payloads,
/// proposals and transforms do.
pub(super) fn counted(out: &mut Vec<u8>, first: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[first, 0, 0, 0]);
    body(out);
    // What does not fit into a length field fits into no message either: see `LEN_MAX`.
    let len = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start + 2..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// Reads a structure that [`counted`] has written: its first byte and what follows its length.
pub(super) fn split_counted<'a>(reader: &mut Reader<'a>) -> Result<(u8, &'a [u8]), Fault> {
    let first = reader.u8()?;
    reader.u8()?;
    let len = usize::from(reader.u16()?).checked_sub(4).ok_or(Fault::Length)?;
    Ok((first, reader.take(len)?))
}
