//! The rules of the house, each as a test that lists everyone who breaks it.
//!
//! They look at the files that git knows, so that a new file is held to them from its first
//! commit on. An exception is a line in a list here, with its reason.

#![forbid(unsafe_code)]

mod documents;
mod drops;
mod imports;
mod panics;
mod repository;
mod rust_file;
mod shape;
mod unsafe_code;
mod words;

/// Fails with a rule and all that break it, unless there are none.
#[track_caller]
fn nobody_breaks(rule: &str, offenders: &[String]) {
    assert!(offenders.is_empty(), "{rule}:\n  {}\n", offenders.join("\n  "));
}
