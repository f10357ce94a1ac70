//! What a file looks like: one subject, short functions, lines that fit, a first sentence.

use crate::{
    nobody_breaks,
    repository::{files_ending, text},
    rust_file::RustFile,
};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const COLUMNS: usize = 100;

#[test]
fn a_file_is_short_enough_to_have_one_subject() {
    let mut offenders = Vec::new();
    for file in RustFile::all() {
        if file.is_test() && !file.path.starts_with("tests/src/") {
            continue;
        }
        let total = file.text.lines().count();
        let of_tests = file.test_lines.iter().map(|lines| lines.end() - lines.start() + 1);
        let lines = total.saturating_sub(of_tests.sum());
        if lines > FILE_LINES {
            offenders.push(format!("{}: {lines} lines without its tests", file.path));
        }
    }
    nobody_breaks(&format!("a file has at most {FILE_LINES} lines"), &offenders);
}

#[test]
fn a_function_fits_on_a_screen() {
    let mut offenders = Vec::new();
    for file in RustFile::all() {
        for function in file.functions.iter().filter(|function| function.lines > FUNCTION_LINES) {
            let (line, name, lines) = (function.line, &function.name, function.lines);
            offenders.push(format!("{}:{line}: {name} has {lines} lines", file.path));
        }
    }
    nobody_breaks(&format!("a function has at most {FUNCTION_LINES} lines"), &offenders);
}

#[test]
fn a_line_fits_into_the_window() {
    let mut offenders = Vec::new();
    for path in files_ending(&[".rs", ".sh", ".py"]) {
        for (index, line) in text(path).unwrap_or_default().lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS {
                offenders.push(format!("{path}:{}: {columns} columns", index + 1));
            }
        }
    }
    nobody_breaks(&format!("a line has at most {COLUMNS} columns"), &offenders);
}

#[test]
fn a_rust_file_begins_with_what_it_is_about() {
    let begins = |path: &&str| text(path).is_some_and(|text| text.starts_with("//! "));
    let mut offenders = files_ending(&[".rs"]);
    offenders.retain(|path| !begins(path));
    let offenders: Vec<_> = offenders.into_iter().map(str::to_owned).collect();
    nobody_breaks("a Rust file begins with a `//!` sentence", &offenders);
}

#[test]
fn every_test_runs() {
    let mut offenders = Vec::new();
    for file in RustFile::all() {
        let lines = file.ignored_lines.iter();
        offenders.extend(lines.map(|line| format!("{}:{line}", file.path)));
    }
    nobody_breaks("no test and no example is ignored", &offenders);
}
