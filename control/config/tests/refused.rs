//! What is refused and with which words. Each case in `refused/` edits `refused/base.toml` and
//! holds the whole message. `REGENERATE=1 cargo test -p config` rewrites the messages; the diff
//! is the review.
//!
//! A case is a sentence after `===`, edits, `---`, and the message. Edits go down the file:
//! `-LINE` removes the next line that is equal, `@LINE` goes to it, `+LINE` inserts a line there.

use std::{fmt::Write, fs, path::PathBuf};

use config::{Report, parse};

#[test]
fn messages_about_the_file_as_a_whole() {
    check("file");
}

#[test]
fn messages_about_the_gateway() {
    check("gateway");
}

#[test]
fn messages_about_ports() {
    check("ports");
}

#[test]
fn messages_about_tunnels() {
    check("tunnels");
}

#[test]
fn messages_about_security_associations() {
    check("sas");
}

#[test]
fn messages_about_ike() {
    check("ike");
}

#[test]
fn messages_about_ospf() {
    check("ospf");
}

#[test]
fn messages_about_keys() {
    check("keys");
}

#[test]
fn messages_about_routes_and_overlaps() {
    check("routes");
}

#[test]
fn the_base_of_all_cases_is_accepted_in_silence() {
    let config = parse("base.toml", &base(), "").unwrap_or_else(|report| panic!("{report}"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

fn check(subject: &str) {
    let path = folder().join(subject).with_extension("txt");
    let text = fs::read_to_string(&path).unwrap();
    let mut regenerated = String::new();
    for case in text.split("=== ").skip(1) {
        let (head, expected) = case.split_once("\n---\n").unwrap_or_else(|| panic!("{case}"));
        let (sentence, edits) = head.split_once('\n').unwrap_or((head, ""));
        let message = message(sentence, &edit(sentence, edits));
        writeln!(regenerated, "=== {head}\n---\n{message}\n").unwrap();
        if !regenerate() {
            assert_eq!(message, expected.trim_end(), "{subject}: {sentence}");
        }
    }
    if regenerate() {
        fs::write(&path, regenerated).unwrap();
    }
}

/// The report on a refused file, or the warnings about an accepted one.
fn message(sentence: &str, text: &str) -> String {
    let message = match parse("core.toml", text, folder()) {
        Ok(config) => {
            let warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
            format!("accepted\n{}", warnings.join("\n\n"))
        }
        Err(report) => {
            check_json(sentence, &report);
            report.to_string()
        }
    };
    let longest = message.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
    assert!(longest < Some(16), "{sentence}: the message shows a key\n{message}");
    message
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// What programs read says the same as what people read.
fn check_json(sentence: &str, report: &Report) {
    let text = report.to_string();
    let json = report.to_json();
    let items = json.as_array().unwrap();
    assert!(report.errors() > 0 && !items.is_empty(), "{sentence}");
    for item in items {
        assert!(text.contains(item["message"].as_str().unwrap()), "{sentence}: {item}");
        let at = format!("core.toml:{}:{}\n", item["line"], item["column"]);
        assert!(text.contains(&at), "{sentence}: {at}{item}\n{text}");
    }
}

fn edit(sentence: &str, edits: &str) -> String {
    let base = base();
    let mut lines: Vec<&str> = base.lines().collect();
    let mut cursor = 0;
    for edit in edits.lines().filter(|edit| !edit.is_empty()) {
        let (verb, line) = edit.split_at(1);
        let find = |from: usize| {
            let at = lines[from..].iter().position(|have| *have == line);
            from + at.unwrap_or_else(|| panic!("{sentence}: no line {line:?} after {from}"))
        };
        match verb {
            "-" => {
                cursor = find(cursor);
                lines.remove(cursor);
            }
            "@" => cursor = find(cursor) + 1,
            "+" => {
                lines.insert(cursor, line);
                cursor += 1;
            }
            _ => panic!("{sentence}: {edit:?} is no edit"),
        }
    }
    lines.join("\n") + "\n"
}

fn base() -> String {
    fs::read_to_string(folder().join("base.toml")).unwrap()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/refused")
}

fn regenerate() -> bool {
    std::env::var_os("REGENERATE").is_some()
}
