//! Distinguished names (RFC 5280 section 4.1.2.4) as users write them: `C=CH, O=Example, CN=gw`, in
//! the order of the encoding, which is strongSwan's and not RFC 4514's.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str::FromStr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

use super::{LEN_MAX, NotAnIdentity, hex, unhex};

/// A distinguished name: its DER form, kept as it came.
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    der: Box<[u8]>,
}

impl DistinguishedName {
    /// All of `der` is one name.
    pub fn from_der(der: &[u8]) -> Result<Self, NotAnIdentity> {
        if der.len() > LEN_MAX {
            return Err(NotAnIdentity(format!("a distinguished name of {} bytes", der.len())));
        }
        match RdnSequence::from_der(der) {
            Ok(_) => Ok(Self { der: der.into() }),
            Err(_) => Err(NotAnIdentity("a damaged distinguished name".to_string())),
        }
    }

    /// The bytes it was made from.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it has no parts at all: a subject that names nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty()
    }

    /// What is compared: types and folded values, each with its length in front.
    pub(super) fn canonical(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in self.parts().iter() {
            bytes.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            for attribute in part.iter() {
                for field in [attribute.oid.as_bytes(), &folded(&attribute.value)] {
                    let len = u16::try_from(field.len()).unwrap_or(u16::MAX);
                    bytes.extend_from_slice(&len.to_be_bytes());
                    bytes.extend_from_slice(field);
                }
            }
        }
        bytes
    }

    pub(super) fn is_wild(&self) -> bool {
        self.parts().iter().any(|part| part.iter().any(|attribute| is_star(&attribute.value)))
    }

    /// Whether `name` has the same parts in the same order, a `*` here standing for any value.
    pub(super) fn covers(&self, name: &Self) -> bool {
        let (pattern, name) = (self.parts(), name.parts());
        pattern.len() == name.len()
            && pattern.iter().zip(name.iter()).all(|(pattern, part)| {
                pattern.len() == part.len()
                    && pattern.iter().all(|wanted| {
                        part.iter().any(|attribute| {
                            attribute.oid == wanted.oid
                                && (is_star(&wanted.value)
                                    || folded(&attribute.value) == folded(&wanted.value))
                        })
                    })
            })
    }

    fn parts(&self) -> RdnSequence {
        RdnSequence::from_der(&self.der).unwrap_or_default()
    }
}

impl FromStr for DistinguishedName {
    type Err = NotAnIdentity;

    fn from_str(text: &str) -> Result<Self, NotAnIdentity> {
        // The other form that strongSwan knows, OpenSSL's old one: `/C=CH/O=Example/CN=gw`.
        let (separator, rest) = match text.strip_prefix('/') {
            Some(rest) => ('/', rest),
            None => (',', text),
        };
        let error = |what: &str| NotAnIdentity(format!("'{text}': {what}"));
        let mut reader = Reader { rest, separator };
        let mut parts = RdnSequence::default();
        let mut part = Vec::new();
        loop {
            let (attribute, end) = reader.attribute().map_err(|what| error(&what))?;
            part.push(attribute);
            if end == Some('+') {
                continue;
            }
            let part = RelativeDistinguishedName::try_from(core::mem::take(&mut part))
                .map_err(|_| error("the same part twice"))?;
            parts.push(part);
            if end.is_none() {
                break;
            }
        }
        let der = parts.to_der().map_err(|_| error("cannot be encoded"))?;
        Self::from_der(&der)
    }
}

/// Takes `TYPE=value` off the front of a text.
struct Reader<'a> {
    rest: &'a str,
    separator: char,
}

impl Reader<'_> {
    /// An attribute, and the separator that ended it.
    fn attribute(&mut self) -> Result<(AttributeTypeAndValue, Option<char>), String> {
        let (name, rest) = self
            .rest
            .split_once('=')
            .ok_or_else(|| format!("'{}' should be TYPE=value", self.rest.trim()))?;
        let name = name.trim();
        let (oid, tag) = kind_of(name).ok_or_else(|| {
            format!("'{name}' is not a part of a name that is known (C, ST, L, O, OU, CN, …)")
        })?;
        self.rest = rest.trim_start();
        let encoded = self.rest.starts_with('#');
        let (value, end) = self.value()?;
        if value.is_empty() {
            return Err(format!("{name} has no value"));
        }
        let value = if encoded {
            let der = core::str::from_utf8(&value[1..]).ok().and_then(unhex);
            der.and_then(|der| Any::from_der(&der).ok())
        } else {
            Any::new(string_tag(tag, &value), value).ok()
        };
        let value = value.ok_or_else(|| format!("the value of {name} cannot be encoded"))?;
        Ok((AttributeTypeAndValue { oid, value }, end))
    }

    /// A value without its quotes and escapes (RFC 4514 section 3), and the separator after it.
    fn value(&mut self) -> Result<(Vec<u8>, Option<char>), String> {
        let mut value = Vec::new();
        // Blanks at the end count only where they are escaped or quoted.
        let mut solid = 0;
        let mut quoted = false;
        let text = self.rest;
        let mut chars = text.char_indices();
        let mut end = None;
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    quoted = !quoted;
                    solid = value.len();
                    continue;
                }
                '\\' => {
                    let escaped = &text[at + 1..];
                    let hexadecimal = escaped.get(..2).and_then(unhex);
                    let next = chars.next().ok_or("a backslash at the end")?.1;
                    match hexadecimal {
                        Some(byte) => {
                            chars.next();
                            value.extend_from_slice(&byte);
                        }
                        None => value.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                    solid = value.len();
                    continue;
                }
                c if !quoted && (c == self.separator || c == '+') => {
                    end = Some(c);
                    break;
                }
                c => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            if quoted || !c.is_whitespace() {
                solid = value.len();
            }
        }
        if quoted {
            return Err("a quotation mark without its fellow".to_string());
        }
        value.truncate(solid);
        self.rest = chars.as_str();
        Ok((value, end))
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts().iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            for (j, attribute) in part.iter().enumerate() {
                if j > 0 {
                    f.write_char('+')?;
                }
                match KINDS.iter().find(|(_, oid, _)| *oid == attribute.oid) {
                    Some((name, ..)) => write!(f, "{name}=")?,
                    None => write!(f, "{}=", attribute.oid)?,
                }
                write_value(f, &attribute.value)?;
            }
        }
        Ok(())
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: &Any) -> fmt::Result {
    let Some(text) = text_of(value).filter(|text| !text.is_empty()) else {
        return write!(f, "#{}", hex(&value.to_der().map_err(|_| fmt::Error)?));
    };
    let last = text.chars().count() - 1;
    for (i, c) in text.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '/' => write!(f, "\\{c}")?,
            '#' if i == 0 => write!(f, "\\#")?,
            c if c.is_whitespace() && (i == 0 || i == last) => write_escaped(f, c)?,
            c if c.is_control() => write_escaped(f, c)?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

fn write_escaped(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))
}

/// The text of a string type.
fn text_of(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::PrintableString | Tag::Utf8String | Tag::Ia5String | Tag::TeletexString => {
            core::str::from_utf8(value.value()).ok().map(ToString::to_string)
        }
        Tag::BmpString if value.value().len().is_multiple_of(2) => {
            let units = value.value().chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        _ => None,
    }
}

/// Text without case and without runs of blanks (RFC 5280 section 7.1); other values whole.
fn folded(value: &Any) -> Vec<u8> {
    match text_of(value) {
        Some(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").to_lowercase().into_bytes()
        }
        // The first byte keeps it apart from every text.
        None => [&[0xff], &*value.to_der().unwrap_or_default()].concat(),
    }
}

fn is_star(value: &Any) -> bool {
    text_of(value).is_some_and(|text| text == "*")
}

/// The type of an attribute, by a name or by its number.
fn kind_of(name: &str) -> Option<(ObjectIdentifier, Tag)> {
    KINDS
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(name))
        .map(|(_, oid, tag)| (*oid, *tag))
        .or_else(|| ObjectIdentifier::new(name).ok().map(|oid| (oid, Tag::PrintableString)))
}

/// UTF-8 wherever the string type of an attribute does not do.
fn string_tag(tag: Tag, value: &[u8]) -> Tag {
    let printable = |b: &u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(b);
    match tag {
        Tag::Ia5String if value.is_ascii() => Tag::Ia5String,
        Tag::PrintableString if value.iter().all(printable) => Tag::PrintableString,
        _ => Tag::Utf8String,
    }
}

/// Names of attributes, the one to print first, and the string type that RFC 5280 appendix A asks
/// for or strongSwan and OpenSSL choose where there is a choice.
const KINDS: [(&str, ObjectIdentifier, Tag); 20] = [
    ("C", oid("2.5.4.6"), Tag::PrintableString),
    ("ST", oid("2.5.4.8"), Tag::PrintableString),
    ("L", oid("2.5.4.7"), Tag::PrintableString),
    ("O", oid("2.5.4.10"), Tag::PrintableString),
    ("OU", oid("2.5.4.11"), Tag::PrintableString),
    ("CN", oid("2.5.4.3"), Tag::PrintableString),
    ("S", oid("2.5.4.4"), Tag::PrintableString),
    ("SN", oid("2.5.4.5"), Tag::PrintableString),
    ("serialNumber", oid("2.5.4.5"), Tag::PrintableString),
    ("STREET", oid("2.5.4.9"), Tag::PrintableString),
    ("T", oid("2.5.4.12"), Tag::PrintableString),
    ("D", oid("2.5.4.13"), Tag::PrintableString),
    ("postalCode", oid("2.5.4.17"), Tag::PrintableString),
    ("G", oid("2.5.4.42"), Tag::PrintableString),
    ("I", oid("2.5.4.43"), Tag::PrintableString),
    ("dnQualifier", oid("2.5.4.46"), Tag::PrintableString),
    ("E", oid("1.2.840.113549.1.9.1"), Tag::Ia5String),
    ("emailAddress", oid("1.2.840.113549.1.9.1"), Tag::Ia5String),
    ("DC", oid("0.9.2342.19200300.100.1.25"), Tag::Ia5String),
    ("UID", oid("0.9.2342.19200300.100.1.1"), Tag::PrintableString),
];

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}
