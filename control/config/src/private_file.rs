//! Files that the configuration names: small, regular, and those with secrets closed to others.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::spelling::shown;

/// Permission bits of anybody but the owner.
pub(crate) const OTHERS: u32 = 0o077;

/// What a value refers to a file with.
pub(crate) const FILE_PREFIX: &str = "file:";

/// What is expected of a file.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// "key file", "certificate".
    pub(crate) what: &'static str,
    /// What it must hold, to be told when it does not: "one key in hexadecimal".
    pub(crate) holds: &'static str,
    /// Largest size in bytes.
    pub(crate) len_max: u64,
    /// Nobody but the owner may read it.
    pub(crate) secret: bool,
}

/// What is wrong with a file, for an error at the place that names it.
pub(crate) struct Trouble {
    pub(crate) title: String,
    pub(crate) label: String,
    pub(crate) help: String,
}

/// All of a file; `name` is what the configuration calls it.
pub(crate) fn read(path: &Path, name: &str, wanted: Wanted) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let Wanted { what, holds, len_max, secret } = wanted;
    let trouble = |title: String, label: String, help: String| Trouble { title, label, help };
    let cannot = |error: io::Error| {
        trouble(
            format!("cannot read {what} {}", shown(name)),
            format!("{}: {error}", shown_path(path)),
            format!("name a file with {holds}, relative to this file"),
        )
    };
    // Before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(trouble(
            format!("{what} {} is not a file", shown(name)),
            shown_path(path),
            format!("name a regular file that holds {holds}"),
        ));
    }
    let file = File::open(path).map_err(cannot)?;
    // Of the opened file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(cannot)?;
    let mode = metadata.permissions().mode();
    if secret && mode & OTHERS != 0 {
        return Err(trouble(
            format!("{what} {} is open to others", shown(name)),
            format!("its mode is {:04o}", mode & 0o7777),
            format!("take it away from them: chmod 600 {}", quoted_for_shell(path)),
        ));
    }
    if metadata.size() > len_max {
        return Err(trouble(
            format!("{what} {} is too large", shown(name)),
            format!("it has {} bytes", metadata.size()),
            format!("it must hold {holds} and nothing else"),
        ));
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.size() as usize + 1));
    file.take(metadata.size()).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
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
