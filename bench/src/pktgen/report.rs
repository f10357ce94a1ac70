//! Results as they are printed in JSON and written to a folder.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::hdr;
use super::html;
use super::machine::Machine;
use super::rfc2544::Measured;
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
    /// A measurement after RFC 2544.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rfc2544: Option<Measured>,
}

impl Results {
    /// Those of a single load.
    #[must_use]
    pub fn of_load(machine: Machine, devices: String, load: Trial) -> Self {
        Self { machine, devices, load: Some(load), rfc2544: None }
    }

    /// Those of a measurement after RFC 2544.
    #[must_use]
    pub fn of_rfc2544(machine: Machine, devices: String, measured: Measured) -> Self {
        Self { machine, devices, load: None, rfc2544: Some(measured) }
    }

    /// Every trial whose latencies are worth a file, with the file's name.
    fn timed(&self) -> Vec<(String, &Trial)> {
        let of_load = self.load.iter().map(|load| ("latency".to_owned(), load));
        let sizes = self.rfc2544.iter().flat_map(|measured| &measured.sizes);
        let of_sizes = sizes.flat_map(|of_size| {
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            let size: String = of_size.size.chars().map(plain).collect();
            of_size
                .latency
                .iter()
                .map(move |at| (format!("latency-{size}-{:.0}", 100.0 * at.share), &at.trial))
        });
        of_load.chain(of_sizes).collect()
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
    save("report.html", html::page(results).as_bytes())?;
    for (name, trial) in results.timed() {
        save(&format!("{name}.hgrm"), hdr::percentile_table(&trial.histogram).as_bytes())?;
        save(&format!("{name}.hlog"), &hdr::interval_log(&trial.slices, &trial.cut)?)?;
    }
    Ok(written)
}
