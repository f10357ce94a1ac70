//! The configuration file as text for error messages: where a byte stands, and no key in sight.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

/// The text of a configuration file in which every key is masked, byte for byte, so that the
/// positions found in the original still hold.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
    /// Byte offset at which each line begins; the first is 0.
    line_starts: Vec<usize>,
}

impl Source {
    /// `masked` is the text after [`crate::mask::masked`].
    pub(crate) fn new(path: &Path, masked: String) -> Self {
        let ends = masked.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { path: path.to_owned(), text: masked, line_starts }
    }

    /// The file's name as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The masked text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both counted from 1; the column counts characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.boundary(offset);
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The nearest span that lies inside the text and on character boundaries.
    pub(crate) fn clamp(&self, span: Range<usize>) -> Range<usize> {
        let start = self.boundary(span.start);
        start..self.boundary(span.end).max(start)
    }

    /// Span of the whole lines that `span` touches, without the last line break, and the number
    /// of the first of them.
    pub(crate) fn lines_around(&self, span: Range<usize>) -> (Range<usize>, usize) {
        let (first, _) = self.position(span.start);
        let (last, _) = self.position(span.end);
        let end = self.line_starts.get(last).map_or(self.text.len(), |next| next - 1);
        (self.line_starts[first - 1]..end, first)
    }

    /// What stands before the span on its line, and what from its beginning to the line's end.
    pub(crate) fn around(&self, span: Range<usize>) -> (&str, &str) {
        let at = self.boundary(span.start);
        let (line, _) = self.lines_around(at..at);
        (&self.text[line.start..at], &self.text[at..line.end])
    }

    fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("t.toml"), text.to_owned())
    }

    #[test]
    fn positions_count_characters_from_one() {
        let source = source("ab\nä = 1\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(2), (1, 3));
        assert_eq!(source.position(3), (2, 1));
        assert_eq!(source.position(5), (2, 2));
        assert_eq!(source.position(10), (3, 1));
    }

    #[test]
    fn offsets_outside_the_text_or_inside_a_character_are_pulled_in() {
        let source = source("aä");
        assert_eq!(source.position(99), (1, 3));
        assert_eq!(source.clamp(2..99), 1..3);
        assert_eq!(source.clamp(3..usize::MAX), 3..3);
    }

    #[test]
    fn lines_around_a_span_are_whole_lines() {
        let source = source("one\ntwo\nthree");
        assert_eq!(source.lines_around(5..6), (4..7, 2));
        assert_eq!(source.lines_around(1..9), (0..13, 1));
        assert_eq!(source.around(5..6), ("t", "wo"));
    }
}
