//! Rows as tables for people.

use crate::anchors::{Anchor, SIZES};
use crate::cycles::key;
use crate::measure::{CyclesBy, Row};
use crate::sharing::Sharing;

/// Whether two rows stand in one table.
pub(crate) fn same_block(a: &Row, b: &Row) -> bool {
    key(a) == key(b)
}

/// A table with a column for each size.
pub(crate) fn print_block(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let Row { pipeline, suite, sas, routes, flows, workers, .. } = first;
    let kind = if suite == "none" { "tunnels" } else { "SA pairs" };
    let among = if *workers == 1 { String::new() } else { format!(", {workers} workers") };
    println!("{pipeline}, suite {suite}: {sas} {kind}, {routes} routes, {flows} flows{among}");
    line("inner packet, bytes", rows.iter().map(|row| Some(row.size as f64)), 0);
    let estimated = if first.cycles_by == CyclesBy::Clock { " (est.)" } else { "" };
    line(&format!("cycles{estimated}, best"), rows.iter().map(|row| row.cycles), 0);
    line(&format!("cycles{estimated}, median"), rows.iter().map(|row| row.cycles_median), 0);
    line("instructions", rows.iter().map(|row| row.instructions), 0);
    line("branch misses", rows.iter().map(|row| row.branch_misses), 2);
    line("cache misses", rows.iter().map(|row| row.cache_misses), 2);
    line("nanoseconds, best", rows.iter().map(|row| Some(row.ns)), 0);
    print_sharing(rows);
    if let Some(anchor) = anchor(first) {
        line("VPP 26.06, cycles", rows.iter().map(|row| at(row, &anchor.vpp)), 0);
        if let Some(secgw) = &anchor.secgw {
            line("ipsec-secgw, cycles", rows.iter().map(|row| at(row, secgw)), 0);
        }
        line("ours / VPP", rows.iter().map(|row| ratio(row, anchor)), 2);
        line("aim", rows.iter().map(|row| at(row, &anchor.targets())), 2);
    }
    if rows.iter().any(|row| row.baseline.is_some()) {
        let ratio = |row: &Row| Some(row.baseline?.cycles);
        line("now / baseline, cycles", rows.iter().map(ratio), 2);
        let ratio = |row: &Row| row.baseline?.instructions;
        line("now / baseline, instr.", rows.iter().map(ratio), 3);
        print!("  {:<24}", "verdict");
        for row in rows {
            print!("{:>10}", row.baseline.map_or("new", |comparison| comparison.verdict()));
        }
        println!();
    }
    println!();
}

fn print_sharing(rows: &[Row]) {
    if rows.iter().all(|row| row.sharing.is_none()) {
        return;
    }
    let of = |figure: fn(&Sharing) -> f64| move |row: &Row| row.sharing.as_ref().map(figure);
    line("million packets/s", rows.iter().map(|row| Some(row.pps / 1e6)), 3);
    line("speedup, best", rows.iter().map(of(|sharing| sharing.speedup)), 2);
    line("speedup, median", rows.iter().map(of(|sharing| sharing.speedup_median)), 2);
    line("false replay drops", rows.iter().map(of(|sharing| sharing.replay_drops as f64)), 0);
    line("out of order in a flow", rows.iter().map(of(|sharing| sharing.reordered as f64)), 0);
}

fn line(name: &str, figures: impl Iterator<Item = Option<f64>>, digits: usize) {
    let cells: Vec<_> = figures.collect();
    if cells.iter().all(Option::is_none) {
        return;
    }
    print!("  {name:<24}");
    for cell in cells {
        match cell {
            Some(figure) => print!("{figure:>10.digits$}"),
            None => print!("{:>10}", "-"),
        }
    }
    println!();
}

/// Others' figures were measured with one of everything and one worker.
fn anchor(row: &Row) -> Option<&'static Anchor> {
    let same = row.sas == 1 && row.routes == 1 && row.workers == 1;
    Anchor::of(&row.pipeline, &row.suite).filter(|_| same)
}

fn at(row: &Row, figures: &[f64; 3]) -> Option<f64> {
    SIZES.iter().position(|size| *size == row.size).map(|at| figures[at])
}

fn ratio(row: &Row, anchor: &Anchor) -> Option<f64> {
    Some(row.cycles? / at(row, &anchor.vpp)?)
}

/// Ratios to VPP, ratios to the same with one SA and few routes, and what got worse.
pub(crate) fn print_summary(rows: &[Row]) {
    let compared: Vec<_> = rows
        .chunk_by(same_block)
        .filter(|block| block.first().is_some_and(|r| anchor(r).is_some()))
        .collect();
    if !compared.is_empty() && rows.iter().all(|row| row.cycles.is_some()) {
        println!("ours / VPP, with * where the aim is missed");
        for block in compared {
            print!("  {:<36}", format!("{} {}", block[0].pipeline, block[0].suite));
            for row in block {
                let cell = anchor(row).and_then(|anchor| {
                    let (ratio, aim) = (ratio(row, anchor)?, at(row, &anchor.targets())?);
                    Some(format!("{ratio:.2}{}", if ratio > aim { "*" } else { " " }))
                });
                print!("{:>10}", cell.unwrap_or_default());
            }
            println!();
        }
        println!();
    }
    print_growth(rows);
    let worse = rows.iter().filter(|row| row.baseline.is_some_and(|then| then.worse)).count();
    if rows.iter().any(|row| row.baseline.is_some()) {
        println!("{worse} of {} figures took more cycles than in the baseline", rows.len());
    }
}

/// What many SAs or routes cost, by what one SA and the fewest routes measured do.
fn print_growth(rows: &[Row]) {
    let mut headed = false;
    for row in rows {
        let same = |base: &&Row| {
            base.pipeline == row.pipeline && base.suite == row.suite && base.size == row.size
        };
        let base = rows.iter().filter(same).filter(|base| base.sas == 1);
        let of_size = |base: &&Row| (base.sas + base.routes, base.flows != row.flows);
        // Against one SA if it is about SAs, against ten routes if it is about routes.
        let routes = row.routes > 1;
        let Some(base) = base.filter(|base| (base.routes > 1) == routes).min_by_key(of_size) else {
            continue;
        };
        let larger = row.sas > base.sas || row.routes > base.routes;
        let Some((now, then)) = row.cycles.zip(base.cycles).filter(|_| larger) else { continue };
        if !headed {
            println!("growth: cycles by those of one SA, or of the fewest routes (aim: 1.30)");
            headed = true;
        }
        let Row { pipeline, suite, size, sas, routes, flows, .. } = row;
        let what = format!("{pipeline} {suite} {size} B");
        let mark = if now / then > 1.3 { "*" } else { "" };
        println!(
            "  {what:<40}{sas:>8} SAs{routes:>9} routes{flows:>8} flows  {:.2}{mark}",
            now / then
        );
    }
    if headed {
        println!();
    }
}
