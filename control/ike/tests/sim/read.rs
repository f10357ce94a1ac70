//! What was sent, read with the keys of the key log.

use std::collections::BTreeMap;

use engine::Secret;
use ike::algorithm::Encryption;
use ike::crypto::MessageKeys;
use ike::msg::numbers::exchange::IKE_SA_INIT;
use ike::msg::sealed::{self, Opened, Reassembly};
use ike::msg::{Header, IkeSpi, Message, Payload};
use ike::output::KeyLogTable;

use super::Net;

/// Keys that the initiator and the responder seal with, by the initiator's SPI.
pub type Keys = BTreeMap<IkeSpi, (MessageKeys, MessageKeys)>;

/// The keys of every IKE SA that a gateway has had.
pub fn keys(net: &Net) -> Keys {
    let lines = net.nodes.iter().flat_map(|node| &node.keys);
    let lines = lines.filter(|(table, _)| *table == KeyLogTable::Ikev2);
    lines
        .map(|(_, line)| {
            let fields: Vec<_> = line.split(',').collect();
            let spi = IkeSpi(u64::from_str_radix(fields[0], 16).unwrap());
            let key = |hex: &str| {
                let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
                let secret = Secret::new((0..hex.len()).step_by(2).map(byte).collect());
                let none = Secret::new(Vec::new());
                MessageKeys::new(Encryption::AesGcm(256, 16), None, secret, none)
            };
            (spi, (key(fields[2]), key(fields[3])))
        })
        .collect()
}

/// What the sender of a message seals with, if it is sealed and the keys are known.
pub fn key_of<'a>(keys: &'a Keys, header: &Header) -> Option<&'a MessageKeys> {
    let (of_initiator, of_responder) = keys.get(&header.initiator_spi)?;
    let sealed = header.exchange.0 != IKE_SA_INIT;
    sealed.then_some(if header.is_initiator() { of_initiator } else { of_responder })
}

/// A message, or what it and the fragments before it make; `None` if further ones are missing.
pub fn content(
    keys: &Keys,
    parts: &mut Reassembly,
    bytes: &[u8],
) -> Option<(Header, Vec<Payload>)> {
    let header = Header::parse(bytes).unwrap();
    let payloads = match key_of(keys, &header) {
        Some(keys) => match sealed::open(bytes, keys).unwrap() {
            Opened::Whole(plain) => plain.payloads().unwrap_or_default(),
            Opened::Fragment(fragment) => parts.add(fragment)?.payloads().unwrap(),
        },
        None => Message::parse(bytes).unwrap().payloads,
    };
    Some((header, payloads))
}

/// Everything that was sent since `from`, fragments put together.
pub fn contents(net: &Net, from: usize) -> Vec<(Header, Vec<Payload>)> {
    let (keys, mut parts) = (keys(net), Reassembly::default());
    net.sent[from..].iter().filter_map(|(_, bytes)| content(&keys, &mut parts, bytes)).collect()
}
