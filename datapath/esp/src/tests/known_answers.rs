//! Packets that others computed: `tests/vectors/esp-*.txt`.

use crate::{InboundSa, Keys, Opened, OutboundSa, Suite};

/// The records of a vector file: lines `name = value`, separated by an empty line.
pub(crate) struct Record(Vec<(&'static str, &'static str)>);

pub(crate) fn records(text: &'static str) -> Vec<Record> {
    let lines = |record: &'static str| {
        let fields = record.lines().filter(|line| !line.starts_with('#'));
        fields.map(|line| line.split_once(" =").unwrap()).map(|(k, v)| (k, v.trim())).collect()
    };
    let records = text.split("\n\n").map(lines).map(Record);
    records.filter(|record| !record.0.is_empty()).collect()
}

impl Record {
    pub(crate) fn text(&self, name: &str) -> &'static str {
        self.0.iter().find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }

    fn number(&self, name: &str) -> u64 {
        u64::from_str_radix(self.text(name), 16).unwrap()
    }

    fn suite(&self) -> Suite {
        let name = self.text("suite");
        *Suite::ALL.iter().find(|suite| suite.name() == name).unwrap()
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// An SA's packet as somebody else made it.
struct Answer {
    suite: Suite,
    encryption: Vec<u8>,
    authentication: Vec<u8>,
    spi: u32,
    esn: bool,
    seq: u64,
    next_header: u8,
    iv: Vec<u8>,
    payload: Vec<u8>,
    packet: Vec<u8>,
}

impl Answer {
    fn holds_both_ways(&self) {
        let keys = Keys { encryption: &self.encryption, authentication: &self.authentication };
        let outbound = OutboundSa::new(self.spi, self.suite, keys, self.esn, [0; 32]).unwrap();
        let mut packet = outbound.sealed_with(self.seq, &self.iv, self.next_header, &self.payload);
        assert_eq!(packet, self.packet);

        let inbound = InboundSa::new(self.spi, self.suite, keys, self.esn, 64).unwrap();
        inbound.accept_up_to(self.seq.saturating_sub(1));
        let start = self.suite.header_len();
        let expected = Opened {
            payload: start..start + self.payload.len(),
            next_header: self.next_header,
            seq: self.seq,
            newest: true,
        };
        assert_eq!(inbound.open(&mut packet), Ok(expected.clone()));
        assert_eq!(packet[expected.payload], self.payload);
    }
}

#[test]
fn aead_packets_are_those_of_the_draft_by_mcgrew_and_of_rfc_7634() {
    let mut records = records(include_str!("../../../../tests/vectors/esp-aes-gcm.txt"));
    assert_eq!(records.len(), 13);
    records.extend(self::records(include_str!("../../../../tests/vectors/esp-chacha20.txt")));
    for record in records {
        let (plain, spi) = (record.bytes("plain"), record.number("spi") as u32);
        let pad_len = usize::from(plain[plain.len() - 2]);
        let seq = record.number("seq");
        let head = [&spi.to_be_bytes()[..], &(seq as u32).to_be_bytes()[..]].concat();
        let parts = [head, record.bytes("iv"), record.bytes("cipher"), record.bytes("icv")];
        Answer {
            suite: record.suite(),
            encryption: record.bytes("key"),
            authentication: Vec::new(),
            spi,
            esn: record.text("esn") == "yes",
            seq,
            next_header: plain[plain.len() - 1],
            iv: record.bytes("iv"),
            payload: plain[..plain.len() - 2 - pad_len].to_vec(),
            packet: parts.concat(),
        }
        .holds_both_ways();
    }
}

#[test]
fn packets_of_every_suite_are_those_that_scapy_and_openssl_make() {
    let mut records = records(include_str!("../../../../tests/vectors/esp-scapy.txt"));
    records.extend(self::records(include_str!("../../../../tests/vectors/esp-openssl.txt")));
    for suite in Suite::ALL {
        for esn in ["no", "yes"] {
            let of_suite = |r: &&Record| r.suite() == *suite && r.text("esn") == esn;
            assert!(records.iter().filter(of_suite).count() >= 2, "{suite}");
        }
    }
    for record in records {
        Answer {
            suite: record.suite(),
            encryption: record.bytes("encryption_key"),
            authentication: record.bytes("authentication_key"),
            spi: record.number("spi") as u32,
            esn: record.text("esn") == "yes",
            seq: record.number("seq"),
            next_header: 4,
            iv: record.bytes("iv"),
            payload: record.bytes("payload"),
            packet: record.bytes("packet"),
        }
        .holds_both_ways();
    }
}

#[test]
fn cbc_packets_are_those_of_rfc_3602() {
    let records = records(include_str!("../../../../tests/vectors/esp-aes-cbc.txt"));
    assert_eq!(records.len(), 4);
    for record in records {
        let (key, expected) = (record.bytes("key"), record.bytes("packet"));
        let payload = record.bytes("payload");
        let (spi, seq) = expected[..8].split_at(4);
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        // The RFC's packets have no ICV: ours is cut off before the comparison.
        let suite = Suite::AES128_SHA1;
        let keys = Keys { encryption: &key, authentication: &[0; 20] };
        let outbound = OutboundSa::new(number(spi), suite, keys, false, [0; 32]).unwrap();
        let next_header = record.text("next_header").parse().unwrap();
        let (seq, iv) = (u64::from(number(seq)), &expected[8..24]);
        let packet = outbound.sealed_with(seq, iv, next_header, &payload);
        assert_eq!(packet[..packet.len() - suite.icv_len()], expected);
    }
}
