//! Frames made by hand, and random numbers that are the same in every run.

use std::net::{Ipv4Addr, Ipv6Addr};

/// An Ethernet frame with an IPv4 packet without options around `payload`.
pub fn ipv4(protocol: u8, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    ipv4_with(&[], 0, protocol, destination, payload)
}

/// As [`ipv4`], with options (whole 4-byte words) and the 16 bits of flags and fragment offset.
pub fn ipv4_with(
    options: &[u8],
    fragment: u16,
    protocol: u8,
    destination: Ipv4Addr,
    payload: &[u8],
) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total_len = (header_len + payload.len()) as u16;
    let mut frame = vec![0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x00];
    frame.extend([0x40 | (header_len / 4) as u8, 0]);
    frame.extend(total_len.to_be_bytes());
    frame.extend([0x12, 0x34]);
    frame.extend(fragment.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend([192, 0, 2, 77]);
    frame.extend(destination.octets());
    frame.extend(options);
    let checksum = internet_checksum(&frame[14..]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An Ethernet frame with an IPv6 packet, `payload` right behind its header.
pub fn ipv6(next_header: u8, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([next_header, 64]);
    frame.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77).octets());
    frame.extend(destination.octets());
    frame.extend(payload);
    frame
}

/// A UDP header to `port` and its payload; no checksum.
pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = 40000u16.to_be_bytes().to_vec();
    datagram.extend(port.to_be_bytes());
    datagram.extend((8 + payload.len() as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// Pads a frame to the shortest that Ethernet carries, with bytes that are not zero.
pub fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(60), 0xff);
    frame
}

/// Marsaglia's xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `end - 1`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// RFC 1071, over a header whose checksum field is zero.
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>();
    let sum = (sum >> 16) + (sum & 0xffff);
    !(((sum >> 16) + sum) as u16)
}
