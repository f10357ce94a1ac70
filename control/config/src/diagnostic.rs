//! One thing to say about a configuration file, and how it is shown: to people the way rustc does
//! it, to programs as JSON.

use std::{
    borrow::Cow,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::source::Source;

/// Whether a file is refused or only remarked upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted; this is probably not what was meant.
    Warning,
}

/// An error or warning with its place in the file, the offending text and the remedy.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    severity: Severity,
    title: String,
    place: Place,
    help: Vec<String>,
}

#[derive(Clone, Debug)]
enum Place {
    /// A file that could not be read at all.
    File(PathBuf),
    /// The first label is the primary one.
    Text(Arc<Source>, Vec<Label>),
}

#[derive(Clone, Debug)]
struct Label {
    span: Range<usize>,
    text: String,
}

impl Diagnostic {
    /// An error at `span`, a byte range of the source.
    pub(crate) fn error(
        source: &Arc<Source>,
        span: Range<usize>,
        title: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, source, span, title)
    }

    /// A warning at `span`, a byte range of the source.
    pub(crate) fn warning(
        source: &Arc<Source>,
        span: Range<usize>,
        title: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, source, span, title)
    }

    /// An error about a file whose text is not to be had.
    pub(crate) fn unreadable(path: &Path, title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            title: title.into(),
            place: Place::File(path.to_owned()),
            help: Vec::new(),
        }
    }

    /// Says under the primary span what is wrong with it.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        if let Place::Text(_, labels) = &mut self.place
            && let Some(primary) = labels.first_mut()
        {
            primary.text = text.into();
        }
        self
    }

    /// Points at a second place that has to do with it.
    pub(crate) fn also(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        if let Place::Text(source, labels) = &mut self.place {
            labels.push(Label { span: source.clamp(span), text: text.into() });
        }
        self
    }

    /// Says what to write instead.
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    fn new(
        severity: Severity,
        source: &Arc<Source>,
        span: Range<usize>,
        title: impl Into<String>,
    ) -> Self {
        let primary = Label { span: source.clamp(span), text: String::new() };
        let place = Place::Text(Arc::clone(source), vec![primary]);
        Self { severity, title: title.into(), place, help: Vec::new() }
    }

    /// Error or warning.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// One line that says what is wrong.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The file, as it was named.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::File(path) => path,
            Place::Text(source, _) => source.path(),
        }
    }

    /// Line and column from 1, the column in characters; `None` if the file could not be read.
    pub fn position(&self) -> Option<(usize, usize)> {
        match &self.place {
            Place::Text(source, labels) => labels.first().map(|l| source.position(l.span.start)),
            Place::File(_) => None,
        }
    }

    /// The message with its excerpt of the file, `styled` with colours for a terminal. Keys are
    /// masked. It does not end in a line break.
    pub fn render(&self, styled: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.title.as_str());
        let path = self.path().to_string_lossy();
        let mut report = vec![match &self.place {
            Place::File(_) => title.element(Origin::path(path)),
            Place::Text(source, labels) => title.element(excerpt(source, labels, path)),
        }];
        report.extend(
            self.help.iter().map(|text| Group::with_title(Level::HELP.secondary_title(text))),
        );
        if styled { Renderer::styled() } else { Renderer::plain() }.render(&report)
    }

    /// `severity`, `file`, `line`, `column`, `message`, `label`, `help` (an array of texts) and
    /// `related` (an array of `line`, `column`, `label`).
    pub fn to_json(&self) -> Value {
        let (source, labels) = match &self.place {
            Place::Text(source, labels) => (Some(source), labels.as_slice()),
            Place::File(_) => (None, [].as_slice()),
        };
        let related = labels.iter().skip(1).filter_map(|label| {
            let (line, column) = source?.position(label.span.start);
            Some(json!({ "line": line, "column": column, "label": label.text }))
        });
        let position = self.position();
        json!({
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "file": self.path().to_string_lossy(),
            "line": position.map(|(line, _)| line),
            "column": position.map(|(_, column)| column),
            "message": self.title,
            "label": labels.first().map(|label| label.text.as_str()),
            "help": self.help,
            "related": related.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Only the lines from the first label to the last: the renderer walks all the text it is given.
fn excerpt<'a>(
    source: &'a Source,
    labels: &'a [Label],
    path: Cow<'a, str>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let start = labels.iter().map(|label| label.span.start).min().unwrap_or(0);
    let end = labels.iter().map(|label| label.span.end).max().unwrap_or(0);
    let (lines, first) = source.lines_around(start..end);
    let annotations = labels.iter().enumerate().map(|(index, label)| {
        let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        let span = label.span.start - lines.start..label.span.end - lines.start;
        let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
        kind.span(span).label(text)
    });
    Snippet::source(&source.text()[lines.clone()])
        .path(path)
        .line_start(first)
        .annotations(annotations)
}

/// Everything wrong with a file, in the order of its lines; errors come before warnings.
#[derive(Clone, Debug)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
    left_out: usize,
}

impl Report {
    /// Sorts what was found; `left_out` more were found than are kept.
    pub(crate) fn new(mut diagnostics: Vec<Diagnostic>, left_out: usize) -> Self {
        diagnostics.sort_by_key(|d| (d.severity == Severity::Warning, d.position()));
        Self { diagnostics, left_out }
    }

    /// At least one error, then the warnings; at most 100 in all.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The same, to be kept.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// Number of errors, those that are not kept included.
    pub fn errors(&self) -> usize {
        let kept = self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        kept + self.left_out
    }

    /// All messages, separated by empty lines, `styled` with colours for a terminal.
    pub fn render(&self, styled: bool) -> String {
        let mut parts: Vec<_> = self.diagnostics.iter().map(|d| d.render(styled)).collect();
        if self.left_out > 0 {
            parts.push(format!("and {} more; correct these first", self.left_out));
        }
        parts.join("\n\n")
    }

    /// An array of [`Diagnostic::to_json`].
    pub fn to_json(&self) -> Value {
        self.diagnostics.iter().map(Diagnostic::to_json).collect()
    }
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::new(vec![diagnostic], 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
