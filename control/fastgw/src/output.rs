//! Standard output and standard error, and what the process ends with.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use config::{Config, Report};
use serde::Serialize;

/// Nobody reads our standard output any more (`fastgw show | head -1`): a reason to stop, not to
/// complain.
#[derive(Debug)]
struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl Error for ReaderGone {}

/// Writes to standard output and flushes it.
///
/// # Errors
/// The reader has gone, which [`finish`] passes over in silence, or the output cannot be written.
pub fn print(text: &str) -> Result<(), Box<dyn Error>> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        Err(error) => Err(format!("cannot write to standard output: {error}").into()),
    }
}

/// Prints the result of a command, as JSON or in words.
///
/// # Errors
/// Those of [`print()`].
pub fn print_summary(
    summary: &(impl Serialize + fmt::Display),
    json: bool,
) -> Result<(), Box<dyn Error>> {
    if json {
        return print(&(serde_json::to_string_pretty(summary)? + "\n"));
    }
    print(&summary.to_string())
}

/// Shows on standard error what in a configuration is legal but probably not meant.
pub fn warn(config: &Config) {
    for warning in &config.warnings {
        complain(&warning.render(io::stderr().is_terminal()));
        complain("");
    }
}

/// Says on standard error what went wrong, if anything did, and gives the exit code.
pub fn finish(result: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) if error.is::<ReaderGone>() => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    match error.downcast_ref::<Report>() {
        Some(report) => refuse(report),
        None => complain(&format!("fastgw: {error}")),
    }
    ExitCode::FAILURE
}

fn refuse(report: &Report) {
    complain(&report.render(io::stderr().is_terminal()));
    if let Some(first) = report.diagnostics().first()
        && report.errors() > 1
    {
        complain(&format!("\nfastgw: {} errors in {}", report.errors(), first.path().display()));
    }
}

/// A line on standard error; when even that has gone, there is nobody left to tell.
fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
