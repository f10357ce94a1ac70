//! Structures with their own length: writing it once it is known, and reading it.

use alloc::vec::Vec;

pub(super) use wire::cursor::Reader;

use super::malformed::Fault;

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
