//! Keys: hexadecimal text in the file itself or in a file of its own, checked against what the
//! suite wants. No message ever repeats a key.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use engine::Secret;
use toml::Spanned;
use zeroize::Zeroizing;

use crate::{
    Suite,
    diagnostic::Diagnostic,
    findings::Findings,
    section::KeyText,
    spelling::{count, shown},
};

/// Permission bits of anybody but the owner.
pub(crate) const OTHERS: u32 = 0o077;

/// A key file holds one key; the longest has 74 characters.
const KEY_FILE_LEN_MAX: u64 = 4096;

/// What a value refers to a file with.
const FILE_PREFIX: &str = "file:";

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
    /// The text of a key file, which must be a small regular file of which others have no part.
    fn read_file(&self, path: &Path, name: &str) -> Result<Zeroizing<String>, Refusal> {
        let cannot = |error: io::Error| {
            let help = "`file:` names a file with the key in hexadecimal, relative to this file";
            self.refuse(
                format!("cannot read key file {}", shown(name)),
                format!("{}: {error}", shown_path(path)),
                help,
            )
        };
        // Before it is opened: opening a pipe would wait for a writer.
        if !fs::metadata(path).map_err(cannot)?.is_file() {
            return Err(self.refuse(
                format!("key file {} is not a file", shown(name)),
                shown_path(path),
                "name a regular file that holds the key in hexadecimal",
            ));
        }
        let file = File::open(path).map_err(cannot)?;
        // Of the opened file, so that it cannot be exchanged in between.
        let metadata = file.metadata().map_err(cannot)?;
        let mode = metadata.permissions().mode();
        if mode & OTHERS != 0 {
            return Err(self.refuse(
                format!("key file {} is open to others", shown(name)),
                format!("its mode is {:04o}", mode & 0o7777),
                format!("take it away from them: chmod 600 {}", quoted_for_shell(path)),
            ));
        }
        if metadata.size() > KEY_FILE_LEN_MAX {
            return Err(self.refuse(
                format!("key file {} is too large", shown(name)),
                format!("it has {} bytes", metadata.size()),
                "it must hold one key in hexadecimal and nothing else",
            ));
        }
        // Room for all of it at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_LEN_MAX as usize));
        file.take(KEY_FILE_LEN_MAX).read_to_end(&mut bytes).map_err(cannot)?;
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

fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// A path as it can be pasted into a shell.
pub(crate) fn quoted_for_shell(path: &Path) -> String {
    let path: PathBuf = path.components().collect();
    let text = path.to_string_lossy();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
        text.into_owned()
    } else {
        format!("'{}'", text.escape_debug().to_string().replace('\'', "'\\''"))
    }
}
