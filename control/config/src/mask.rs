//! Blots keys out of the text before any of it can reach a message or a log.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A run of hexadecimal digits at least this long is taken for a key wherever it stands: the
/// shortest key, that of HMAC-MD5, has 32, and half of one is already too much to show.
const HEX_RUN_MIN: usize = 16;

/// Words in the name of a TOML key that announce a secret.
const SECRET_WORDS: [&str; 4] = ["key", "secret", "password", "psk"];

/// What takes the place of every hidden byte.
const BLOT: u8 = b'*';

/// Byte ranges of the values that are keys by their name or place. `file:` references are not:
/// they say where a key is, and an error about one has to show it.
pub(crate) fn secret_spans(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    spans_in_table(table, Expect::Nothing, &mut spans);
    spans
}

/// The text with the given ranges, and whatever else looks like a key, replaced byte for byte.
/// Control characters become spaces, so that a file cannot steer the terminal it is shown on.
pub(crate) fn masked(text: &str, secrets: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in secrets {
        blot(&mut bytes, span.clone());
    }
    blot_hex_runs(&mut bytes);
    for byte in &mut bytes {
        if byte.is_ascii_control() && *byte != b'\n' {
            *byte = b' ';
        }
    }
    // A range that cut a character in two would leave half of it behind.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ranges to hide in a file that is not valid TOML and whose values therefore have no places:
/// whatever follows the name of a key, to the end of its line or of its multi-line string.
pub(crate) fn secret_spans_of_broken(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut offset = 0;
    let mut open_quotes: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(quotes) = open_quotes {
            spans.push(offset..offset + line.len());
            if line.contains(quotes) {
                open_quotes = None;
            }
        } else if let Some(value_at) = value_of_secret(line) {
            let value = &line[value_at..];
            if !is_file_reference(value.trim_start_matches(['"', '\''])) {
                spans.push(offset + value_at..offset + line.len());
                open_quotes = ["\"\"\"", "'''"]
                    .into_iter()
                    .find(|quotes| value.starts_with(quotes) && !value[3..].contains(quotes));
            }
        }
        offset += line.len();
    }
    spans
}

/// What to hide below a table or key.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    Nothing,
    /// Inside `[tunnel.sa.out]` or `[tunnel.sa.in]`: whatever is text is a key, even under a
    /// mistyped name; the SPI is a number.
    Texts,
    Everything,
    /// Inside `[secrets]`: all but the name of the file.
    AllButFile,
}

fn spans_in_table(table: &DeTable<'_>, expect: Expect, spans: &mut Vec<Range<usize>>) {
    for (name, value) in table.iter() {
        let name = name.get_ref();
        let expect = if name == "secrets" {
            Expect::AllButFile
        } else if expect == Expect::AllButFile {
            if name == "file" { Expect::Nothing } else { Expect::Everything }
        } else if announces_secret(name) {
            Expect::Everything
        } else if expect == Expect::Nothing && matches!(name.as_ref(), "in" | "out") {
            Expect::Texts
        } else {
            expect
        };
        spans_in_value(value, expect, spans);
    }
}

fn spans_in_value(value: &Spanned<DeValue<'_>>, expect: Expect, spans: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => spans_in_table(table, expect, spans),
        DeValue::Array(values) => {
            for value in values.iter() {
                spans_in_value(value, expect, spans);
            }
        }
        DeValue::String(text) => {
            if expect != Expect::Nothing && !is_file_reference(text) {
                spans.push(value.span());
            }
        }
        _ => {
            if expect == Expect::Everything {
                spans.push(value.span());
            }
        }
    }
}

fn announces_secret(name: &str) -> bool {
    // The time after which there are new keys is no secret.
    let name = name.to_ascii_lowercase().replace("rekey", "");
    name == "ppk" || SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn is_file_reference(text: &str) -> bool {
    text.starts_with("file:") || text.starts_with("secrets:")
}

/// Where the value begins on a line that names a secret.
fn value_of_secret(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let word =
        SECRET_WORDS.iter().filter_map(|word| lower.find(word).map(|at| at + word.len())).min()?;
    let after_name = line[word..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    let value = after_name.trim_start_matches([' ', '\t', '=', ':']);
    Some(line.len() - value.len())
}

/// Hides a range but for quotes and line breaks, which an error about the syntax has to show.
fn blot(bytes: &mut [u8], span: Range<usize>) {
    for byte in bytes.get_mut(span).into_iter().flatten() {
        if !matches!(*byte, b'"' | b'\'' | b'\n') {
            *byte = BLOT;
        }
    }
}

fn blot_hex_runs(bytes: &mut [u8]) {
    for run in bytes.chunk_by_mut(|a, b| a.is_ascii_hexdigit() && b.is_ascii_hexdigit()) {
        if run.len() >= HEX_RUN_MIN {
            run.fill(BLOT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str) -> String {
        let (table, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty(), "{errors:?}");
        masked(text, &secret_spans(table.get_ref()))
    }

    #[test]
    fn keys_are_hidden_whatever_their_form_and_files_are_shown() {
        let text = "[sa.out]\nspi = 0x1001\nencryption_key = \"hunter2\"\n\
                    authentication_key = 'file:a.key'\nencryptionkye = \"oops\"\n";
        let expected = "[sa.out]\nspi = 0x1001\nencryption_key = \"*******\"\n\
                        authentication_key = 'file:a.key'\nencryptionkye = \"****\"\n";
        assert_eq!(mask(text), expected);
    }

    #[test]
    fn unquoted_and_multi_line_keys_are_hidden() {
        assert_eq!(mask("encryption_key = 0x1234"), "encryption_key = ******");
        assert_eq!(mask("a_key = \"\"\"\nabc\ndef\"\"\""), "a_key = \"\"\"\n***\n***\"\"\"");
        assert_eq!(mask("keys = [\"ab\", 7]"), "keys = [\"**\", *]");
        assert_eq!(mask("sa.in = { x = \"ab\", spi = 9 }"), "sa.in = { x = \"**\", spi = 9 }");
    }

    #[test]
    fn long_hexadecimal_is_hidden_in_any_place() {
        assert_eq!(mask("name = \"0123456789abcdef\" # 0123456789ABCDEF0"), {
            "name = \"****************\" # *****************"
        });
        assert_eq!(mask("name = \"0123456789abcde\""), "name = \"0123456789abcde\"");
    }

    #[test]
    fn keys_are_hidden_in_a_file_that_does_not_parse() {
        let mask = |text| masked(text, &secret_spans_of_broken(text));
        assert_eq!(
            mask("encryption_key = \"hunter2\nspi = 1"),
            "encryption_key = \"*******\nspi = 1"
        );
        assert_eq!(mask("encryption_key hunter2"), "encryption_key *******");
        assert_eq!(mask("psk = '''\nhunter2\nx"), "psk = '''\n*******\n*");
        assert_eq!(mask("a_key = \"file:k\nx = 1"), "a_key = \"file:k\nx = 1");
    }

    #[test]
    fn control_characters_become_spaces_of_the_same_width() {
        assert_eq!(masked("a\tb\u{1b}[2J\r\n", &[]), "a b [2J \n");
    }

    #[test]
    fn positions_survive_masking() {
        let text = "encryption_key = \"schlüssel\"\nx = 1\n";
        assert_eq!(mask(text).len(), text.len());
    }
}
