//! HMAC as ESP uses it: over everything from the SPI to the next header, then the high half of an
//! extended sequence number (RFC 4303 2.2.1), its output cut to the ICV's length.

use arrayvec::ArrayVec;
use hmac::digest::block_api::EagerHash;
use hmac::{Hmac, KeyInit, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use wire::suite::Integrity;

use super::JOBS_MAX;
use crate::{Crypto, KeyError, Keys, Suite};

/// A hash keyed once: both pads are absorbed, a packet starts from a copy of that state.
pub(crate) struct Mac {
    hash: Hash,
    icv_len: usize,
}

/// The larger ones are boxed: few SAs have them, and every SA would pay.
enum Hash {
    /// HMAC-MD5-96, several packets side by side.
    SimdMd5(simd::HmacMd5Key),
    /// HMAC-SHA-1-96, several packets side by side.
    SimdSha1(simd::HmacSha1Key),
    /// HMAC-SHA-256-128, several packets side by side.
    SimdSha256(simd::HmacSha256Key),
    /// HMAC-MD5-96 (RFC 2403).
    Md5(Hmac<Md5>),
    /// HMAC-SHA-1-96 (RFC 2404).
    Sha1(Hmac<Sha1>),
    /// HMAC-SHA-256-128 (RFC 4868).
    Sha256(Hmac<Sha256>),
    /// HMAC-SHA-384-192 (RFC 4868).
    Sha384(Box<Hmac<Sha384>>),
    /// HMAC-SHA-512-256 (RFC 4868).
    Sha512(Box<Hmac<Sha512>>),
}

impl Mac {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>, crypto: Crypto) -> Result<Self, KeyError> {
        let key = keys.authentication;
        let fast = match (crypto, suite.integrity()) {
            (Crypto::Fastest, Integrity::HmacMd5) => simd::HmacMd5Key::new(key).map(Hash::SimdMd5),
            (Crypto::Fastest, Integrity::HmacSha1) => {
                simd::HmacSha1Key::new(key).map(Hash::SimdSha1)
            }
            (Crypto::Fastest, Integrity::HmacSha256) => {
                simd::HmacSha256Key::new(key).map(Hash::SimdSha256)
            }
            _ => None,
        };
        if let Some(hash) = fast {
            return Ok(Self { hash, icv_len: suite.icv_len() });
        }
        let hash = match suite.integrity() {
            Integrity::HmacMd5 => Hmac::new_from_slice(key).map(Hash::Md5),
            Integrity::HmacSha256 => Hmac::new_from_slice(key).map(Hash::Sha256),
            Integrity::HmacSha384 => {
                Hmac::new_from_slice(key).map(|keyed| Hash::Sha384(Box::new(keyed)))
            }
            Integrity::HmacSha512 => {
                Hmac::new_from_slice(key).map(|keyed| Hash::Sha512(Box::new(keyed)))
            }
            Integrity::HmacSha1 | Integrity::Combined => Hmac::new_from_slice(key).map(Hash::Sha1),
        };
        let (expected, found) = (suite.authentication_key_len(), key.len());
        let hash = hash.map_err(|_| KeyError::AuthenticationLength { expected, found })?;
        Ok(Self { hash, icv_len: suite.icv_len() })
    }

    /// What the ICV covers, and the ICV.
    #[inline]
    pub(crate) fn split<'a>(&self, packet: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
        packet.split_at_mut_checked(packet.len().checked_sub(self.icv_len)?)
    }

    /// A packet whose ICV is to be computed; `None` when it is too short to have one.
    #[inline]
    pub(crate) fn job<'a>(&'a self, packet: &'a [u8], high: Option<u32>) -> Option<IcvJob<'a>> {
        let (covered, _) = packet.split_at_checked(packet.len().checked_sub(self.icv_len)?)?;
        Some(IcvJob { mac: self, covered, high, icv: [0; ICV_MAX] })
    }
}

/// Longest ICV: half of SHA-512 (RFC 4868).
pub(crate) const ICV_MAX: usize = 32;

/// A packet and its ICV.
pub(crate) struct IcvJob<'a> {
    mac: &'a Mac,
    covered: &'a [u8],
    high: Option<u32>,
    /// What was computed; as many bytes of it as the suite's ICV has are the ICV.
    pub(crate) icv: [u8; ICV_MAX],
}

/// Computes the ICVs of at most [`JOBS_MAX`] packets of any keys and lengths.
pub(crate) fn compute(jobs: &mut [IcvJob<'_>]) {
    fn sha1(hash: &Hash) -> Option<&simd::HmacSha1Key> {
        if let Hash::SimdSha1(key) = hash { Some(key) } else { None }
    }
    fn sha256(hash: &Hash) -> Option<&simd::HmacSha256Key> {
        if let Hash::SimdSha256(key) = hash { Some(key) } else { None }
    }
    fn md5(hash: &Hash) -> Option<&simd::HmacMd5Key> {
        if let Hash::SimdMd5(key) = hash { Some(key) } else { None }
    }
    side_by_side(jobs, sha1, simd::hmac_sha1);
    side_by_side(jobs, sha256, simd::hmac_sha256);
    side_by_side(jobs, md5, simd::hmac_md5);
    jobs.iter_mut().for_each(alone);
}

/// Computes the ICVs of those packets whose key `pick` finds, all in one call.
fn side_by_side<'a, K, const N: usize>(
    jobs: &mut [IcvJob<'a>],
    pick: fn(&Hash) -> Option<&K>,
    run: fn(&mut [simd::MacJob<'_, K, N>]),
) {
    let tail = |high: Option<u32>| high.map(u32::to_be_bytes);
    let mut lanes = ArrayVec::<_, JOBS_MAX>::new();
    for job in jobs.iter().take(JOBS_MAX) {
        if let Some(key) = pick(&job.mac.hash) {
            let (message, tail) = (job.covered, tail(job.high));
            lanes.push(simd::MacJob { key, message, tail, mac: [0; N] });
        }
    }
    if lanes.is_empty() {
        return;
    }
    run(&mut lanes);
    let done = jobs.iter_mut().filter(|job| pick(&job.mac.hash).is_some());
    for (job, lane) in done.zip(&lanes) {
        job.icv.iter_mut().zip(lane.mac).for_each(|(to, from)| *to = from);
    }
}

/// Computes the ICV of a packet whose hash does one at a time.
fn alone(job: &mut IcvJob<'_>) {
    let (covered, high, icv) = (job.covered, job.high, &mut job.icv);
    match &job.mac.hash {
        Hash::SimdMd5(_) | Hash::SimdSha1(_) | Hash::SimdSha256(_) => {}
        Hash::Md5(keyed) => put(absorb(keyed, covered, high), icv),
        Hash::Sha1(keyed) => put(absorb(keyed, covered, high), icv),
        Hash::Sha256(keyed) => put(absorb(keyed, covered, high), icv),
        Hash::Sha384(keyed) => put(absorb(keyed, covered, high), icv),
        Hash::Sha512(keyed) => put(absorb(keyed, covered, high), icv),
    }
}

fn absorb<D: EagerHash>(keyed: &Hmac<D>, covered: &[u8], high: Option<u32>) -> Hmac<D>
where
    Hmac<D>: Clone + hmac::Mac,
{
    let mut mac = keyed.clone();
    mac.update(covered);
    if let Some(high) = high {
        mac.update(&high.to_be_bytes());
    }
    mac
}

/// The first bytes of the MAC.
fn put(mac: impl hmac::Mac, icv: &mut [u8; ICV_MAX]) {
    icv.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
}
