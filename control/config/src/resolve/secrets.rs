//! Secrets that IKE proves identities with: in the file of `[secrets]`, in files of their own, or,
//! for a laboratory, in the configuration itself. No message ever repeats one.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use base64::Engine as _;
use engine::Secret;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::Surroundings;
use crate::{
    findings::Findings,
    private_file::{self, FILE_PREFIX, Trouble, Wanted},
    schema,
    section::{Field, KeyText, One},
    source::Source,
    spelling::{list, nearest, shown},
};

/// What a value refers to an entry of the secrets file with.
const ENTRY_PREFIX: &str = "secrets:";

const SECRETS_FILE: Wanted = Wanted {
    what: "secrets file",
    holds: "sections [psk], [ppk] and [ospf] of lines such as `site-b = \"…\"`",
    len_max: 16 << 20,
    secret: true,
};

const SECRET_FILE: Wanted =
    Wanted { what: "secret file", holds: "one secret", len_max: 4096, secret: true };

/// A pre-shared key shorter than this is guessed by whoever answers in the peer's place, bytes.
const PSK_LEN_SOUND: usize = 16;

/// What the secret is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Psk,
    Ppk,
    /// A password or a key of OSPF packets.
    Ospf,
}

impl Use {
    /// The section of the secrets file.
    const fn key(self) -> &'static str {
        match self {
            Self::Psk => "psk",
            Self::Ppk => "ppk",
            Self::Ospf => "ospf",
        }
    }

    /// What a value of the configuration is called that has such a secret.
    const fn field(self) -> &'static str {
        match self {
            Self::Psk | Self::Ppk => self.key(),
            Self::Ospf => "secret",
        }
    }
}

/// The secrets of a configuration.
pub(super) struct Secrets {
    entries: BTreeMap<(Use, String), Zeroizing<String>>,
    /// Where the file is named; `None` if there is none.
    file: Option<Range<usize>>,
    /// Whether the file was refused: what is missing may stand in it.
    refused: bool,
    first_inline: Option<Range<usize>>,
}

impl Secrets {
    /// Reads the file that `[secrets]` names.
    pub(super) fn read(
        section: Field<One<schema::Secrets>>,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Self {
        let refused = !section.is_absent() && section.span().is_none();
        let mut secrets =
            Self { entries: BTreeMap::new(), file: None, refused, first_inline: None };
        let Some(section) = section.optional() else { return secrets };
        let at = section.span();
        let Some(name) = section.into_inner().0.file.required(at, found) else {
            secrets.refused = true;
            return secrets;
        };
        let path = name.get_ref().strip_prefix(FILE_PREFIX).unwrap_or(name.get_ref());
        let path = surroundings.key_dir.join(path);
        secrets.file = Some(name.span());
        if let Err(trouble) = secrets.fill(&path, name.get_ref()) {
            secrets.refused = true;
            report(trouble, name.span(), found);
        }
        secrets
    }

    fn fill(&mut self, path: &std::path::Path, name: &str) -> Result<(), Trouble> {
        let bytes = private_file::read(path, name, SECRETS_FILE)?;
        let wrong = |label: String| Trouble {
            title: format!("secrets file {} cannot be understood", shown(name)),
            label,
            help: format!("it must hold {}", SECRETS_FILE.holds),
        };
        let text = str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
        let line = |at: Range<usize>| Source::new(path, text.to_owned()).position(at.start).0;
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(1, line);
            wrong(format!("line {at} is not TOML"))
        })?;
        for (section, entries) in table.into_inner() {
            let used = match section.get_ref().as_ref() {
                "psk" => Use::Psk,
                "ppk" => Use::Ppk,
                "ospf" => Use::Ospf,
                _ => {
                    let at = line(section.span());
                    return Err(wrong(format!("line {at} is none of [psk], [ppk] and [ospf]")));
                }
            };
            let at = line(entries.span());
            let DeValue::Table(entries) = entries.into_inner() else {
                return Err(wrong(format!("line {at} is not a section")));
            };
            for (name, value) in entries {
                let at = line(value.span());
                let DeValue::String(value) = value.into_inner() else {
                    return Err(wrong(format!("line {at} is not text in quotes")));
                };
                let value = Zeroizing::new(value.into_owned());
                self.entries.insert((used, name.into_inner().into_owned()), value);
            }
        }
        Ok(())
    }

    /// The secret that `field` refers to, or else the entry of that peer's name.
    pub(super) fn find(
        &mut self,
        field: Field<KeyText>,
        used: Use,
        peer: &Spanned<String>,
        surroundings: Surroundings<'_>,
        found: &mut Findings,
    ) -> Option<Secret> {
        let absent = field.is_absent();
        let Some(value) = field.optional() else {
            return if absent { self.entry(peer, used, found) } else { None };
        };
        let at = value.span();
        let text = value.get_ref().0.as_str();
        if let Some(entry) = text.strip_prefix(ENTRY_PREFIX) {
            return self.entry(&Spanned::new(at, entry.to_owned()), used, found);
        }
        let Some(name) = text.strip_prefix(FILE_PREFIX) else {
            self.note_inline(at.clone());
            return decode(text, used, at, found);
        };
        match private_file::read(&surroundings.key_dir.join(name), name, SECRET_FILE) {
            Err(trouble) => {
                report(trouble, at, found);
                None
            }
            Ok(bytes) => match str::from_utf8(&bytes) {
                Ok(text) => decode(text.trim_end_matches(['\n', '\r']), used, at, found),
                Err(_) => {
                    let error = found.error(at, format!("secret file {} is not text", shown(name)));
                    let error = error.label("it holds bytes that are not UTF-8");
                    found.push(error.help("write bytes in hexadecimal, with 0x in front"));
                    None
                }
            },
        }
    }

    fn entry(&self, name: &Spanned<String>, used: Use, found: &mut Findings) -> Option<Secret> {
        let (key, field) = (used.key(), used.field());
        if let Some(text) = self.entries.get(&(used, name.get_ref().clone())) {
            return decode(text, used, name.span(), found);
        }
        if self.refused {
            return None;
        }
        let title = format!("there is no {field} for {}", shown(name.get_ref()));
        let error = found.error(name.span(), title);
        let error = match &self.file {
            Some(at) => {
                let names = self.entries.keys().filter(|(known, _)| *known == used);
                let names: Vec<_> = names.map(|(_, name)| name.as_str()).collect();
                let help = match nearest(name.get_ref(), &names) {
                    Some(near) => format!("did you mean `{field} = \"{ENTRY_PREFIX}{near}\"`?"),
                    None => format!("add a line of that name to [{key}] in the secrets file"),
                };
                error
                    .label(format!("no line of [{key}]"))
                    .also(at.clone(), "sought here")
                    .help(help)
            }
            None => error.label("no secret").help(format!(
                "add `{field} = \"file:{}.{key}\"`, or a section [secrets] with {}",
                name.get_ref(),
                list(&["file = \"secrets.toml\""])
            )),
        };
        found.push(error);
        None
    }

    /// Notes that a secret stands in the configuration itself.
    pub(super) fn note_inline(&mut self, at: Range<usize>) {
        self.first_inline.get_or_insert(at);
    }

    /// Warns if secrets stand in a configuration that others may read.
    pub(super) fn check_secrecy(&self, surroundings: Surroundings<'_>, found: &mut Findings) {
        let mode = surroundings.mode.unwrap_or(0);
        if let Some(at) = &self.first_inline
            && mode & private_file::OTHERS != 0
        {
            let path = private_file::quoted_for_shell(surroundings.path);
            let warning = found.warning(at.clone(), "a file with secrets is open to other users");
            let warning = warning.label(format!("the mode of this file is {:04o}", mode & 0o7777));
            found.push(warning.help(format!(
                "chmod 600 {path}, or move secrets to a file of their own: [secrets]"
            )));
        }
    }
}

/// Text as it is, bytes in hexadecimal after `0x`, or in Base64 after `0s`.
fn decode(text: &str, used: Use, at: Range<usize>, found: &mut Findings) -> Option<Secret> {
    let key = used.field();
    let refuse = |found: &mut Findings, title: String, label: String, help: String| {
        found.push(found.error(at.clone(), title).label(label).help(help));
        None
    };
    let bytes = match (text.strip_prefix("0x"), text.strip_prefix("0s")) {
        (Some(digits), _) => hexadecimal(digits),
        (_, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text).ok(),
        _ => Some(text.as_bytes().to_vec()),
    };
    let Some(bytes) = bytes else {
        return refuse(
            found,
            format!("`{key}` cannot be read"),
            "neither pairs of hexadecimal digits after 0x nor Base64 after 0s".to_owned(),
            "write text that does not begin with 0x or 0s, or make one: openssl rand -hex 32"
                .to_owned(),
        );
    };
    let secret = Secret::new(bytes);
    let len = secret.len();
    if len == 0 {
        let help = "make a random one: openssl rand -base64 32".to_owned();
        return refuse(found, format!("`{key}` is empty"), "no secret".to_owned(), help);
    }
    // RFC 8784 section 5: 256 bits, half of which a quantum computer takes away.
    if used == Use::Ppk && len < 32 {
        return refuse(
            found,
            "`ppk` is too short".to_owned(),
            format!("it has {len} bytes of the 32 that it needs at least (RFC 8784)"),
            "make a random one: openssl rand -hex 32, with 0x in front".to_owned(),
        );
    }
    if used == Use::Psk && len < PSK_LEN_SOUND {
        let warning = found.warning(at, "`psk` is short");
        let warning = warning.label(format!("{len} bytes: it can be guessed"));
        found.push(warning.help("make a random one: openssl rand -base64 32"));
    }
    Some(secret)
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 == 1 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    for pair in digits.as_bytes().chunks_exact(2) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        bytes.push((digit(0)? << 4 | digit(1)?) as u8);
    }
    Some(bytes)
}

/// At the place that names a file, what is wrong with it.
pub(super) fn report(trouble: Trouble, at: Range<usize>, found: &mut Findings) {
    let Trouble { title, label, help } = trouble;
    found.push(found.error(at, title).label(label).help(help));
}

/// A path that a value names, with or without `file:`.
pub(super) fn path_of(name: &str, surroundings: Surroundings<'_>) -> PathBuf {
    surroundings.key_dir.join(name.strip_prefix(FILE_PREFIX).unwrap_or(name))
}
