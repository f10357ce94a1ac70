//! New keys for a pair that one side asks for (RFC 7296 sections 1.3.3 and 2.8).

use crate::fixtures::{
    further_key_exchange, other_groups, other_groups_and_a_further_key_exchange, two_children,
    watched,
};
use crate::scene::{Scene, Side};

#[test]
fn the_new_pair_is_sent_by_first_by_who_has_asked_for_it() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
            a1 arrives | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
            b1 arrives | a2 D(1)                | K1 1<x 2<> | K1 1<> 2<w
            a2 arrives | b2 D(1)                | K1 1<x 2<> | K1 1<d 2<>
            b2 arrives |                        | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                        | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn with_a_further_key_exchange_the_pair_is_made_when_that_is_done() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, further_key_exchange);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
            a1 arrives | b1 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>
            b1 arrives | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r    | K1 1<>
            a2 arrives | b2 FOLLOWUP_KE(ecp256)        | K1 1<>r    | K1 1<> 2<w
            b2 arrives | a3 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
            a3 arrives | b3 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
            b3 arrives |                               | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                               | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn with_another_group_than_the_responder_allows_it_is_asked_for_again() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, other_groups);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
            a1 arrives | b1 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r    | K1 1<>
            b1 arrives | a2 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r    | K1 1<>
            a2 arrives | b2 SA(ESP,ecp256)             | K1 1<>r    | K1 1<> 2<w
            b2 arrives | a3 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
            a3 arrives | b3 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
            b3 arrives |                               | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                               | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn with_another_group_and_a_further_key_exchange() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, other_groups_and_a_further_key_exchange);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
            a1 arrives | b1 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r    | K1 1<>
            b1 arrives | a2 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r    | K1 1<>
            a2 arrives | b2 SA(ESP,ecp256) ADD_KE      | K1 1<>r    | K1 1<>
            b2 arrives | a3 FOLLOWUP_KE(x25519) ADD_KE | K1 1<>r    | K1 1<>
            a3 arrives | b3 FOLLOWUP_KE(x25519)        | K1 1<>r    | K1 1<> 2<w
            b3 arrives | a4 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
            a4 arrives | b4 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
            b4 arrives |                               | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                               | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn a_responder_that_waits_for_the_deletion_does_not_renew_the_old_pair() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
        a1 arrives | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
        b1 arrives | a2 D(1)                | K1 1<x 2<> | K1 1<> 2<w
        B renews 1 |                        | K1 1<x 2<> | K1 1<> 2<w
        a2 arrives | b2 D(1)                | K1 1<x 2<> | K1 1<d 2<>
        b2 arrives |                        | K1 1<d 2<> | K1 1<d 2<>
        6s pass    |                        | K1 2<>     | K1 2<>
        ",
    );
}

#[test]
fn a_responder_whose_old_pair_expires_uses_the_new_one_at_once() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
        a1 arrives  | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
        b1 arrives  | a2 D(1)                | K1 1<x 2<> | K1 1<> 2<w
        B expires 1 |                        | K1 1<x 2<> | K1 2<>
        a2 arrives  | b2 {}                  | K1 1<x 2<> | K1 2<>
        b2 arrives  |                        | K1 1<d 2<> | K1 2<>
        6s pass     |                        | K1 2<>     | K1 2<>
        ",
    );
}

#[test]
fn a_responder_that_deletes_the_new_pair_before_the_old_one_is_deleted() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
        a1 arrives  | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
        b1 arrives  | a2 D(1)                | K1 1<x 2<> | K1 1<> 2<w
        B expires 2 | b2 D(2)                | K1 1<x 2<! | K1 1<>
        a2 arrives  | b3 D(1)                | K1 1<x 2<! | K1
        b2 arrives  | a3 D(2)                | K1 1<x     | K1
        b3 arrives  |                        | K1 1<d     | K1
        a3 arrives  |                        | K1 1<d     | K1
        6s pass     |                        | K1         | K1
        ",
    );
}

#[test]
fn a_pair_that_the_responder_does_not_have_is_made_from_scratch() {
    let mut scene = Scene::connected(watched(Side::A));
    scene.play(
        "
        30s pass           | a1 {}                    | K1 1<>  | K1 1<>
        a1 arrives as D(1) | b1 D(1)                  | K1 1<!  | K1
        b1 arrives         |                          | K1 1<!  | K1
        A renews 1         | a2 REKEY_SA(1) SA(ESP)   | K1 1<!r | K1
        a2 arrives         | b2 CHILD_SA_NOT_FOUND(1) | K1 1<!r | K1
        b2 arrives         | a3 SA(ESP)               | K1      | K1
        a3 arrives         | b3 SA(ESP)               | K1      | K1 2<!
        b3 arrives         |                          | K1 2<>  | K1 2<>
        ",
    );
}

#[test]
fn a_responder_that_deletes_the_old_pair_itself() {
    let mut scene = Scene::connected(watched(Side::B));
    scene.play(
        "
        A renews 1         | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1 1<>
        a1 arrives         | b1 SA(ESP)             | K1 1<>r | K1 1<> 2<w
        30s pass           | a1 again, b2 {}        | K1 1<>r | K1 1<> 2<w
        b2 arrives as D(1) | a2 D(1)                | K1      | K1 1<! 2<w
        b1 arrives         |                        | K1 2<>  | K1 1<! 2<w
        a2 arrives         |                        | K1 2<>  | K1 1<! 2<w
        A sends gre        |                        | K1 2<>  | K1 1< 2<>
        ",
    );
}

#[test]
fn two_pairs_are_renewed_one_after_the_other() {
    let mut scene = Scene::connected(two_children);
    scene.play(
        "
        A wants two | a1 SA(ESP)             | K1 1<>             | K1 1<>
        a1 arrives  | b1 SA(ESP)             | K1 1<>             | K1 1<> 2<!
        b1 arrives  |                        | K1 1<> 2<>         | K1 1<> 2<>
        A renews 1  | a2 REKEY_SA(1) SA(ESP) | K1 1<>r 2<>        | K1 1<> 2<>
        A renews 2  |                        | K1 1<>r 2<>        | K1 1<> 2<>
        a2 arrives  | b2 SA(ESP)             | K1 1<>r 2<>        | K1 1<> 2<> 3<w
        b2 arrives  | a3 D(1)                | K1 1<x 2<> 3<>     | K1 1<> 2<> 3<w
        a3 arrives  | b3 D(1)                | K1 1<x 2<> 3<>     | K1 1<d 2<> 3<>
        b3 arrives  | a4 REKEY_SA(2) SA(ESP) | K1 1<d 2<>r 3<>    | K1 1<d 2<> 3<>
        a4 arrives  | b4 SA(ESP)             | K1 1<d 2<>r 3<>    | K1 1<d 2<> 3<> 4<w
        b4 arrives  | a5 D(2)                | K1 1<d 2<x 3<> 4<> | K1 1<d 2<> 3<> 4<w
        a5 arrives  | b5 D(2)                | K1 1<d 2<x 3<> 4<> | K1 1<d 2<d 3<> 4<>
        b5 arrives  |                        | K1 1<d 2<d 3<> 4<> | K1 1<d 2<d 3<> 4<>
        6s pass     |                        | K1 3<> 4<>         | K1 3<> 4<>
        ",
    );
}

#[test]
fn a_deletion_goes_before_a_renewal_that_waits() {
    let mut scene = Scene::connected(two_children);
    scene.play(
        "
        A wants two | a1 SA(ESP)             | K1 1<>      | K1 1<>
        a1 arrives  | b1 SA(ESP)             | K1 1<>      | K1 1<> 2<!
        b1 arrives  |                        | K1 1<> 2<>  | K1 1<> 2<>
        A renews 1  | a2 REKEY_SA(1) SA(ESP) | K1 1<>r 2<> | K1 1<> 2<>
        A renews 2  |                        | K1 1<>r 2<> | K1 1<> 2<>
        A expires 2 |                        | K1 1<>r     | K1 1<> 2<!
        a2 arrives  | b2 SA(ESP)             | K1 1<>r     | K1 1<> 2<! 3<w
        b2 arrives  | a3 D(1)                | K1 1<x 3<>  | K1 1<> 2<! 3<w
        a3 arrives  | b3 D(1)                | K1 1<x 3<>  | K1 1<d 2<! 3<>
        b3 arrives  | a4 D(2)                | K1 1<d 3<>  | K1 1<d 2<! 3<>
        a4 arrives  | b4 D(2)                | K1 1<d 3<>  | K1 1<d 3<>
        b4 arrives  |                        | K1 1<d 3<>  | K1 1<d 3<>
        6s pass     |                        | K1 3<>      | K1 3<>
        ",
    );
}

#[test]
fn a_request_of_a_further_key_exchange_without_its_link() {
    let mut scene = Scene::connected(further_key_exchange);
    scene.play(
        "
        A renews 1                | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
        a1 arrives                | b1 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>
        b1 arrives                | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r    | K1 1<>
        a2 arrives without ADD_KE | b2 STATE_NOT_FOUND            | K1 1<>r    | K1 1<>
        b2 arrives                |                               | K1 1<>     | K1 1<>
        4s pass                   | a3 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
        a3 arrives                | b3 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>
        b3 arrives                | a4 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r    | K1 1<>
        a4 arrives                | b4 FOLLOWUP_KE(ecp256)        | K1 1<>r    | K1 1<> 2<w
        b4 arrives                | a5 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
        a5 arrives                | b5 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
        b5 arrives                |                               | K1 1<d 2<> | K1 1<d 2<>
        6s pass                   |                               | K1 2<>     | K1 2<>
        ",
    );
}

#[test]
fn an_answer_without_the_link_of_a_further_key_exchange() {
    let mut scene = Scene::connected(further_key_exchange);
    scene.play(
        "
        A renews 1                | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
        a1 arrives                | b1 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>
        b1 arrives without ADD_KE |                               | K1 1<>     | K1 1<>
        4s pass                   | a2 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
        a2 arrives                | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>
        b2 arrives                | a3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r    | K1 1<>
        a3 arrives                | b3 FOLLOWUP_KE(ecp256)        | K1 1<>r    | K1 1<> 2<w
        b3 arrives                | a4 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
        a4 arrives                | b4 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
        b4 arrives                |                               | K1 1<d 2<> | K1 1<d 2<>
        6s pass                   |                               | K1 2<>     | K1 2<>
        ",
    );
}

#[test]
fn a_deletion_that_is_never_answered_ends_the_connection() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r    | K1 1<>
        a1 arrives | b1 SA(ESP)             | K1 1<>r    | K1 1<> 2<w
        b1 arrives | a2 D(1)                | K1 1<x 2<> | K1 1<> 2<w
        a2 is lost |                        | K1 1<x 2<> | K1 1<> 2<w
        130s pass  | a2 again               | -          | K1 1<! 2<w
        ",
    );
}
