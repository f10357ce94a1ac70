//! The checksum of LSAs: Fletcher's as ISO 8473 has it (RFC 905 annex B, RFC 2328 section 12.1.7).

/// The two bytes that make the sums over `head` and `body`, one after the other, come out as zero,
/// when they stand `at` bytes from the start; what stands there now must be zero.
pub(super) fn checksum(head: &[u8], body: &[u8], at: usize) -> u16 {
    let (c0, c1) = sums(head, body);
    // Bytes from the checksum's first one to the end: a byte counts in the second sum as many
    // times as there are bytes from it on. Lengths are below 2^16, so nothing overflows 64 bits.
    let after = (head.len() + body.len() - at) as i64;
    let (c0, c1) = (i64::from(c0), i64::from(c1));
    // Bytes x and y with x + y = -c0 and x * after + y * (after - 1) = -c1, modulo 255. Neither of
    // them is zero, since a checksum of zero means that there is none: 255 is the same number.
    let nonzero = |value: i64| match value.rem_euclid(MODULUS) {
        0 => 0xff,
        value => value as u8,
    };
    let x = c0 * (after - 1) - c1;
    let y = -c0 - x;
    u16::from_be_bytes([nonzero(x), nonzero(y)])
}

/// Whether the sums over `head` and `body` come out as zero.
pub(super) fn is_right(head: &[u8], body: &[u8]) -> bool {
    sums(head, body) == (0, 0)
}

/// The sum of all bytes, and the sum of those sums, modulo 255.
fn sums(head: &[u8], body: &[u8]) -> (u32, u32) {
    let (mut c0, mut c1) = (0_u32, 0_u32);
    for part in [head, body] {
        for block in part.chunks(BLOCK) {
            for byte in block {
                c0 += u32::from(*byte);
                c1 += c0;
            }
            c0 %= MODULUS as u32;
            c1 %= MODULUS as u32;
        }
    }
    (c0, c1)
}

const MODULUS: i64 = 255;

/// Bytes that can be summed up before the second sum may overflow 32 bits:
/// 254 + n * 254 + n * (n + 1) / 2 * 255 < 2^32.
const BLOCK: usize = 4096;
