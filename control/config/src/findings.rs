//! Collects everything that is wrong with one file, so that a user sees it all in one run.

use std::{ops::Range, sync::Arc};

use crate::{
    diagnostic::{Diagnostic, Report, Severity},
    source::Source,
};

/// More than a person reads at once; what a damaged or hostile file can make us store.
const FOUND_MAX: usize = 100;

/// The errors and warnings found so far.
pub(crate) struct Findings {
    source: Arc<Source>,
    found: Vec<Diagnostic>,
    left_out: usize,
}

impl Findings {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        Self { source, found: Vec::new(), left_out: 0 }
    }

    /// Begins an error at `span`; it counts once it is pushed.
    pub(crate) fn error(&self, span: Range<usize>, title: impl Into<String>) -> Diagnostic {
        Diagnostic::error(&self.source, span, title)
    }

    /// Begins a warning at `span`; it counts once it is pushed.
    pub(crate) fn warning(&self, span: Range<usize>, title: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(&self.source, span, title)
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < FOUND_MAX {
            self.found.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.left_out > 0 || self.found.iter().any(|d| d.severity() == Severity::Error)
    }

    /// The file's text, for what is reported later.
    pub(crate) fn source(&self) -> Arc<Source> {
        Arc::clone(&self.source)
    }

    /// Everything found, as the verdict on a refused file.
    pub(crate) fn into_report(self) -> Report {
        Report::new(self.found, self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn errors_beyond_the_limit_are_counted_instead_of_kept() {
        let source = Arc::new(Source::new(Path::new("t.toml"), "x\n".to_owned()));
        let mut found = Findings::new(source);
        for _ in 0..FOUND_MAX + 7 {
            found.push(found.error(0..1, "wrong"));
        }
        assert!(found.has_errors());
        let report = found.into_report();
        assert_eq!(report.errors(), FOUND_MAX + 7);
        assert!(report.to_string().ends_with("and 7 more; correct these first"));
    }
}
