//! Proposals in text, in messages and between two that choose.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::v1::{Lifetime, choose_phase1, choose_phase2, offer_phase1, offer_phase2};
use super::*;
use crate::msg::v1::Attribute1;
use crate::msg::{Proposal, Transform};

fn ike(text: &str) -> IkeProposal {
    text.parse().unwrap_or_else(|wrong: Misspelled| panic!("{text}: {wrong}"))
}

fn esp(text: &str) -> EspProposal {
    text.parse().unwrap_or_else(|wrong: Misspelled| panic!("{text}: {wrong}"))
}

fn wrong(text: &str) -> String {
    text.parse::<IkeProposal>().unwrap_err().to_string()
}

const SPI: u32 = 0xc0de_cafe;

#[test]
fn what_is_written_as_usual_is_written_back_the_same() {
    for text in [
        "aes128gcm16-prfsha256-x25519",
        "aes256-sha256-modp2048",
        "aes128-sha1-modp1024",
        "chacha20poly1305-prfsha256-ecp256",
        "aes256-aes128-sha256-sha1-modp2048-modp1024",
        "aes128-sha256-prfsha1-ecp384",
        "aes256gcm16-prfsha384-x25519-ke1_mlkem768",
    ] {
        assert_eq!(ike(text).to_string(), text);
    }
    for text in [
        "aes256gcm16-x25519-esn",
        "aes256gcm16-aes128gcm16-x25519-esn-noesn",
        "null-sha1",
        "aes128gmac",
        "aes256-aes128-sha512-sha256-modp4096",
        "aes256gcm16-x25519-ke1_mlkem768-esn",
    ] {
        assert_eq!(esp(text).to_string(), text);
    }
}

#[test]
fn other_spellings_of_strongswan_mean_the_same() {
    assert_eq!(ike("aes-sha-curve25519"), ike("aes128-sha1-x25519"));
    assert_eq!(ike("aes256gcm128-sha2_384-ecp384"), ike("aes256gcm16-prfsha384-ecp384"));
    assert_eq!(ike("aes256-aes256-sha256-modp2048"), ike("aes256-sha256-modp2048"));
    assert_eq!(esp("aes128gcm64"), esp("aes128gcm8"));
    assert_eq!(esp("aes128-sha1-modpnone-noesn"), esp("aes128-sha1"));
}

#[test]
fn the_prf_follows_from_the_integrity_algorithm() {
    assert_eq!(ike("aes128-sha1-sha384-x25519").prf, [Prf::HmacSha1, Prf::HmacSha384]);
    assert_eq!(ike("aes128-sha1-prfsha256-x25519").prf, [Prf::HmacSha256]);
}

#[test]
fn a_proposal_that_makes_no_sense_is_refused_in_words() {
    for (text, word) in [
        ("", "a word is missing"),
        ("aes256--x25519", "a word is missing"),
        ("aes265-sha256-x25519", "`aes265` is no algorithm"),
        ("3des-sha1-modp1024", "fastgw does not have `3des`"),
        ("sha256-x25519", "there is no cipher"),
        ("aes256-x25519", "there is no integrity algorithm"),
        ("aes256gcm16-x25519", "there is no PRF"),
        ("aes256gcm16-prfsha256", "there is no key exchange"),
        ("aes256gcm16-sha256-prfsha256-x25519", "sha256 beside a cipher that authenticates"),
        ("aes256gcm16-aes256-sha256-x25519", "are mixed"),
        ("null-sha256-x25519", "never in clear"),
        ("aes256-sha256-x25519-esn", "extended sequence numbers are ESP's"),
        ("aes256gcm16-prfsha256-mlkem768", "goes beside another key exchange"),
        ("aes256gcm16-prfsha256-ke1_mlkem768", "no first one"),
        ("aes256gcm16-prfsha256-x25519-ke8_mlkem768", "no additional key exchange `ke8_mlkem768`"),
        ("aes256gcm16-prfsha256-x25519-ke1_none", "second proposal"),
    ] {
        assert!(wrong(text).contains(word), "{text}: {}", wrong(text));
    }
    let of_esp = |text: &str| text.parse::<EspProposal>().unwrap_err().to_string();
    assert!(of_esp("aes256gcm16-prfsha256").contains("ESP has no PRF"));
    assert!(of_esp("aes256gcm16-sha256").contains("beside a cipher that authenticates"));
    assert!(of_esp("null").contains("nothing authenticates"));
    assert!(wrong(&"aes256-".repeat(1000)).contains("too long"));
}

#[test]
fn defaults_have_nothing_weak_and_weak_algorithms_are_told() {
    assert_eq!((IkeProposal::defaults().len(), EspProposal::defaults().len()), (2, 2));
    assert!(IkeProposal::defaults().iter().all(|proposal| proposal.weakness().is_none()));
    assert!(EspProposal::defaults().iter().all(|proposal| proposal.weakness().is_none()));
    for text in ["aes128-sha1-x25519", "aes128-sha256-modp1024", "aes128-md5-x25519"] {
        assert!(ike(text).weakness().is_some(), "{text}");
    }
    assert!(esp("null-sha256").weakness().is_some_and(|why| why.contains("in clear")));
    assert!(esp("aes256gcm16-modp1024").weakness().is_some());
}

#[test]
fn our_own_order_decides_among_what_the_peer_offers() {
    let theirs = [ike("aes128-sha256-modp2048"), ike("aes256-aes128-sha256-modp2048-x25519")];
    let ours = [ike("aes256gcm16-prfsha256-x25519"), ike("aes256-sha256-x25519-modp2048")];
    let choice = choose_ike(&offer_ike(&theirs, &[]), &ours).unwrap();
    assert_eq!(choice.number, 2);
    assert_eq!(choice.to_string(), "aes256-sha256-x25519");
    assert_eq!(choice.group, Group::X25519, "what INVALID_KE_PAYLOAD would ask for");
    let answer = choice.to_msg(&[]);
    assert_eq!((answer.number, answer.transforms.len()), (2, 4));
    let accepted = accept_ike(&[answer], &theirs).unwrap();
    assert_eq!((accepted.encryption, accepted.prf), (choice.encryption, choice.prf));
}

#[test]
fn a_refusal_names_what_was_proposed_and_what_is_allowed() {
    let offered = offer_ike(&[ike("aes256-sha1-modp1024")], &[]);
    let refusal = choose_ike(&offered, &[ike("aes256gcm16-prfsha256-x25519")]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "peer proposed aes256-sha1-modp1024, we allow aes256gcm16-prfsha256-x25519"
    );
    let unknown = |kind, id, key_bits| Transform { kind, id, key_bits, attributes: Vec::new() };
    let transforms = vec![
        unknown(1, 3, None),
        unknown(1, 12, Some(99)),
        unknown(1, 1234, None),
        unknown(3, 2, None),
        unknown(2, 2, None),
        unknown(4, 1, None),
    ];
    let foreign = Proposal { number: 1, protocol: 1, spi: Vec::new(), transforms };
    let refusal = choose_ike(&[foreign], &[ike("aes256-sha256-x25519")]).unwrap_err();
    assert!(
        refusal.to_string().starts_with("peer proposed 3des-aes99-encryption#1234-sha1-modp768,"),
        "{refusal}"
    );
    assert!(choose_ike(&[], &[]).unwrap_err().to_string().starts_with("peer proposed nothing,"));
    let many = vec![offered[0].clone(); 200];
    assert!(choose_ike(&many, &[]).unwrap_err().to_string().len() < 400);
}

#[test]
fn an_answer_must_be_one_of_the_offers_and_single() {
    let ours = [ike("aes256-aes128-sha256-x25519")];
    let offered = offer_ike(&ours, &[]);
    assert!(accept_ike(&offered, &ours).is_err(), "two ciphers");
    assert!(accept_ike(&[], &ours).is_err());
    let single = choose_ike(&offered, &ours).unwrap().to_msg(&[]);
    assert!(accept_ike(&[single.clone(), single.clone()], &ours).is_err());
    assert!(accept_ike(core::slice::from_ref(&single), &ours).is_ok());
    assert!(accept_ike(&[single], &[ike("aes192-sha256-x25519")]).is_err());
}

#[test]
fn what_we_do_not_know_in_a_proposal_rules_it_out() {
    let ours = [ike("aes256-sha256-x25519")];
    let mut offered = offer_ike(&ours, &[]);
    assert!(choose_ike(&offered, &ours).is_ok());
    offered[0].transforms[0].attributes.push((0x8001, vec![0, 1]));
    assert!(choose_ike(&offered, &ours).is_err(), "an attribute");
    let mut offered = offer_ike(&ours, &[]);
    offered[0].transforms.push(Transform {
        kind: 13,
        id: 1,
        key_bits: None,
        attributes: Vec::new(),
    });
    assert!(choose_ike(&offered, &ours).is_err(), "a kind of transform");
    let mut offered = offer_ike(&ours, &[]);
    offered[0].transforms[0].key_bits = Some(128);
    assert!(choose_ike(&offered, &ours).is_err(), "another length of key");
    offered[0].transforms[0].key_bits = None;
    assert!(choose_ike(&offered, &ours).is_err(), "none");
}

#[test]
fn additional_key_exchanges_must_be_wanted_by_both_or_left_out() {
    let hybrid = [ike("aes256gcm16-prfsha256-x25519-ke1_mlkem768")];
    let plain = [ike("aes256gcm16-prfsha256-x25519")];
    let choice = choose_ike(&offer_ike(&hybrid, &[]), &hybrid).unwrap();
    assert_eq!(choice.additional[0], Some(Group::MlKem768));
    assert!(choose_ike(&offer_ike(&hybrid, &[]), &plain).is_err());
    assert!(choose_ike(&offer_ike(&plain, &[]), &hybrid).is_err(), "no downgrade");
    // RFC 9370 section 2.2.2: NONE leaves it to the responder, which repeats it.
    let mut optional = offer_ike(&hybrid, &[]);
    let none = Transform { kind: 6, id: 0, key_bits: None, attributes: Vec::new() };
    optional[0].transforms.push(none.clone());
    let choice = choose_ike(&optional, &plain).unwrap();
    assert_eq!(choice.additional, [None; 7]);
    assert!(choice.to_msg(&[]).transforms.contains(&none));
}

#[test]
fn the_first_child_has_no_key_exchange_and_a_later_one_has() {
    let ours = [esp("aes256gcm16-x25519-esn-noesn")];
    let first = offer_esp(&ours, SPI, false);
    assert!(first[0].transforms.iter().all(|transform| transform.kind != 4));
    let choice = choose_esp(&first, &ours, false).unwrap();
    assert_eq!((choice.spi, choice.suite, choice.esn), (SPI, Suite::AES256GCM16, true));
    assert_eq!(choice.group, None);
    let later = offer_esp(&ours, SPI, true);
    assert_eq!(choose_esp(&later, &ours, true).unwrap().group, Some(Group::X25519));
    assert!(choose_esp(&later, &ours, false).unwrap().group.is_none(), "not asked for");
    assert!(choose_esp(&first, &ours, true).is_err(), "no key exchange where we want one");
    assert!(choose_esp(&later, &[esp("aes256gcm16-esn")], true).is_err());
}

#[test]
fn a_peer_that_says_nothing_of_extended_numbers_means_none() {
    let mut offered = offer_esp(&[esp("aes128-sha1")], SPI, false);
    offered[0].transforms.retain(|transform| transform.kind != 5);
    assert!(!choose_esp(&offered, &[esp("aes128-sha1")], false).unwrap().esn);
    assert!(choose_esp(&offered, &[esp("aes128-sha1-esn")], false).is_err());
}

#[test]
fn an_spi_of_the_wrong_length_or_a_reserved_one_is_not_taken() {
    let ours = [esp("aes128gcm16")];
    assert!(choose_esp(&offer_esp(&ours, 255, false), &ours, false).is_err());
    let mut offered = offer_esp(&ours, SPI, false);
    offered[0].spi.push(0);
    assert!(choose_esp(&offered, &ours, false).is_err());
    let ours = [ike("aes128-sha256-x25519")];
    assert!(choose_ike(&offer_ike(&ours, &[0; 5]), &ours).is_err());
}

#[test]
fn every_suite_survives_the_wire() {
    for suite in Suite::ALL {
        let ours = [esp(suite.name())];
        assert_eq!(ours[0].suites, [*suite]);
        let choice = choose_esp(&offer_esp(&ours, SPI, false), &ours, false).unwrap();
        assert_eq!(choice.suite, *suite);
        assert_eq!(choice.to_string(), suite.name());
        if suite.name() != "chacha20poly1305" {
            let offered = offer_phase2(&ours, SPI, None, 2, Lifetime::default());
            assert_eq!(choose_phase2(&offered, &ours, &[2]).unwrap().suite, *suite);
        }
    }
}

#[test]
fn main_mode_offers_every_combination_and_takes_one_whole() {
    let ours = [ike("aes256-aes128-sha256-sha1-modp2048-modp1024")];
    let lifetime = Lifetime { seconds: Some(28800), kilobytes: None };
    let offered = offer_phase1(&ours, 1, lifetime);
    assert_eq!(offered.transforms.len(), 8);
    let choice =
        choose_phase1(core::slice::from_ref(&offered), &[ike("aes128-sha1-modp1024")], &[1])
            .unwrap();
    assert_eq!((choice.encryption, choice.prf), (Encryption::AesCbc(128), Prf::HmacSha1));
    assert_eq!((choice.group, choice.method), (Group::Modp1024, 1));
    assert_eq!(choice.lifetime, lifetime);
    assert_eq!(choice.answer.transforms, [offered.transforms[7].clone()]);
    let refusal = choose_phase1(
        &[offer_phase1(&[ike("aes256-sha1-modp1024")], 1, lifetime)],
        &[ike("aes256-sha256-modp2048")],
        &[3],
    );
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "peer proposed aes256-sha1-modp1024 by pre-shared key, \
         we allow aes256-sha256-modp2048 by RSA signature"
    );
}

#[test]
fn quick_mode_agrees_on_suite_group_mode_and_lifetimes() {
    let lifetime = Lifetime { seconds: Some(3600), kilobytes: Some(4_608_000) };
    let ours = [esp("aes128-sha1-modp1024")];
    let offered = offer_phase2(&ours, SPI, Some(Group::Modp1024), 4, lifetime);
    let choice = choose_phase2(&offered, &ours, &[2, 4]).unwrap();
    assert_eq!((choice.suite, choice.mode, choice.spi), (Suite::AES128_SHA1, 4, SPI));
    assert_eq!((choice.group, choice.lifetime), (Some(Group::Modp1024), lifetime));
    assert!(choose_phase2(&offered, &ours, &[1]).is_err(), "another mode");
    assert!(choose_phase2(&offered, &[esp("aes128-sha1")], &[4]).is_err(), "no PFS wanted");
    let without = offer_phase2(&ours, SPI, None, 4, lifetime);
    assert!(choose_phase2(&without, &ours, &[4]).is_err(), "PFS wanted");
    let mut strange = offered.clone();
    strange[0].transforms[0].attributes.push(Attribute1::short(9, 1));
    assert!(choose_phase2(&strange, &ours, &[4]).is_err(), "an attribute that we do not know");
    let mut bundle = offered.clone();
    bundle.push(crate::msg::v1::Proposal1 { protocol: 2, ..offered[0].clone() });
    assert!(choose_phase2(&bundle, &ours, &[4]).is_err(), "AH and ESP together");
}

proptest! {
    #[test]
    fn any_text_is_a_proposal_or_an_error(text in "[a-z0-9_-]{0,60}|.{0,60}") {
        let _ = text.parse::<IkeProposal>();
        if let Ok(proposal) = text.parse::<EspProposal>() {
            prop_assert_eq!(esp(&proposal.to_string()), proposal);
        }
    }

    #[test]
    fn whatever_is_offered_is_chosen_from_or_refused(
        transforms in prop::collection::vec(
            (0_u8..15, 0_u16..40, prop::option::of(0_u16..300)),
            0..20,
        ),
        protocol in 0_u8..5,
        spi in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let one = |(kind, id, key_bits)| Transform { kind, id, key_bits, attributes: Vec::new() };
        let transforms = transforms.into_iter().map(one).collect();
        let offered = [Proposal { number: 1, protocol, spi, transforms }];
        if let Err(refusal) = choose_ike(&offered, &IkeProposal::defaults()) {
            prop_assert!(!refusal.to_string().is_empty());
        }
        let _ = choose_esp(&offered, &EspProposal::defaults(), true);
    }
}
