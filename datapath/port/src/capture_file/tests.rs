//! Captures built by hand, damaged and cut; and tshark as a witness that we did not write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

#[test]
fn classic_pcap_is_read_in_both_byte_orders_and_resolutions() {
    for order in [Order::Little, Order::Big] {
        for (magic, fraction, expected_ns) in
            [(0xa1b2_c3d4, 500_000, 7_500_000_000), (0xa1b2_3c4d, 500_000, 7_000_500_000)]
        {
            let mut file = pcap_header(order, magic, 1);
            file.extend(pcap_record(order, 7, fraction, b"first frame"));
            file.extend(pcap_record(order, 8, 0, b""));
            let read = read_all(&file);
            assert_eq!(read.error, None);
            assert_eq!(
                read.packets,
                [(expected_ns, b"first frame".to_vec()), (8_000_000_000, vec![])]
            );
        }
    }
}

#[test]
fn variant_with_longer_record_headers_is_read() {
    let mut file = pcap_header(Order::Little, 0xa1b2_cd34, 1);
    for frame in [b"first".as_slice(), b"second"] {
        let record = pcap_record(Order::Little, 1, 2, frame);
        file.extend(&record[..16]);
        file.extend([0xff; 8]);
        file.extend(frame);
    }
    let read = read_all(&file);
    assert_eq!(
        read.packets,
        [(1_000_002_000, b"first".to_vec()), (1_000_002_000, b"second".to_vec())]
    );
}

#[test]
fn frame_check_sequence_bits_of_the_link_type_are_not_the_link_type() {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 0x4400_0001);
    file.extend(pcap_record(Order::Little, 1, 0, b"frame"));
    assert_eq!(read_all(&file).packets, [(1_000_000_000, b"frame".to_vec())]);
}

#[test]
fn pcapng_sections_may_differ_in_byte_order_and_interfaces_in_time() {
    let mut file = Vec::new();
    for order in [Order::Little, Order::Big] {
        file.extend(section(order));
        file.extend(interface(order, 1, 0, &[]));
        file.extend(interface(order, 101, 0, &[option(order, 9, &[9])]));
        let five = order.u64(5);
        file.extend(interface(order, 1, 0, &[option(order, 9, &[0x8a]), option(order, 14, &five)]));
        // A block of a kind that nobody knows.
        file.extend(block(order, 0x0bad_cafe, &[1, 2, 3, 4]));
        file.extend(enhanced(order, 0, 3_000_001, b"in microseconds"));
        file.extend(enhanced(order, 1, 3_000_000_001, &IPV4));
        file.extend(enhanced(order, 2, 3 * 1024 + 512, b"in 1/1024 s, 5 s later"));
    }
    let one_section = [
        (3_000_001_000, b"in microseconds".to_vec()),
        (3_000_000_001, [&zero_header(0x0800)[..], &IPV4].concat()),
        (8_500_000_000, b"in 1/1024 s, 5 s later".to_vec()),
    ];
    let read = read_all(&file);
    assert_eq!(read.error, None);
    assert_eq!(read.packets, [one_section.clone(), one_section].concat());
}

#[test]
fn simple_packet_is_cut_at_the_snapshot_length_and_has_no_time() {
    for order in [Order::Little, Order::Big] {
        let mut file = section(order);
        file.extend(interface(order, 1, 5, &[]));
        file.extend(block(order, 3, &[&order.u32(100)[..], b"12345\0\0\0"].concat()));
        file.extend(block(order, 3, &[&order.u32(3)[..], b"123\0"].concat()));
        let read = read_all(&file);
        assert_eq!(read.packets, [(0, b"12345".to_vec()), (0, b"123".to_vec())]);
    }
}

#[test]
fn other_link_types_get_an_ethernet_header() {
    let sll = |protocol: u16| [&[0; 14][..], &protocol.to_be_bytes()].concat();
    let sll2 = |protocol: u16| [&protocol.to_be_bytes()[..], &[0; 18]].concat();
    for (link_type, header, ethertype, payload) in [
        (12, vec![], 0x0800, &IPV4[..]),
        (0, vec![2, 0, 0, 0], 0x0800, &IPV4),
        (0, vec![0, 0, 0, 30], 0x86dd, &[0x60]),
        (108, vec![0, 0, 0, 2], 0x0800, &IPV4),
        (101, vec![], 0x0800, &IPV4),
        (101, vec![], 0x86dd, &[0x60, 0, 0, 0]),
        (228, vec![], 0x0800, &IPV4),
        (229, vec![], 0x86dd, &[0x60]),
        (113, sll(0x0800), 0x0800, &IPV4),
        (113, sll(0x0806), 0x0806, b"arp"),
        (113, sll(4), 3, b"llc"),
        (276, sll2(0x0800), 0x0800, &IPV4),
        (276, sll2(0x88cc), 0x88cc, b""),
    ] {
        let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, link_type);
        file.extend(pcap_record(Order::Little, 0, 0, &[&header[..], payload].concat()));
        let expected = [&zero_header(ethertype)[..], payload].concat();
        assert_eq!(read_all(&file).packets, [(0, expected)], "link type {link_type}");
    }
}

#[test]
fn packet_that_fits_no_ethernet_frame_is_named_and_reading_goes_on() {
    for (link_type, bad, problem) in [
        (101, &[0x50][..], "protocol 0x0005 of link type 101 has no ethertype"),
        (101, &[], "shorter than the header of link type 101"),
        (0, &[2, 0, 0], "shorter than the header of link type 0"),
        (0, &[9, 0, 0, 0], "protocol 0x0009 of link type 0 has no ethertype"),
        (0, &[9, 9, 9, 9], "protocol 0xffff of link type 0 has no ethertype"),
        (113, &[0; 15], "shorter than the header of link type 113"),
        (276, &[0; 19], "shorter than the header of link type 276"),
        (113, &[0; 16], "protocol 0x0000 of link type 113 has no ethertype"),
        (276, &[0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "protocol 0x000c"),
    ] {
        let good = match link_type {
            0 => vec![2, 0, 0, 0],
            101 => IPV4.to_vec(),
            113 => [&[0; 14][..], &[8, 0]].concat(),
            _ => [&[8, 0][..], &[0; 18]].concat(),
        };
        let mut file = pcap_header(Order::Big, 0xa1b2_c3d4, link_type);
        file.extend(pcap_record(Order::Big, 0, 0, bad));
        file.extend(pcap_record(Order::Big, 0, 0, &good));
        let mut reader = CaptureReader::new("x.pcap", &file[..]).unwrap();
        let error = reader.next_frame().unwrap_err();
        assert!(error.problem.concerns_one_packet());
        let text = error.to_string();
        assert!(text.starts_with("x.pcap: packet 1: ") && text.contains(problem), "{text}");
        assert_eq!(reader.next_frame().unwrap().map(|packet| packet.number), Some(2));
        assert!(reader.next_frame().unwrap().is_none());
    }
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 127);
    file.extend(pcap_record(Order::Little, 0, 0, b"radio"));
    let error = read_all(&file).error.unwrap();
    assert!(error.contains("link type 127 cannot be read, only Ethernet (1)"), "{error}");
}

#[test]
fn truncated_file_gives_the_packets_before_the_cut_then_the_error() {
    for order in [Order::Little, Order::Big] {
        let mut pcap = pcap_header(order, 0xa1b2_c3d4, 1);
        let mut pcapng = [section(order), interface(order, 1, 0, &[])].concat();
        let mut ends = (vec![pcap.len()], vec![0, section(order).len(), pcapng.len()]);
        for n in 0..3 {
            pcap.extend(pcap_record(order, n, 0, &[n as u8; 10]));
            ends.0.push(pcap.len());
            pcapng.extend(enhanced(order, 0, n.into(), &[n as u8; 10]));
            ends.1.push(pcapng.len());
        }
        for (file, ends, headers) in [(pcap, ends.0, 1), (pcapng, ends.1, 3)] {
            for cut in ends[headers - 1]..=file.len() {
                let read = read_all(&file[..cut]);
                let whole = ends.iter().filter(|end| **end <= cut).count() - headers;
                assert_eq!(read.packets.len(), whole, "cut at {cut}");
                let truncated = read.error.is_some_and(|text| text.contains("truncated"));
                assert_eq!(truncated, !ends.contains(&cut), "cut at {cut}");
            }
            for cut in 0..ends[headers - 1].min(24) {
                let error = CaptureReader::new("cut", &file[..cut]).unwrap_err();
                assert_eq!(error.packet, None);
                let expected = if cut < 4 { "neither a pcap" } else { "truncated" };
                assert!(error.to_string().contains(expected), "cut at {cut}: {error}");
            }
        }
    }
}

#[test]
fn error_of_a_truncated_file_names_file_and_packet() {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, 1);
    file.extend(pcap_record(Order::Little, 0, 0, b"whole"));
    file.extend(&pcap_record(Order::Little, 0, 0, b"cut short")[..20]);
    let mut reader = CaptureReader::new("wan.pcap", &file[..]).unwrap();
    assert!(reader.next_frame().unwrap().is_some());
    let error = reader.next_frame().unwrap_err();
    let expected = "wan.pcap: packet 2: the file is truncated, at least 5 bytes are missing";
    assert_eq!(error.to_string(), expected);
    assert!(reader.next_frame().unwrap().is_none());
}

#[test]
fn what_contradicts_itself_ends_the_reading() {
    let order = Order::Little;
    let start = [section(order), interface(order, 1, 0, &[])].concat();
    let mut two_lengths = enhanced(order, 0, 0, b"1234");
    let end = two_lengths.len() - 4;
    two_lengths[end] ^= 4;
    let mut long_packet = enhanced(order, 0, 0, b"1234");
    long_packet[20..24].copy_from_slice(&order.u32(5000));
    let mut huge_packet = enhanced(order, 0, 0, b"1234");
    huge_packet[20..24].copy_from_slice(&order.u32(u32::MAX));
    let mut odd_length = enhanced(order, 0, 0, b"1234");
    odd_length[4] += 1;
    let cases = [
        (two_lengths, "contradict"),
        (long_packet, "contradict"),
        (huge_packet, "contradict"),
        (odd_length, "impossible length"),
        (block(order, 6, &[]), "contradict"),
        (block(order, 2, &[0; 24]), "obsolete"),
        (enhanced(order, 1, 0, b"1234"), "undescribed interface"),
        (interface(order, 1, 0, &[option(order, 9, &[39])]), "time resolution"),
        (block(order, 3, &order.u32(9)), "longer than its block"),
        (block(order, 0x0a0d_0d0a, &[1; 16]), "byte order mark"),
    ];
    for (bad, expected) in cases {
        let read = read_all(&[&start[..], &bad, &enhanced(order, 0, 0, b"behind")].concat());
        assert_eq!(read.packets, [], "{expected}");
        let error = read.error.unwrap();
        assert!(error.contains(expected), "{error} does not say {expected}");
    }
    let spb_without_interface = [section(order), block(order, 3, &[0; 4])].concat();
    assert!(read_all(&spb_without_interface).error.unwrap().contains("undescribed interface"));
}

#[test]
fn damaged_files_never_panic_nor_go_on_for_ever() {
    let order = Order::Big;
    let mut pcap = pcap_header(Order::Little, 0xa1b2_3c4d, 113);
    let mut pcapng = section(order);
    pcapng.extend(interface(order, 1, 96, &[option(order, 9, &[6]), option(order, 2, b"eth0")]));
    for n in 0..4 {
        pcap.extend(pcap_record(Order::Little, n, n, &[n as u8; 60]));
        pcapng.extend(enhanced(order, 0, n.into(), &[n as u8; 61]));
        pcapng.extend(block(order, 3, &[&order.u32(4)[..], b"abcd"].concat()));
    }
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for whole in [pcap, pcapng] {
        for _ in 0..20_000 {
            let mut damaged = whole.clone();
            for _ in 0..=next(6) {
                let at = next(damaged.len());
                damaged[at] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
            }
            damaged.truncate(1 + next(damaged.len()));
            if let Ok(mut reader) = CaptureReader::new("damaged", &damaged[..]) {
                let reads =
                    (0..=whole.len()).take_while(|_| !matches!(reader.next_frame(), Ok(None)));
                assert!(reads.count() <= whole.len(), "reading does not end");
            }
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let frames = [
        (0, vec![]),
        (1_700_000_000_123_456_789, (0..=255).collect::<Vec<u8>>()),
        (u64::from(u32::MAX) * 1_000_000_000 + 999_999_999, vec![7; 262_144]),
    ];
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new("out.pcap", &mut file).unwrap();
    for (timestamp_ns, frame) in &frames {
        writer.write(*timestamp_ns, frame).unwrap();
    }
    writer.finish().unwrap();
    let read = read_all(&file);
    assert_eq!(read.error, None);
    assert_eq!(read.packets, frames);
}

#[test]
fn writer_refuses_what_the_format_cannot_hold_and_names_the_packet() {
    let mut file = Vec::new();
    let mut writer = CaptureWriter::new("out.pcap", &mut file).unwrap();
    writer.write(0, b"good").unwrap();
    let late = writer.write((1 << 32) * 1_000_000_000, b"late").unwrap_err();
    assert_eq!(late.to_string(), "out.pcap: packet 2: a time beyond 2106 does not fit");
    let long = writer.write(0, &[0; 262_145]).unwrap_err();
    assert!(long.to_string().starts_with("out.pcap: packet 2: a frame of 262145 bytes"), "{long}");
    writer.finish().unwrap();
    assert_eq!(read_all(&file).packets.len(), 1);

    let mut room_for_one = [0; 24 + 16 + 4];
    let mut writer = CaptureWriter::new("full.pcap", room_for_one.as_mut_slice()).unwrap();
    writer.write(0, b"fits").unwrap();
    let error = writer.write(0, b"does not").unwrap_err();
    assert!(error.to_string().starts_with("full.pcap: packet 2: "), "{error}");
}

#[test]
fn missing_file_is_named() {
    let error = CaptureReader::open("/nonexistent/wan.pcap").unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/wan.pcap: No such file"), "{error}");
    let error = CaptureWriter::create("/nonexistent/lan.pcap").unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/lan.pcap: No such file"), "{error}");
}

/// An oracle that we did not write: tshark sees the same packets at the same times, in what is
/// read and in what is written of it.
#[test]
fn tshark_agrees_on_every_shared_capture() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures");
    if !shared.is_dir() {
        println!("no captures to read at {}", shared.display());
        return;
    }
    let captures = captures_below(&shared);
    assert!(!captures.is_empty(), "{} holds no captures", shared.display());
    // One copy of them all: starting tshark is what takes the time.
    let copy = Scratch::new("shared");
    let mut writer = CaptureWriter::create(&copy.0).unwrap();
    let mut originals = String::new();
    for path in &captures {
        let original = tshark(path, &["frame.cap_len", "frame.time_epoch", "ip.src", "ip.dst"]);
        let mut reader = CaptureReader::open(path).unwrap();
        for line in original.lines() {
            let (captured, rest) = line.split_once('\t').unwrap();
            let packet = reader.next_frame().unwrap().expect("tshark sees more packets");
            if packet.link_type == LinkType::ETHERNET {
                assert_eq!(packet.frame.len().to_string(), captured, "{}", path.display());
            }
            writer.write(packet.timestamp_ns, packet.frame).unwrap();
            originals.push_str(&format!("{}\t{rest}\n", packet.frame.len()));
        }
        assert_eq!(reader.next_frame().unwrap(), None, "tshark sees fewer packets");
        println!("{} packets agree in {}", original.lines().count(), path.display());
    }
    writer.finish().unwrap();
    let copied = tshark(&copy.0, &["frame.cap_len", "frame.time_epoch", "ip.src", "ip.dst"]);
    assert_eq!(copied.lines().count(), originals.lines().count());
    for (number, (copied, original)) in copied.lines().zip(originals.lines()).enumerate() {
        assert_eq!(copied, original, "packet {} of the copy", number + 1);
    }
}

/// The same for link types that get their Ethernet header here: only the lengths differ.
#[test]
fn tshark_agrees_on_converted_link_types() {
    let sll = [&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0][..], &IPV4].concat();
    let sll2 = [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &IPV4].concat();
    for (link_type, packet) in [(101, &IPV4[..]), (228, &IPV4), (113, &sll), (276, &sll2)] {
        let (original, copy) = (Scratch::new("original"), Scratch::new("copy"));
        let mut file = pcap_header(Order::Big, 0xa1b2_3c4d, link_type);
        for n in 0..3 {
            file.extend(pcap_record(Order::Big, 1000 + n, n, packet));
        }
        fs::write(&original.0, file).unwrap();
        assert_eq!(copy_capture(&original.0, &copy.0), 3);
        let fields = ["frame.number", "frame.time_epoch", "ip.src", "ip.dst", "icmp.seq"];
        let seen = tshark(&copy.0, &fields);
        assert!(seen.contains("192.0.2.1\t198.51.100.2\t258"), "{seen}");
        assert_eq!(seen, tshark(&original.0, &fields), "link type {link_type}");
    }
}

/// All packets up to the first error, and that error.
struct Read {
    packets: Vec<(u64, Vec<u8>)>,
    error: Option<String>,
}

fn read_all(file: &[u8]) -> Read {
    let mut read = Read { packets: Vec::new(), error: None };
    let mut reader = match CaptureReader::new("test", file) {
        Ok(reader) => reader,
        Err(error) => return Read { error: Some(error.to_string()), ..read },
    };
    loop {
        match reader.next_frame() {
            Ok(Some(packet)) => {
                read.packets.push((packet.timestamp_ns, packet.frame.to_vec()));
                assert_eq!(packet.number, read.packets.len() as u64);
            }
            Ok(None) => return read,
            Err(error) => return Read { error: Some(error.to_string()), ..read },
        }
    }
}

/// Reads one file, writes the other; the number of packets.
fn copy_capture(from: &Path, to: &Path) -> usize {
    let mut reader = CaptureReader::open(from).unwrap();
    let mut writer = CaptureWriter::create(to).unwrap();
    let mut packets = 0;
    while let Some(packet) = reader.next_frame().unwrap() {
        writer.write(packet.timestamp_ns, packet.frame).unwrap();
        packets += 1;
    }
    writer.finish().unwrap();
    packets
}

fn tshark(file: &Path, fields: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(file).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("this test needs tshark (apt install tshark)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn captures_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            found.extend(captures_below(&path));
        } else if matches!(extension, Some("pcap" | "pcapng")) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file in the temporary folder that goes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let thread = format!("{:?}", std::thread::current().id());
        let file = format!("fastgw-capture-{name}-{}-{thread}.pcap", std::process::id());
        Scratch(std::env::temp_dir().join(file))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }
}

fn pcap_header(order: Order, magic: u32, link_type: u32) -> Vec<u8> {
    let version = [order.u16(2), order.u16(4)].concat();
    [&order.u32(magic)[..], &version, &[0; 8], &order.u32(65_535), &order.u32(link_type)].concat()
}

fn pcap_record(order: Order, seconds: u32, fraction: u32, packet: &[u8]) -> Vec<u8> {
    let length = order.u32(packet.len() as u32);
    [&order.u32(seconds)[..], &order.u32(fraction), &length, &length, packet].concat()
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = order.u32(12 + body.len() as u32);
    [&order.u32(kind)[..], &length, body, &length].concat()
}

fn section(order: Order) -> Vec<u8> {
    let version = [order.u16(1), order.u16(0)].concat();
    block(order, 0x0a0d_0d0a, &[&order.u32(0x1a2b_3c4d)[..], &version, &[0xff; 8]].concat())
}

fn interface(order: Order, link_type: u16, snap_len: u32, options: &[Vec<u8>]) -> Vec<u8> {
    let mut body = [&order.u16(link_type)[..], &[0; 2], &order.u32(snap_len)].concat();
    if !options.is_empty() {
        body.extend(options.concat());
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&order.u16(code)[..], &order.u16(value.len() as u16), value, &padding].concat()
}

fn enhanced(order: Order, interface: u32, units: u64, packet: &[u8]) -> Vec<u8> {
    let (high, low) = (order.u32((units >> 32) as u32), order.u32(units as u32));
    let length = order.u32(packet.len() as u32);
    let padding = vec![0; packet.len().next_multiple_of(4) - packet.len()];
    let interface = order.u32(interface);
    let body = [&interface[..], &high, &low, &length, &length, packet, &padding];
    block(order, 6, &body.concat())
}

fn zero_header(ethertype: u16) -> Vec<u8> {
    [&[0; 12][..], &ethertype.to_be_bytes()].concat()
}

/// An ICMP echo request from 192.0.2.1 to 198.51.100.2, sequence number 258.
const IPV4: [u8; 28] = [
    0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0x8d, 0xaa, 192, 0, 2, 1, 198, 51, 100, 2, 8, 0, 0xf5, 0xfc,
    1, 1, 1, 2,
];
