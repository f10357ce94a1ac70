//! Keyed ciphers that seal and open one ESP packet in place, whatever the suite.
//!
//! Both work on the packet from the ESP header to the ICV with every other field in place:
//! `SPI | sequence | IV | payload, pad, pad length, next header | ICV`.
//! `high` is the high half of the sequence number when it is extended: authenticated, never sent.

mod aead;
mod cbc;
mod gmac;
mod mac;

use arrayvec::ArrayVec;
use subtle::ConstantTimeEq;
use wire::suite::Encryption;

use crate::{Crypto, KeyError, Keys, OpenError, SealError, Suite};

use aead::Aead;
use cbc::{Decryptor, Encryptor};
use gmac::Gmac;
use mac::Mac;

/// Most packets that are sealed or opened in one call: enough to fill the lanes of every kernel a
/// few times.
pub(crate) const JOBS_MAX: usize = 64;

/// What an outbound SA is keyed with.
pub(crate) enum Sealer {
    Aead(Aead),
    Gmac(Gmac),
    CbcMac(Encryptor, Mac),
    NullMac(Mac),
}

/// A packet to seal.
pub(crate) struct SealJob<'a> {
    pub(crate) sealer: &'a Sealer,
    pub(crate) high: Option<u32>,
    pub(crate) packet: &'a mut [u8],
    /// Good so far: whether it was long enough for the suite.
    pub(crate) outcome: &'a mut Result<(), SealError>,
}

impl Sealer {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>, crypto: Crypto) -> Result<Self, KeyError> {
        keys.check(suite)?;
        Ok(match suite.encryption() {
            Encryption::AesGcm(..) | Encryption::ChaCha20Poly1305 => {
                Self::Aead(Aead::new(suite, keys, crypto)?)
            }
            Encryption::NullAesGmac(_) => Self::Gmac(Gmac::new(suite, keys)?),
            Encryption::AesCbc(_) => {
                let cbc = Encryptor::new(suite, keys, crypto)?;
                Self::CbcMac(cbc, Mac::new(suite, keys, crypto)?)
            }
            Encryption::Null => Self::NullMac(Mac::new(suite, keys, crypto)?),
        })
    }

    /// The HMAC, where the cipher does not authenticate.
    #[inline]
    fn mac(&self) -> Option<&Mac> {
        match self {
            Self::Aead(_) | Self::Gmac(_) => None,
            Self::CbcMac(_, mac) | Self::NullMac(mac) => Some(mac),
        }
    }
}

impl<'a> SealJob<'a> {
    /// The HMAC that is still to be computed.
    #[inline]
    fn mac_to_do(&self) -> Option<&'a Mac> {
        self.sealer.mac().filter(|_| self.outcome.is_ok())
    }
}

/// Encrypts packets and writes their ICVs: first whatever is done packet by packet, then what is
/// done side by side, whichever SAs the packets belong to.
pub(crate) fn seal(jobs: &mut [SealJob<'_>]) {
    for jobs in jobs.chunks_mut(JOBS_MAX) {
        for job in jobs.iter_mut() {
            let sealed = match job.sealer {
                Sealer::Aead(aead) => aead.seal(job.high, job.packet),
                Sealer::Gmac(gmac) => gmac.seal(job.high, job.packet),
                Sealer::CbcMac(Encryptor::Simd(_), _) | Sealer::NullMac(_) => Some(()),
                Sealer::CbcMac(cbc, mac) => {
                    mac.split(job.packet).and_then(|(text, _)| cbc.encrypt(text))
                }
            };
            if sealed.is_none() {
                *job.outcome = Err(SealError::Length);
            }
        }
        // Most batches are of one kind of suite: nobody looks for what is not there.
        if jobs.iter().any(|job| job.sealer.mac().is_some()) {
            encrypt_side_by_side(jobs);
            write_icvs(jobs);
        }
    }
}

fn encrypt_side_by_side(jobs: &mut [SealJob<'_>]) {
    let mut lanes = ArrayVec::<_, JOBS_MAX>::new();
    for job in jobs.iter_mut() {
        let Sealer::CbcMac(cbc @ Encryptor::Simd(_), mac) = job.sealer else { continue };
        match mac.split(job.packet).and_then(|(text, _)| cbc.job(text)) {
            Some(lane) => lanes.push(lane),
            None => *job.outcome = Err(SealError::Length),
        }
    }
    if !lanes.is_empty() {
        simd::cbc_encrypt(&mut lanes);
    }
}

fn write_icvs(jobs: &mut [SealJob<'_>]) {
    let mut icvs = Icvs::new();
    compute_icvs(jobs, &mut icvs, |job| Some((job.mac_to_do()?, &*job.packet, job.high)));
    for (job, icv) in jobs.iter_mut().zip(&icvs) {
        let Some(mac) = job.mac_to_do() else { continue };
        let Some(((_, room), icv)) = mac.split(job.packet).zip(icv.as_ref()) else {
            *job.outcome = Err(SealError::Length);
            continue;
        };
        room.iter_mut().zip(icv).for_each(|(to, from)| *to = *from);
    }
}

/// The ICVs of packets, in their order.
type Icvs = ArrayVec<Option<[u8; mac::ICV_MAX]>, JOBS_MAX>;

/// Computes the ICVs of what `covered` gives for each job; `None` where it gives nothing and for
/// packets that are too short to have one.
fn compute_icvs<J>(
    jobs: &[J],
    icvs: &mut Icvs,
    covered: impl for<'a> Fn(&'a J) -> Option<(&'a Mac, &'a [u8], Option<u32>)>,
) {
    let mut computing = ArrayVec::<_, JOBS_MAX>::new();
    for job in jobs.iter().take(JOBS_MAX) {
        let job = covered(job).and_then(|(mac, packet, high)| mac.job(packet, high));
        icvs.push(job.is_some().then_some([0; mac::ICV_MAX]));
        if let Some(job) = job {
            computing.push(job);
        }
    }
    mac::compute(&mut computing);
    for (icv, computed) in icvs.iter_mut().flatten().zip(&computing) {
        *icv = computed.icv;
    }
}

/// What an inbound SA is keyed with.
pub(crate) enum Opener {
    Aead(Aead),
    Gmac(Gmac),
    CbcMac(Decryptor, Mac),
    NullMac(Mac),
}

/// A packet to open.
pub(crate) struct OpenJob<'a> {
    pub(crate) opener: &'a Opener,
    pub(crate) high: Option<u32>,
    pub(crate) packet: &'a mut [u8],
    pub(crate) outcome: &'a mut Result<(), OpenError>,
}

impl Opener {
    pub(crate) fn new(suite: Suite, keys: Keys<'_>, crypto: Crypto) -> Result<Self, KeyError> {
        keys.check(suite)?;
        Ok(match suite.encryption() {
            Encryption::AesGcm(..) | Encryption::ChaCha20Poly1305 => {
                Self::Aead(Aead::new(suite, keys, crypto)?)
            }
            Encryption::NullAesGmac(_) => Self::Gmac(Gmac::new(suite, keys)?),
            Encryption::AesCbc(_) => {
                Self::CbcMac(Decryptor::new(suite, keys)?, Mac::new(suite, keys, crypto)?)
            }
            Encryption::Null => Self::NullMac(Mac::new(suite, keys, crypto)?),
        })
    }

    /// The HMAC, where the cipher does not authenticate.
    #[inline]
    fn mac(&self) -> Option<&Mac> {
        match self {
            Self::Aead(_) | Self::Gmac(_) => None,
            Self::CbcMac(_, mac) | Self::NullMac(mac) => Some(mac),
        }
    }
}

/// Verifies the ICVs of packets, in constant time, side by side whichever SAs they belong to, and
/// decrypts those whose ICV is right.
pub(crate) fn open(jobs: &mut [OpenJob<'_>]) {
    for jobs in jobs.chunks_mut(JOBS_MAX) {
        if jobs.iter().any(|job| job.opener.mac().is_some()) {
            verify_icvs(jobs);
        }
        for job in jobs {
            *job.outcome = match job.opener {
                Opener::Aead(aead) => aead.open(job.high, job.packet),
                Opener::Gmac(gmac) => gmac.open(job.high, job.packet),
                Opener::NullMac(_) => continue,
                Opener::CbcMac(cbc, mac) => job.outcome.and_then(|()| {
                    let text = mac.split(job.packet).map(|(text, _)| text);
                    text.and_then(|text| cbc.decrypt(text)).ok_or(OpenError::Truncated)
                }),
            };
        }
    }
}

fn verify_icvs(jobs: &mut [OpenJob<'_>]) {
    let mut icvs = Icvs::new();
    compute_icvs(jobs, &mut icvs, |job| Some((job.opener.mac()?, &*job.packet, job.high)));
    for (job, icv) in jobs.iter_mut().zip(&icvs) {
        let Some(mac) = job.opener.mac() else { continue };
        *job.outcome = match mac.split(job.packet).zip(icv.as_ref()) {
            None => Err(OpenError::Truncated),
            Some(((_, found), icv)) => match icv.get(..found.len()) {
                Some(icv) if bool::from(icv.ct_eq(found)) => Ok(()),
                _ => Err(OpenError::Integrity),
            },
        };
    }
}

#[cfg(test)]
pub(crate) mod tests;
