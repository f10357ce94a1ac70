//! Reads `tests/vectors/*.txt`: records of fields, an empty line behind each.

use alloc::vec::Vec;

use engine::{Random, Secret};

pub(crate) struct Record(Vec<(&'static str, &'static str)>);

pub(crate) fn records(text: &'static str) -> Vec<Record> {
    let lines = |record: &'static str| {
        let fields = record.lines().filter(|line| !line.starts_with('#'));
        fields.map(|line| line.split_once(" =").unwrap()).map(|(k, v)| (k, v.trim())).collect()
    };
    let records = text.trim_end().split("\n\n").map(lines).map(Record);
    records.filter(|record| !record.0.is_empty()).collect()
}

impl Record {
    pub(crate) fn text(&self, name: &str) -> &'static str {
        self.0.iter().find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }

    pub(crate) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.bytes(name))
    }

    pub(crate) fn spi(&self, name: &str) -> [u8; 8] {
        self.bytes(name).try_into().unwrap()
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Gives the bytes that somebody else drew.
pub(crate) struct Replay(pub(crate) Vec<u8>);

impl Random for Replay {
    fn fill(&mut self, bytes: &mut [u8]) {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
    }
}
