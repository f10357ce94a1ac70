//! The report as one HTML file with its charts inside: nothing is loaded from anywhere.

use hdrhistogram::Histogram;

use super::rate::{bits, frames};
use super::report::Results;
use super::rfc2544::{Measured, OfSize};
use super::svg::{Axis, Series, bars, escaped, lines};
use super::text::{self, percentiles};
use super::trial::{Latency, Trial};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2em auto;\
    padding:0 1em;color:#222}table{border-collapse:collapse;width:100%;margin:1em 0}\
    th,td{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:right}\
    th:first-child,td:first-child{text-align:left}th{background:#f5f5f5}\
    svg{width:100%;height:auto;margin:1em 0}svg text{fill:#333}.m{font:12px system-ui,sans-serif}\
    .b{font:bold 14px system-ui,sans-serif}.note{background:#fff4d6;padding:.4em .8em;\
    border-left:4px solid #e69f00;margin:.5em 0}footer{color:#777;font-size:13px;margin-top:3em}";

/// Nines that the percentile axis has marks for.
const NINES: [(f64, &str); 6] =
    [(1.0, "0"), (10.0, "90"), (1e2, "99"), (1e3, "99.9"), (1e4, "99.99"), (1e5, "99.999")];

/// The whole page.
#[must_use]
pub fn page(results: &Results) -> String {
    let (title, body) = match (&results.rfc2544, &results.load) {
        (Some(measured), _) => ("RFC 2544 measurement", rfc2544(measured)),
        (None, Some(trial)) => ("Load", load(trial)),
        (None, None) => ("Nothing measured", String::new()),
    };
    let machine = &results.machine;
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{body}\n<footer>fastgw-pktgen {} on {}, {} cores, Linux {}, load \
         average {:.2}. Devices: {}. Frame sizes and rates in bits include the check sequence; \
         latency is from the intended time of sending to receipt, of every packet.</footer>\
         </body></html>\n",
        machine.version,
        escaped(&machine.processor),
        machine.cores,
        escaped(&machine.kernel),
        machine.load_average,
        escaped(&results.devices),
    )
}

fn load(trial: &Trial) -> String {
    let over_time = |name: &str, of: fn(&super::trial::IntervalReport) -> f64| Series {
        name: name.to_owned(),
        points: trial.intervals.iter().map(|interval| (interval.at_s, of(interval))).collect(),
    };
    let throughput = lines(
        "Throughput",
        Axis::linear("time, s"),
        Axis::linear("frames a second"),
        &[over_time("offered", |i| i.tx_pps), over_time("received", |i| i.rx_pps)],
    );
    let latency = lines(
        "Latency over time",
        Axis::linear("time, s"),
        Axis::logarithmic("microseconds"),
        &[
            over_time("p50", |i| i.p50_us),
            over_time("p99", |i| i.p99_us),
            over_time("max", |i| i.max_us),
        ],
    );
    let distribution =
        percentile_chart("Latency by percentile", &[("latency".to_owned(), &trial.histogram)]);
    let mut page = format!("<p>Frames of {} bytes", escaped(&trial.size));
    page += &trial
        .target_pps
        .map_or(" as fast as possible".to_owned(), |pps| format!(" at {}", frames(pps)));
    page += &format!(" for {:.2} s.</p>", trial.duration_s);
    page += &counts(trial);
    page += &notes(trial.limits.iter().map(super::trial::Limit::explain));
    page + &throughput + &latency + &distribution + &latency_table(&[("all", &trial.latency)])
}

fn counts(trial: &Trial) -> String {
    let rows = [
        ("sent", trial.sent, format!("{}, {}", frames(trial.tx_pps), bits(trial.tx_bps))),
        ("received", trial.received, format!("{}, {}", frames(trial.rx_pps), bits(trial.rx_bps))),
        ("lost", trial.lost, format!("{:.4} %", 100.0 * trial.loss_ratio)),
        ("duplicates", trial.duplicates, String::new()),
        ("reordered", trial.reordered, String::new()),
        ("corrupt", trial.corrupt, String::new()),
    ];
    let row = |(name, count, more): &(&str, u64, String)| {
        format!("<tr><td>{name}</td><td>{count}</td><td>{more}</td></tr>")
    };
    let rows: String = rows.iter().map(row).collect();
    format!("<table><tr><th>packets</th><th>number</th><th>rate</th></tr>{rows}</table>")
}

fn rfc2544(measured: &Measured) -> String {
    let mut page = throughput_charts(measured);
    page += "<h2>Throughput</h2><table><tr><th>size</th><th>goal</th><th>frames</th><th>bits</th>\
             <th>conditional</th><th>search</th></tr>";
    for of_size in &measured.sizes {
        for goal in &of_size.throughput {
            let known = |value: Option<String>| value.unwrap_or_else(|| "&ndash;".to_owned());
            page += &format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&of_size.size),
                escaped(&goal.name),
                known(goal.found.lower_pps.map(frames)),
                known(goal.lower_bps.map(bits)),
                known(goal.found.conditional_pps.map(frames)),
                text::end(goal.found.end),
            );
        }
    }
    page += "</table>";
    let all_notes = measured
        .sizes
        .iter()
        .flat_map(|of_size| of_size.notes.iter().map(|note| format!("{}: {note}", of_size.size)));
    page += &notes(all_notes);
    page += "<h2>Latency</h2>";
    for of_size in &measured.sizes {
        page += &latency_of(of_size);
    }
    page += "<h2>Frame loss rate</h2>";
    page += &loss_chart(measured);
    page += "<h2>Back-to-back frames</h2><table><tr><th>size</th><th>longest burst</th>\
             <th>sent at</th></tr>";
    for of_size in &measured.sizes {
        if let Some(burst) = of_size.burst {
            let least = if burst.at_least { "at least " } else { "" };
            page += &format!(
                "<tr><td>{}</td><td>{least}{} frames</td><td>{}</td></tr>",
                escaped(&of_size.size),
                burst.frames,
                frames(burst.sent_pps)
            );
        }
    }
    page + "</table>"
}

fn throughput_charts(measured: &Measured) -> String {
    let Some(first) = measured.sizes.first() else { return String::new() };
    let names: Vec<String> = first.throughput.iter().map(|goal| goal.name.clone()).collect();
    let groups = |of: fn(&super::rfc2544::Throughput) -> Option<f64>| -> Vec<(String, Vec<f64>)> {
        let values = |of_size: &OfSize| {
            let value = |goal| of(goal).unwrap_or(f64::NAN);
            (of_size.size.clone(), of_size.throughput.iter().map(value).collect())
        };
        measured.sizes.iter().map(values).collect()
    };
    let in_frames = groups(|goal| goal.found.lower_pps);
    let in_bits = groups(|goal| goal.lower_bps);
    bars("Throughput in frames", Axis::linear("frames a second"), &names, &in_frames)
        + &bars("Throughput in bits", Axis::linear("bits a second"), &names, &in_bits)
}

fn latency_of(of_size: &OfSize) -> String {
    if of_size.latency.is_empty() {
        return format!("<p>{}: none without an NDR.</p>", escaped(&of_size.size));
    }
    let name = |share: f64| format!("{:.0} % of NDR", 100.0 * share);
    let histograms: Vec<_> =
        of_size.latency.iter().map(|at| (name(at.share), &at.trial.histogram)).collect();
    let title = format!("Latency by percentile, frames of {} bytes", of_size.size);
    let names: Vec<String> = of_size.latency.iter().map(|at| name(at.share)).collect();
    let rows: Vec<_> = names
        .iter()
        .zip(&of_size.latency)
        .map(|(name, at)| (name.as_str(), &at.trial.latency))
        .collect();
    percentile_chart(&title, &histograms) + &latency_table(&rows)
}

fn loss_chart(measured: &Measured) -> String {
    let series = measured.sizes.iter().filter(|of_size| !of_size.loss.is_empty());
    let series: Vec<Series> = series
        .map(|of_size| {
            let mut points: Vec<_> =
                of_size.loss.iter().map(|at| (at.offered_pps, 100.0 * at.loss_ratio)).collect();
            // What was offered is not always in the order of what was asked for.
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Series { name: of_size.size.clone(), points }
        })
        .collect();
    if series.is_empty() {
        return "<p>Not measured.</p>".to_owned();
    }
    lines(
        "Frame loss by offered load",
        Axis::linear("frames a second offered"),
        Axis::linear("lost, %"),
        &series,
    )
}

/// Latency over "nines": equal distances for each factor by which what is left shrinks.
fn percentile_chart(title: &str, histograms: &[(String, &Histogram<u64>)]) -> String {
    let most = histograms.iter().map(|(_, histogram)| histogram.len()).max().unwrap_or(1) as f64;
    let marks = NINES.iter().filter(|(at, _)| *at <= most.max(10.0));
    let marks = marks.map(|(at, label)| (*at, (*label).to_owned())).collect();
    let x = Axis { label: "percentile", logarithmic: true, marks };
    let series: Vec<Series> = histograms
        .iter()
        .map(|(name, histogram)| {
            let steps = histogram.iter_quantiles(8).map(|step| {
                let left = (1.0 - step.quantile_iterated_to()).max(1.0 / most.max(1.0));
                (1.0 / left, step.value_iterated_to() as f64 / 1e3)
            });
            Series { name: name.clone(), points: steps.collect() }
        })
        .collect();
    lines(title, x, Axis::logarithmic("microseconds"), &series)
}

fn latency_table(rows: &[(&str, &Latency)]) -> String {
    let row = |(name, latency): &(&str, &Latency)| {
        format!("<tr><td>{}</td><td>{}</td></tr>", escaped(name), percentiles(latency))
    };
    let rows: String = rows.iter().map(row).collect();
    format!("<table><tr><th>load</th><th>latency</th></tr>{rows}</table>")
}

fn notes(notes: impl Iterator<Item = String>) -> String {
    notes.map(|note| format!("<p class=\"note\">{}</p>", escaped(&note))).collect()
}
