//! Rows as tables for people.

use crate::anchors::{Anchor, SIZES};
use crate::cycles::key;
use crate::measure::{CyclesBy, Row};

/// Whether two rows stand in one table.
pub(crate) fn same_block(a: &Row, b: &Row) -> bool {
    key(a) == key(b)
}

/// The rows at the end that stand in one table.
pub(crate) fn last_block(rows: &[Row]) -> &[Row] {
    rows.chunk_by(same_block).last().unwrap_or_default()
}

/// A table with a column for each size.
pub(crate) fn print_block(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    let Row { pipeline, suite, sas, routes, flows, .. } = first;
    let kind = if suite == "none" { "tunnels" } else { "SA pairs" };
    println!("{pipeline}, suite {suite}: {sas} {kind}, {routes} routes, {flows} flows");
    line("inner packet, bytes", rows.iter().map(|row| Some(row.size as f64)), 0);
    let estimated = if first.cycles_by == CyclesBy::Clock { " (est.)" } else { "" };
    line(&format!("cycles{estimated}, best"), rows.iter().map(|row| row.cycles), 0);
    line(&format!("cycles{estimated}, median"), rows.iter().map(|row| row.cycles_median), 0);
    line("instructions", rows.iter().map(|row| row.instructions), 0);
    line("branch misses", rows.iter().map(|row| row.branch_misses), 2);
    line("cache misses", rows.iter().map(|row| row.cache_misses), 2);
    line("nanoseconds, best", rows.iter().map(|row| Some(row.ns)), 0);
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

fn print_growth(rows: &[Row]) {
    let small = |row: &Row| row.sas == 1 && row.routes == 1;
    let mut headed = false;
    for row in rows.iter().filter(|row| !small(row)) {
        let same = |base: &&Row| {
            base.pipeline == row.pipeline && base.suite == row.suite && base.size == row.size
        };
        let base = rows.iter().filter(same).find(|base| small(base));
        let Some((now, then)) = row.cycles.zip(base.and_then(|base| base.cycles)) else { continue };
        if !headed {
            println!("growth: cycles by those with one SA and one route (aim: at most 1.30)");
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
