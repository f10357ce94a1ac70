//! The profile of an RFC 2544 measurement, a TOML file; every refusal names its line.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::cli::{SealedArgs, ThreadArgs, Via};
use super::device::Copying;
use super::flow::{self, Addresses};
use super::packet::smallest;
use super::rate::Rate;
use super::rig::Idle;
use super::search::Settings;
use super::size::{self, Sizes};

/// A whole profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Where traffic leaves and arrives.
    pub devices: Devices,
    /// What it is.
    pub traffic: Traffic,
    /// How throughput is searched.
    #[serde(default)]
    pub search: SearchKeys,
    /// At which parts of the NDR latency is taken.
    #[serde(default)]
    pub latency: LatencyKeys,
    /// The frame loss rate.
    #[serde(default)]
    pub loss: LossKeys,
    /// Back-to-back frames.
    #[serde(default)]
    pub bursts: BurstKeys,
}

/// `[devices]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// Device to send on.
    pub tx: String,
    /// Device to receive on; without it the same.
    pub rx: Option<String>,
    /// The gateway's side of the sending link.
    #[serde(deserialize_with = "from_text")]
    pub gateway: Via,
    /// 1 or 2.
    pub threads: Option<u8>,
    /// Cores, the sender's first.
    #[serde(default)]
    pub cores: Vec<usize>,
    /// When there is nothing to do.
    #[serde(default, deserialize_with = "idle")]
    pub idle: Option<Idle>,
    /// Zero-copy or copy.
    #[serde(default, deserialize_with = "copying")]
    pub mode: Option<Copying>,
}

/// `[traffic]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Source addresses.
    pub from: Spanned<Addresses>,
    /// Destination addresses.
    pub to: Addresses,
    /// Number of flows.
    #[serde(default = "one")]
    pub flows: u32,
    /// UDP port.
    #[serde(default = "discard")]
    pub port: u16,
    /// Configuration of the gateway that is to open what is sent.
    pub seal: Option<PathBuf>,
    /// Configuration of the gateway that has sealed what is received.
    pub open: Option<PathBuf>,
    /// Tunnels of that configuration.
    #[serde(default)]
    pub tunnels: Vec<String>,
    /// ESP sequence number to begin with.
    #[serde(default = "one")]
    pub sequence_from: u32,
}

/// `[search]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchKeys {
    /// Frame sizes, one measurement each.
    pub sizes: Vec<Spanned<Sizes>>,
    /// Highest load.
    pub max_rate: Spanned<Rate>,
    /// Lowest load.
    pub min_rate: Rate,
    /// Losses of the goals; the first is the NDR's.
    #[serde(deserialize_with = "ratios")]
    pub losses: Vec<f64>,
    /// Seconds of a trial.
    #[serde(deserialize_with = "seconds")]
    pub trial_s: f64,
    /// Seconds of trials that decide about a load.
    #[serde(deserialize_with = "seconds")]
    pub duration_sum_s: f64,
    /// Part of them that may be lossier than the goal.
    #[serde(deserialize_with = "ratio")]
    pub exceed_ratio: f64,
    /// Relative distance of the bounds at which the search ends.
    #[serde(deserialize_with = "width")]
    pub width: f64,
    /// Seconds after which a size's search gives up.
    #[serde(deserialize_with = "seconds")]
    pub budget_s: f64,
    /// Seconds to wait for the last packets of a trial.
    #[serde(deserialize_with = "seconds")]
    pub drain_s: f64,
}

/// `[latency]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyKeys {
    /// Parts of the NDR.
    #[serde(deserialize_with = "ratios")]
    pub loads: Vec<f64>,
    /// Seconds of each trial.
    #[serde(deserialize_with = "seconds")]
    pub trial_s: f64,
}

/// `[loss]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossKeys {
    /// Whether it is measured.
    pub measure: bool,
    /// Seconds of each trial.
    #[serde(deserialize_with = "seconds")]
    pub trial_s: f64,
}

/// `[bursts]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BurstKeys {
    /// Whether they are measured.
    pub measure: bool,
    /// Frames of the longest burst.
    pub longest: u64,
    /// Bursts of a length that must pass.
    pub repeats: u32,
}

impl Default for SearchKeys {
    fn default() -> Self {
        let plain = |size: &u16| Spanned::new(0..0, Sizes::fixed(*size));
        let mut sizes: Vec<_> = size::RFC2544.iter().map(plain).collect();
        sizes.push(Spanned::new(0..0, Sizes::imix()));
        Self {
            sizes,
            max_rate: Spanned::new(0..0, Rate::Frames(10e6)),
            min_rate: Rate::Frames(1e3),
            losses: vec![0.0, 0.005],
            trial_s: 1.0,
            duration_sum_s: 21.0,
            exceed_ratio: 0.5,
            width: 0.005,
            budget_s: 600.0,
            drain_s: 0.5,
        }
    }
}

impl Default for LatencyKeys {
    fn default() -> Self {
        Self { loads: vec![0.1, 0.5, 0.9], trial_s: 20.0 }
    }
}

impl Default for LossKeys {
    fn default() -> Self {
        Self { measure: true, trial_s: 1.0 }
    }
}

impl Default for BurstKeys {
    fn default() -> Self {
        Self { measure: true, longest: 100_000, repeats: 10 }
    }
}

impl Profile {
    /// Reads and checks a profile.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let mut profile = Self::parse(&text).map_err(|error| format!("{name}: {error}"))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let Traffic { seal, open, .. } = &mut profile.traffic;
        for file in [seal, open].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(profile)
    }

    /// Reads and checks the text of a profile.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let profile: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let at = |offset: usize, why: String| {
            let line = text[..offset.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {why}")
        };
        let Traffic { from, to, flows, seal, open, .. } = &profile.traffic;
        let traffic = from.span().start;
        flow::flows(*from.get_ref(), *to, *flows).map_err(|why| at(traffic, why))?;
        if seal.is_some() && open.is_some() {
            return Err(at(traffic, "`seal` and `open` exclude each other".into()));
        }
        let SearchKeys { sizes, max_rate, min_rate, .. } = &profile.search;
        if sizes.is_empty() {
            return Err("[search] `sizes` is empty: write [64, 512, 1518, \"imix\"]".into());
        }
        let smallest = smallest(to.at(0).is_ipv6());
        for sizes in sizes {
            let start = sizes.span().start;
            let sizes = sizes.get_ref();
            sizes.check(smallest).map_err(|why| at(start, why))?;
            let start = max_rate.span().start;
            let max = max_rate.get_ref().check(sizes.mean(), None).map_err(|why| at(start, why))?;
            let min = min_rate.check(sizes.mean(), None).map_err(|why| at(start, why))?;
            match (min, max) {
                (Some(min), Some(max)) if min < max => {}
                _ => {
                    let why = "`min_rate` and `max_rate` are rates, the first below the second";
                    return Err(at(start, why.into()));
                }
            }
        }
        if let Some(threads @ (0 | 3..)) = profile.devices.threads {
            return Err(format!("[devices] threads = {threads}: write 1 or 2"));
        }
        if profile.bursts.longest == 0 || profile.bursts.repeats == 0 {
            return Err("[bursts] `longest` and `repeats` are at least 1".into());
        }
        Ok(profile)
    }

    /// The threads' options.
    #[must_use]
    pub fn threads(&self) -> ThreadArgs {
        let Devices { threads, cores, idle, mode, .. } = &self.devices;
        ThreadArgs {
            threads: *threads,
            cores: cores.clone(),
            idle: idle.unwrap_or(Idle::Yield),
            mode: mode.unwrap_or(Copying(af_xdp::CopyPreference::Auto)),
        }
    }

    /// The options about sealed traffic.
    #[must_use]
    pub fn sealed(&self) -> SealedArgs {
        let Traffic { seal, open, tunnels, sequence_from, .. } = &self.traffic;
        SealedArgs {
            seal: seal.clone(),
            open: open.clone(),
            tunnel: tunnels.clone(),
            sequence_from: *sequence_from,
        }
    }

    /// How to search between two loads, frames a second.
    #[must_use]
    pub fn settings(&self, min_pps: f64, max_pps: f64) -> Settings {
        let SearchKeys { trial_s, duration_sum_s, exceed_ratio, width, budget_s, .. } = self.search;
        Settings { min_pps, max_pps, trial_s, duration_sum_s, exceed_ratio, width, budget_s }
    }
}

fn one() -> u32 {
    1
}

fn discard() -> u16 {
    flow::PORT
}

fn refuse<E: serde::de::Error>(why: impl std::fmt::Display) -> E {
    E::custom(why)
}

fn from_text<'de, D: Deserializer<'de>>(source: D) -> Result<Via, D::Error> {
    String::deserialize(source)?.parse().map_err(refuse)
}

fn copying<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Copying>, D::Error> {
    String::deserialize(source)?.parse().map(Some).map_err(refuse)
}

fn idle<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Idle>, D::Error> {
    let text = String::deserialize(source)?;
    clap::ValueEnum::from_str(&text, true)
        .map(Some)
        .map_err(|_| refuse("write \"spin\", \"yield\" or \"sleep\""))
}

fn seconds<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(source)?;
    super::run::check_seconds("a time of", seconds).map_err(refuse)?;
    Ok(seconds)
}

fn ratio<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let ratio = f64::deserialize(source)?;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err(refuse("a part is from 0 to 1")) }
}

fn ratios<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<f64>, D::Error> {
    let ratios = Vec::<f64>::deserialize(source)?;
    match ratios.iter().all(|ratio| (0.0..=1.0).contains(ratio)) {
        true => Ok(ratios),
        false => Err(refuse("parts are from 0 to 1: [0.1, 0.5, 0.9]")),
    }
}

fn width<'de, D: Deserializer<'de>>(source: D) -> Result<f64, D::Error> {
    let width = f64::deserialize(source)?;
    let sound = (0.0001..=0.5).contains(&width);
    if sound { Ok(width) } else { Err(refuse("a width is from 0.0001 to 0.5: 0.005 is usual")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: &str = "\
[devices]
tx = \"eth1\"
rx = \"eth2\"
gateway = \"10.1.0.1\"

[traffic]
from = \"10.1.0.2\"
to = \"10.2.0.2\"
";

    #[test]
    fn the_shortest_profile_has_the_conventions_of_the_field() {
        let profile = Profile::parse(SHORTEST).unwrap();
        let sizes: Vec<_> = profile.search.sizes.iter().map(|s| s.get_ref().name()).collect();
        assert_eq!(sizes, ["64", "128", "256", "512", "1024", "1280", "1518", "imix"]);
        let search = &profile.search;
        assert_eq!((search.width, search.exceed_ratio), (0.005, 0.5));
        assert_eq!((search.trial_s, search.duration_sum_s), (1.0, 21.0));
        assert_eq!(search.losses, [0.0, 0.005]);
        assert_eq!(profile.latency.loads, [0.1, 0.5, 0.9]);
    }

    #[test]
    fn the_profile_we_ship_is_sound() {
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo.toml");
        Profile::load(&demo).unwrap();
    }

    #[test]
    fn refusals_name_their_line() {
        for (more, line, why) in [
            ("[search]\nsizes = [64, 63]\n", 10, "take 64"),
            ("[search]\nmax_rate = \"fast\"\n", 10, "no rate"),
            ("[search]\nmax_rate = \"5Gpps\"\n", 10, "1 ns"),
            ("[search]\nmax_rate = \"1kpps\"\nmin_rate = \"2kpps\"\n", 10, "below"),
            ("[search]\nwidth = 2.0\n", 10, "0.005"),
            ("[search]\ntrial_s = 0.0\n", 10, "above 0"),
            ("[search]\nspeed = 1\n", 10, "unknown field"),
            ("[latency]\nloads = [1.5]\n", 10, "from 0 to 1"),
            ("flows = 0\n", 7, "at least 1"),
            ("seal = \"a.toml\"\nopen = \"a.toml\"\n", 7, "exclude"),
        ] {
            let refusal = Profile::parse(&format!("{SHORTEST}{more}")).unwrap_err();
            let lines = [format!("line {line}:"), format!("line {line},")];
            assert!(lines.iter().any(|line| refusal.contains(line)), "{more}: {refusal}");
            assert!(refusal.contains(why), "{more}: {refusal}");
        }
        let refusal = Profile::parse("[devices]\ntx = \"eth1\"\n").unwrap_err();
        assert!(refusal.contains("gateway"), "{refusal}");
    }
}
