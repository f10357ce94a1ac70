//! Reads pcap and pcapng, one packet at a time.
//!
//! 1. Take one record off the file: its length is at a fixed place in its first bytes.
//! 2. Let `pcap-parser` decode it.
//! 3. Scale the timestamp, supply the Ethernet header.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{
    Block, EPB_MAGIC, EnhancedPacketBlock, IDB_MAGIC, InterfaceDescriptionBlock, LegacyPcapBlock,
    OptionCode, PcapHeader, SHB_MAGIC, SPB_MAGIC, SimplePacketBlock, parse_block_be,
    parse_block_le, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

use super::link_layer::{LinkType, ethernet};
use super::{CaptureError, Problem};

/// Reads the packets of a capture in their order.
#[derive(Debug)]
pub struct CaptureReader<R> {
    file: String,
    input: R,
    format: Format,
    /// Packets begun so far.
    packets: u64,
    /// After an error behind which nothing can be found.
    ended: bool,
    /// The record at hand, and the frame made of it.
    record: Vec<u8>,
    frame: Vec<u8>,
}

/// A packet of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// Its place in the file, counted from 1 as Wireshark does.
    pub number: u64,
    /// When it was captured, in nanoseconds since 1970 UTC; 0 when the file does not say.
    pub timestamp_ns: u64,
    /// The link type that it has in the file.
    pub link_type: LinkType,
    /// The Ethernet frame, with an all-zero header when the file has another link type.
    pub frame: &'a [u8],
}

impl CaptureReader<BufReader<File>> {
    /// Opens a file. Errors: it cannot be read, or is no capture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CaptureError> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => CaptureReader::new(name, BufReader::new(file)),
            Err(error) => {
                Err(CaptureError { file: name, packet: None, problem: Problem::Io(error) })
            }
        }
    }
}

impl<R: Read> CaptureReader<R> {
    /// Reads from `input`, which errors call `file`. Errors: as for [`CaptureReader::open`].
    pub fn new(file: impl Into<String>, mut input: R) -> Result<Self, CaptureError> {
        let file = file.into();
        match Format::detect(&mut input) {
            Ok(format) => Ok(CaptureReader {
                file,
                input,
                format,
                packets: 0,
                ended: false,
                record: Vec::new(),
                frame: Vec::new(),
            }),
            Err(problem) => Err(CaptureError { file, packet: None, problem }),
        }
    }

    /// The next packet, or `None` at the end.
    ///
    /// A file that is cut off gives the packets before the cut, then an error, then `None`. After
    /// an error that [concerns one packet](Problem::concerns_one_packet), reading goes on.
    pub fn next_frame(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        if self.ended {
            return Ok(None);
        }
        let read = match &mut self.format {
            Format::Pcap(pcap) => pcap.next_packet(&mut self.input, &mut self.record),
            Format::PcapNg(pcapng) => pcapng.next_packet(&mut self.input, &mut self.record),
        };
        self.packets += 1;
        let number = self.packets;
        let ended_by =
            |problem| CaptureError { file: self.file.clone(), packet: Some(number), problem };
        let found = match read {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.ended = true;
                return Ok(None);
            }
            Err(problem) => {
                self.ended = true;
                return Err(ended_by(problem));
            }
        };
        match ethernet(found.link_type, found.bytes, &mut self.frame) {
            Ok(frame) => Ok(Some(Captured {
                number,
                timestamp_ns: found.timestamp_ns,
                link_type: found.link_type,
                frame,
            })),
            Err(problem) => Err(ended_by(problem)),
        }
    }
}

/// A packet as the file has it.
struct Found<'a> {
    timestamp_ns: u64,
    link_type: LinkType,
    bytes: &'a [u8],
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Format {
    /// Reads the header of the file.
    fn detect(input: &mut impl Read) -> Result<Format, Problem> {
        let mut header = Vec::new();
        fill(input, &mut header, 4)?;
        if header.len() < 4 {
            return Err(Problem::NotACapture);
        }
        if header == SHB_MAGIC.to_le_bytes() {
            // The length of the section header can be read once its byte order mark has been.
            let mut pcapng = PcapNg { big_endian: false, interfaces: Vec::new(), begun: header };
            let mut block = Vec::new();
            return match pcapng.next_block(input, &mut block)? {
                Some(_) => pcapng.open_section(&block).map(|()| Format::PcapNg(pcapng)),
                None => Err(Problem::NotACapture),
            };
        }
        if parse_pcap_header(&header).is_err_and(|error| !error.is_incomplete()) {
            return Err(Problem::NotACapture);
        }
        fill_exactly(input, &mut header, PCAP_HEADER_LEN)?;
        let (_, header) = parse_pcap_header(&header).map_err(|_| Problem::NotACapture)?;
        Ok(Format::Pcap(Pcap { header }))
    }
}

#[derive(Debug)]
struct Pcap {
    header: PcapHeader,
}

impl Pcap {
    fn next_packet<'a>(
        &mut self,
        input: &mut impl Read,
        record: &'a mut Vec<u8>,
    ) -> Result<Option<Found<'a>>, Problem> {
        record.clear();
        // Alexey Kuznetzov's variant tells the interface, too, in eight bytes more.
        let header_len = if self.header.is_modified_format() { 24 } else { 16 };
        fill(input, record, header_len)?;
        if record.is_empty() {
            return Ok(None);
        }
        fill_exactly(input, record, header_len)?;
        let captured = word(record, 8, self.header.is_bigendian())?;
        fill_exactly(input, record, header_len + captured as usize)?;
        let parse = match (self.header.is_modified_format(), self.header.is_bigendian()) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        let (_, packet) = parse(record).map_err(|_| Problem::Malformed("broken packet record"))?;
        // The upper bits tell of a frame check sequence (draft-ietf-opsawg-pcap section 4).
        let link_type = LinkType(self.header.network.0.cast_unsigned() & 0x03ff_ffff);
        let timestamp_ns = self.timestamp_ns(&packet);
        Ok(Some(Found { timestamp_ns, link_type, bytes: packet.data }))
    }

    fn timestamp_ns(&self, packet: &LegacyPcapBlock<'_>) -> u64 {
        let unit_ns = if self.header.is_nanosecond_precision() { 1 } else { 1000 };
        // Both are 32-bit counts: neither product nor sum can overflow.
        u64::from(packet.ts_sec) * NS_PER_S + u64::from(packet.ts_usec) * unit_ns
    }
}

#[derive(Debug)]
struct PcapNg {
    /// Of the section at hand.
    big_endian: bool,
    /// Of the section at hand, by interface ID.
    interfaces: Vec<Interface>,
    /// Bytes of the next block that were read already.
    begun: Vec<u8>,
}

/// What an interface description says of the packets that refer to it.
#[derive(Debug)]
struct Interface {
    link_type: LinkType,
    /// Bytes, 0 means no limit.
    snap_len: u32,
    /// Units per second of its timestamps.
    resolution: u128,
    /// Seconds to add to its timestamps.
    offset_s: i64,
}

impl PcapNg {
    fn next_packet<'a>(
        &mut self,
        input: &mut impl Read,
        record: &'a mut Vec<u8>,
    ) -> Result<Option<Found<'a>>, Problem> {
        loop {
            match self.next_block(input, record)? {
                None => return Ok(None),
                Some(SHB_MAGIC) => self.open_section(record)?,
                Some(IDB_MAGIC) => self.add_interface(record)?,
                Some(EPB_MAGIC | SPB_MAGIC) => break,
                Some(OBSOLETE_PACKET) => {
                    return Err(Problem::Malformed(
                        "an obsolete packet block, which tells no more",
                    ));
                }
                // Names, statistics, secrets and what others invent.
                Some(_) => {}
            }
        }
        match self.decode(record)? {
            Block::EnhancedPacket(packet) => self.enhanced(&packet).map(Some),
            Block::SimplePacket(packet) => self.simple(&packet).map(Some),
            _ => Err(Problem::Malformed("a packet block that is none")),
        }
    }

    /// Reads one whole block into `block` and tells its type; `None` at the end of the file.
    fn next_block(
        &mut self,
        input: &mut impl Read,
        block: &mut Vec<u8>,
    ) -> Result<Option<u32>, Problem> {
        block.clear();
        block.append(&mut self.begun);
        fill(input, block, BLOCK_LEN_MIN)?;
        if block.is_empty() {
            return Ok(None);
        }
        fill_exactly(input, block, BLOCK_LEN_MIN)?;
        // The type of a section header reads the same either way; its byte order mark decides.
        let section = word(block, 0, false)? == SHB_MAGIC;
        let big_endian = match word(block, 8, true)? {
            BYTE_ORDER_MARK if section => true,
            mark if section && mark.swap_bytes() == BYTE_ORDER_MARK => false,
            _ if section => return Err(Problem::Malformed("a section without byte order mark")),
            _ => self.big_endian,
        };
        let length = word(block, 4, big_endian)? as usize;
        if length < BLOCK_LEN_MIN || !length.is_multiple_of(4) {
            return Err(Problem::Malformed("a block of impossible length"));
        }
        fill_exactly(input, block, length)?;
        if section {
            self.big_endian = big_endian;
        }
        word(block, 0, big_endian).map(Some)
    }

    fn decode<'a>(&self, block: &'a [u8]) -> Result<Block<'a>, Problem> {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        match parse(block) {
            Ok((_, block)) => Ok(block),
            Err(_) => Err(Problem::Malformed("a block whose lengths contradict each other")),
        }
    }

    fn open_section(&mut self, block: &[u8]) -> Result<(), Problem> {
        match self.decode(block)? {
            Block::SectionHeader(section) if section.major_version == 1 => {
                self.interfaces.clear();
                Ok(())
            }
            _ => Err(Problem::Malformed("a section of unknown version")),
        }
    }

    fn add_interface(&mut self, block: &[u8]) -> Result<(), Problem> {
        let Block::InterfaceDescription(description) = self.decode(block)? else {
            return Err(Problem::Malformed("an interface description that is none"));
        };
        let resolution = resolution(description.if_tsresol)
            .ok_or(Problem::Malformed("an interface with an impossible time resolution"))?;
        self.interfaces.push(Interface {
            link_type: LinkType(description.linktype.0.cast_unsigned()),
            snap_len: description.snaplen,
            resolution,
            offset_s: self.offset_s(&description),
        });
        Ok(())
    }

    fn offset_s(&self, description: &InterfaceDescriptionBlock<'_>) -> i64 {
        let mut options = description.options.iter();
        let value = options.find(|option| option.code == OptionCode::IfTsoffset);
        match value.and_then(|option| option.value.first_chunk()) {
            Some(bytes) if self.big_endian => i64::from_be_bytes(*bytes),
            Some(bytes) => i64::from_le_bytes(*bytes),
            None => 0,
        }
    }

    fn enhanced<'a>(&self, packet: &EnhancedPacketBlock<'a>) -> Result<Found<'a>, Problem> {
        let interface = self.interface(packet.if_id as usize)?;
        let bytes = packet.data.get(..packet.caplen as usize);
        Ok(Found {
            timestamp_ns: interface.timestamp_ns(packet.ts_high, packet.ts_low),
            link_type: interface.link_type,
            bytes: bytes.ok_or(Problem::Malformed("a packet longer than its block"))?,
        })
    }

    /// A simple packet tells neither time nor captured length: it has as much as fits.
    fn simple<'a>(&self, packet: &SimplePacketBlock<'a>) -> Result<Found<'a>, Problem> {
        let interface = self.interface(0)?;
        let mut captured = packet.orig_len();
        if interface.snap_len != 0 {
            captured = captured.min(interface.snap_len);
        }
        let bytes = packet.data.get(..captured as usize);
        Ok(Found {
            timestamp_ns: 0,
            link_type: interface.link_type,
            bytes: bytes.ok_or(Problem::Malformed("a packet longer than its block"))?,
        })
    }

    fn interface(&self, id: usize) -> Result<&Interface, Problem> {
        self.interfaces.get(id).ok_or(Problem::Malformed("a packet of an undescribed interface"))
    }
}

impl Interface {
    fn timestamp_ns(&self, high: u32, low: u32) -> u64 {
        let units = u128::from(high) << 32 | u128::from(low);
        let ns = units * u128::from(NS_PER_S) / self.resolution;
        let offset_ns = i128::from(self.offset_s) * i128::from(NS_PER_S);
        let shifted = ns.cast_signed().saturating_add(offset_ns).max(0);
        u64::try_from(shifted).unwrap_or(u64::MAX)
    }
}

/// Units per second of `if_tsresol`: a negative power of ten or, with the top bit, of two.
fn resolution(if_tsresol: u8) -> Option<u128> {
    let (base, exponent) =
        if if_tsresol & 0x80 == 0 { (10u128, if_tsresol) } else { (2, if_tsresol & 0x7f) };
    base.checked_pow(exponent.into())
}

/// The 32-bit number at `offset`.
fn word(bytes: &[u8], offset: usize, big_endian: bool) -> Result<u32, Problem> {
    let bytes = bytes.get(offset..).and_then(|bytes| bytes.first_chunk());
    match bytes {
        Some(bytes) if big_endian => Ok(u32::from_be_bytes(*bytes)),
        Some(bytes) => Ok(u32::from_le_bytes(*bytes)),
        None => Err(Problem::Malformed("a record shorter than its header")),
    }
}

/// Reads until `bytes` holds `length` bytes or the input ends. A length from a damaged file makes
/// no allocation larger than what the file really holds.
fn fill(input: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> Result<(), Problem> {
    let missing = length.saturating_sub(bytes.len());
    input.take(missing as u64).read_to_end(bytes).map_err(Problem::Io)?;
    Ok(())
}

fn fill_exactly(input: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> Result<(), Problem> {
    fill(input, bytes, length)?;
    match length.saturating_sub(bytes.len()) {
        0 => Ok(()),
        missing => Err(Problem::Truncated { missing: missing as u64 }),
    }
}

const NS_PER_S: u64 = 1_000_000_000;
const PCAP_HEADER_LEN: usize = 24;
/// Type, length, and length again; in a section header the byte order mark before that.
const BLOCK_LEN_MIN: usize = 12;
const BYTE_ORDER_MARK: u32 = 0x1a2b_3c4d;
/// The packet block that the enhanced one replaced in 2009.
const OBSOLETE_PACKET: u32 = 2;
