//! `fastgw-bench cycles`: which figures, in which order.

use std::error::Error;

use regex::Regex;

use crate::anchors::{Anchor, SIZES};
use crate::baseline::Baseline;
use crate::cli::Cycles;
use crate::clock::cycles_per_ns;
use crate::counters::Meter;
use crate::lane::Load;
use crate::machine::Machine;
use crate::measure::{Row, measure};
use crate::pipelines::Pipeline;
use crate::progress::Progress;
use crate::sharing::measure_shared;
use crate::table;

/// Suites that are measured unless others are asked for: those that others' figures are of.
const SUITES: [&str; 3] = ["aes128gcm16", "aes128-sha1", "null-sha1"];
const QUICK_WINDOWS: usize = 5;

pub(crate) fn run(options: &Cycles) -> Result<(), Box<dyn Error>> {
    let baseline = options.baseline.as_deref().map(Baseline::read).transpose()?;
    let loads = plan(options)?;
    let windows = if options.quick { QUICK_WINDOWS } else { options.windows as usize };
    let mut meter = Meter::new();
    let mut progress = Progress::new(loads.len());
    let machine = Machine::here();
    let mut rows = Vec::with_capacity(loads.len());
    if !options.json {
        println!("{machine}\nbest of {windows} windows, batches of {}\n", crate::PER_TURN);
        print_notes(&meter);
    }
    for block in loads.chunk_by(|a, b| a.differs_only_in_size(b)) {
        let mut measured = [Vec::new(), Vec::new()];
        for load in block {
            let (name, suite) = (load.pipeline.name(), load.pipeline.suite());
            progress.begin(&format!("{name} {suite} {} B", load.size));
            let of_load = match usize::from(options.workers) {
                1 => measure(&mut meter, load, windows).map(|row| vec![row]),
                workers => measure_shared(load, workers, options.deal, windows).map(Vec::from),
            };
            let of_load = of_load
                .map_err(|lost| format!("{name} {suite} with {} bytes: {lost}", load.size))?;
            for (block, mut row) in measured.iter_mut().zip(of_load) {
                if let Some(baseline) = &baseline {
                    baseline.compare(&mut row);
                }
                block.push(row);
            }
        }
        for block in measured {
            if !options.json {
                progress.clear();
                table::print_block(&block);
            }
            rows.extend(block);
        }
    }
    progress.clear();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        table::print_summary(&rows);
    }
    Ok(())
}

fn print_notes(meter: &Meter) {
    for note in meter.notes() {
        println!("not counted: {note}");
    }
    if !meter.counts_cycles() {
        match cycles_per_ns() {
            Some(clock) => println!(
                "cycles are estimated: nanoseconds times the core's clock, measured beside each \
                 window by a chain\nof dependent instructions; {clock:.2} GHz now"
            ),
            None => println!("cycles: unknown on this architecture"),
        }
        println!();
    }
}

fn plan(options: &Cycles) -> Result<Vec<Load>, String> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if usize::from(options.workers) > processors {
        return Err(format!(
            "{} workers would take turns on {processors} processors; ask for {processors} at most",
            options.workers
        ));
    }
    if options.workers > 1 && options.sas.iter().any(|sas| *sas > 1) {
        return Err("several workers are measured with one tunnel: leave --sas out".to_owned());
    }
    let default = !options.all && options.pipeline.is_empty() && options.suite.is_empty();
    let shared_by_default = options.workers > 1 && !options.all && options.pipeline.is_empty();
    let known = Pipeline::names();
    let wanted = Filter::new("pipeline", &options.pipeline, known)?;
    let suites: Vec<_> = esp::Suite::ALL.iter().map(|suite| suite.name().to_owned()).collect();
    let suites = Filter::new("suite", &options.suite, [suites, vec!["none".to_owned()]].concat())?;
    let by_suite = |pipeline: &Pipeline| match pipeline.suite() {
        suite if !options.suite.is_empty() => suites.holds(suite),
        suite => options.all || suite == "none" || SUITES.contains(&suite),
    };
    let anchored = |pipeline: &Pipeline| Anchor::of(&pipeline.name(), pipeline.suite()).is_some();
    let pipelines: Vec<_> = Pipeline::all()
        .filter(|pipeline| wanted.holds(&pipeline.name()) && by_suite(pipeline))
        .filter(|pipeline| !default || anchored(pipeline))
        .filter(|pipeline| !shared_by_default || pipeline.name().starts_with("esp-tunnel"))
        .collect();
    if pipelines.is_empty() {
        return Err("no pipeline runs under such a suite: one in clear has suite none".to_owned());
    }
    let mut loads = Vec::new();
    for pipeline in pipelines {
        for sas in or(&options.sas, 1) {
            for routes in or(&options.routes, 1) {
                for flows in or(&options.flows, 512) {
                    if sas > 1 && !pipeline.is_tunnel() {
                        continue;
                    }
                    let sized = or_all(&options.size, &SIZES).into_iter();
                    loads.extend(sized.map(|size| Load {
                        sas,
                        routes,
                        flows,
                        ..Load::new(pipeline, size)
                    }));
                }
            }
        }
    }
    let plain = options.sas.is_empty() && options.routes.is_empty() && options.flows.is_empty();
    let alone = options.workers == 1;
    if default && plain && alone && options.size.is_empty() {
        loads.extend(scaling());
    }
    Ok(loads)
}

/// How the cost of the shortest packets grows with SAs and routes: those that fit into caches, as
/// few flows need, and all of them.
fn scaling() -> Vec<Load> {
    let named = |name: &str, suite: &str| {
        Pipeline::all().find(|pipeline| pipeline.name() == name && pipeline.suite() == suite)
    };
    let mut loads = Vec::new();
    for (name, suite) in [
        ("esp-tunnel-encap", "aes128gcm16"),
        ("esp-tunnel-decap", "aes128gcm16"),
        ("gre-encap", "none"),
        ("gre-decap", "none"),
    ] {
        let Some(pipeline) = named(name, suite) else { continue };
        for (sas, flows) in [(1000, 1000), (100_000, 512), (100_000, 100_000)] {
            loads.push(Load { sas, flows, ..Load::new(pipeline, 64) });
        }
    }
    for (name, suite) in [("forward", "none"), ("esp-tunnel-encap", "aes128gcm16")] {
        let Some(pipeline) = named(name, suite) else { continue };
        for (routes, flows) in [(10, 512), (10, 100_000), (1_000_000, 512), (1_000_000, 100_000)] {
            loads.push(Load { routes, flows, ..Load::new(pipeline, 64) });
        }
    }
    loads
}

fn or(given: &[u32], default: u32) -> Vec<u32> {
    or_all(given, &[default])
}

fn or_all<T: Copy>(given: &[T], default: &[T]) -> Vec<T> {
    if given.is_empty() { default.to_vec() } else { given.to_vec() }
}

/// Names, or regular expressions of names; none at all is every name.
struct Filter {
    exact: Vec<String>,
    expressions: Vec<Regex>,
}

impl Filter {
    /// Refuses what holds none of the `known` names, and says which these are.
    fn new(what: &str, wanted: &[String], known: Vec<String>) -> Result<Self, String> {
        let (exact, others): (Vec<_>, Vec<_>) =
            wanted.iter().cloned().partition(|name| known.contains(name));
        let mut expressions = Vec::new();
        for text in others {
            let expression = Regex::new(&text).map_err(|error| error.to_string())?;
            if !known.iter().any(|name| expression.is_match(name)) {
                let known = known.join(", ");
                return Err(format!("no {what} is called or matches {text:?}; there are: {known}"));
            }
            expressions.push(expression);
        }
        Ok(Self { exact, expressions })
    }

    fn holds(&self, name: &str) -> bool {
        let all = self.exact.is_empty() && self.expressions.is_empty();
        all || self.exact.iter().any(|exact| exact == name)
            || self.expressions.iter().any(|expression| expression.is_match(name))
    }
}

/// Rows of one table: everything but the size is the same.
pub(crate) fn key(row: &Row) -> (&str, &str, u32, u32, u32, u32) {
    (&row.pipeline, &row.suite, row.sas, row.routes, row.flows, row.workers)
}
