//! Figures of an earlier run, to compare with.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cycles::key;
use crate::measure::Row;

/// Cycles of two runs differ by less than this when nothing has changed and the machine is quiet.
const NOISE_OF_CYCLES: f64 = 1.05;
/// The same of instructions.
const NOISE_OF_INSTRUCTIONS: f64 = 1.02;

/// How a figure compares with an earlier one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// Cycles now by cycles then, best windows; of nanoseconds where cycles are not counted.
    pub cycles: f64,
    /// Instructions now by instructions then.
    pub instructions: Option<f64>,
    /// Whether it got worse by more than noise is.
    pub worse: bool,
}

impl Comparison {
    /// A word on it.
    pub(crate) fn verdict(&self) -> &'static str {
        let more = self.instructions.is_some_and(|ratio| ratio > NOISE_OF_INSTRUCTIONS);
        let fewer = self.instructions.is_some_and(|ratio| ratio < 1.0 / NOISE_OF_INSTRUCTIONS);
        match (self.worse, more) {
            (true, true) => "WORSE",
            (true, false) => "slower?",
            (false, true) => "longer",
            (false, false) if fewer || self.cycles < 1.0 / NOISE_OF_CYCLES => "better",
            (false, false) => "same",
        }
    }
}

/// An earlier run.
pub(crate) struct Baseline(Vec<Row>);

impl Baseline {
    /// Reads what `--json` printed.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let rows = serde_json::from_str(&text)
            .map_err(|error| format!("{name}: {error}; make it with --json"))?;
        Ok(Self(rows))
    }

    /// Sets the row's comparison if the earlier run has the same row.
    pub(crate) fn compare(&self, row: &mut Row) {
        let same = |then: &&Row| key(then) == key(row) && then.size == row.size;
        let Some(then) = self.0.iter().find(same) else { return };
        let cycles = row.cycles.zip(then.cycles).map_or(row.ns / then.ns, |(now, then)| now / then);
        let instructions = row.instructions.zip(then.instructions).map(|(now, then)| now / then);
        let worse = cycles > NOISE_OF_CYCLES;
        row.baseline = Some(Comparison { cycles, instructions, worse });
    }
}
