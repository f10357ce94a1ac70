//! `fastgw-bench memory`: what an installed SA takes, all in.

use std::error::Error;
use std::hint::black_box;

use allocation_counter::measure;
use serde::Serialize;

use crate::cli::Memory;
use crate::pipelines::{Direction, Pipeline};
use crate::progress::Progress;
use crate::scale::Scale;
use crate::topology::numbered_sa_pair;

/// Tunnels whose tables are built: what one more costs does not hang on how many there are.
const COUNTS: [u32; 3] = [1, 1000, 100_000];
/// Anti-replay windows, packets.
const WINDOWS: [u32; 6] = [64, 256, 1024, 4096, 16_384, 65_536];
/// What each kind of tunnel is built with: all suites take the same, since any may be in an SA's
/// place.
const SUITE: &str = "aes128gcm16";
/// What an SA may take with the anti-replay window that a configuration has unless it says
/// otherwise, bytes.
const LIMIT: f64 = 1024.0;
/// That window, packets.
const USUAL_WINDOW: u32 = 1024;

/// What the SAs of one kind of tunnel take.
#[derive(Debug, Serialize)]
struct Footprint {
    /// Such as `esp-tunnel`.
    tunnel: String,
    suite: &'static str,
    /// Pairs of SAs, one each way, each pair with a tunnel, a policy or route, and SAD entries.
    pairs: u32,
    /// Anti-replay window of the inbound SAs, packets.
    replay_window: u32,
    /// All tables of a gateway with so many pairs, bytes.
    tables: u64,
    /// Bytes that each SA adds to those of a gateway with one pair; none for that one itself.
    per_sa: Option<f64>,
    /// Of them, keys, counters and window of the SA itself.
    sa_alone: f64,
}

/// What an anti-replay window takes.
#[derive(Debug, Serialize)]
struct Window {
    packets: u32,
    bytes: u64,
    /// Bytes per SA all in, of `esp-tunnel`: half of all SAs have a window.
    per_sa: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    limit: f64,
    footprints: Vec<Footprint>,
    windows: Vec<Window>,
}

pub(crate) fn run(options: &Memory) -> Result<(), Box<dyn Error>> {
    let largest = if options.quick { 1000 } else { u32::MAX };
    let mut footprints = Vec::new();
    let wanted =
        |pipeline: &Pipeline| pipeline.suite() == SUITE && pipeline.direction == Direction::Encap;
    let pipelines: Vec<_> = Pipeline::all().filter(wanted).collect();
    let mut progress = Progress::new(pipelines.len());
    for pipeline in pipelines {
        progress.begin(&pipeline.name());
        let one = tables_of(pipeline, 1, USUAL_WINDOW);
        for pairs in COUNTS.into_iter().filter(|pairs| *pairs <= largest) {
            footprints.push(footprint(pipeline, pairs, one)?);
        }
    }
    let windows = windows(&footprints)?;
    progress.clear();
    let report = Report { limit: LIMIT, footprints, windows };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

/// What the heap grows by when the tables are built, bytes.
fn tables_of(pipeline: Pipeline, tunnels: u32, window: u32) -> u64 {
    let scale = Scale {
        join: pipeline.join(),
        multipoint: pipeline.is_multipoint(),
        tunnels,
        routes: 1,
        window,
    };
    grown(|| scale.tables(false))
}

fn grown<T>(build: impl FnOnce() -> T) -> u64 {
    let mut built = None;
    let cost = measure(|| built = Some(black_box(build())));
    u64::try_from(cost.bytes_current).unwrap_or_default()
}

fn footprint(pipeline: Pipeline, pairs: u32, one: u64) -> Result<Footprint, String> {
    let suite = esp::Suite::from_name(pipeline.suite()).ok_or("a pipeline without a suite")?;
    let tables = tables_of(pipeline, pairs, USUAL_WINDOW);
    let more = f64::from(pairs - 1) * 2.0;
    let sas = grown(|| numbered_sa_pair(suite, false, false, 0, USUAL_WINDOW));
    let tunnel = pipeline.name();
    Ok(Footprint {
        tunnel: tunnel.trim_end_matches("-encap").to_owned(),
        suite: pipeline.suite(),
        pairs,
        replay_window: USUAL_WINDOW,
        tables,
        per_sa: (pairs > 1).then(|| tables.saturating_sub(one) as f64 / more),
        sa_alone: sas as f64 / 2.0,
    })
}

fn windows(footprints: &[Footprint]) -> Result<Vec<Window>, String> {
    let suite = esp::Suite::from_name(SUITE).ok_or("a suite that is gone")?;
    let pair = |window| grown(|| numbered_sa_pair(suite, false, false, 0, window));
    let first = |print: &&Footprint| print.tunnel == "esp-tunnel";
    let all_in = footprints.iter().filter(first).filter_map(|print| print.per_sa).next_back();
    let of = |packets| {
        let (with, without) = (pair(packets), pair(0));
        let more = with as f64 - pair(USUAL_WINDOW) as f64;
        let per_sa = all_in.unwrap_or_default() + more / 2.0;
        Window { packets, bytes: with - without, per_sa }
    };
    Ok(WINDOWS.map(of).into())
}

fn print(report: &Report) {
    println!(
        "Bytes in the tables that workers read, SAs included; half of the SAs are inbound and"
    );
    println!("have an anti-replay window of {USUAL_WINDOW} packets. Limit: {LIMIT} per SA.\n");
    println!(
        "{:<22}{:<16}{:>9}{:>14}{:>12}{:>12}",
        "tunnel", "suite", "SA pairs", "bytes", "per SA", "SA alone"
    );
    for print in &report.footprints {
        let per_sa = print.per_sa.map_or("-".to_owned(), |bytes| {
            format!("{bytes:.0}{}", if bytes > LIMIT { "*" } else { "" })
        });
        let Footprint { tunnel, suite, pairs, tables, sa_alone, .. } = print;
        println!("{tunnel:<22}{suite:<16}{pairs:>9}{tables:>14}{per_sa:>12}{sa_alone:>12.0}");
    }
    println!("\n{:<22}{:>16}{:>24}", "anti-replay window", "bytes", "per SA of esp-tunnel");
    for Window { packets, bytes, per_sa } in &report.windows {
        println!("{packets:<22}{bytes:>16}{per_sa:>24.0}");
    }
    if report.footprints.iter().any(|print| print.per_sa.is_some_and(|bytes| bytes > LIMIT)) {
        println!("\n* above the limit");
    }
}
