//! Results as they are printed in JSON and written to a folder.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::hdr;
use super::machine::Machine;
use super::trial::Trial;

/// What was measured, and where.
#[derive(Debug, Serialize)]
pub struct Results {
    /// The machine.
    pub machine: Machine,
    /// How the devices worked.
    pub devices: String,
    /// A single load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<Trial>,
}

impl Results {
    /// Those of a single load.
    #[must_use]
    pub fn of_load(machine: Machine, devices: String, load: Trial) -> Self {
        Self { machine, devices, load: Some(load) }
    }

    /// Every trial whose latencies are worth a file, with the file's name.
    fn timed(&self) -> Vec<(String, &Trial)> {
        self.load.iter().map(|load| ("latency".to_owned(), load)).collect()
    }
}

/// Writes everything into `folder`, which is made if need be; gives the files.
///
/// # Errors
/// A file that cannot be written, with its path.
pub fn write(results: &Results, folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut written = Vec::new();
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut save = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path.display().to_string());
        Ok::<(), Box<dyn Error>>(())
    };
    save("results.json", serde_json::to_string_pretty(results)?.as_bytes())?;
    for (name, trial) in results.timed() {
        save(&format!("{name}.hgrm"), hdr::percentile_table(&trial.histogram).as_bytes())?;
        save(&format!("{name}.hlog"), &hdr::interval_log(&trial.slices, &trial.cut)?)?;
    }
    Ok(written)
}
