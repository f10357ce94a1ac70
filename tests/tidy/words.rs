//! Words that have no place in what we ship.

use crate::{
    nobody_breaks,
    repository::{files, text},
};

#[test]
fn nothing_is_left_for_later() {
    // In two halves, so that this file does not offend itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let found = lines_with(|line| words.iter().any(|word| has_word(line, word)));
    nobody_breaks("what is to be done is an issue and not a comment", &found);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let folders = [concat!("/wo", "rk"), concat!("/ro", "ot"), concat!("/ho", "me")];
    let found = lines_with(|line| folders.iter().any(|folder| has_path(line, folder)));
    nobody_breaks("paths are relative to the repository or belong to the system", &found);
}

fn lines_with(offends: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in files().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let text = text(path).unwrap_or_default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| offends(line)) {
            found.push(format!("{path}:{}: {}", index + 1, line.trim()));
        }
    }
    found
}

/// Whether `word` is in the line with no letter, digit or underscore next to it.
fn has_word(line: &str, word: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(of_word) && !line[at + word.len()..].starts_with(of_word)
    })
}

/// Whether an absolute path in the line begins with `folder`.
fn has_path(line: &str, folder: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || "_-.}~".contains(c);
    line.match_indices(folder).any(|(at, _)| {
        let after = &line[at + folder.len()..];
        !line[..at].ends_with(of_name) && !after.starts_with(|c: char| c.is_alphanumeric())
    })
}

#[test]
fn words_and_paths_are_told_from_parts_of_others() {
    assert!(has_word("// ab: later", "ab"));
    assert!(!has_word("cabs", "ab"));
    assert!(!has_word("ab_c", "ab"));
    assert!(has_path("see /a/b", "/a"));
    assert!(has_path("in `/a`", "/a"));
    assert!(!has_path("net/a/b", "/a"));
    assert!(!has_path("/ab", "/a"));
}
