//! Lines of Wireshark's tables of keys, when they are asked for.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use engine::Secret;
use wire::suite;

use crate::algorithm::{Encryption, Integrity};
use crate::keymat::v2::SkKeys;
use crate::msg::IkeSpi;
use crate::output::{ChildSa, KeyLogTable};
use crate::shared::Shared;

/// A line of `ikev1_decryption_table`: the initiator's cookie and the key.
pub(crate) fn ikev1(shared: &mut Shared, cookie: IkeSpi, key: &Secret) {
    shared.key_log(KeyLogTable::Ikev1, || {
        line(&[Field::Hex(&cookie.0.to_be_bytes()), Field::Hex(key.expose())])
    });
}

/// A line of `ikev2_decryption_table`.
pub(crate) fn ikev2(shared: &mut Shared, spis: (IkeSpi, IkeSpi), keys: &SkKeys) {
    shared.key_log(KeyLogTable::Ikev2, || {
        let (i, r) = (&keys.initiator, &keys.responder);
        line(&[
            Field::Hex(&spis.0.0.to_be_bytes()),
            Field::Hex(&spis.1.0.to_be_bytes()),
            Field::Hex(i.encryption_key().expose()),
            Field::Hex(r.encryption_key().expose()),
            Field::Text(encryption(keys.suite.encryption)),
            Field::Hex(i.integrity_key().expose()),
            Field::Hex(r.integrity_key().expose()),
            Field::Text(integrity(keys.suite.integrity)),
        ])
    });
}

/// Two lines of `esp_sa`.
pub(crate) fn esp(shared: &mut Shared, pair: &ChildSa) {
    let (here, there) = (pair.path.local.ip(), pair.path.remote.ip());
    let version = if here.is_ipv4() { "IPv4" } else { "IPv6" };
    let directions = [(there, here, &pair.inbound), (here, there, &pair.outbound)];
    for (from, to, keys) in directions {
        shared.key_log(KeyLogTable::Esp, || {
            line(&[
                Field::Text(version),
                Field::Text(&alloc::format!("{from}")),
                Field::Text(&alloc::format!("{to}")),
                Field::Text(&alloc::format!("0x{:08x}", keys.spi)),
                Field::Text(esp_encryption(pair.suite.encryption())),
                Field::Prefixed(keys.encryption.expose()),
                Field::Text(esp_integrity(pair.suite.integrity())),
                Field::Prefixed(keys.authentication.expose()),
            ])
        });
    }
}

enum Field<'a> {
    Text(&'a str),
    Hex(&'a [u8]),
    Prefixed(&'a [u8]),
}

/// Fields as Wireshark's user tables quote them. The buffer is as long as it will be from the
/// start, so that no copy stays behind.
fn line(fields: &[Field<'_>]) -> Secret {
    let len = |field: &Field<'_>| match field {
        Field::Text(text) => text.len() + 3,
        Field::Hex(bytes) | Field::Prefixed(bytes) => 2 * bytes.len() + 5,
    };
    let mut text = String::with_capacity(fields.iter().map(len).sum());
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let hex = |text: &mut String, bytes: &[u8]| {
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
        };
        match field {
            Field::Text(field) => {
                text.push('"');
                text.push_str(field);
                text.push('"');
            }
            Field::Hex(bytes) => hex(&mut text, bytes),
            Field::Prefixed(bytes) => {
                text.push('"');
                if !bytes.is_empty() {
                    text.push_str("0x");
                }
                hex(&mut text, bytes);
                text.push('"');
            }
        }
    }
    Secret::new(Vec::from(text))
}

fn encryption(algorithm: Encryption) -> &'static str {
    match algorithm {
        Encryption::AesCbc(128) => "AES-CBC-128 [RFC3602]",
        Encryption::AesCbc(192) => "AES-CBC-192 [RFC3602]",
        Encryption::AesCbc(_) => "AES-CBC-256 [RFC3602]",
        Encryption::AesGcm(128, 16) => "AES-GCM-128 with 16 octet ICV [RFC5282]",
        Encryption::AesGcm(192, 16) => "AES-GCM-192 with 16 octet ICV [RFC5282]",
        Encryption::AesGcm(_, 16) => "AES-GCM-256 with 16 octet ICV [RFC5282]",
        Encryption::AesGcm(128, 12) => "AES-GCM-128 with 12 octet ICV [RFC5282]",
        Encryption::AesGcm(192, 12) => "AES-GCM-192 with 12 octet ICV [RFC5282]",
        Encryption::AesGcm(_, 12) => "AES-GCM-256 with 12 octet ICV [RFC5282]",
        Encryption::AesGcm(128, _) => "AES-GCM-128 with 8 octet ICV [RFC5282]",
        Encryption::AesGcm(192, _) => "AES-GCM-192 with 8 octet ICV [RFC5282]",
        Encryption::AesGcm(..) => "AES-GCM-256 with 8 octet ICV [RFC5282]",
        Encryption::ChaCha20Poly1305 => "ChaCha20-Poly1305 [RFC7634]",
    }
}

fn integrity(algorithm: Option<Integrity>) -> &'static str {
    match algorithm {
        None => "NONE [RFC4306]",
        Some(Integrity::HmacMd5) => "HMAC_MD5_96 [RFC2403]",
        Some(Integrity::HmacSha1) => "HMAC_SHA1_96 [RFC2404]",
        Some(Integrity::HmacSha256) => "HMAC_SHA2_256_128 [RFC4868]",
        Some(Integrity::HmacSha384) => "HMAC_SHA2_384_192 [RFC4868]",
        Some(Integrity::HmacSha512) => "HMAC_SHA2_512_256 [RFC4868]",
    }
}

fn esp_encryption(algorithm: suite::Encryption) -> &'static str {
    match algorithm {
        suite::Encryption::Null | suite::Encryption::NullAesGmac(_) => "NULL",
        suite::Encryption::AesCbc(_) => "AES-CBC [RFC3602]",
        suite::Encryption::AesGcm(_, 8) => "AES-GCM with 8 octet ICV [RFC4106]",
        suite::Encryption::AesGcm(_, 12) => "AES-GCM with 12 octet ICV [RFC4106]",
        suite::Encryption::AesGcm(..) => "AES-GCM with 16 octet ICV [RFC4106]",
        suite::Encryption::ChaCha20Poly1305 => "ChaCha20 with Poly1305 [RFC7634]",
    }
}

fn esp_integrity(algorithm: suite::Integrity) -> &'static str {
    match algorithm {
        suite::Integrity::Combined => "NULL",
        suite::Integrity::HmacMd5 => "HMAC-MD5-96 [RFC2403]",
        suite::Integrity::HmacSha1 => "HMAC-SHA-1-96 [RFC2404]",
        suite::Integrity::HmacSha256 => "HMAC-SHA-256-128 [RFC4868]",
        suite::Integrity::HmacSha384 => "HMAC-SHA-384-192 [RFC4868]",
        suite::Integrity::HmacSha512 => "HMAC-SHA-512-256 [RFC4868]",
    }
}
