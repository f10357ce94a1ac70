//! Vectors that others published. All records of a file are one batch where there are batches.

use simd::{AesKey, CbcJob, GcmKey, HmacMd5Key, HmacSha1Key, HmacSha256Key, MacJob};

use crate::has;

/// Lines `name = value` of one case; cases are separated by an empty line.
struct Record(Vec<(&'static str, &'static str)>);

fn records(text: &'static str) -> Vec<Record> {
    let fields = |record: &'static str| {
        let lines = record.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split_once(" =").unwrap()).map(|(k, v)| (k, v.trim())).collect()
    };
    let records = text.split("\n\n").map(fields).map(Record);
    records.filter(|record| !record.0.is_empty()).collect()
}

impl Record {
    fn text(&self, name: &str) -> &'static str {
        self.0.iter().find(|(key, _)| *key == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let (pairs, rest) = self.text(name).as_bytes().as_chunks::<2>();
        assert!(rest.is_empty());
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
    }

    fn is_valid(&self) -> bool {
        self.text("result") == "valid"
    }
}

#[test]
fn gcm_is_that_of_nist_and_of_wycheproof() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let nist = records(include_str!("../vectors/aes-gcm-nist.txt"));
    let wycheproof = records(include_str!("../vectors/aes-gcm-wycheproof.txt"));
    assert_eq!((nist.len(), wycheproof.len()), (12, 197));
    for record in nist.iter().chain(&wycheproof) {
        let case = record.text("case");
        let key = GcmKey::new(&record.bytes("key")).unwrap();
        let nonce = record.bytes("iv").try_into().unwrap();
        let (aad, plain) = (record.bytes("aad"), record.bytes("msg"));
        let (cipher, tag) = (record.bytes("ct"), record.bytes("tag"));
        let mut text = cipher.clone();
        assert_eq!(key.open(&nonce, &aad, &mut text, &tag), record.is_valid(), "{case}");
        if record.is_valid() {
            assert_eq!(text, plain, "{case}");
            assert_eq!(key.seal(&nonce, &aad, &mut text), tag[..], "{case}");
            assert_eq!(text, cipher, "{case}");
            assert!(key.open(&nonce, &aad, &mut text, &tag[..12]), "{case}");
        }
    }
}

#[test]
fn cbc_is_that_of_nist_of_rfc_3602_and_of_wycheproof() {
    if !has(simd::kernels().aes_cbc) {
        return;
    }
    let nist = records(include_str!("../vectors/aes-cbc-nist.txt"));
    let rfc = records(include_str!("../../../../tests/vectors/aes-cbc.txt"));
    let wycheproof = records(include_str!("../vectors/aes-cbc-wycheproof.txt"));
    assert_eq!((nist.len(), rfc.len(), wycheproof.len()), (3, 6, 72));
    let whole = nist.iter().map(|record| (record, record.bytes("msg"), record.bytes("ct")));
    let of_rfc = rfc.iter().map(|record| (record, record.bytes("plain"), record.bytes("cipher")));
    let padded = wycheproof.iter().map(|record| {
        let mut text = record.bytes("msg");
        let padding = 16 - text.len() % 16;
        text.resize(text.len() + padding, padding as u8);
        (record, text, record.bytes("ct"))
    });
    let mut cases: Vec<_> = whole.chain(of_rfc).chain(padded).collect();
    let keys: Vec<_> = cases.iter().map(|(record, ..)| AesKey::new(&record.bytes("key"))).collect();
    let with_keys = cases.iter_mut().zip(&keys);
    let jobs = with_keys.map(|((record, text, _), key)| CbcJob {
        key: key.as_ref().unwrap(),
        iv: record.bytes("iv").try_into().unwrap(),
        blocks: text,
    });
    simd::cbc_encrypt(&mut jobs.collect::<Vec<_>>());
    for (record, text, expected) in cases {
        assert_eq!(text, expected, "{}", record.text("case"));
    }
}

#[test]
fn hmacs_are_those_of_rfc_2202_4231_and_4868_and_of_wycheproof() {
    let rfc = records(include_str!("../../../../tests/vectors/hmac.txt"));
    let wycheproof = records(include_str!("../vectors/hmac-wycheproof.txt"));
    assert_eq!((rfc.len(), wycheproof.len()), (25, 344));
    let of_rfc = rfc.iter().map(|record| (record, record.bytes("data"), record.bytes("digest")));
    let others = wycheproof.iter().map(|record| {
        let mut tag = record.bytes("tag");
        if !record.is_valid() {
            // What is wrong must not come out.
            tag.insert(0, 0);
        }
        (record, record.bytes("msg"), tag)
    });
    let all: Vec<_> = of_rfc.chain(others).collect();
    let kernels = simd::kernels();
    if has(kernels.hmac_md5) {
        check(&all, "md5", HmacMd5Key::new, simd::hmac_md5);
    }
    if has(kernels.hmac_sha1) {
        check(&all, "sha1", HmacSha1Key::new, simd::hmac_sha1);
    }
    if has(kernels.hmac_sha256) {
        check(&all, "sha256", HmacSha256Key::new, simd::hmac_sha256);
    }
}

/// All cases of one hash in a batch, then again with the last four bytes as a tail. A case whose
/// tag has a byte in front is one with a wrong tag.
fn check<K, const N: usize>(
    all: &[(&Record, Vec<u8>, Vec<u8>)],
    hash: &str,
    new: fn(&[u8]) -> Option<K>,
    run: fn(&mut [MacJob<'_, K, N>]),
) {
    let cases: Vec<_> = all.iter().filter(|(record, ..)| record.text("hash") == hash).collect();
    assert!(cases.len() >= 7, "{hash}");
    let keys: Vec<_> =
        cases.iter().map(|(record, ..)| new(&record.bytes("key")).unwrap()).collect();
    for with_tail in [false, true] {
        let jobs = cases.iter().zip(&keys).map(|((_, message, _), key)| {
            match message.split_last_chunk() {
                Some((message, tail)) if with_tail => {
                    MacJob { key, message, tail: Some(*tail), mac: [0; N] }
                }
                _ => MacJob { key, message, tail: None, mac: [0; N] },
            }
        });
        let mut jobs: Vec<_> = jobs.collect();
        run(&mut jobs);
        for (job, (record, _, tag)) in jobs.iter().zip(&cases) {
            let case = record.text("case");
            match record.0.iter().any(|(name, _)| *name == "result") && !record.is_valid() {
                true => assert_ne!(job.mac[..tag.len() - 1], tag[1..], "{hash} {case}"),
                false => assert_eq!(job.mac[..tag.len()], tag[..], "{hash} {case}"),
            }
        }
    }
}
