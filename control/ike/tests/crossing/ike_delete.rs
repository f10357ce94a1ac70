//! The IKE SA is deleted, by both sides or while it is made anew (RFC 7296 section 2.25.2).

use crate::fixtures::{renewed_by, renewed_with_a_further_key_exchange_by};
use crate::scene::{Scene, Side};

#[test]
fn the_ike_sa_is_deleted_by_one_side() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A terminates | a1 D  | K1x | K1 1<!
            a1 arrives   | b1 {} | K1x | -
            b1 arrives   |       | -   | -
            10s pass     |       | -   | -
            ",
        );
    }
}

#[test]
fn both_sides_delete_the_ike_sa_at_once() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A terminates | a1 D  | K1x | K1 1<!
        B terminates | b1 D  | K1x | K1x
        a1 arrives   | b2 {} | K1x | -
        b1 arrives   | a2 {} | -   | -
        a2 arrives   |       | -   | -
        b2 arrives   |       | -   | -
        10s pass     |       | -   | -
        ",
    );
}

#[test]
fn the_ike_sa_is_deleted_while_the_peer_asks_for_new_keys() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, renewed_by(&[Side::A]));
        scene.play(
            "
            300s pass    | a1 SA(IKE,x25519)    | K1r 1<> | K1 1<>
            B terminates | b1 D                 | K1r 1<! | K1x
            a1 arrives   | b2 TEMPORARY_FAILURE | K1r 1<! | K1x
            b1 arrives   | a2 {}                | -       | K1x
            b2 arrives   |                      | -       | K1x
            a2 arrives   |                      | -       | -
            10s pass     |                      | -       | -
            ",
        );
    }
}

#[test]
fn the_ike_sa_is_deleted_between_the_key_exchanges() {
    for initiator in [Side::A, Side::B] {
        let mut scene =
            Scene::connected_by(initiator, renewed_with_a_further_key_exchange_by(&[Side::A]));
        scene.play(
            "
            300s pass    | a1 SA(IKE,x25519)             | K1r 1<> | K1 1<>
            a1 arrives   | b1 SA(IKE,x25519) ADD_KE      | K1r 1<> | K1 1<>
            b1 arrives   | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1r 1<> | K1 1<>
            B terminates | b2 D                          | K1r 1<! | K1x
            a2 arrives   | b3 TEMPORARY_FAILURE          | K1r 1<! | K1x
            b2 arrives   | a3 {}                         | -       | K1x
            b3 arrives   |                               | -       | K1x
            a3 arrives   |                               | -       | -
            10s pass     |                               | -       | -
            ",
        );
    }
}

#[test]
fn the_ike_sa_is_deleted_and_the_refusal_of_new_keys_is_faster() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, renewed_by(&[Side::A]));
        scene.play(
            "
            300s pass    | a1 SA(IKE,x25519)    | K1r 1<> | K1 1<>
            B terminates | b1 D                 | K1r 1<! | K1x
            a1 arrives   | b2 TEMPORARY_FAILURE | K1r 1<! | K1x
            b2 arrives   |                      | K1 1<!  | K1x
            b1 arrives   | a2 {}                | -       | K1x
            a2 arrives   |                      | -       | -
            10s pass     |                      | -       | -
            ",
        );
    }
}
