//! What was tried and how it went, as a table.

/// One thing tried, with its checks in the order of the columns.
#[derive(Debug)]
pub struct Row {
    name: String,
    checks: Vec<(&'static str, Result<String, String>)>,
    explanation: String,
}

impl Row {
    /// A row without checks.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), checks: Vec::new(), explanation: String::new() }
    }

    /// Adds a check under a column's name.
    pub fn check(&mut self, column: &'static str, outcome: Result<String, String>) {
        self.checks.push((column, outcome));
    }

    /// What to print if a check of this row has failed.
    pub fn explain_failures(&mut self, explanation: &str) {
        self.explanation = explanation.to_owned();
    }

    /// What is wrong, a line for each failed check.
    pub fn failures(&self) -> Vec<String> {
        let failed = self.checks.iter().filter_map(|(column, outcome)| {
            let error = outcome.as_ref().err()?;
            Some(format!("{}, {column}: {error}", self.name))
        });
        failed.collect()
    }
}

/// All rows.
#[derive(Debug)]
pub struct Report {
    what: &'static str,
    rows: Vec<Row>,
}

impl Report {
    /// A table without rows; `what` is the title of the column of their names.
    pub fn new(what: &'static str) -> Self {
        Self { what, rows: Vec::new() }
    }

    /// Adds a row and tells how it went.
    pub fn add(&mut self, row: Row) {
        let failures = row.failures();
        println!("{}: {}", row.name, if failures.is_empty() { "passed" } else { "FAILED" });
        for failure in &failures {
            println!("  {failure}");
        }
        self.rows.push(row);
    }

    /// Adds the rows that there are, as [`Report::add`] does.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        rows.into_iter().for_each(|row| self.add(row));
    }

    /// Prints the table.
    pub fn print(&self) {
        let Some(first) = self.rows.first() else { return };
        let titles = first.checks.iter().map(|(column, _)| format!(" | {column:12}"));
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
        println!("\n{:width$}{}", self.what, titles.collect::<String>());
        for row in &self.rows {
            let cells = row.checks.iter().map(|(_, outcome)| {
                let text = outcome.as_deref().unwrap_or("FAILED");
                format!(" | {text:12}")
            });
            println!("{:width$}{}", row.name, cells.collect::<String>());
        }
    }

    /// Panics with every failure and with the explanations of the rows that have one.
    pub fn assert_all_passed(&self) {
        let mut complaint = String::new();
        for row in &self.rows {
            let failures = row.failures();
            if !failures.is_empty() {
                complaint += &format!("{}\n{}\n", failures.join("\n"), row.explanation);
            }
        }
        assert!(complaint.is_empty(), "\n{complaint}");
    }
}
