//! Writes classic pcap: nanoseconds, little-endian, Ethernet.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::LinkType;

/// Writes Ethernet frames as a capture file. The same frames give the same bytes everywhere.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    file: String,
    output: W,
    packets: u64,
}

impl CaptureWriter<BufWriter<File>> {
    /// Makes a file, or overwrites one. Errors name the file.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let name = path.as_ref().display().to_string();
        match File::create(path) {
            Ok(file) => CaptureWriter::new(name, BufWriter::new(file)),
            Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        }
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the header of the file to `output`, which errors call `file`.
    pub fn new(file: impl Into<String>, mut output: W) -> io::Result<Self> {
        let file = file.into();
        let mut header = [0; 24];
        let fields: [&[u8]; 6] = [
            &MAGIC_NANOSECONDS.to_le_bytes(),
            &2u16.to_le_bytes(),
            &4u16.to_le_bytes(),
            // Two fields that were never used.
            &[0; 8],
            &(FRAME_LEN_MAX as u32).to_le_bytes(),
            &LinkType::ETHERNET.0.to_le_bytes(),
        ];
        let mut rest = header.as_mut_slice();
        for field in fields {
            rest.write_all(field)?;
        }
        output.write_all(&header).map_err(|error| named(&file, None, &error))?;
        Ok(CaptureWriter { file, output, packets: 0 })
    }

    /// Adds a frame, captured `timestamp_ns` nanoseconds after 1970 UTC.
    ///
    /// Errors name the file and the packet: the output fails, the frame is longer than 256 KiB, or
    /// the time is beyond 2106, which the format cannot express.
    pub fn write(&mut self, timestamp_ns: u64, frame: &[u8]) -> io::Result<()> {
        let number = self.packets + 1;
        let mut record = [0; 16];
        record_header(timestamp_ns, frame.len(), &mut record)
            .and_then(|()| self.output.write_all(&record))
            .and_then(|()| self.output.write_all(frame))
            .map_err(|error| named(&self.file, Some(number), &error))?;
        self.packets = number;
        Ok(())
    }

    /// Makes sure that everything has reached the output.
    pub fn finish(mut self) -> io::Result<()> {
        self.output.flush().map_err(|error| named(&self.file, None, &error))
    }
}

fn record_header(timestamp_ns: u64, length: usize, record: &mut [u8]) -> io::Result<()> {
    let seconds = u32::try_from(timestamp_ns / NS_PER_S)
        .map_err(|_| io::Error::other("a time beyond 2106 does not fit"))?;
    if length > FRAME_LEN_MAX {
        let message = format!("a frame of {length} bytes, more than {FRAME_LEN_MAX}");
        return Err(io::Error::other(message));
    }
    // Below one billion, and at most FRAME_LEN_MAX: both fit in 32 bits.
    let (nanoseconds, length) = ((timestamp_ns % NS_PER_S) as u32, length as u32);
    let mut rest = record;
    for field in [seconds, nanoseconds, length, length] {
        rest.write_all(&field.to_le_bytes())?;
    }
    Ok(())
}

fn named(file: &str, packet: Option<u64>, error: &io::Error) -> io::Error {
    let message = match packet {
        Some(packet) => format!("{file}: packet {packet}: {error}"),
        None => format!("{file}: {error}"),
    };
    io::Error::new(error.kind(), message)
}

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const NS_PER_S: u64 = 1_000_000_000;
/// What tcpdump calls its maximum snapshot length; larger ones make readers suspicious.
const FRAME_LEN_MAX: usize = 262_144;
