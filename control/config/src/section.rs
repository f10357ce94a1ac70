//! Reads TOML tables key by key, so that one wrong value does not hide the next: each key of each
//! section is deserialized on its own, and every mistake is noted with its place.

use std::ops::Range;

use serde::{Deserialize, de::DeserializeOwned};
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};
use zeroize::Zeroizing;

use crate::{findings::Findings, spelling};

/// A table of the schema; made by [`section!`].
pub(crate) trait Section: Sized {
    /// How the section is written: `[gateway]`, `[[port]]`.
    const PLACE: &'static str;
    /// The keys it knows.
    const KEYS: &'static [&'static str];

    /// Takes the known keys out of a table and reports the others.
    fn read(table: DeTable<'_>, found: &mut Findings) -> Self;
}

/// What a key may hold.
pub(crate) trait Value: Sized {
    /// What it is, after "must be".
    const WHAT: &'static str;

    /// Converts one TOML value, or reports why it cannot.
    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self>;
}

/// The key whose value is being read, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    key: &'static str,
    /// A line that would be right.
    example: &'static str,
    /// Whether the value is one of several in a list.
    in_list: bool,
}

/// One key of a section as the file has it.
pub(crate) struct Field<T> {
    asked: Asked,
    state: State<T>,
}

enum State<T> {
    Absent,
    /// It is there but wrong, and that has been reported.
    Refused,
    Given(Spanned<T>),
}

impl<T> Field<T> {
    pub(crate) fn absent(key: &'static str, example: &'static str) -> Self {
        Self { asked: Asked { key, example, in_list: false }, state: State::Absent }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// The field, leaving an absent one behind.
    pub(crate) fn take(&mut self) -> Self {
        Self { asked: self.asked, state: std::mem::replace(&mut self.state, State::Absent) }
    }

    /// The value, or `None` if the key is absent or was refused.
    pub(crate) fn optional(self) -> Option<Spanned<T>> {
        match self.state {
            State::Given(value) => Some(value),
            State::Absent | State::Refused => None,
        }
    }

    /// The value; an absent key is an error of the section at `section`.
    pub(crate) fn required(
        self,
        section: Range<usize>,
        found: &mut Findings,
    ) -> Option<Spanned<T>> {
        if self.is_absent() {
            let Asked { key, example, .. } = self.asked;
            let (what, help) = if example.starts_with('[') {
                (example.to_owned(), format!("add a section {example}"))
            } else {
                (format!("`{key}`"), format!("add a line such as `{example}`"))
            };
            let error = found.error(section, format!("missing {what}"));
            found.push(error.label(format!("there is no {what} here")).help(help));
        }
        self.optional()
    }

    /// Notes that an absent key was meant by another, which has been reported.
    pub(crate) fn misspelled(&mut self) {
        if self.is_absent() {
            self.state = State::Refused;
        }
    }

    /// The value where it is, if it is there and legible.
    pub(crate) fn given(&self) -> Option<&T> {
        match &self.state {
            State::Given(value) => Some(value.get_ref()),
            State::Absent | State::Refused => None,
        }
    }

    /// Where the value stands, if it is there and legible.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        match &self.state {
            State::Given(value) => Some(value.span()),
            State::Absent | State::Refused => None,
        }
    }
}

impl<T: Value> Field<T> {
    /// Fills the field in from the file.
    pub(crate) fn fill(&mut self, value: Spanned<DeValue<'_>>, found: &mut Findings) {
        let span = value.span();
        self.state = match T::read(value, self.asked, found) {
            Some(value) => State::Given(Spanned::new(span, value)),
            None => State::Refused,
        };
    }
}

/// A section inside a section.
pub(crate) struct One<S>(pub(crate) S);

/// A section inside a section, or just the value of its first key.
pub(crate) struct OneOrName<S>(pub(crate) S);

/// Whether something is wanted at all, or a section that says how.
pub(crate) enum FlagOr<S> {
    Flag(bool),
    Section(S),
}

/// A section that may be repeated.
pub(crate) struct Many<S>(pub(crate) Vec<Spanned<S>>);

/// Text, or a list of it.
pub(crate) struct Words(pub(crate) Vec<Spanned<String>>);

/// The text of a key or of a reference to one; wiped on drop.
pub(crate) struct KeyText(pub(crate) Zeroizing<String>);

/// A number, or a word that stands for a rule.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum WordOrNumber {
    Number(i64),
    Word(String),
}

impl Value for String {
    const WHAT: &'static str = "text in quotes";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        typed(value, Self::WHAT, asked, found)
    }
}

impl Value for i64 {
    const WHAT: &'static str = "a whole number";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        typed(value, Self::WHAT, asked, found)
    }
}

impl Value for bool {
    const WHAT: &'static str = "`true` or `false`";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        typed(value, Self::WHAT, asked, found)
    }
}

impl Value for WordOrNumber {
    const WHAT: &'static str = "a word in quotes or a number";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        typed(value, Self::WHAT, asked, found)
    }
}

impl Value for Words {
    const WHAT: &'static str = "text in quotes, or a list of it";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        let span = value.span();
        if matches!(value.get_ref(), DeValue::Array(_)) {
            return Vec::read(value, asked, found).map(Self);
        }
        let word = typed(value, Self::WHAT, asked, found)?;
        Some(Self(vec![Spanned::new(span, word)]))
    }
}

impl Value for KeyText {
    const WHAT: &'static str = "text in quotes";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        typed(value, Self::WHAT, asked, found).map(|text| Self(Zeroizing::new(text)))
    }
}

impl<T: Value> Value for Vec<Spanned<T>> {
    const WHAT: &'static str = "a list in brackets";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        let span = value.span();
        let DeValue::Array(values) = value.into_inner() else {
            wrong_type(span, Self::WHAT, asked, found);
            return None;
        };
        let asked = Asked { in_list: true, ..asked };
        // All elements are looked at before the list is given up.
        let read: Vec<_> = values
            .into_iter()
            .map(|value| Some(Spanned::new(value.span(), T::read(value, asked, found)?)))
            .collect();
        read.into_iter().collect()
    }
}

impl<S: Section> Value for One<S> {
    const WHAT: &'static str = "one section";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            wrong_type(span, Self::WHAT, asked, found);
            return None;
        };
        Some(Self(S::read(table, found)))
    }
}

impl<S: Section> Value for OneOrName<S> {
    const WHAT: &'static str = "one section, or a name in quotes";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        let span = value.span();
        let table = match (value.get_ref(), S::KEYS.first()) {
            (DeValue::Table(_), _) => value.into_inner(),
            (DeValue::String(_), Some(first)) => {
                let mut table = DeTable::new();
                table.insert(Spanned::new(span.clone(), (*first).into()), value);
                DeValue::Table(table)
            }
            _ => value.into_inner(),
        };
        let DeValue::Table(table) = table else {
            wrong_type(span, Self::WHAT, asked, found);
            return None;
        };
        Some(Self(S::read(table, found)))
    }
}

impl<S: Section> Value for FlagOr<S> {
    const WHAT: &'static str = "`true`, `false` or a table";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        match value.get_ref() {
            DeValue::Table(_) => {
                One::read(value, asked, found).map(|One(section)| Self::Section(section))
            }
            _ => typed(value, Self::WHAT, asked, found).map(Self::Flag),
        }
    }
}

impl<S: Section> Value for Many<S> {
    const WHAT: &'static str = "a section that can be repeated";

    fn read(value: Spanned<DeValue<'_>>, asked: Asked, found: &mut Findings) -> Option<Self> {
        let span = value.span();
        let DeValue::Array(values) = value.into_inner() else {
            wrong_type(span, Self::WHAT, asked, found);
            return None;
        };
        let sections = values.into_iter().filter_map(|value| {
            let span = value.span();
            One::read(value, asked, found).map(|One(section)| Spanned::new(span, section))
        });
        Some(Self(sections.collect()))
    }
}

/// Reports a key that its section does not know, and tells which one was probably meant; `homes`
/// lists every section and its keys.
pub(crate) fn unknown_key<S: Section>(
    name: &str,
    span: Range<usize>,
    homes: &[(&'static str, &'static [&'static str])],
    found: &mut Findings,
) -> Option<&'static str> {
    let place = if S::PLACE.is_empty() { "at the top of the file" } else { S::PLACE };
    let home: Vec<_> =
        homes.iter().filter(|(_, keys)| keys.contains(&name)).map(|(place, _)| *place).collect();
    let near = spelling::nearest(name, S::KEYS);
    let help = if let Some(near) = near {
        format!("did you mean `{near}`?")
    } else if !home.is_empty() {
        format!("`{name}` belongs in {}", home.join(" and "))
    } else {
        format!("the keys here are {}", spelling::list(S::KEYS))
    };
    let title = format!("unknown key {} {}", spelling::shown(name), in_place(place));
    found.push(found.error(span, title).label("not known here").help(help));
    near
}

fn in_place(place: &str) -> String {
    if place.starts_with('[') { format!("in {place}") } else { place.to_owned() }
}

fn typed<T: DeserializeOwned>(
    value: Spanned<DeValue<'_>>,
    what: &str,
    asked: Asked,
    found: &mut Findings,
) -> Option<T> {
    let span = value.span();
    // Serde's own message would quote the value, which may be a key.
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(value) => Some(value),
        Err(_) => {
            wrong_type(span, what, asked, found);
            None
        }
    }
}

fn wrong_type(span: Range<usize>, what: &str, asked: Asked, found: &mut Findings) {
    let Asked { key, example, in_list } = asked;
    let each = if in_list { "each element of " } else { "" };
    let error = found.error(span, format!("{each}`{key}` must be {what}"));
    found.push(error.label(format!("not {what}")).help(format!("write `{example}`")));
}

/// Declares a section: its place, and for each key its name, type and a line that would be right.
macro_rules! section {
    (
        $(#[$doc:meta])*
        $name:ident at $place:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal, $example:literal;)*
        }
    ) => {
        $(#[$doc])*
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $crate::section::Field<$type>,)*
        }

        impl $crate::section::Section for $name {
            const PLACE: &'static str = $place;
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn read(
                table: toml::de::DeTable<'_>,
                found: &mut $crate::findings::Findings,
            ) -> Self {
                let mut section = Self {
                    $($field: $crate::section::Field::absent($key, $example),)*
                };
                let mut misspelled = Vec::new();
                for (name, value) in table {
                    match name.get_ref().as_ref() {
                        $($key => section.$field.fill(value, found),)*
                        unknown => {
                            let meant = $crate::section::unknown_key::<Self>(
                                unknown,
                                name.span(),
                                $crate::schema::HOMES,
                                found,
                            );
                            misspelled.extend(meant);
                        }
                    }
                }
                for meant in misspelled {
                    match meant {
                        $($key => section.$field.misspelled(),)*
                        _ => {}
                    }
                }
                section
            }
        }
    };
}
pub(crate) use section;
