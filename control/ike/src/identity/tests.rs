//! Identities as users write them and as peers send them.

use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn id(text: &str) -> Identity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pattern(text: &str) -> IdentityPattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn text_is_guessed_as_strongswan_guesses() {
    assert!(matches!(id("192.0.2.1"), Identity::Ipv4(_)));
    assert!(matches!(id("2001:db8::1"), Identity::Ipv6(_)));
    assert!(matches!(id("gw.example.com"), Identity::Fqdn(name) if &*name == "gw.example.com"));
    assert!(matches!(id("@gw"), Identity::Fqdn(name) if &*name == "gw"));
    assert!(matches!(id("a@example.com"), Identity::Mail(name) if &*name == "a@example.com"));
    assert!(matches!(id("@@a@example.com"), Identity::Mail(name) if &*name == "a@example.com"));
    assert!(matches!(id("C=CH, O=x, CN=y"), Identity::Dn(_)));
    assert!(matches!(id("@#0102"), Identity::KeyId(id) if *id == [1, 2]));
    assert!(matches!(id("keyid:branch 7"), Identity::KeyId(id) if &*id == b"branch 7"));
    assert!(matches!(id("fqdn:10.0.0.1"), Identity::Fqdn(_)));
    assert!(matches!(id("email:root"), Identity::Mail(_)));
    assert!(matches!(id("a:b"), Identity::KeyId(_)));
}

#[test]
fn text_that_is_no_identity_says_why() {
    for (text, words) in [
        ("", "0 bytes"),
        ("ipv4:300.1.1.1", "not an IPv4 address"),
        ("C=CH, O", "'O' should be TYPE=value"),
        ("XY=z", "'XY' is not a part"),
        ("CN=", "CN has no value"),
        ("CN=\"a", "quotation mark"),
        ("keyid:#0g", "hexadecimal"),
    ] {
        let error = text.parse::<Identity>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn distinguished_name_has_the_bytes_that_openssl_makes() {
    // printf '[req]\ndistinguished_name=d\n' | openssl req -new -subj /C=CH/O=Example/CN=gw: the
    // subject's bytes, with PrintableString, which is what strongSwan writes.
    let (kind, data) = id("C=CH, O=Example, CN=gw").to_payload();
    assert_eq!(kind, 9);
    assert_eq!(
        hex(&data),
        "302c310b30090603550406130243483110300e060355040a13074578616d706c65310b300906035504031302\
         6777"
    );
    assert_eq!(id("/C=CH/O=Example/CN=gw").to_payload().1, data);
}

#[test]
fn names_are_equal_whatever_their_case_and_string_types() {
    assert_eq!(id("GW.example.com"), id("gw.Example.COM"));
    assert_ne!(id("fqdn:a@b.c"), id("a@b.c"));
    assert_eq!(id("O=Example  Org, CN=gw"), id("o=example org,cn=GW"));
    assert_ne!(id("O=Example, CN=gw"), id("CN=gw, O=Example"));
    // O as UTF8String, as OpenSSL writes it.
    let utf8 = unhex("3012311030 0e060355040a0c074578616d706c65".replace(' ', "").as_str());
    let utf8 = Identity::from_payload(9, &utf8.unwrap()).unwrap();
    assert_eq!(utf8, id("O=Example"));
    assert_ne!(utf8.to_payload(), id("O=Example").to_payload());
}

#[test]
fn escapes_and_quotes_are_read_and_written() {
    assert_eq!(id(r"O=A\, B\+C, CN=x\20").to_string(), r"O=A\, B\+C, CN=x\20");
    assert_eq!(id(r#"O="A, B", CN=x"#), id(r"O=A\, B,CN=x"));
    assert_eq!(id("OU=a+CN=b, O=c").to_string(), "CN=b+OU=a, O=c");
    assert_eq!(id("1.2.3.4=x").to_string(), "1.2.3.4=x");
    assert_eq!(id(r"CN=a\0ab").to_string(), r"CN=a\0ab");
}

#[test]
fn patterns_allow_what_they_cover_and_nothing_else() {
    let wild = pattern("*.example.com");
    assert!(wild.matches(&id("gw.EXAMPLE.com")));
    assert!(wild.matches(&id("a.b.example.com")));
    assert!(!wild.matches(&id("example.com")));
    assert!(!wild.matches(&id("fqdn:.example.com")));
    assert!(!wild.matches(&id("gw.example.com.evil.net")));
    assert!(!wild.matches(&id("email:gw.example.com")));

    let mail = pattern("*@example.com");
    assert!(mail.matches(&id("a@example.com")));
    assert!(!mail.matches(&id("a@evil-example.com")));

    let dn = pattern("C=CH, O=Example, CN=*");
    assert!(dn.matches(&id("C=ch, O=example, CN=gw")));
    assert!(!dn.matches(&id("C=CH, O=Other, CN=gw")));
    assert!(!dn.matches(&id("C=CH, O=Example, OU=x, CN=gw")));
    assert!(!dn.matches(&id("C=CH, O=Example, OU=gw")));

    assert!(pattern("%any").matches(&id("192.0.2.1")));
    assert!(!pattern("192.0.2.1").matches(&id("192.0.2.2")));
    assert_eq!(pattern("%any").narrowness(), 0);
    assert_eq!(dn.narrowness(), 1);
    assert_eq!(pattern("C=CH").narrowness(), 2);
    assert_eq!(pattern("gw").exact(), Some(&id("gw")));
    assert_eq!(wild.exact(), None);
}

#[test]
fn star_that_a_peer_claims_is_no_wildcard() {
    assert!(!pattern("gw.example.com").matches(&id("*.example.com")));
    assert!(!pattern("C=CH, CN=gw").matches(&id("C=CH, CN=*")));
    assert_ne!(id("CN=*"), id("CN=gw"));
}

#[test]
fn control_characters_do_not_reach_logs() {
    assert!(Identity::from_payload(2, b"gw\x1b[2J").is_err());
    assert!(Identity::from_payload(3, b"a@b\n").is_err());
    assert_eq!(Identity::from_payload(11, b"\n").unwrap().to_string(), "keyid:#0a");
}

#[test]
fn odd_names_print_what_reads_back() {
    for name in ["#00", "@a", "@@a@b.c", " a ", "10.0.0.1", "a=b", "fqdn:a", "%any", "a:b", "é"] {
        for kind in [2, 3, 11] {
            let identity = Identity::from_payload(kind, name.as_bytes()).unwrap();
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
    }
}

proptest! {
    #[test]
    fn no_payload_panics_and_what_parses_survives(
        kind in prop::sample::select(&[1u8, 2, 3, 5, 9, 11, 10][..]),
        data in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        if let Ok(identity) = Identity::from_payload(kind, &data) {
            prop_assert_eq!(identity.to_payload(), (kind, data));
            let again: Identity = identity.to_string().parse().unwrap();
            prop_assert_eq!(again, identity);
        }
    }

    #[test]
    fn no_text_panics_and_what_parses_prints_itself(
        text in "(CN=|O=|@|keyid:|asn1dn:)?[ -~é]{0,24}",
    ) {
        if let Ok(identity) = text.parse::<Identity>() {
            let again: Identity = identity.to_string().parse().unwrap();
            prop_assert_eq!(&again, &identity);
            let (kind, data) = identity.to_payload();
            prop_assert_eq!(Identity::from_payload(kind, &data).unwrap(), identity);
        }
    }

    #[test]
    fn damaged_distinguished_names_do_not_panic(
        at in 0usize..46, bit in 0u8..8, len in 0usize..47,
    ) {
        let mut data = id("C=CH, O=Example, CN=gw").to_payload().1;
        data[at] ^= 1 << bit;
        data.truncate(len);
        if let Ok(identity) = Identity::from_payload(9, &data) {
            let parts: Vec<Identity> = identity.to_string().parse().into_iter().collect();
            prop_assert!(parts.is_empty() || parts[0] == identity);
        }
    }
}
