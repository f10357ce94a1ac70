//! What proves where a packet is from: a checksum, a password in clear, or a digest (RFC 2328
//! appendix D, RFC 5709).

use alloc::vec::Vec;
use core::fmt;

use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use engine::{Secret, UnixTime};
use wire::checksum;

use super::Header;
use super::numbers::AuthenticationType;

/// The longest digest, in bytes.
pub const DIGEST_LEN_MAX: usize = 64;

/// How an interface proves what it sends, and what it wants proven.
#[derive(PartialEq, Eq)]
pub enum Authentication {
    /// Not at all (RFC 2328 appendix D.1): the checksum guards against accidents.
    None,
    /// A password in clear (D.2), of which eight bytes count.
    Simple(Secret),
    /// Digests (D.3).
    Cryptographic(Keys),
}

/// The keys of an interface: at least one.
#[derive(PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// A key, and when it is used.
#[derive(PartialEq, Eq)]
pub struct Key {
    /// What the packet names it by. More than one key may have an ID, if only in turn.
    pub id: u8,
    /// How a digest is made with it.
    pub algorithm: Algorithm,
    /// The key itself; of one for keyed MD5, 16 bytes count.
    pub secret: Secret,
    /// When packets with it are taken; always, if that is not said.
    pub accept: Option<Window>,
    /// When packets are sent with it; always, if that is not said.
    pub generate: Option<Window>,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first second of it.
    pub start: UnixTime,
    /// The first second after it.
    pub end: UnixTime,
}

/// How a digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Keyed MD5 (RFC 2328 appendix D.4.3), which is not HMAC-MD5.
    Md5,
    /// RFC 5709.
    HmacSha1,
    /// RFC 5709.
    HmacSha256,
    /// RFC 5709.
    HmacSha384,
    /// RFC 5709.
    HmacSha512,
}

/// What a packet that is from a holder of the keys says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The cryptographic sequence number, if it has a digest: one that is less than the last of the
    /// same neighbor is a replay (RFC 2328 appendix D.4.3).
    pub sequence: Option<u32>,
}

/// Why a packet is not from a holder of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// It wants to prove itself in another way than is agreed.
    Type(AuthenticationType),
    /// Its checksum is wrong: it was damaged on the way.
    Checksum,
    /// A wrong password.
    Password,
    /// A key of this ID is not there, or not taken at this time.
    Key(u8),
    /// The packet or its digest is not there, or the digest is not as long as that of the key.
    Length,
    /// A wrong digest: another key, or a forged or damaged packet.
    Digest,
}

/// Whether the packet that `header` was read from is from a holder of what `authentication` has, as
/// far as that can be proven. `bytes` is the payload of the IP packet, `now` decides which keys are
/// taken. A block of link-local signaling behind the digest is not covered.
///
/// # Errors
///
/// If it proves nothing, or something else.
pub fn verify(
    header: &Header,
    bytes: &[u8],
    authentication: &Authentication,
    now: UnixTime,
) -> Result<Verified, AuthError> {
    if header.authentication != authentication.kind() {
        return Err(AuthError::Type(header.authentication));
    }
    let parts = bytes.split_at_checked(header.length.into());
    let (packet, behind) =
        parts.filter(|(packet, _)| packet.len() >= Header::LEN).ok_or(AuthError::Length)?;
    match authentication {
        Authentication::None => check(packet)?,
        Authentication::Simple(secret) => {
            check(packet)?;
            let right: bool = header.authentication_field.ct_eq(&*password(secret)).into();
            if !right {
                return Err(AuthError::Password);
            }
        }
        Authentication::Cryptographic(keys) => {
            return keys.verify(header, packet, behind, now);
        }
    }
    Ok(Verified { sequence: None })
}

impl Authentication {
    /// What packets with it have in their header.
    #[must_use]
    pub fn kind(&self) -> AuthenticationType {
        match self {
            Self::None => AuthenticationType::NULL,
            Self::Simple(_) => AuthenticationType::SIMPLE,
            Self::Cryptographic(_) => AuthenticationType::CRYPTOGRAPHIC,
        }
    }

    /// Bytes behind the packet that are sent at `now`.
    #[must_use]
    pub fn digest_len(&self, now: UnixTime) -> usize {
        match self {
            Self::None | Self::Simple(_) => 0,
            Self::Cryptographic(keys) => keys.generating(now).algorithm.digest_len(),
        }
    }

    /// Fills the checksum or the authentication field of a packet, where both are zero, and appends
    /// a digest.
    pub(super) fn seal(&self, packet: &mut Vec<u8>, sequence: u32, now: UnixTime) {
        match self {
            Self::None => put_checksum(packet),
            Self::Simple(secret) => {
                put_checksum(packet);
                packet[FIELD].copy_from_slice(&*password(secret));
            }
            Self::Cryptographic(keys) => {
                let key = keys.generating(now);
                let digest_len = key.algorithm.digest_len() as u8;
                let field = &mut packet[FIELD];
                field[..4].copy_from_slice(&[0, 0, key.id, digest_len]);
                field[4..].copy_from_slice(&sequence.to_be_bytes());
                let digest = key.digest(packet);
                packet.extend_from_slice(&digest);
            }
        }
    }
}

impl Keys {
    /// `None` if there are none. Where more than one may be sent with and they began at once, the
    /// last one is taken.
    #[must_use]
    pub fn new(keys: Vec<Key>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key to send with: of those whose time it is, the one that began last. Once all have
    /// expired, the last one goes on, for an adjacency must not fail nor go unprotected because
    /// nobody has set a new key (RFC 2328 appendix D.3).
    fn generating(&self, now: UnixTime) -> &Key {
        let current = self.0.iter().filter(|key| is_in(key.generate, now));
        let current = current.max_by_key(|key| key.generate.map(|window| window.start));
        let last = || self.0.iter().max_by_key(|key| staleness(key.generate, now));
        current.or_else(last).unwrap_or(&self.0[0])
    }

    /// The keys of an ID that are taken; the last to expire as in [`Self::generating`].
    fn accepting(&self, id: u8, now: UnixTime) -> impl Iterator<Item = &Key> {
        let any = self.0.iter().any(|key| is_in(key.accept, now));
        let last = self.0.iter().map(|key| staleness(key.accept, now)).max();
        let taken = move |key: &&Key| {
            let goes_on = !any && Some(staleness(key.accept, now)) == last;
            key.id == id && (goes_on || is_in(key.accept, now))
        };
        self.0.iter().filter(taken)
    }

    fn verify(
        &self,
        header: &Header,
        packet: &[u8],
        behind: &[u8],
        now: UnixTime,
    ) -> Result<Verified, AuthError> {
        let [_, _, id, digest_len, sequence @ ..] = header.authentication_field;
        let digest = behind.get(..digest_len.into()).ok_or(AuthError::Length)?;
        let mut verdict = Err(AuthError::Key(id));
        for key in self.accepting(id, now) {
            if digest.len() != key.algorithm.digest_len() {
                verdict = Err(AuthError::Length);
                continue;
            }
            let right: bool = key.digest(packet).ct_eq(digest).into();
            if right {
                return Ok(Verified { sequence: Some(u32::from_be_bytes(sequence)) });
            }
            verdict = Err(AuthError::Digest);
        }
        verdict
    }
}

impl Key {
    /// The digest that follows `packet`, which is whole and names this key.
    fn digest(&self, packet: &[u8]) -> Vec<u8> {
        let secret = self.secret.expose();
        match self.algorithm {
            Algorithm::Md5 => {
                let mut padded = Zeroizing::new([0; MD5_LEN]);
                padded.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
                Md5::new().chain_update(packet).chain_update(&padded[..]).finalize().to_vec()
            }
            Algorithm::HmacSha1 => hmac::<Sha1, Hmac<Sha1>>(secret, packet),
            Algorithm::HmacSha256 => hmac::<Sha256, Hmac<Sha256>>(secret, packet),
            Algorithm::HmacSha384 => hmac::<Sha384, Hmac<Sha384>>(secret, packet),
            Algorithm::HmacSha512 => hmac::<Sha512, Hmac<Sha512>>(secret, packet),
        }
    }
}

impl Algorithm {
    /// Length of a digest, in bytes.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => MD5_LEN,
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => DIGEST_LEN_MAX,
        }
    }
}

/// RFC 5709 section 3.3: the digest is over the packet with Apad where the digest will be, and a
/// key that is longer than a digest, not than a block of the hash, is hashed first.
fn hmac<H: Digest, M: Mac + KeyInit>(secret: &[u8], packet: &[u8]) -> Vec<u8> {
    let len = <H as Digest>::output_size();
    let hashed = (secret.len() > len).then(|| Zeroizing::new(H::digest(secret).to_vec()));
    let key = hashed.as_ref().map_or(secret, |hashed| &hashed[..]);
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    let mut mac = mac.chain_update(packet);
    for _ in 0..len / APAD.len() {
        mac.update(&APAD);
    }
    mac.finalize().into_bytes().to_vec()
}

fn is_in(window: Option<Window>, now: UnixTime) -> bool {
    window.is_none_or(|window| (window.start..window.end).contains(&now))
}

/// Orders windows that are not open: the one that closed last is the greatest, and those that have
/// not opened yet are less than all that have been open.
fn staleness(window: Option<Window>, now: UnixTime) -> Option<(bool, UnixTime)> {
    window.map(|window| (window.start <= now, window.end))
}

/// The password as it stands in the header.
fn password(secret: &Secret) -> Zeroizing<[u8; 8]> {
    let mut padded = Zeroizing::new([0; 8]);
    padded.iter_mut().zip(secret.expose()).for_each(|(to, from)| *to = *from);
    padded
}

/// The checksum is over the packet without the authentication field (RFC 2328 appendix D.4.1).
fn sum(packet: &[u8]) -> u16 {
    let (head, tail) = (&packet[..FIELD.start], &packet[FIELD.end..]);
    checksum::finish(checksum::add(checksum::add(0, head), tail))
}

fn check(packet: &[u8]) -> Result<(), AuthError> {
    if sum(packet) == 0 { Ok(()) } else { Err(AuthError::Checksum) }
}

fn put_checksum(packet: &mut [u8]) {
    let sum = sum(packet);
    packet[12..14].copy_from_slice(&sum.to_be_bytes());
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "another authentication: {kind}"),
            Self::Checksum => f.write_str("a wrong checksum"),
            Self::Password => f.write_str("a wrong password"),
            Self::Key(id) => write!(f, "no key {id} for this time"),
            Self::Length => f.write_str("a digest of a wrong length"),
            Self::Digest => f.write_str("a wrong digest"),
        }
    }
}

impl core::error::Error for AuthError {}

impl fmt::Debug for Authentication {
    /// Its type, and no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind())
    }
}

/// Where the authentication field stands in a packet.
const FIELD: core::ops::Range<usize> = 16..Header::LEN;
const MD5_LEN: usize = 16;
const APAD: [u8; 4] = [0x87, 0x8f, 0xe1, 0xf3];
