//! Words for messages: the nearest name, lists, and foreign text made safe to print.

use std::time::Duration;

/// Longest piece of a user's text that a message repeats, in characters.
const SHOWN_MAX: usize = 60;

/// The candidate that `word` is most likely a slip of, if any is close enough: one edit for short
/// words, one for every three letters of longer ones.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A long text is not a slip, and the distance costs the product of the lengths.
    if word.len() > SHOWN_MAX {
        return None;
    }
    candidates
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "`a`, `b` and `c`".
pub(crate) fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A user's text in backquotes: escaped, cut when long, and hidden when it looks like a key.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let masked = crate::mask::masked(text, &[]);
    let mut shown: String = masked.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if masked.chars().nth(SHOWN_MAX).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

/// "1 byte", "2 bytes".
pub(crate) fn count(number: usize, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// The largest unit that leaves no rest: "4h".
pub(crate) fn spell_seconds(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(86400) => format!("{}d", seconds / 86400),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// The same of a time that may be less than a second: "300ms", "60s".
pub(crate) fn spell_millis(time: Duration) -> String {
    match time.subsec_millis() {
        0 => spell_seconds(time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_does_not() {
        let keys = ["name", "mode", "remote", "remote_subnets"];
        assert_eq!(nearest("remoet", &keys), Some("remote"));
        assert_eq!(nearest("Name", &keys), Some("name"));
        assert_eq!(nearest("remote_subnet", &keys), Some("remote_subnets"));
        assert_eq!(nearest("zebra", &keys), None);
        assert_eq!(nearest(&"remote".repeat(50), &keys), None);
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b", "c"]), "`a`, `b` and `c`");
    }

    #[test]
    fn foreign_text_is_escaped_cut_and_hidden() {
        assert_eq!(shown("a\nb\"\u{202e}"), "`a\\nb\\\"\\u{202e}`");
        assert_eq!(shown(&"x".repeat(100)), format!("`{}...`", "x".repeat(SHOWN_MAX)));
        assert_eq!(shown("0x00112233445566778899aabbccddeeff"), format!("`0x{}`", "*".repeat(32)));
    }
}
