//! A script is a table of four columns, one line for each thing that happens:
//!
//! ```text
//! what happens | what is sent then      | what A has | what B has
//! A renews 1   | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
//! a1 arrives   | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
//! ```
//!
//! Nothing arrives by itself and no time passes by itself, so a script says which message is late,
//! comes twice, or is lost. What a line says beside what happens is compared with what is so: all
//! messages, and all SAs on both sides.
//!
//! Messages are named by sender and order, and shown by what they have inside: `SA(ESP)` and
//! `SA(IKE,x25519)` are CREATE_CHILD_SA with the group of the key exchange, `FOLLOWUP_KE(ecp256)`
//! is IKE_FOLLOWUP_KE and `ADD_KE` its link; of INFORMATIONAL, `D` deletes the IKE SA, `D(1)` a
//! pair, and `{}` has nothing. Notifications have their names. `@K2` is the IKE SA that a message
//! belongs to, if that is not K1. `again` is the same bytes once more.
//!
//! IKE SAs are `K1`, `K2` ... in the order in which they appear on either side, the same on both:
//! `c` is connecting, `r` asks for new keys, `o` is old (another one has taken its place), `x` asks
//! for its end. After each come the pairs of ESP SAs that belong to it: `<` packets are taken, `>`
//! packets are sent by it, `!` packets are sent by it and the other side does not take them; `r`
//! asks for new keys, `w` waits for the other side to use it, `d` is drained, `x` asks for its end
//! or waits for the other side to do so.

/// One line of a script.
pub struct Line {
    pub what: String,
    /// What is sent, what A has and what B has, as it is written.
    pub columns: Vec<String>,
}

/// The lines of a script.
pub fn parse(script: &str) -> Vec<Line> {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut cells = line.split('|').map(words);
            Line { what: cells.next().unwrap_or_default(), columns: cells.collect() }
        })
        .collect()
}

fn words(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A script of what was so, with its columns under each other.
pub fn table(lines: &[Line]) -> String {
    let cells = |line: &Line| {
        let mut cells = vec![line.what.clone()];
        cells.extend(line.columns.iter().cloned());
        cells
    };
    let rows: Vec<_> = lines.iter().map(cells).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max();
    let mut all = String::new();
    for row in &rows {
        let padded =
            row.iter().enumerate().take(columns).map(|(column, cell)| {
                format!("{cell:<width$}", width = width(column).unwrap_or(0))
            });
        all.push_str(padded.collect::<Vec<_>>().join(" | ").trim_end());
        all.push('\n');
    }
    all
}
