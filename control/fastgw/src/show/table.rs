//! A table of text: aligned columns, folded to a width.

use std::fmt::Write;

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
    /// Sentences: broken over as many lines as they need. For the last column only.
    Wrap,
}

/// Rows of cells under a head. The first column names what the row is about.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Between two columns.
const GAP: usize = 2;
/// A sentence is not broken into lines shorter than this.
const WRAP_WIDTH_MIN: usize = 20;

impl Table {
    /// A table with these heads.
    pub fn new<const N: usize>(columns: [(&'static str, Align); N]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.into_iter().map(printable).collect());
    }

    /// The table as lines of at most `width` characters, where cells allow it, each ended by a
    /// line break. Columns that have no room go into further tables below, each of which begins
    /// with the first column again.
    pub fn render(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| self.width_of(at)).collect();
        let mut out = String::new();
        for (index, group) in self.groups(&widths, width).into_iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            let heads: Vec<&str> = self.columns.iter().map(|(head, _)| *head).collect();
            self.line(&mut out, &heads, &group, &widths, width);
            for row in &self.rows {
                let cells: Vec<&str> = row.iter().map(String::as_str).collect();
                self.line(&mut out, &cells, &group, &widths, width);
            }
        }
        out
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| chars(cell)).max().unwrap_or(0);
        longest.max(chars(self.columns[column].0))
    }

    /// The columns of each table: as many as fit, the first one always among them.
    fn groups(&self, widths: &[usize], width: usize) -> Vec<Vec<usize>> {
        let mut groups = Vec::new();
        let mut group = vec![0];
        let mut used = widths[0];
        for column in 1..widths.len() {
            let needed = match self.columns[column].1 {
                Align::Wrap => widths[column].min(WRAP_WIDTH_MIN),
                Align::Left | Align::Right => widths[column],
            };
            if used + GAP + needed > width && group.len() > 1 {
                groups.push(std::mem::replace(&mut group, vec![0]));
                used = widths[0];
            }
            used += GAP + needed;
            group.push(column);
        }
        groups.push(group);
        groups
    }

    fn line(
        &self,
        out: &mut String,
        cells: &[&str],
        group: &[usize],
        widths: &[usize],
        width: usize,
    ) {
        let mut line = String::new();
        for (place, &column) in group.iter().enumerate() {
            let (cell, cell_width) = (cells[column], widths[column]);
            if place > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            // Writing to a `String` cannot fail.
            let _ = match self.columns[column].1 {
                Align::Left => write!(line, "{cell:<cell_width$}"),
                Align::Right => write!(line, "{cell:>cell_width$}"),
                Align::Wrap => {
                    let indent = chars(&line);
                    let room = width.saturating_sub(indent).max(WRAP_WIDTH_MIN);
                    let separator = format!("\n{}", " ".repeat(indent));
                    write!(line, "{}", wrapped(cell, room).join(&separator))
                }
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Breaks a text between words into lines of at most `width` characters; a longer word has a line
/// for itself.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && chars(&lines[last]) + 1 + chars(word) > width {
            lines.push(word.to_owned());
            continue;
        }
        if !lines[last].is_empty() {
            lines[last].push(' ');
        }
        lines[last].push_str(word);
    }
    lines
}

/// The cell without characters that could steer a terminal.
fn printable(cell: String) -> String {
    if cell.contains(char::is_control) {
        return cell.replace(char::is_control, "?");
    }
    cell
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new([("NAME", Align::Left), ("PACKETS", Align::Right), ("HELP", Align::Wrap)]);
        let long = "It came by a way that nobody had foreseen.";
        table.row(["a".to_owned(), "1,234".to_owned(), "Short.".to_owned()]);
        table.row(["tunnel-b".to_owned(), "5".to_owned(), long.to_owned()]);
        table
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let expected = "\
NAME      PACKETS  HELP
a           1,234  Short.
tunnel-b        5  It came by a way that nobody had foreseen.
";
        assert_eq!(table().render(100), expected);
    }

    #[test]
    fn sentences_are_broken_into_the_room_that_is_left() {
        let expected = "\
NAME      PACKETS  HELP
a           1,234  Short.
tunnel-b        5  It came by a way that
                   nobody had foreseen.
";
        assert_eq!(table().render(42), expected);
    }

    #[test]
    fn columns_without_room_go_below_under_the_same_names() {
        let mut table =
            Table::new([("PORT", Align::Left), ("RX", Align::Right), ("TX", Align::Right)]);
        table.row(["lan".to_owned(), "1,000".to_owned(), "2,000".to_owned()]);
        let expected = "\
PORT     RX
lan   1,000

PORT     TX
lan   2,000
";
        assert_eq!(table.render(15), expected);
        assert_eq!(table.render(1), expected);
        assert_eq!(table.render(18).lines().count(), 2);
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::new([("NAME", Align::Left)]);
        table.row(["a\x1b[2Jb\n".to_owned()]);
        assert_eq!(table.render(80), "NAME\na?[2Jb?\n");
    }
}
