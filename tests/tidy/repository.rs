//! The files that git knows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tests::process::run;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

/// The paths of all files that git knows and that are there, relative to the root.
pub fn files() -> &'static [String] {
    static FILES: OnceLock<Vec<String>> = OnceLock::new();
    FILES.get_or_init(|| {
        // The owner of a mounted or unpacked checkout may differ from the user of this test.
        let everywhere = ["-c", "safe.directory=*", "ls-files", "-z"];
        let listing = run(Command::new("git").current_dir(root()).args(everywhere));
        let paths = listing.split('\0').filter(|path| !path.is_empty());
        paths.filter(|path| root().join(path).is_file()).map(str::to_owned).collect()
    })
}

/// The files whose name ends in one of `endings`.
pub fn files_ending(endings: &[&str]) -> Vec<&'static str> {
    let matches = |path: &&str| endings.iter().any(|ending| path.ends_with(ending));
    files().iter().map(String::as_str).filter(matches).collect()
}

/// A file's text; `None` for one that is not text.
pub fn text(path: &str) -> Option<String> {
    let bytes = fs::read(absolute(path)).expect("a file that git knows");
    String::from_utf8(bytes).ok()
}

/// Where a path relative to the root is.
pub fn absolute(path: &str) -> PathBuf {
    root().join(path)
}
