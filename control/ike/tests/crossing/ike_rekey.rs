//! New keys for the IKE SA that one side asks for (RFC 7296 sections 1.3.2 and 2.18).

use crate::fixtures::{
    other_ike_groups, other_ike_groups_and_a_further_key_exchange, renewed_by,
    renewed_with_a_further_key_exchange_by,
};
use crate::scene::{Scene, Side};

#[test]
fn the_new_ike_sa_takes_the_pairs_over() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, renewed_by(&[Side::A]));
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519) | K1r 1<>    | K1 1<>
            a1 arrives | b1 SA(IKE,x25519) | K1r 1<>    | K1o K2 1<>
            b1 arrives | a2 D              | K1o K2 1<> | K1o K2 1<>
            a2 arrives | b2 {}             | K1o K2 1<> | K2 1<>
            b2 arrives |                   | K2 1<>     | K2 1<>
            6s pass    |                   | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn with_a_further_key_exchange_the_ike_sa_is_made_when_that_is_done() {
    for initiator in [Side::A, Side::B] {
        let mut scene =
            Scene::connected_by(initiator, renewed_with_a_further_key_exchange_by(&[Side::A]));
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
            a1 arrives | b1 SA(IKE,x25519) ADD_KE      | K1r 1<>    | K1 1<>
            b1 arrives | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1r 1<>    | K1 1<>
            a2 arrives | b2 FOLLOWUP_KE(ecp256)        | K1r 1<>    | K1o K2 1<>
            b2 arrives | a3 D                          | K1o K2 1<> | K1o K2 1<>
            a3 arrives | b3 {}                         | K1o K2 1<> | K2 1<>
            b3 arrives |                               | K2 1<>     | K2 1<>
            6s pass    |                               | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn with_another_group_than_the_responder_allows_it_is_asked_for_again() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, other_ike_groups(&[Side::A]));
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
            a1 arrives | b1 INVALID_KE_PAYLOAD(ecp256) | K1r 1<>    | K1 1<>
            b1 arrives | a2 SA(IKE,ecp256)             | K1r 1<>    | K1 1<>
            a2 arrives | b2 SA(IKE,ecp256)             | K1r 1<>    | K1o K2 1<>
            b2 arrives | a3 D                          | K1o K2 1<> | K1o K2 1<>
            a3 arrives | b3 {}                         | K1o K2 1<> | K2 1<>
            b3 arrives |                               | K2 1<>     | K2 1<>
            6s pass    |                               | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn a_request_of_a_further_key_exchange_without_its_link() {
    let mut scene = Scene::connected(renewed_with_a_further_key_exchange_by(&[Side::A]));
    scene.play(
        "
        300s pass                 | a1 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
        a1 arrives                | b1 SA(IKE,x25519) ADD_KE      | K1r 1<>    | K1 1<>
        b1 arrives                | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1r 1<>    | K1 1<>
        a2 arrives without ADD_KE | b2 STATE_NOT_FOUND            | K1r 1<>    | K1 1<>
        b2 arrives                |                               | K1 1<>     | K1 1<>
        4s pass                   | a3 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
        a3 arrives                | b3 SA(IKE,x25519) ADD_KE      | K1r 1<>    | K1 1<>
        b3 arrives                | a4 FOLLOWUP_KE(ecp256) ADD_KE | K1r 1<>    | K1 1<>
        a4 arrives                | b4 FOLLOWUP_KE(ecp256)        | K1r 1<>    | K1o K2 1<>
        b4 arrives                | a5 D                          | K1o K2 1<> | K1o K2 1<>
        a5 arrives                | b5 {}                         | K1o K2 1<> | K2 1<>
        b5 arrives                |                               | K2 1<>     | K2 1<>
        6s pass                   |                               | K2 1<>     | K2 1<>
        ",
    );
}

#[test]
fn an_answer_without_the_link_of_a_further_key_exchange() {
    let mut scene = Scene::connected(renewed_with_a_further_key_exchange_by(&[Side::A]));
    scene.play(
        "
        300s pass                 | a1 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
        a1 arrives                | b1 SA(IKE,x25519) ADD_KE      | K1r 1<>    | K1 1<>
        b1 arrives without ADD_KE |                               | K1 1<>     | K1 1<>
        4s pass                   | a2 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
        a2 arrives                | b2 SA(IKE,x25519) ADD_KE      | K1r 1<>    | K1 1<>
        b2 arrives                | a3 FOLLOWUP_KE(ecp256) ADD_KE | K1r 1<>    | K1 1<>
        a3 arrives                | b3 FOLLOWUP_KE(ecp256)        | K1r 1<>    | K1o K2 1<>
        b3 arrives                | a4 D                          | K1o K2 1<> | K1o K2 1<>
        a4 arrives                | b4 {}                         | K1o K2 1<> | K2 1<>
        b4 arrives                |                               | K2 1<>     | K2 1<>
        6s pass                   |                               | K2 1<>     | K2 1<>
        ",
    );
}

#[test]
fn with_another_group_and_a_further_key_exchange() {
    for initiator in [Side::A, Side::B] {
        let mut scene =
            Scene::connected_by(initiator, other_ike_groups_and_a_further_key_exchange(&[Side::A]));
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519)             | K1r 1<>    | K1 1<>
            a1 arrives | b1 INVALID_KE_PAYLOAD(ecp256) | K1r 1<>    | K1 1<>
            b1 arrives | a2 SA(IKE,ecp256)             | K1r 1<>    | K1 1<>
            a2 arrives | b2 SA(IKE,ecp256) ADD_KE      | K1r 1<>    | K1 1<>
            b2 arrives | a3 FOLLOWUP_KE(x25519) ADD_KE | K1r 1<>    | K1 1<>
            a3 arrives | b3 FOLLOWUP_KE(x25519)        | K1r 1<>    | K1o K2 1<>
            b3 arrives | a4 D                          | K1o K2 1<> | K1o K2 1<>
            a4 arrives | b4 {}                         | K1o K2 1<> | K2 1<>
            b4 arrives |                               | K2 1<>     | K2 1<>
            6s pass    |                               | K2 1<>     | K2 1<>
            ",
        );
    }
}
