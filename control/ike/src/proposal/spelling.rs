//! From text to proposals, in strongSwan's spelling: algorithms with hyphens between them, several
//! of one kind where any will do.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use wire::Suite;
use wire::suite::{self, AesKey};

use super::transforms::integrity;
use super::{EspProposal, IkeProposal};
use crate::algorithm::{Encryption, Group, Integrity, Prf};

/// Longest proposal in bytes; all that there is, written once, is shorter.
const TEXT_LEN_MAX: usize = 1024;

/// A proposal that cannot be understood, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misspelled {
    /// What is wrong: "there is no key exchange".
    pub what: String,
    /// What would be right.
    pub remedy: String,
    /// The word that is no algorithm, if that is it.
    pub word: Option<String>,
}

impl fmt::Display for Misspelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

impl core::error::Error for Misspelled {}

impl Misspelled {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), word: None }
    }

    /// All words that a proposal may be made of, those for ESP alone included, to find the one
    /// that was meant.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let ciphers = CIPHERS.iter().map(|(name, _)| *name);
        let integrity = INTEGRITY.iter().map(|it| it.name());
        let prfs = PRFS.iter().map(|it| it.name());
        let groups = GROUPS.iter().map(|it| it.name());
        ciphers.chain(integrity).chain(prfs).chain(groups).chain(["esn", "noesn", "ke1_mlkem768"])
    }
}

use suite::Encryption::{AesCbc, AesGcm, ChaCha20Poly1305, Null, NullAesGmac};

/// Ciphers; further spellings of one come after the usual one.
const CIPHERS: [(&str, suite::Encryption); 31] = [
    ("aes256gcm16", AesGcm(AesKey::Bits256, 16)),
    ("aes192gcm16", AesGcm(AesKey::Bits192, 16)),
    ("aes128gcm16", AesGcm(AesKey::Bits128, 16)),
    ("aes256gcm12", AesGcm(AesKey::Bits256, 12)),
    ("aes192gcm12", AesGcm(AesKey::Bits192, 12)),
    ("aes128gcm12", AesGcm(AesKey::Bits128, 12)),
    ("aes256gcm8", AesGcm(AesKey::Bits256, 8)),
    ("aes192gcm8", AesGcm(AesKey::Bits192, 8)),
    ("aes128gcm8", AesGcm(AesKey::Bits128, 8)),
    ("chacha20poly1305", ChaCha20Poly1305),
    ("aes256", AesCbc(AesKey::Bits256)),
    ("aes192", AesCbc(AesKey::Bits192)),
    ("aes128", AesCbc(AesKey::Bits128)),
    ("aes256gmac", NullAesGmac(AesKey::Bits256)),
    ("aes192gmac", NullAesGmac(AesKey::Bits192)),
    ("aes128gmac", NullAesGmac(AesKey::Bits128)),
    ("null", Null),
    ("aes", AesCbc(AesKey::Bits128)),
    ("aes256gcm", AesGcm(AesKey::Bits256, 16)),
    ("aes192gcm", AesGcm(AesKey::Bits192, 16)),
    ("aes128gcm", AesGcm(AesKey::Bits128, 16)),
    ("aes256gcm128", AesGcm(AesKey::Bits256, 16)),
    ("aes192gcm128", AesGcm(AesKey::Bits192, 16)),
    ("aes128gcm128", AesGcm(AesKey::Bits128, 16)),
    ("aes256gcm96", AesGcm(AesKey::Bits256, 12)),
    ("aes192gcm96", AesGcm(AesKey::Bits192, 12)),
    ("aes128gcm96", AesGcm(AesKey::Bits128, 12)),
    ("aes256gcm64", AesGcm(AesKey::Bits256, 8)),
    ("aes192gcm64", AesGcm(AesKey::Bits192, 8)),
    ("aes128gcm64", AesGcm(AesKey::Bits128, 8)),
    ("chacha20poly1305compat", ChaCha20Poly1305),
];

const INTEGRITY: [Integrity; 5] = [
    Integrity::HmacSha256,
    Integrity::HmacSha384,
    Integrity::HmacSha512,
    Integrity::HmacSha1,
    Integrity::HmacMd5,
];

const PRFS: [Prf; 5] =
    [Prf::HmacSha256, Prf::HmacSha384, Prf::HmacSha512, Prf::HmacSha1, Prf::HmacMd5];

const GROUPS: [Group; 9] = [
    Group::X25519,
    Group::Ecp256,
    Group::Ecp384,
    Group::Modp2048,
    Group::Modp3072,
    Group::Modp4096,
    Group::Modp1536,
    Group::Modp1024,
    Group::MlKem768,
];

/// What the words of a proposal are, each kind in the order in which it is written.
#[derive(Default)]
struct Words {
    ciphers: Vec<suite::Encryption>,
    integrity: Vec<Integrity>,
    prf: Vec<Prf>,
    groups: Vec<Group>,
    additional: [Vec<Group>; 7],
    esn: bool,
    no_esn: bool,
}

impl Words {
    fn of(text: &str) -> Result<Self, Misspelled> {
        if text.len() > TEXT_LEN_MAX {
            return Err(Misspelled::new(
                "the proposal is too long",
                "write each algorithm once, or several proposals",
            ));
        }
        let mut words = Self::default();
        for word in text.split('-') {
            words.take(word.trim())?;
        }
        if let Some(group) = words.groups.iter().find(|group| !group.stands_alone()) {
            let name = group.name();
            return Err(Misspelled::new(
                format!("{name} goes beside another key exchange, not in its place"),
                format!("write `x25519-ke1_{name}` (RFC 9370)"),
            ));
        }
        let additional = words.additional.iter().any(|groups| !groups.is_empty());
        if additional && words.groups.is_empty() {
            return Err(Misspelled::new(
                "there is an additional key exchange and no first one",
                "add one such as `x25519` (RFC 9370)",
            ));
        }
        Ok(words)
    }

    fn take(&mut self, word: &str) -> Result<(), Misspelled> {
        if let Some((_, cipher)) = CIPHERS.iter().find(|(name, _)| *name == word) {
            push(&mut self.ciphers, *cipher);
        } else if let Some(integrity) = integrity_named(word) {
            push(&mut self.integrity, integrity);
        } else if let Some(prf) = word.strip_prefix("prf").and_then(integrity_named) {
            push(&mut self.prf, prf.prf());
        } else if let Some(group) = group_named(word) {
            push(&mut self.groups, group);
        } else if let Some(rest) = word.strip_prefix("ke") {
            self.take_additional(word, rest)?;
        } else {
            match word {
                "esn" => self.esn = true,
                "noesn" => self.no_esn = true,
                "modpnone" => {}
                _ => return Err(unknown(word)),
            }
        }
        Ok(())
    }

    /// `1_mlkem768`.
    fn take_additional(&mut self, word: &str, rest: &str) -> Result<(), Misspelled> {
        let (position, name) = rest.split_once('_').ok_or_else(|| unknown(word))?;
        let position = position.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
        let Some(groups) = position.and_then(|position| self.additional.get_mut(position)) else {
            return Err(Misspelled::new(
                format!("there is no additional key exchange `{}`", shown(word)),
                "write ke1_ to ke7_ before its name (RFC 9370)",
            ));
        };
        if name == "none" {
            return Err(Misspelled::new(
                "an additional key exchange cannot be left to choice within one proposal",
                "write a second proposal without it, after this one",
            ));
        }
        push(groups, group_named(name).ok_or_else(|| unknown(name))?);
        Ok(())
    }

    /// Whether the ciphers authenticate; they must not differ in that.
    fn is_aead(&self) -> Result<bool, Misspelled> {
        let aead = |cipher: &suite::Encryption| !matches!(cipher, AesCbc(_) | Null);
        let count = self.ciphers.iter().filter(|cipher| aead(cipher)).count();
        match count {
            _ if self.ciphers.is_empty() => {
                Err(Misspelled::new("there is no cipher", "begin with one such as `aes256gcm16`"))
            }
            0 => Ok(false),
            count if count == self.ciphers.len() => Ok(true),
            _ => Err(Misspelled::new(
                "ciphers with authentication of their own and others are mixed",
                "write two proposals, one for each (RFC 7296 section 3.3)",
            )),
        }
    }
}

impl FromStr for IkeProposal {
    type Err = Misspelled;

    fn from_str(text: &str) -> Result<Self, Misspelled> {
        let words = Words::of(text)?;
        let aead = words.is_aead()?;
        if words.esn || words.no_esn {
            return Err(Misspelled::new(
                "extended sequence numbers are ESP's",
                "write `esn` in the proposals of the tunnel",
            ));
        }
        let Words { mut integrity, mut prf, groups, additional, .. } = words;
        let encryption = words.ciphers.iter().map(|cipher| ike_cipher(*cipher));
        let encryption = encryption.collect::<Result<Vec<_>, _>>()?;
        if aead && !prf.is_empty() && !integrity.is_empty() {
            return Err(Misspelled::new(
                format!("{} beside a cipher that authenticates", integrity[0].name()),
                "leave it out",
            ));
        }
        if prf.is_empty() {
            // As strongSwan does it.
            prf = integrity.iter().map(|integrity| integrity.prf()).collect();
        }
        if aead {
            integrity.clear();
        } else if integrity.is_empty() {
            return Err(Misspelled::new(
                "nothing authenticates: there is no integrity algorithm",
                "add one such as `sha256`",
            ));
        }
        if prf.is_empty() {
            return Err(Misspelled::new("there is no PRF", "add one such as `prfsha256`"));
        }
        if groups.is_empty() {
            return Err(Misspelled::new("there is no key exchange", "add one such as `x25519`"));
        }
        Ok(Self { encryption, integrity, prf, groups, additional })
    }
}

impl FromStr for EspProposal {
    type Err = Misspelled;

    fn from_str(text: &str) -> Result<Self, Misspelled> {
        let words = Words::of(text)?;
        let aead = words.is_aead()?;
        if let Some(prf) = words.prf.first() {
            return Err(Misspelled::new(
                format!("{} is for IKE: ESP has no PRF", prf.name()),
                "leave it out",
            ));
        }
        match (aead, words.integrity.first()) {
            (true, Some(integrity)) => {
                return Err(Misspelled::new(
                    format!("{} beside a cipher that authenticates", integrity.name()),
                    "leave it out",
                ));
            }
            (false, None) => {
                return Err(Misspelled::new(
                    "nothing authenticates: there is no integrity algorithm",
                    "add one such as `sha256`",
                ));
            }
            _ => {}
        }
        // Every cipher goes with every integrity algorithm there is.
        let pairs = words.ciphers.iter().flat_map(|cipher| {
            let beside = Suite::ALL.iter().filter(|suite| suite.encryption() == *cipher);
            let beside: Vec<_> = beside.copied().collect();
            let wanted: Vec<_> = match aead {
                true => alloc::vec![None],
                false => words.integrity.iter().copied().map(Some).collect(),
            };
            let with =
                move |it| beside.iter().find(|suite| integrity(suite.integrity()) == it).copied();
            wanted.into_iter().filter_map(with).collect::<Vec<_>>()
        });
        Ok(Self {
            suites: pairs.collect(),
            groups: words.groups,
            additional: words.additional,
            esn: words.esn,
            no_esn: words.no_esn || !words.esn,
        })
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn integrity_named(word: &str) -> Option<Integrity> {
    let word = match word {
        "sha" => "sha1",
        "sha2_256" => "sha256",
        "sha2_384" => "sha384",
        "sha2_512" => "sha512",
        word => word,
    };
    INTEGRITY.iter().copied().find(|integrity| integrity.name() == word)
}

fn group_named(word: &str) -> Option<Group> {
    let word = if word == "curve25519" { "x25519" } else { word };
    GROUPS.iter().copied().find(|group| group.name() == word)
}

fn ike_cipher(cipher: suite::Encryption) -> Result<Encryption, Misspelled> {
    let bits = |key: AesKey| 8 * key.len() as u16;
    match cipher {
        AesCbc(key) => Ok(Encryption::AesCbc(bits(key))),
        AesGcm(key, icv_len) => Ok(Encryption::AesGcm(bits(key), icv_len)),
        ChaCha20Poly1305 => Ok(Encryption::ChaCha20Poly1305),
        Null | NullAesGmac(_) => Err(Misspelled::new(
            "IKE's own messages are never in clear",
            "write a cipher such as `aes256gcm16`",
        )),
    }
}

fn unknown(word: &str) -> Misspelled {
    let known_elsewhere = [
        "3des",
        "des",
        "blowfish",
        "cast",
        "camellia",
        "ecp521",
        "modp768",
        "modp6144",
        "modp8192",
        "x448",
        "curve448",
        "aesxcbc",
        "aescmac",
        "mlkem512",
        "mlkem1024",
        "ecp192",
        "ecp224",
    ];
    let word = shown(word);
    let (what, remedy) = if word.is_empty() {
        ("a word is missing".to_string(), "write algorithms with one hyphen between them")
    } else if known_elsewhere.iter().any(|other| word.starts_with(other)) {
        (format!("fastgw does not have `{word}`"), "write another of its kind")
    } else {
        let remedy = "write algorithms as strongSwan does: `aes256gcm16-prfsha256-x25519`";
        (format!("`{word}` is no algorithm"), remedy)
    };
    Misspelled { what, remedy: remedy.to_string(), word: Some(word) }
}

/// A foreign word made safe to print.
fn shown(word: &str) -> String {
    word.chars().take(32).flat_map(char::escape_debug).collect()
}
