//! IKE messages that other implementations sent: each is read and written again with the same
//! bytes, and those whose keys are known are opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use ::ike::{
    algorithm::{Encryption, Integrity, Prf},
    crypto::MessageKeys,
    keymat::v1::{Iv, Phase1Keys},
    msg::{
        self, ExchangeType, Fault, Header, IkeSpi, Message, Payload,
        sealed::{self, OpenError, Opened, Plain},
        v1::{self, Body1, Message1, Payload1},
    },
};
use engine::Secret;
use port::capture_file::CaptureReader;

use crate::captures::shared;

/// Messages of each version in a capture of ours, as tshark counts them.
const OURS: [(&str, usize, usize); 5] = [
    ("kat-ikev1.pcap", 15, 0),
    ("kat-ikev2.pcap", 0, 16),
    ("ikev1-gre.pcap", 12, 0),
    ("ikev2-ospf.pcap", 0, 9),
    ("netns-libipsec.pcap", 0, 4),
];

#[test]
fn every_message_of_ours_is_written_again_with_the_same_bytes() {
    for (name, v1, v2) in OURS {
        assert_eq!(written_again(&ours(name)), (v1, v2), "{name}");
    }
}

#[test]
fn every_message_of_the_public_captures_is_written_again_with_the_same_bytes() {
    let public = [
        ("ISAKMP_sa_setup.pcap", 9, 0),
        ("isakmp4500.pcap", 15, 0),
        ("ikev2four.pcap", 0, 21),
        ("ikev2_nat_t.pcapng", 0, 30),
        ("ikev2pI2.pcap", 0, 2),
    ];
    for (name, v1, v2) in public {
        let Some(capture) = shared(&format!("public/{name}")) else { continue };
        assert_eq!(written_again(&capture), (v1, v2), "{name}");
    }
}

/// It made tcpdump run in circles: two bytes behind a header that claims a payload of no length.
#[test]
fn the_message_that_points_at_itself_is_refused() {
    let Some(capture) = shared("public/isakmp-pointer-loop.pcap") else { return };
    let messages = messages(&capture);
    assert_eq!(messages.len(), 1);
    assert_eq!(Header::parse(&messages[0]).map_err(|error| error.fault), Err(Fault::Length));
    assert!(Message1::parse(&messages[0]).is_err());
    assert!(Message::parse(&messages[0]).is_err());
}

/// Openswan's first IKE_AUTH request, with the keys that tcpdump's test has for it. Its ICV is
/// right for what follows the header but does not cover the header, as RFC 7296 section 3.14 wants
/// it, so as a message it is not authentic.
#[test]
fn the_public_ike_auth_request_opens_with_its_keys() {
    let Some(capture) = shared("public/ikev2pI2.pcap") else { return };
    let keys = MessageKeys::new(
        Encryption::AesCbc(128),
        Some(Integrity::HmacSha1),
        Secret::new(bytes("3f44bf47cafd8150591deb088199fcbf")),
        Secret::new(bytes("4ea8e662b07cdd430f6944c6723e4b82d5722418")),
    );
    let request = &messages(&capture)[1];
    assert_eq!(sealed::open(request, &keys).err(), Some(OpenError::NotAuthentic));
    let Some(Payload::Encrypted(first, body)) =
        Message::parse(request).expect("a message").payloads.pop()
    else {
        panic!("an encrypted payload");
    };
    let text = keys.open(&[], &body).expect("the ICV is right for the body");
    let payloads = msg::parse_payloads(first, &text).expect("payloads");
    let Payload::IdI(id) = &payloads[0] else { panic!("IDi first: {payloads:?}") };
    assert_eq!((id.kind, &id.data[..]), (2, &b"west"[..]));
}

/// strongSwan's: initial exchanges, new child SAs, deletions, from both sides.
#[test]
fn every_encrypted_message_of_our_ikev2_captures_opens() {
    let counts = [("kat-ikev2", 12), ("ikev2-ospf", 7), ("netns-libipsec", 2)];
    for (name, expected) in counts {
        let keys = ikev2_keys(&ours(&format!("{name}.keys")));
        let mut count = 0;
        for message in messages(&ours(&format!("{name}.pcap"))) {
            let header = Header::parse(&message).expect("a header");
            if header.exchange == ExchangeType::IKE_SA_INIT {
                continue;
            }
            let (initiator, responder) = &keys[&header.initiator_spi];
            let keys = if header.is_initiator() { initiator } else { responder };
            let plain = opened(&message, keys);
            let payloads = plain.payloads().expect("payloads");
            let again = Plain::new(&payloads);
            assert_eq!((again.first, &again.bytes), (plain.first, &plain.bytes), "{payloads:?}");
            let unknown = payloads.iter().find(|p| matches!(p, Payload::Unknown(..)));
            assert_eq!(unknown, None, "{name}");
            count += 1;
        }
        assert_eq!(count, expected, "{name}");
    }
}

/// strongSwan's: identities and hashes of main mode, quick modes, informational exchanges.
#[test]
fn every_encrypted_message_of_our_ikev1_captures_opens() {
    let files = [
        ("kat-ikev1", Prf::HmacSha1, Encryption::AesCbc(128), 11),
        ("ikev1-gre", Prf::HmacSha256, Encryption::AesCbc(256), 7),
    ];
    for (name, prf, encryption, expected) in files {
        let cipher = ikev1_key(&ours(&format!("{name}.keys")));
        assert_eq!(decrypt_all(&ours(&format!("{name}.pcap")), prf, encryption, cipher), expected);
    }
}

/// Decrypts all messages of the only ISAKMP SA in a capture; says how many.
fn decrypt_all(capture: &Path, prf: Prf, encryption: Encryption, cipher: Secret) -> usize {
    let none = || Secret::new(Vec::new());
    let keys = Phase1Keys { prf, encryption, skeyid: none(), d: none(), a: none(), cipher };
    let mut publics = Vec::new();
    let mut phase1: Option<Iv> = None;
    let mut others: BTreeMap<u32, Iv> = BTreeMap::new();
    let mut count = 0;
    // What is sent again would have another IV if it were new.
    let mut seen = BTreeSet::new();
    for message in messages(capture) {
        if !seen.insert(message.clone()) {
            continue;
        }
        let message = Message1::parse(&message).expect("a message");
        let (first, body) = match message.body {
            Body1::Clear(payloads) => {
                publics.extend(payloads.into_iter().filter_map(|payload| match payload {
                    Payload1::Ke(public) => Some(public),
                    _ => None,
                }));
                continue;
            }
            Body1::Encrypted(first, body) => (first, body),
        };
        let start = phase1.unwrap_or_else(|| keys.first_iv(&publics[0], &publics[1]));
        let id = message.header.message_id;
        let iv = match id {
            0 => start,
            _ => *others.entry(id).or_insert_with(|| keys.message_iv(start, id)),
        };
        let (text, next) = keys.decrypt(iv, &body).expect("whole blocks");
        if id == 0 {
            phase1 = Some(next);
        } else {
            others.insert(id, next);
        }
        let (payloads, padding) = v1::parse_decrypted(first, &text).expect("payloads");
        // strongSwan adds a whole block where nothing is to be padded.
        assert!(padding.len() <= 16, "{payloads:?} and {padding:?}");
        let written = v1::write_payloads(&payloads);
        assert_eq!(written, (first, text[..text.len() - padding.len()].to_vec()));
        count += 1;
    }
    count
}

fn opened(message: &[u8], keys: &MessageKeys) -> Plain {
    match sealed::open(message, keys) {
        Ok(Opened::Whole(plain)) => plain,
        Ok(Opened::Fragment(_)) => panic!("a fragment"),
        Err(error) => panic!("{error}"),
    }
}

/// Reads and writes every message of a capture; says how many of IKEv1 and of IKEv2 there were.
fn written_again(capture: &Path) -> (usize, usize) {
    let mut counts = (0, 0);
    for message in messages(capture) {
        let header = Header::parse(&message).expect("a header");
        let again = if header.major_version() == 1 {
            counts.0 += 1;
            Message1::parse(&message).expect("a message of IKEv1").write()
        } else {
            counts.1 += 1;
            Message::parse(&message).expect("a message of IKEv2").write()
        };
        assert_eq!(again, message, "{} {}", capture.display(), header.exchange);
    }
    counts
}

/// Every IKE message of a capture over IPv4, without the non-ESP marker that it has on port 4500.
fn messages(capture: &Path) -> Vec<Vec<u8>> {
    let mut reader = CaptureReader::open(capture).expect("a capture");
    let mut messages = Vec::new();
    while let Some(captured) = reader.next_frame().expect("a frame") {
        let Some(packet) = captured.frame.get(14..).filter(|_| captured.frame[12..14] == [8, 0])
        else {
            continue;
        };
        let header_len = usize::from(packet[0] & 15) * 4;
        if packet[9] != 17 {
            continue;
        }
        let total_len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let udp = &packet[header_len..total_len.min(packet.len())];
        let ports = [[udp[0], udp[1]], [udp[2], udp[3]]].map(u16::from_be_bytes);
        let payload = &udp[8..];
        if ports.contains(&4500) {
            messages.extend(payload.strip_prefix(&[0; 4]).map(<[u8]>::to_vec));
        } else {
            messages.push(payload.to_vec());
        }
    }
    messages
}

/// Keys of the initiator's and the responder's messages, by the initiator's SPI.
fn ikev2_keys(file: &Path) -> BTreeMap<IkeSpi, (MessageKeys, MessageKeys)> {
    let text = fs::read_to_string(file).expect("keys beside the capture");
    let rows = text.lines().filter_map(|line| line.strip_prefix("ikev2_decryption_table:"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        let encryption = match cells[4] {
            "\"AES-CBC-128 [RFC3602]\"" => Encryption::AesCbc(128),
            "\"AES-CBC-256 [RFC3602]\"" => Encryption::AesCbc(256),
            other => panic!("no cipher of these captures: {other}"),
        };
        assert_eq!(cells[7], "\"HMAC_SHA2_256_128 [RFC4868]\"");
        let keys = |e: usize, a: usize| {
            let [e, a] = [cells[e], cells[a]].map(|key| Secret::new(bytes(key)));
            MessageKeys::new(encryption, Some(Integrity::HmacSha256), e, a)
        };
        let spi = u64::from_str_radix(cells[0], 16).expect("an SPI");
        (IkeSpi(spi), (keys(2, 5), keys(3, 6)))
    })
    .collect()
}

fn ikev1_key(file: &Path) -> Secret {
    let text = fs::read_to_string(file).expect("keys beside the capture");
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("ikev1_decryption_table:"));
    let (_, key) = rows.next().and_then(|row| row.split_once(',')).expect("a row");
    Secret::new(bytes(key))
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).expect("ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("offline").join(name)
}
