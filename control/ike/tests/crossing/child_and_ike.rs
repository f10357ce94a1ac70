//! What is done to pairs crosses what is done to their IKE SA (RFC 7296 section 2.25).

use crate::fixtures::{
    renewed_by, reviving, two_children, two_children_of_which_one_has_a_further_key_exchange,
};
use crate::scene::{A_LOSES, B_LOSES, Scene, Side};

#[test]
fn new_keys_for_a_pair_cross_new_keys_for_the_ike_sa() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, renewed_by(&[Side::B]));
        scene.play(
            "
            300s pass  | b1 SA(IKE,x25519)      | K1 1<>  | K1r 1<>
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1r 1<>
            a1 arrives | b2 TEMPORARY_FAILURE   | K1 1<>r | K1r 1<>
            b1 arrives | a2 TEMPORARY_FAILURE   | K1 1<>r | K1r 1<>
            b2 arrives |                        | K1 1<>  | K1r 1<>
            a2 arrives |                        | K1 1<>  | K1 1<>
            ",
        );
    }
}

#[test]
fn after_a_while_both_ask_again_for_new_keys() {
    let mut scene = Scene::connected(renewed_by(&[Side::B]));
    scene.play(
        "
        300s pass  | b1 SA(IKE,x25519)                             | K1 1<>      | K1r 1<>
        A renews 1 | a1 REKEY_SA(1) SA(ESP)                        | K1 1<>r     | K1r 1<>
        a1 arrives | b2 TEMPORARY_FAILURE                          | K1 1<>r     | K1r 1<>
        b1 arrives | a2 TEMPORARY_FAILURE                          | K1 1<>r     | K1r 1<>
        b2 arrives |                                               | K1 1<>      | K1r 1<>
        a2 arrives |                                               | K1 1<>      | K1 1<>
        1.2s pass  | b3 SA(IKE,x25519)                             | K1 1<>      | K1r 1<>
        b3 arrives | a3 SA(IKE,x25519), a4 REKEY_SA(1) SA(ESP) @K2 | K1o K2 1<>r | K1r 1<>
        a3 arrives | b4 D                                          | K1o K2 1<>r | K1o K2 1<>
        a4 arrives | b5 SA(ESP) @K2                                | K1o K2 1<>r | K1o K2 1<> 2<w
        b4 arrives | a5 {}                                         | K2 1<>r     | K1o K2 1<> 2<w
        a5 arrives |                                               | K2 1<>r     | K2 1<> 2<w
        b5 arrives | a6 D(1) @K2                                   | K2 1<x 2<>  | K2 1<> 2<w
        a6 arrives | b6 D(1) @K2                                   | K2 1<x 2<>  | K2 1<d 2<>
        b6 arrives |                                               | K2 1<d 2<>  | K2 1<d 2<>
        6s pass    |                                               | K2 2<>      | K2 2<>
        ",
    );
}

#[test]
fn new_keys_for_a_pair_cross_the_deletion_of_the_ike_sa() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A renews 1   | a1 REKEY_SA(1) SA(ESP) | K1 1<>r | K1 1<>
            B terminates | b1 D                   | K1 1<!r | K1x
            a1 arrives   | b2 TEMPORARY_FAILURE   | K1 1<!r | K1x
            b1 arrives   | a2 {}                  | -       | K1x
            b2 arrives   |                        | -       | K1x
            a2 arrives   |                        | -       | -
            10s pass     |                        | -       | -
            ",
        );
    }
}

#[test]
fn the_deletion_of_a_pair_crosses_new_keys_for_the_ike_sa() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, renewed_by(&[Side::B]));
        scene.play(
            "
            300s pass   | b1 SA(IKE,x25519)    | K1 1<> | K1r 1<>
            A expires 1 | a1 D(1)              | K1     | K1r 1<!
            a1 arrives  | b2 D(1)              | K1     | K1r
            b1 arrives  | a2 TEMPORARY_FAILURE | K1     | K1r
            b2 arrives  |                      | K1     | K1r
            a2 arrives  |                      | K1     | K1
            2s pass     | b3 SA(IKE,x25519)    | K1     | K1r
            b3 arrives  | a3 SA(IKE,x25519)    | K1o K2 | K1r
            a3 arrives  | b4 D                 | K1o K2 | K1o K2
            b4 arrives  | a4 {}                | K2     | K1o K2
            a4 arrives  |                      | K2     | K2
            ",
        );
    }
}

#[test]
fn the_deletion_of_a_pair_crosses_that_of_the_ike_sa() {
    for initiator in [Side::A, Side::B] {
        let mut scene = Scene::connected_by(initiator, |_, _| {});
        scene.play(
            "
            A expires 1  | a1 D(1) | K1 | K1 1<!
            B terminates | b1 D    | K1 | K1x
            a1 arrives   | b2 {}   | K1 | K1x
            b1 arrives   | a2 {}   | -  | K1x
            b2 arrives   |         | -  | K1x
            a2 arrives   |         | -  | -
            10s pass     |         | -  | -
            ",
        );
    }
}

#[test]
fn a_child_that_is_there_is_not_made_twice() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        A wants gre |  | K1 1<> | K1 1<>
        B wants gre |  | K1 1<> | K1 1<>
        10s pass    |  | K1 1<> | K1 1<>
        ",
    );
}

#[test]
fn a_new_child_crosses_new_keys_for_the_ike_sa() {
    let mut scene = Scene::connected(renewed_by(&[Side::B]));
    scene.play(
        "
        300s pass   | b1 SA(IKE,x25519)                 | K1 1<>     | K1r 1<>
        A wants two | a1 SA(ESP)                        | K1 1<>     | K1r 1<>
        a1 arrives  | b2 TEMPORARY_FAILURE              | K1 1<>     | K1r 1<>
        b1 arrives  | a2 TEMPORARY_FAILURE              | K1 1<>     | K1r 1<>
        b2 arrives  |                                   | K1 1<>     | K1r 1<>
        a2 arrives  |                                   | K1 1<>     | K1 1<>
        1.2s pass   | b3 SA(IKE,x25519)                 | K1 1<>     | K1r 1<>
        b3 arrives  | a3 SA(IKE,x25519), a4 SA(ESP) @K2 | K1o K2 1<> | K1r 1<>
        a3 arrives  | b4 D                              | K1o K2 1<> | K1o K2 1<>
        a4 arrives  | b5 SA(ESP) @K2                    | K1o K2 1<> | K1o K2 1<> 2<!
        b4 arrives  | a5 {}                             | K2 1<>     | K1o K2 1<> 2<!
        a5 arrives  |                                   | K2 1<>     | K2 1<> 2<!
        b5 arrives  |                                   | K2 1<> 2<> | K2 1<> 2<>
        6s pass     |                                   | K2 1<> 2<> | K2 1<> 2<>
        ",
    );
}

#[test]
fn a_new_child_with_a_further_key_exchange() {
    let mut scene = Scene::connected(two_children_of_which_one_has_a_further_key_exchange);
    scene.play(
        "
        A wants two | a1 SA(ESP,x25519)             | K1 1<>     | K1 1<>
        a1 arrives  | b1 SA(ESP,x25519) ADD_KE      | K1 1<>     | K1 1<>
        b1 arrives  | a2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>     | K1 1<>
        a2 arrives  | b2 FOLLOWUP_KE(ecp256)        | K1 1<>     | K1 1<> 2<!
        b2 arrives  |                               | K1 1<> 2<> | K1 1<> 2<>
        10s pass    |                               | K1 1<> 2<> | K1 1<> 2<>
        ",
    );
}

#[test]
fn both_make_the_same_child_and_a_loses() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(two_children).lowest(lowest);
        scene.play(
            "
            A wants two | a1 SA(ESP) | K1 1<>         | K1 1<>
            B wants two | b1 SA(ESP) | K1 1<>         | K1 1<>
            a1 arrives  | b2 SA(ESP) | K1 1<>         | K1 1<> 2<!
            b1 arrives  | a2 SA(ESP) | K1 1<> 3<!     | K1 1<> 2<!
            b2 arrives  | a3 D(2)    | K1 1<> 3<! 2<x | K1 1<> 2<>
            a2 arrives  |            | K1 1<> 3<> 2<x | K1 1<> 2< 3<>
            a3 arrives  | b3 D(2)    | K1 1<> 3<> 2<x | K1 1<> 3<>
            b3 arrives  |            | K1 1<> 3<>     | K1 1<> 3<>
            ",
        );
    }
}

#[test]
fn both_make_the_same_child_and_b_loses() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(two_children).lowest(lowest);
        scene.play(
            "
            A wants two | a1 SA(ESP) | K1 1<>        | K1 1<>
            B wants two | b1 SA(ESP) | K1 1<>        | K1 1<>
            a1 arrives  | b2 SA(ESP) | K1 1<>        | K1 1<> 2<!
            b1 arrives  | a2 SA(ESP) | K1 1<> 3<!    | K1 1<> 2<!
            b2 arrives  |            | K1 1<> 3< 2<> | K1 1<> 2<>
            a2 arrives  | b3 D(3)    | K1 1<> 3< 2<> | K1 1<> 2<> 3<x
            b3 arrives  | a3 D(3)    | K1 1<> 2<>    | K1 1<> 2<> 3<x
            a3 arrives  |            | K1 1<> 2<>    | K1 1<> 2<>
            ",
        );
    }
}

#[test]
fn a_child_is_wanted_when_the_ike_sa_is_about_to_go() {
    let mut scene = Scene::connected(two_children);
    scene.play(
        "
        A terminates | a1 D                            | K1x     | K1 1<!
        A wants two  | a2 IKE_SA_INIT @K2              | K1x K2c | K1 1<!
        a1 arrives   | b1 {}                           | K1x K2c | -
        b1 arrives   |                                 | K2c     | -
        a2 arrives   | b2 IKE_SA_INIT @K2              | K2c     | K2c
        b2 arrives   | a3 IKE_AUTH INITIAL_CONTACT @K2 | K2c     | K2c
        a3 arrives   | b3 IKE_AUTH @K2                 | K2c     | K2 2<!
        b3 arrives   |                                 | K2 2<>  | K2 2<>
        ",
    );
}

#[test]
fn a_child_that_starts_by_itself_comes_back_after_its_ike_sa_is_deleted() {
    let mut scene = Scene::connected(reviving);
    scene.play(
        "
        A expires 1  | a1 D(1)                         | K1     | K1 1<!
        B terminates | b1 D                            | K1     | K1x
        a1 arrives   | b2 {}                           | K1     | K1x
        b1 arrives   | a2 {}                           | -      | K1x
        b2 arrives   |                                 | -      | K1x
        a2 arrives   |                                 | -      | -
        1s pass      | a3 IKE_SA_INIT @K2              | K2c    | -
        a3 arrives   | b3 IKE_SA_INIT @K2              | K2c    | K2c
        b3 arrives   | a4 IKE_AUTH INITIAL_CONTACT @K2 | K2c    | K2c
        a4 arrives   | b4 IKE_AUTH @K2                 | K2c    | K2 2<!
        b4 arrives   |                                 | K2 2<> | K2 2<>
        ",
    );
}
