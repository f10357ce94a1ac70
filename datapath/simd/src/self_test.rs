//! Known answers, asked once before a kernel is used.
//!
//! A question is a batch of messages of many lengths under different keys, more than there are
//! lanes. Its answers are folded into one value that must be the one written here; the crate's
//! tests compute it again with implementations that others wrote.

use crate::{AesKey, CbcJob, GcmKey, HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob};

/// Messages of a question: more than the widest kernel has lanes, and not a multiple of them.
pub(crate) const MESSAGES: usize = 37;
/// Each message is so much longer than the one before: they end everywhere in a block.
const STEP: usize = 29;
const LONGEST: usize = MESSAGES * STEP;

// The answers that the kernels must give.
const AES_GCM: u64 = 0x9463_214b_c2b0_acb0;
const AES_CBC: u64 = 0xd1ce_ae19_04cd_f80a;
const HMAC_SHA1: u64 = 0x2e48_c23c_c18f_83f3;
const HMAC_SHA256: u64 = 0x1306_2764_a84c_1c05;
const HMAC_MD5: u64 = 0x1c19_e051_49c7_5efc;

type Seal = fn(&GcmKey, &[u8; 12], &[u8], &mut [u8]) -> [u8; 16];
type Open = fn(&GcmKey, &[u8; 12], &[u8], &mut [u8], &[u8]) -> bool;

/// What is asked: the bytes that keys, nonces and texts are taken from.
struct Question([u8; LONGEST]);

impl Question {
    fn new() -> Self {
        Self(core::array::from_fn(|at| (at * at + at / 7) as u8))
    }

    fn bytes(&self, from: usize, len: usize) -> &[u8] {
        self.0.get(from..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }

    /// 16, 24 or 32 bytes.
    fn key(&self, message: usize) -> &[u8] {
        self.bytes(message, 16 + 8 * (message % 3))
    }

    fn nonce(&self, message: usize) -> [u8; 12] {
        core::array::from_fn(|at| self.0[message + at])
    }

    fn iv(&self, message: usize) -> [u8; 16] {
        core::array::from_fn(|at| self.0[message + at])
    }

    /// None to two blocks, also such as are cut short.
    fn aad(&self, message: usize) -> &[u8] {
        self.bytes(2 * message, message % 33)
    }

    fn text(&self, message: usize) -> &[u8] {
        self.bytes(0, message * STEP)
    }

    fn tail(&self, message: usize) -> Option<[u8; 4]> {
        (message % 2 == 1).then(|| core::array::from_fn(|at| self.0[message + at]))
    }
}

/// Answers folded together so that a wrong bit anywhere changes the result (FNV-1a).
struct Folded(u64);

impl Folded {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, answer: &[u8]) {
        for byte in answer {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Whether sealed texts are right and open again, but not with another ICV.
pub(crate) fn aes_gcm(seal: Seal, open: Open) -> bool {
    let question = Question::new();
    let mut folded = Folded::new();
    let mut opens = true;
    for message in 0..MESSAGES {
        let Some(key) = GcmKey::expand(question.key(message)) else { return false };
        let (nonce, aad) = (question.nonce(message), question.aad(message));
        let mut text = question.text(message).to_vec();
        let icv = seal(&key, &nonce, aad, &mut text);
        folded.add(&text);
        folded.add(&icv);
        let mut other = text.clone();
        opens &= open(&key, &nonce, aad, &mut text, &icv) && text == question.text(message);
        opens &= !open(&key, &nonce, aad, &mut other, &icv.map(|byte| byte ^ 4));
    }
    opens && folded.0 == AES_GCM
}

/// Whether encrypted packets are right.
pub(crate) fn aes_cbc(encrypt: impl Fn(&mut [CbcJob<'_>])) -> bool {
    let question = Question::new();
    let keys = (0..MESSAGES).map(|message| AesKey::expand(question.key(message)));
    let Some(keys) = keys.collect::<Option<Vec<_>>>() else { return false };
    let mut texts: Vec<_> = (0..MESSAGES).map(|message| question.text(message).to_vec()).collect();
    let with_keys = texts.iter_mut().zip(&keys).enumerate();
    let jobs =
        with_keys.map(|(message, (blocks, key))| CbcJob { key, iv: question.iv(message), blocks });
    encrypt(&mut jobs.collect::<Vec<_>>());
    let mut folded = Folded::new();
    for text in &texts {
        folded.add(text);
    }
    folded.0 == AES_CBC
}

macro_rules! hmac {
    ($name:ident, $key:ident, $len:literal, $answer:ident) => {
        /// Whether MACs are right.
        pub(crate) fn $name(run: impl Fn(&mut [MacJob<'_, $key, $len>])) -> bool {
            let question = Question::new();
            let keys = (0..MESSAGES).map(|message| $key::absorb(question.key(message)));
            let Some(keys) = keys.collect::<Option<Vec<_>>>() else { return false };
            let jobs = keys.iter().enumerate().map(|(message, key)| MacJob {
                key,
                message: question.text(message),
                tail: question.tail(message),
                mac: [0; $len],
            });
            let mut jobs: Vec<_> = jobs.collect();
            run(&mut jobs);
            let mut folded = Folded::new();
            for job in &jobs {
                folded.add(&job.mac);
            }
            folded.0 == $answer
        }
    };
}

hmac!(hmac_sha1, HmacSha1Key, 20, HMAC_SHA1);
hmac!(hmac_sha256, HmacSha256Key, 32, HMAC_SHA256);
hmac!(hmac_md5, HmacMd5Key, 16, HMAC_MD5);

#[cfg(test)]
mod tests;
