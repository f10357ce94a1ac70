//! Arbitrary and damaged files: nothing panics, and what is refused has a line.

use std::fs;

use config::{Config, Report, load, parse};
use proptest::prelude::*;

const CORE: &str = include_str!("../../../configs/core.toml");

/// What a file is made of, so that arbitrary text gets past the first line.
const PIECES: [&str; 28] = [
    "[gateway]",
    "[[port]]",
    "[[tunnel]]",
    "[tunnel.sa]",
    "[tunnel.sa.out]",
    "[tunnel.sa.in]",
    "[[route]]",
    "name",
    "kind",
    "local",
    "remote",
    "spi",
    "encryption_key",
    "prefix",
    "via",
    " = ",
    "\"esp\"",
    "\"gre\"",
    "\"10.1.0.0/24\"",
    "[",
    "]",
    "\"",
    "0x1001",
    "file:",
    "\n",
    "\r\n",
    "ä\t",
    "10.0.0.1/0",
];

#[test]
fn an_empty_file_is_refused_with_a_line() {
    check(parse("t.toml", "", ""));
    check(parse("t.toml", "\u{feff}", ""));
    check(parse("t.toml", "\0", ""));
}

#[test]
fn every_prefix_of_the_core_example_loads_or_names_a_line() {
    for end in (0..CORE.len()).filter(|end| CORE.is_char_boundary(*end)) {
        check(parse("core.toml", &CORE[..end], ""));
    }
}

#[test]
fn every_line_of_the_core_example_can_be_missing_or_double() {
    let lines: Vec<_> = CORE.lines().collect();
    for index in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(index);
        check(parse("core.toml", &fewer.join("\n"), ""));
        let mut more = lines.clone();
        more.insert(index, lines[index]);
        check(parse("core.toml", &more.join("\n"), ""));
    }
}

#[test]
fn line_ends_of_other_systems_are_accepted() {
    let config = parse("core.toml", &CORE.replace('\n', "\r\n"), "");
    assert_eq!(config.unwrap_or_else(|report| panic!("{report}")).tunnels.len(), 1);
}

#[test]
fn a_huge_file_of_errors_is_answered_with_a_few() {
    let report = parse("t.toml", &"[[tunnel]]\n".repeat(20_000), "").unwrap_err();
    assert_eq!(report.diagnostics().len(), 100);
    assert!(report.errors() >= 80_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
        check(parse("t.toml", &text, ""));
    }

    #[test]
    fn arbitrary_pieces_of_a_file_never_panic(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)
    ) {
        check(parse("t.toml", &pieces.concat(), ""));
    }

    #[test]
    fn one_changed_byte_loads_or_names_a_line(at in 0..CORE.len(), byte: u8) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core.toml");
        let mut bytes = CORE.as_bytes().to_vec();
        bytes[at] = byte;
        fs::write(&path, bytes).unwrap();
        check(load(&path));
    }
}

/// Renders what there is, in every form.
fn check(result: Result<Config, Report>) {
    match result {
        Ok(config) => {
            assert!(!config.explain().is_empty());
            for warning in &config.warnings {
                assert!(warning.position().is_some(), "{warning}");
            }
        }
        Err(report) => {
            assert!(report.errors() > 0);
            let text = report.to_string();
            let longest = text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
            assert!(longest < Some(16), "a key is shown\n{text}");
            assert!(report.to_json().is_array());
            assert!(report.render(true).len() >= text.len());
            for diagnostic in report.diagnostics() {
                assert!(diagnostic.position().is_some(), "{diagnostic}");
                assert!(!diagnostic.to_json()["help"].as_array().unwrap().is_empty());
            }
        }
    }
}
