//! A pair is deleted, by both sides or while it is made anew (RFC 7296 sections 1.4.1 and 2.25.1).

use crate::fixtures::{further_key_exchange, two_children};
use crate::scene::{Scene, Side};

#[test]
fn a_pair_is_deleted_by_one_side() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A expires 1 | a1 D(1) | K1 | K1 1<!
            a1 arrives  | b1 D(1) | K1 | K1
            b1 arrives  |         | K1 | K1
            ",
        );
    }
}

#[test]
fn both_sides_delete_a_pair_at_once() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A expires 1 | a1 D(1) | K1 | K1 1<!
        B expires 1 | b1 D(1) | K1 | K1
        a1 arrives  | b2 {}   | K1 | K1
        b1 arrives  | a2 {}   | K1 | K1
        b2 arrives  |         | K1 | K1
        a2 arrives  |         | K1 | K1
        ",
    );
}

#[test]
fn both_sides_delete_a_pair_and_one_request_is_late() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A expires 1 | a1 D(1) | K1 | K1 1<!
        B expires 1 | b1 D(1) | K1 | K1
        a1 arrives  | b2 {}   | K1 | K1
        b2 arrives  |         | K1 | K1
        b1 arrives  | a2 {}   | K1 | K1
        a2 arrives  |         | K1 | K1
        ",
    );
}

#[test]
fn a_pair_is_deleted_while_the_peer_asks_for_new_keys() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1 1<>
            B expires 1 | b1 D(1)                | K1 1<!r | K1
            a1 arrives  | b2 TEMPORARY_FAILURE   | K1 1<!r | K1
            b1 arrives  | a2 D(1)                | K1      | K1
            b2 arrives  |                        | K1      | K1
            a2 arrives  |                        | K1      | K1
            10s pass    |                        | K1      | K1
            ",
        );
    }
}

#[test]
fn a_pair_is_deleted_between_the_key_exchanges() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, further_key_exchange);
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r | K1 1<>
            a1 arrives  | b1 SA(ESP,x25519) ADD_KE      | K1 1<>r | K1 1<>
            b1 arrives  | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r | K1 1<>
            B expires 1 | b2 D(1)                       | K1 1<!r | K1
            a2 arrives  | b3 TEMPORARY_FAILURE          | K1 1<!r | K1
            b2 arrives  | a3 D(1)                       | K1      | K1
            b3 arrives  |                               | K1      | K1
            a3 arrives  |                               | K1      | K1
            10s pass    |                               | K1      | K1
            ",
        );
    }
}

#[test]
fn a_pair_is_deleted_and_the_refusal_of_new_keys_is_faster() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1 1<>
            B expires 1 | b1 D(1)                | K1 1<!r | K1
            a1 arrives  | b2 TEMPORARY_FAILURE   | K1 1<!r | K1
            b2 arrives  |                        | K1 1<!  | K1
            b1 arrives  | a2 D(1)                | K1      | K1
            a2 arrives  |                        | K1      | K1
            10s pass    |                        | K1      | K1
            ",
        );
    }
}

#[test]
fn a_pair_is_gone_when_the_request_for_new_keys_comes() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP)   | K1 1<>r | K1 1<>
            B expires 1 | b1 D(1)                  | K1 1<!r | K1
            b1 arrives  | a2 D(1)                  | K1      | K1
            a2 arrives  |                          | K1      | K1
            a1 arrives  | b2 CHILD_SA_NOT_FOUND(1) | K1      | K1
            b2 arrives  |                          | K1      | K1
            10s pass    |                          | K1      | K1
            ",
        );
    }
}

#[test]
fn a_new_pair_is_deleted_before_the_answer_that_makes_it_comes() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1 1<>
            a1 arrives  | b1 SA(ESP)             | K1 1<>r | K1 1<> 2<w
            B expires 2 | b2 D(2)                | K1 1<>r | K1 1<>
            b2 arrives  | a2 {}                  | K1 1<>r | K1 1<>
            a2 arrives  |                        | K1 1<>r | K1 1<>
            b1 arrives  | a3 D(1)                | K1 1<>x | K1 1<>
            a3 arrives  | b3 D(1)                | K1 1<!x | K1
            b3 arrives  |                        | K1      | K1
            6s pass     |                        | K1      | K1
            ",
        );
    }
}

#[test]
fn a_new_pair_is_deleted_before_the_answer_to_the_last_key_exchange_comes() {
    let mut scene = Scene::connected(further_key_exchange);
    scene.play(
        "
        A renews 1  | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r | K1 1<>
        a1 arrives  | b1 SA(ESP,x25519) ADD_KE      | K1 1<>r | K1 1<>
        b1 arrives  | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r | K1 1<>
        a2 arrives  | b2 FOLLOWUP_KE(ecp256)        | K1 1<>r | K1 1<> 2<w
        B expires 2 | b3 D(2)                       | K1 1<>r | K1 1<>
        b3 arrives  | a3 {}                         | K1 1<>r | K1 1<>
        a3 arrives  |                               | K1 1<>r | K1 1<>
        b2 arrives  | a4 D(1)                       | K1 1<>x | K1 1<>
        a4 arrives  | b4 D(1)                       | K1 1<!x | K1
        b4 arrives  |                               | K1      | K1
        6s pass     |                               | K1      | K1
        ",
    );
}

#[test]
fn a_child_made_from_scratch_is_deleted_before_its_answer_comes() {
    let mut scene = Scene::connected(two_children);
    scene.play(
        "
        A wants two | a1 SA(ESP) | K1 1<> | K1 1<>
        a1 arrives  | b1 SA(ESP) | K1 1<> | K1 1<> 2<!
        B expires 2 | b2 D(2)    | K1 1<> | K1 1<>
        b2 arrives  | a2 {}      | K1 1<> | K1 1<>
        a2 arrives  |            | K1 1<> | K1 1<>
        b1 arrives  |            | K1 1<> | K1 1<>
        6s pass     |            | K1 1<> | K1 1<>
        ",
    );
}
