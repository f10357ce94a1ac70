//! fastgw's TOML configuration: parsed, cross-checked, refused with the line and the remedy.
//!
//! A file goes through four steps: TOML ([`toml`]), sections and keys (`schema`, read key by key
//! by `section`), meaning (`resolve`), and the typed [`Config`]. All errors of a file are
//! collected; each is a [`Diagnostic`] with the place, the offending text and what to write
//! instead. No message contains a key: the text that messages quote is masked first.
//!
//! Nothing here needs privileges or looks at the machine: the only files read are the
//! configuration and the key files that it names. Whether a device exists is for the caller to
//! find out and to report with [`Config::span_error`].
#![deny(unsafe_code)]

mod diagnostic;
mod diff;
mod explain;
mod findings;
mod keys;
mod mask;
mod model;
mod private_file;
mod resolve;
mod schema;
mod section;
mod source;
mod spelling;

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use toml::de::DeTable;
use zeroize::Zeroizing;

use self::{findings::Findings, resolve::Surroundings, section::Section};

pub use self::{
    diagnostic::{Diagnostic, Report, Severity},
    diff::PeerChange,
    model::{
        Action, AddressRange, Bfd, Config, Crypto, Df, Dscp, Ecn, EspMode, Gateway, Gre, Idle,
        L2tp, Lifetime, Limit, ManualSa, Mss, NegotiatedSa, Ospf, OspfCost, OspfInterface,
        OspfPlace, OuterRules, Peer, Policy, Port, PortMode, Protection, Redistribute, Role, Route,
        RouteTarget, SaKeys, Selector, Tfc, Ttl, Tunnel, TunnelKind,
    },
    source::Source,
};
pub use engine::Secret;
pub use toml::Spanned;
pub use wire::Suite;

/// Largest configuration in bytes: room for tens of thousands of tunnels.
const FILE_LEN_MAX: u64 = 16 << 20;

/// Reads and checks a configuration file. Relative key files are sought in its folder.
///
/// # Errors
/// Everything that is wrong with it, or that it cannot be read.
pub fn load(path: impl AsRef<Path>) -> Result<Config, Report> {
    let path = path.as_ref();
    let (bytes, mode) = read(path)?;
    let key_dir = path.parent().unwrap_or(Path::new(""));
    let surroundings = Surroundings { path, key_dir, mode: Some(mode) };
    match str::from_utf8(&bytes) {
        Ok(text) => from_text(text, surroundings),
        Err(error) => Err(not_utf8(&bytes, error.valid_up_to(), path)),
    }
}

/// Checks the text of a configuration. `path` is what messages call it, and its stem the default
/// name of the gateway; relative key files are sought in `key_dir`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(
    path: impl AsRef<Path>,
    text: &str,
    key_dir: impl AsRef<Path>,
) -> Result<Config, Report> {
    let (path, key_dir) = (path.as_ref(), key_dir.as_ref());
    from_text(text, Surroundings { path, key_dir, mode: None })
}

fn read(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u32), Report> {
    let cannot = |error: io::Error| {
        let title = format!("cannot read the configuration: {error}");
        Report::from(
            Diagnostic::unreadable(path, title).help("name an existing file: fastgw --config FILE"),
        )
    };
    // Before it is opened: opening a pipe would wait for a writer.
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(cannot(io::Error::other("it is not a file")));
    }
    if metadata.len() > FILE_LEN_MAX {
        return Err(cannot(io::Error::other("it is larger than 16 MiB")));
    }
    // Room for all of it at once: a buffer that grows leaves copies of keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    let file = File::open(path).map_err(cannot)?;
    file.take(FILE_LEN_MAX).read_to_end(&mut bytes).map_err(cannot)?;
    Ok((bytes, metadata.permissions().mode()))
}

fn from_text(text: &str, surroundings: Surroundings<'_>) -> Result<Config, Report> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut secrets = mask::secret_spans(table.get_ref());
    if !errors.is_empty() {
        secrets.extend(mask::secret_spans_of_broken(text));
    }
    let source = Source::new(surroundings.path, mask::masked(text, &secrets));
    let mut found = Findings::new(Arc::new(source));
    if !errors.is_empty() {
        // What else is wrong cannot be told from a tree that was guessed.
        for error in errors {
            let invalid = syntax_error(&error, &found);
            found.push(invalid);
        }
        return Err(found.into_report());
    }
    let file = schema::File::read(table.into_inner(), &mut found);
    resolve::resolve(file, surroundings, found)
}

fn syntax_error(error: &toml::de::Error, found: &Findings) -> Diagnostic {
    let at = error.span().unwrap_or(0..0);
    let source = found.source();
    let (before, text) = source.around(at.clone());
    if text.starts_with(char::is_alphabetic) && before.trim_end().ends_with(['=', '[', ',']) {
        let error = found.error(at, "invalid TOML: text needs quotes").label("not in quotes");
        let word: String = text.chars().take_while(|c| !c.is_whitespace()).collect();
        return error.help(format!("write \"{}\"", word.escape_debug()));
    }
    let message = error.message();
    // TOML's own messages say what is wrong, but not what would be right.
    let help = if message.contains("duplicate key") {
        "keep one of the two; sections that repeat are written [[port]], [[tunnel]], [[route]]"
    } else if message.contains("string") {
        "write text between quotes on one line: `name = \"site-a\"`"
    } else if message.contains("table") || message.contains("header") {
        "write a section as [gateway], and one that repeats as [[port]]"
    } else {
        "write one `key = value` a line, with text in quotes: `name = \"site-a\"`"
    };
    found.error(at, format!("invalid TOML: {message}")).help(help)
}

fn not_utf8(bytes: &[u8], valid_len: usize, path: &Path) -> Report {
    let text = String::from_utf8_lossy(bytes);
    let secrets = mask::secret_spans_of_broken(&text);
    let source = Arc::new(Source::new(path, mask::masked(&text, &secrets)));
    // The replacement character that stands for the bad bytes is three bytes long.
    let at = valid_len..valid_len + '\u{fffd}'.len_utf8();
    let error = Diagnostic::error(&source, at, "invalid TOML: not UTF-8 text");
    error.label("bytes that are no character").help("save the file as UTF-8").into()
}
