//! Keys: hexadecimal text in the file itself or in a file of its own, checked against what the
//! suite wants. No message ever repeats a key.

use std::{ops::Range, path::Path};

use engine::Secret;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::{
    Suite,
    diagnostic::Diagnostic,
    findings::Findings,
    private_file::{self, FILE_PREFIX, Trouble, Wanted},
    section::KeyText,
    spelling::{count, shown},
};

/// A key file holds one key; the longest has 74 characters.
const KEY_FILE: Wanted =
    Wanted { what: "key file", holds: "one key in hexadecimal", len_max: 4096, secret: true };

/// Which of a suite's two keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Encryption,
    Authentication,
}

impl KeyKind {
    /// The TOML key that holds it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption_key",
            Self::Authentication => "authentication_key",
        }
    }

    /// Length in bytes that a suite wants.
    pub(crate) const fn len(self, suite: Suite) -> usize {
        match self {
            Self::Encryption => suite.encryption_key_len(),
            Self::Authentication => suite.authentication_key_len(),
        }
    }
}

/// Reads a key and checks it against the suite; reports what is wrong with it. `key_dir` is what
/// a relative `file:` is relative to.
pub(crate) fn read(
    value: &Spanned<KeyText>,
    kind: KeyKind,
    suite: Suite,
    key_dir: &Path,
    found: &mut Findings,
) -> Option<Secret> {
    let text = value.get_ref().0.as_str();
    let at = At { span: value.span(), kind, found };
    let key = match text.strip_prefix(FILE_PREFIX) {
        Some(name) => {
            let content = at.read_file(&key_dir.join(name), name);
            content.and_then(|content| at.parse(&content, suite))
        }
        None => at.parse(text, suite),
    };
    key.map_err(|error| found.push(*error)).ok()
}

/// Whether the key itself stands in the TOML file.
pub(crate) fn is_inline(value: &Spanned<KeyText>) -> bool {
    !value.get_ref().0.starts_with(FILE_PREFIX)
}

/// Where a key stands, to make errors about it.
struct At<'a> {
    span: Range<usize>,
    kind: KeyKind,
    found: &'a Findings,
}

/// Boxed, because it is large and rare.
type Refusal = Box<Diagnostic>;

impl At<'_> {
    /// The text of a key file.
    fn read_file(&self, path: &Path, name: &str) -> Result<Zeroizing<String>, Refusal> {
        let trouble = |Trouble { title, label, help }| self.refuse(title, label, help);
        let bytes = private_file::read(path, name, KEY_FILE).map_err(trouble)?;
        let text = str::from_utf8(&bytes).map_err(|_| {
            self.refuse(
                format!("key file {} is not text", shown(name)),
                "it holds bytes that are not UTF-8",
                "write the key in hexadecimal",
            )
        })?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    fn parse(&self, text: &str, suite: Suite) -> Result<Secret, Refusal> {
        let name = self.kind.name();
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        if let Some(at) = digits.chars().position(|c| !c.is_ascii_hexdigit()) {
            return Err(self.refuse(
                format!("`{name}` is not hexadecimal"),
                format!("digit {} is not one of 0-9 a-f", at + 1),
                format!("write {}", wanted(self.kind, suite)),
            ));
        }
        if digits.len() % 2 == 1 {
            return Err(self.refuse(
                format!("`{name}` has an odd number of hexadecimal digits"),
                format!("{} digits: one is missing or too many", digits.len()),
                format!("write {}", wanted(self.kind, suite)),
            ));
        }
        let have = digits.len() / 2;
        if have != self.kind.len(suite) {
            return Err(self.wrong_length(have, suite));
        }
        let key = Secret::new(bytes_of(digits));
        // A salt is no secret and does not make up for a key that is none.
        let salt_len = if self.kind == KeyKind::Encryption { suite.salt_len() } else { 0 };
        if is_one_byte_repeated(key.expose().split_at(have - salt_len).0) {
            return Err(self.refuse(
                format!("`{name}` is no secret"),
                "all of its bytes are the same",
                format!("make a random one: openssl rand -hex {have}"),
            ));
        }
        Ok(key)
    }

    fn wrong_length(&self, have: usize, suite: Suite) -> Refusal {
        let wants = self.kind.len(suite);
        let name = self.kind.name();
        let salt = suite.salt_len();
        let help = if self.kind == KeyKind::Encryption && salt > 0 && have == wants - salt {
            format!("append the {salt}-byte salt of RFC 4106, {} digits", 2 * salt)
        } else if let Some(other) = suite_with_key(self.kind, have, suite) {
            format!("write {}, or did you mean suite = \"{other}\"?", wanted(self.kind, suite))
        } else {
            format!("write {}", wanted(self.kind, suite))
        };
        self.refuse(
            format!("`{name}` is too {}", if have < wants { "short" } else { "long" }),
            format!("{suite} wants {}, this has {have}", count(wants, "byte")),
            help,
        )
    }

    fn refuse(
        &self,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> Refusal {
        Box::new(self.found.error(self.span.clone(), title).label(label).help(help))
    }
}

/// "72 hexadecimal digits: 32 bytes of key and 4 of salt".
fn wanted(kind: KeyKind, suite: Suite) -> String {
    let bytes = kind.len(suite);
    let parts = if kind == KeyKind::Encryption && suite.salt_len() > 0 {
        format!("{} of key and {} of salt", count(suite.cipher_key_len(), "byte"), suite.salt_len())
    } else {
        count(bytes, "byte")
    };
    format!("{} hexadecimal digits: {parts}", 2 * bytes)
}

/// A suite that differs from this one in nothing but this key's length.
fn suite_with_key(kind: KeyKind, len: usize, suite: Suite) -> Option<Suite> {
    Suite::ALL.iter().copied().find(|other| {
        kind.len(*other) == len
            && kind == KeyKind::Encryption
            && other.is_aead() == suite.is_aead()
            && other.authentication_key_len() == suite.authentication_key_len()
    })
}

/// The bytes of an even number of hexadecimal digits.
fn bytes_of(digits: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.as_bytes().chunks_exact(2) {
        bytes.push(nibble(pair[0]) << 4 | nibble(pair[1]));
    }
    bytes
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10) & 0x0f,
    }
}

fn is_one_byte_repeated(key: &[u8]) -> bool {
    key.windows(2).all(|pair| pair[0] == pair[1])
}
