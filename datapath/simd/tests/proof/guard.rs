//! Inputs that end where memory ends, and such that begin where it begins: a kernel that touched a
//! byte more would be killed.

use std::ptr::null_mut;

use simd::{AesKey, CbcJob, GcmKey, HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob};

const PAGE: usize = 4096;
const LONGEST: usize = 600;

/// A page between two that nobody may touch.
struct Guarded(*mut u8);

impl Guarded {
    fn new() -> Self {
        let (flags, none) = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, libc::PROT_NONE);
        // SAFETY: new memory, at no fixed address.
        let base = unsafe { libc::mmap(null_mut(), 3 * PAGE, none, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let page = base.wrapping_byte_add(PAGE);
        // SAFETY: the page in the middle of what was just mapped.
        let changed = unsafe { libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(changed, 0);
        Self(page.cast())
    }

    /// The first or the last bytes of the page.
    fn bytes(&mut self, len: usize, at_end: bool) -> &mut [u8] {
        // SAFETY: the page can be read and written, and `self` is borrowed as long.
        let page = unsafe { std::slice::from_raw_parts_mut(self.0, PAGE) };
        if at_end { &mut page[PAGE - len..] } else { &mut page[..len] }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: what was mapped, and nothing points into it any more.
        unsafe { libc::munmap(self.0.wrapping_sub(PAGE).cast(), 3 * PAGE) };
    }
}

/// Calls `work` with every length at both ends of the page.
fn at_both_ends(mut work: impl FnMut(&mut [u8])) {
    let mut page = Guarded::new();
    for len in 0..=LONGEST {
        work(page.bytes(len, true));
        work(page.bytes(len, false));
    }
}

#[test]
fn gcm_touches_only_its_text_and_reads_only_its_additional_data() {
    let Some(key) = GcmKey::new(&[1; 32]) else { return };
    at_both_ends(|text| {
        key.seal(&[2; 12], &[3; 8], text);
        let _ = key.open(&[2; 12], &[3; 8], text, &[0; 16]);
    });
    at_both_ends(|aad| {
        key.seal(&[2; 12], aad, &mut []);
    });
}

#[test]
fn cbc_touches_only_its_blocks() {
    let Some(key) = AesKey::new(&[1; 16]) else { return };
    let Some(other) = AesKey::new(&[2; 16]) else { return };
    for lanes in [1, 8, 9, 16] {
        at_both_ends(|blocks| {
            let mut others = vec![[0; LONGEST]; lanes - 1];
            let mut jobs = vec![CbcJob { key: &key, iv: [0; 16], blocks }];
            for (at, blocks) in others.iter_mut().enumerate() {
                let key = if at % 2 == 0 { &key } else { &other };
                jobs.push(CbcJob { key, iv: [0; 16], blocks });
            }
            simd::cbc_encrypt(&mut jobs);
        });
    }
}

#[test]
fn hmacs_read_only_their_messages() {
    fn check<K, const N: usize>(key: Option<K>, run: fn(&mut [MacJob<'_, K, N>])) {
        let Some(key) = key else { return };
        for others in [0, 1, 8, 15] {
            at_both_ends(|message| {
                let job = |message| MacJob { key: &key, message, tail: None, mac: [0; N] };
                let mut jobs = vec![job(&*message)];
                jobs.resize_with(1 + others, || job(&[0; LONGEST]));
                run(&mut jobs);
            });
        }
    }
    check(HmacSha1Key::new(&[1; 20]), simd::hmac_sha1);
    check(HmacSha256Key::new(&[1; 32]), simd::hmac_sha256);
    check(HmacMd5Key::new(&[1; 16]), simd::hmac_md5);
}
