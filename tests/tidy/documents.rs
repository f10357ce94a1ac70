//! Documents and examples that are true.

use std::{fs, process::Command};

use tests::{
    gateway::binary,
    process::{output, said},
};

use crate::{
    nobody_breaks,
    repository::{absolute, files, files_ending, text},
};

#[test]
fn every_path_in_a_document_exists() {
    let mut offenders = Vec::new();
    for document in files_ending(&[".md"]) {
        for (number, path) in paths_of(&text(document).unwrap_or_default()) {
            if !exists(&path) {
                offenders.push(format!("{document}:{number}: {path}"));
            }
        }
    }
    nobody_breaks("documents name files that exist", &offenders);
}

#[test]
fn every_configuration_we_ship_is_valid() {
    let shipped = files_ending(&[".toml"]);
    let shipped: Vec<_> = shipped.iter().filter(|path| path.starts_with("configs/")).collect();
    assert!(!shipped.is_empty(), "configs/ has the examples that the README names");
    let mut offenders = Vec::new();
    for path in shipped {
        let checked = output(Command::new(binary()).arg("check").arg(absolute(path)));
        if !checked.status.success() {
            offenders.push(format!("{path}: {}\n{}", checked.status, said(&checked)));
        }
    }
    nobody_breaks("`fastgw check` accepts every file in configs/", &offenders);
}

/// Everything in backticks, outside code blocks, that looks like a path; with its line number.
fn paths_of(document: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut in_block = false;
    for (index, line) in document.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let quoted = line.split('`').skip(1).step_by(2);
            let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let all = quoted.chain(links).filter_map(path_in);
            paths.extend(all.map(|path| (index + 1, path.to_owned())));
        }
    }
    paths
}

/// The path that `word` is, without the line or heading it points at.
fn path_in(word: &str) -> Option<&str> {
    let path = word.split(['#', ':']).next()?.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if path.is_empty() || !path.chars().all(plain) || path.starts_with(['/', '-']) {
        return None;
    }
    let named = [".rs", ".md", ".sh"].iter().any(|ending| path.ends_with(ending));
    let first = path.split('/').next()?;
    let ours = path.contains('/') && absolute(first).is_dir();
    (named || ours).then_some(path)
}

/// A path from the root, or the end of the path of a file that git knows.
fn exists(path: &str) -> bool {
    let tail = format!("/{path}");
    fs::exists(absolute(path)).is_ok_and(|there| there)
        || files().iter().any(|file| file.ends_with(&tail))
}

#[test]
fn paths_are_told_from_other_words() {
    let text = "`tests/src/lib.rs` `--json` `a/b` `lib.rs:3` `x.rs` `/etc/a.sh` `cargo test`\n\
                ```\n`tests/none`\n```\n[a](tests/none.md#b) `tests/fuzz/*`\n";
    let expected = [(1, "tests/src/lib.rs"), (1, "lib.rs"), (1, "x.rs"), (5, "tests/none.md")];
    let found = paths_of(text);
    let found: Vec<_> = found.iter().map(|(line, path)| (*line, path.as_str())).collect();
    assert_eq!(found, expected);
    assert!(exists("tests/src/lib.rs") && exists("tests/src") && exists("tidy/main.rs"));
    assert!(!exists("tests/none.md") && !exists("none.rs"));
}
