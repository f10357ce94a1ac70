//! Code that a packet touches has no way to panic by its own word.

use crate::{nobody_breaks, rust_file::RustFile};

const FORBIDDEN: [&str; 9] = [
    "unwrap",
    "expect",
    "unwrap_err",
    "expect_err",
    "panic!",
    "todo!",
    "unimplemented!",
    "unreachable!",
    "dbg!",
];

/// Functions that may panic: file, function, and why no packet can make them do it.
const ALLOWED: [(&str, &str, &str); 0] = [];

#[test]
fn datapath_has_no_panicking_calls() {
    let mut offenders = Vec::new();
    for file in RustFile::all() {
        if !file.path.starts_with("datapath/") || file.is_test() {
            continue;
        }
        for found in &file.uses {
            let forbidden = FORBIDDEN.contains(&found.name.as_str());
            let allowed = ALLOWED
                .iter()
                .any(|(path, function, _)| *path == file.path && *function == found.function);
            if forbidden && !allowed && !file.is_test_line(found.line) {
                let (line, name, function) = (found.line, &found.name, &found.function);
                offenders.push(format!("{}:{line}: {name} in {function}", file.path));
            }
        }
    }
    nobody_breaks("no datapath crate unwraps, expects or panics", &offenders);
}

#[test]
fn every_exception_is_still_needed() {
    let files = RustFile::all();
    let used = |path: &str, function: &str| {
        files
            .iter()
            .filter(|file| file.path == path)
            .flat_map(|file| &file.uses)
            .any(|found| found.function == function && FORBIDDEN.contains(&found.name.as_str()))
    };
    let mut offenders = Vec::new();
    for (path, function, _) in ALLOWED {
        if !used(path, function) {
            offenders.push(format!("{path}: {function}"));
        }
    }
    nobody_breaks("an exception that nobody needs is taken off the list", &offenders);
}
