//! Values that need no other value to be judged: names, words of a choice, numbers in a range.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::Spanned;

use crate::{
    findings::Findings,
    section::WordOrNumber,
    spelling::{list, nearest, shown, spell_millis, spell_seconds},
};

/// Longest name of a gateway, port or tunnel.
const NAME_LEN_MAX: usize = 32;

/// A name that can stand in a counter, a file name and on a command line.
pub(super) fn name(
    value: Option<Spanned<String>>,
    found: &mut Findings,
) -> Option<Spanned<String>> {
    let value = value?;
    let text = value.get_ref();
    let label = if text.is_empty() {
        "it is empty"
    } else if text.len() > NAME_LEN_MAX {
        "it is longer than 32 characters"
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it does not begin with a letter or digit"
    } else if !text.chars().all(is_name_char) {
        "it has characters other than letters, digits, `-`, `_` and `.`"
    } else {
        return Some(value);
    };
    // Not out of a key in the wrong place.
    let harmless = crate::mask::masked(text, &[]) == *text;
    let example = proper_name(text).filter(|_| harmless).unwrap_or_else(|| "site-a".to_owned());
    let error = found.error(value.span(), format!("{} is not usable as a name", shown(text)));
    found.push(error.label(label).help(format!("write `name = \"{example}\"`")));
    None
}

/// The nearest usable name, if anything is left of it.
pub(super) fn proper_name(text: &str) -> Option<String> {
    let replaced = text.chars().map(|c| if is_name_char(c) { c } else { '-' });
    let name: String =
        replaced.skip_while(|c| !c.is_ascii_alphanumeric()).take(NAME_LEN_MAX).collect();
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// A word out of a fixed choice.
pub(super) fn choice<T: Copy>(
    value: Option<Spanned<String>>,
    key: &str,
    choices: &[(&'static str, T)],
    found: &mut Findings,
) -> Option<T> {
    let value = value?;
    let text = value.get_ref();
    if let Some((_, chosen)) = choices.iter().find(|(word, _)| word == text) {
        return Some(*chosen);
    }
    let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
    let help = match nearest(text, &words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", list(&words)),
    };
    let error = found.error(value.span(), format!("unknown {key} {}", shown(text)));
    found.push(error.label(format!("no such {key}")).help(help));
    None
}

/// A whole number within bounds; `unit` follows the bounds in the message.
pub(super) fn number<T: TryFrom<i64>>(
    value: Option<Spanned<i64>>,
    key: &str,
    bounds: RangeInclusive<i64>,
    unit: &str,
    found: &mut Findings,
) -> Option<T> {
    let value = value?;
    let number = *value.get_ref();
    if bounds.contains(&number)
        && let Ok(number) = T::try_from(number)
    {
        return Some(number);
    }
    let (low, high) = (bounds.start(), bounds.end());
    let side = if number < *low { "less than" } else { "more than" };
    let bound = if number < *low { low } else { high };
    let error = found.error(value.span(), format!("`{key}` is out of range"));
    let label = format!("{side} {bound}");
    found.push(error.label(label).help(format!("write {low} to {high}{unit}")));
    None
}

/// A word out of a fixed choice, or a number within bounds that stands for something itself.
pub(super) fn word_or_number<T: Copy, N: TryFrom<i64>>(
    value: Option<Spanned<WordOrNumber>>,
    key: &str,
    words: &[(&'static str, T)],
    (bounds, of_number): (RangeInclusive<i64>, fn(N) -> T),
    found: &mut Findings,
) -> Option<T> {
    let value = value?;
    let at = value.span();
    let names: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    match value.into_inner() {
        WordOrNumber::Number(value) => {
            let or_word = format!(", or {}", names.join(", "));
            number(Some(Spanned::new(at, value)), key, bounds, &or_word, found).map(of_number)
        }
        WordOrNumber::Word(word) => {
            if let Some((_, chosen)) = words.iter().find(|(known, _)| *known == word) {
                return Some(*chosen);
            }
            let error = found.error(at, format!("unknown {key} {}", shown(&word)));
            let (low, high) = (bounds.start(), bounds.end());
            let help = format!("write {}, or a number, {low} to {high}", names.join(", "));
            found.push(error.label(format!("no such {key}")).help(help));
            None
        }
    }
}

/// A time such as "90s", "30m", "4h" or "1d"; a bare number is seconds. The bounds are seconds. A
/// value that is one of `words` stands for no time at all.
pub(super) fn duration(
    value: Option<Spanned<WordOrNumber>>,
    key: &str,
    bounds: RangeInclusive<u64>,
    words: &[&str],
    found: &mut Findings,
) -> Option<Option<Duration>> {
    let value = value?;
    let at = value.span();
    let seconds = match value.get_ref() {
        WordOrNumber::Number(seconds) => u64::try_from(*seconds).ok(),
        WordOrNumber::Word(word) if words.contains(&word.as_str()) => return Some(None),
        WordOrNumber::Word(word) => seconds_of(word),
    };
    if let Some(seconds) = seconds.filter(|seconds| bounds.contains(seconds)) {
        return Some(Some(Duration::from_secs(seconds)));
    }
    let (low, high) = (spell_seconds(*bounds.start()), spell_seconds(*bounds.end()));
    let title = match seconds {
        Some(_) => format!("`{key}` is out of range"),
        None => format!("`{key}` is not a time"),
    };
    let or: String = words.iter().map(|word| format!(", or \"{word}\"")).collect();
    let label = format!("not within {low} to {high}");
    let help = format!("write a number with s, m, h or d: `{key} = \"{low}\"`{or}");
    found.push(found.error(at, title).label(label).help(help));
    None
}

/// Most that [`rate`] takes, in millions of bits a second: as much as other routers' settings.
const RATE_MAX_MBIT: u64 = 4_294_967;

/// A rate such as "64kbit", "100Mbit" or "2.5Gbit", in thousands of bits a second; a bare number is
/// millions.
pub(super) fn rate(
    value: Option<Spanned<WordOrNumber>>,
    key: &str,
    found: &mut Findings,
) -> Option<u64> {
    let value = value?;
    let kbit = match value.get_ref() {
        WordOrNumber::Number(mbit) => u64::try_from(*mbit).ok().and_then(|n| n.checked_mul(1000)),
        WordOrNumber::Word(word) => kbit_of(word),
    };
    let within = kbit.filter(|kbit| (1..=RATE_MAX_MBIT * 1000).contains(kbit));
    if within.is_none() {
        let title = match kbit {
            Some(_) => format!("`{key}` is out of range"),
            None => format!("`{key}` is not a rate"),
        };
        let error = found.error(value.span(), title);
        let error = error.label(format!("not within 1kbit to {RATE_MAX_MBIT}Mbit"));
        let help = format!("write a number with kbit, Mbit or Gbit: `{key} = \"100Gbit\"`");
        found.push(error.help(help));
    }
    within
}

fn kbit_of(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (exponent, unit) = match word.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "kbit" => (0, 1),
        "" | "mbit" => (3, 1000),
        "gbit" => (6, 1_000_000),
        _ => return None,
    };
    let (whole, fraction) = digits.trim().split_once('.').unwrap_or((digits.trim(), ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(fraction) || fraction.len() > exponent || !is_number(whole) {
        return None;
    }
    let parts = format!("{fraction:0<exponent$}").parse::<u64>().unwrap_or_default();
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(parts)
}

/// A time such as "50ms", "1s" or what else [`duration`] takes, of whole milliseconds.
pub(super) fn interval(
    value: Option<Spanned<WordOrNumber>>,
    key: &str,
    bounds: RangeInclusive<Duration>,
    found: &mut Findings,
) -> Option<Duration> {
    let value = value?;
    let time = match value.get_ref() {
        WordOrNumber::Number(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        WordOrNumber::Word(word) => match word.strip_suffix("ms") {
            Some(digits) => digits.trim().parse().ok().map(Duration::from_millis),
            None => seconds_of(word).map(Duration::from_secs),
        },
    };
    if let Some(time) = time.filter(|time| bounds.contains(time)) {
        return Some(time);
    }
    let title = match time {
        Some(_) => format!("`{key}` is out of range"),
        None => format!("`{key}` is not a time"),
    };
    let (low, high) = (spell_millis(*bounds.start()), spell_millis(*bounds.end()));
    let error = found.error(value.span(), title).label(format!("not within {low} to {high}"));
    found.push(error.help(format!("write a number with ms or s: `{key} = \"{low}\"`")));
    None
}

fn seconds_of(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match word.get(digits.len()..)?.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// Values of which each may occur once, with the place where it did.
pub(super) struct Unique<K> {
    first: BTreeMap<K, Range<usize>>,
}

impl<K: Ord> Unique<K> {
    pub(super) fn new() -> Self {
        Self { first: BTreeMap::new() }
    }

    /// Takes the value, or tells where it was taken before.
    pub(super) fn take(&mut self, key: K, span: Range<usize>) -> Result<(), Range<usize>> {
        match self.first.get(&key) {
            Some(first) => Err(first.clone()),
            None => {
                self.first.insert(key, span);
                Ok(())
            }
        }
    }
}

impl Unique<String> {
    /// Takes a name, or reports that another section has it.
    pub(super) fn take_name(
        &mut self,
        what: &str,
        name: &Spanned<String>,
        help: &str,
        found: &mut Findings,
    ) {
        if let Err(first) = self.take(name.get_ref().clone(), name.span()) {
            let title = format!("two {what} are called {}", shown(name.get_ref()));
            let error = found.error(name.span(), title).label("taken");
            found.push(error.also(first, "first used here").help(help));
        }
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_becomes_a_proper_name() {
        assert_eq!(proper_name("site a"), Some("site-a".to_owned()));
        assert_eq!(proper_name(".hidden"), Some("hidden".to_owned()));
        assert_eq!(proper_name("Zürich"), Some("Z-rich".to_owned()));
        assert_eq!(proper_name("**"), None);
        assert_eq!(proper_name(&"x".repeat(99)).map(|name| name.len()), Some(NAME_LEN_MAX));
    }
}
