//! `fastgw check`: what is wrong with a configuration, or what the gateway will do with it.
//!
//! It reads the file and the key files that it names, nothing else: no privileges are needed and
//! the interfaces need not exist.

use std::{error::Error, path::Path, process::ExitCode};

use config::{Config, Diagnostic, Report};
use serde_json::{Value, json};

use crate::output;

/// Checks a file and prints the result; as JSON on standard output whatever the result is.
///
/// # Errors
/// The file is refused, unless `json` is wanted: then the exit code says so.
pub fn check(file: &Path, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let checked = config::load(file);
    if json {
        output::print(&format!("{:#}\n", to_json(file, &checked)))?;
        return Ok(ExitCode::from(u8::from(checked.is_err())));
    }
    let config = checked?;
    output::warn(&config);
    output::print(&config.explain())?;
    Ok(ExitCode::SUCCESS)
}

/// `file`, `valid`, `errors` (their number), `diagnostics` (see [`Diagnostic::to_json`]) and
/// `explanation`, a text that is null for a refused file.
fn to_json(file: &Path, checked: &Result<Config, Report>) -> Value {
    let (errors, diagnostics, explanation) = match checked {
        Ok(config) => (0, config.warnings.as_slice(), Some(config.explain())),
        Err(report) => (report.errors(), report.diagnostics(), None),
    };
    json!({
        "file": file.to_string_lossy(),
        "valid": checked.is_ok(),
        "errors": errors,
        "diagnostics": diagnostics.iter().map(Diagnostic::to_json).collect::<Vec<_>>(),
        "explanation": explanation,
    })
}
