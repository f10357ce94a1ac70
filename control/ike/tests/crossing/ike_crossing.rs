//! Both sides ask for new keys for the IKE SA at once (RFC 7296 section 2.8.2).

use crate::fixtures::{
    one_further_ike_key_exchange, other_ike_groups, renewed_by,
    renewed_with_a_further_key_exchange_by,
};
use crate::scene::{A_LOSES, ANY_LOSES, B_LOSES, Scene, Side};

const BOTH: [Side; 2] = [Side::A, Side::B];

#[test]
fn of_two_new_ike_sas_that_with_the_lowest_nonce_goes_and_a_has_made_it() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>        | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519)                    | K1r 1<>        | K1o K2 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K3 1<>     | K1o K2 1<>
            b2 arrives | a3 D @K2                             | K1o K3 1<> K2x | K1o K2 1<>
            a2 arrives | b3 D                                 | K1o K3 1<> K2x | K1o K2o K3 1<>
            a3 arrives | b4 {} @K2                            | K1o K3 1<> K2x | K1o K3 1<>
            b3 arrives | a4 {}                                | K3 1<> K2x     | K1o K3 1<>
            b4 arrives |                                      | K3 1<>         | K1o K3 1<>
            a4 arrives |                                      | K3 1<>         | K3 1<>
            6s pass    |                                      | K3 1<>         | K3 1<>
            ",
        );
    }
}

#[test]
fn of_two_new_ike_sas_that_with_the_lowest_nonce_goes_and_b_has_made_it() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>        | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519)                    | K1r 1<>        | K1o K2 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K3 1<>     | K1o K2 1<>
            b2 arrives | a3 D                                 | K1o K3o K2 1<> | K1o K2 1<>
            a2 arrives | b3 D @K3                             | K1o K3o K2 1<> | K1o K2 1<> K3x
            a3 arrives | b4 {}                                | K1o K3o K2 1<> | K2 1<> K3x
            b3 arrives | a4 {} @K3                            | K1o K2 1<>     | K2 1<> K3x
            b4 arrives |                                      | K2 1<>         | K2 1<> K3x
            a4 arrives |                                      | K2 1<>         | K2 1<>
            6s pass    |                                      | K2 1<>         | K2 1<>
            ",
        );
    }
}

#[test]
fn who_loses_before_the_further_key_exchange_stops_and_it_is_a() {
    for lowest in A_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b2 arrives |                                      | K1 1<>     | K1r 1<>
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE        | K1 1<>     | K1r 1<>
            b3 arrives | a3 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1r 1<>
            a3 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a4 {}                                | K2 1<>     | K1o K2 1<>
            a4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn who_loses_before_the_further_key_exchange_stops_and_it_is_b() {
    for lowest in B_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b2 arrives | a3 FOLLOWUP_KE(ecp256) ADD_KE        | K1r 1<>    | K1r 1<>
            a2 arrives |                                      | K1r 1<>    | K1 1<>
            a3 arrives | b3 FOLLOWUP_KE(ecp256)               | K1r 1<>    | K1o K2 1<>
            b3 arrives | a4 D                                 | K1o K2 1<> | K1o K2 1<>
            a4 arrives | b4 {}                                | K1o K2 1<> | K2 1<>
            b4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn only_a_has_a_further_key_exchange_and_it_loses() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(one_further_ike_key_exchange).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K2 1<> | K1r 1<>
            b2 arrives |                                      | K1o K2 1<> | K1r 1<>
            a2 arrives | b3 D                                 | K1o K2 1<> | K1o K2 1<>
            b3 arrives | a3 {}                                | K2 1<>     | K1o K2 1<>
            a3 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn only_a_has_a_further_key_exchange_and_b_loses() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(one_further_ike_key_exchange).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K2 1<> | K1r 1<>
            b2 arrives | a3 FOLLOWUP_KE(ecp256) ADD_KE        | K1o K2 1<> | K1r 1<>
            a2 arrives | b3 D @K2                             | K1o K2 1<> | K1 1<> K2x
            a3 arrives | b4 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1o K2x K3 1<>
            b3 arrives | a4 {} @K2                            | K1o 1<>    | K1o K2x K3 1<>
            b4 arrives | a5 D                                 | K1o K3 1<> | K1o K2x K3 1<>
            a4 arrives |                                      | K1o K3 1<> | K1o K3 1<>
            a5 arrives | b5 {}                                | K1o K3 1<> | K3 1<>
            b5 arrives |                                      | K3 1<>     | K3 1<>
            6s pass    |                                      | K3 1<>     | K3 1<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_a_loses() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(other_ike_groups(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,ecp384) | K1r 1<>        | K1r 1<>
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>        | K1r 1<>
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>        | K1r 1<>
            b2 arrives | a3 SA(IKE,ecp256)                    | K1r 1<>        | K1r 1<>
            a2 arrives | b3 SA(IKE,ecp256)                    | K1r 1<>        | K1r 1<>
            a3 arrives | b4 SA(IKE,ecp256)                    | K1r 1<>        | K1o K2 1<>
            b3 arrives | a4 SA(IKE,ecp256)                    | K1o K3 1<>     | K1o K2 1<>
            b4 arrives | a5 D @K2                             | K1o K3 1<> K2x | K1o K2 1<>
            a4 arrives | b5 D                                 | K1o K3 1<> K2x | K1o K2o K3 1<>
            a5 arrives | b6 {} @K2                            | K1o K3 1<> K2x | K1o K3 1<>
            b5 arrives | a6 {}                                | K3 1<> K2x     | K1o K3 1<>
            b6 arrives |                                      | K3 1<>         | K1o K3 1<>
            a6 arrives |                                      | K3 1<>         | K3 1<>
            6s pass    |                                      | K3 1<>         | K3 1<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_b_loses() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(other_ike_groups(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,ecp384) | K1r 1<>        | K1r 1<>
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>        | K1r 1<>
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>        | K1r 1<>
            b2 arrives | a3 SA(IKE,ecp256)                    | K1r 1<>        | K1r 1<>
            a2 arrives | b3 SA(IKE,ecp256)                    | K1r 1<>        | K1r 1<>
            a3 arrives | b4 SA(IKE,ecp256)                    | K1r 1<>        | K1o K2 1<>
            b3 arrives | a4 SA(IKE,ecp256)                    | K1o K3 1<>     | K1o K2 1<>
            b4 arrives | a5 D                                 | K1o K3o K2 1<> | K1o K2 1<>
            a4 arrives | b5 D @K3                             | K1o K3o K2 1<> | K1o K2 1<> K3x
            a5 arrives | b6 {}                                | K1o K3o K2 1<> | K2 1<> K3x
            b5 arrives | a6 {} @K3                            | K1o K2 1<>     | K2 1<> K3x
            b6 arrives |                                      | K2 1<>         | K2 1<> K3x
            a6 arrives |                                      | K2 1<>         | K2 1<>
            6s pass    |                                      | K2 1<>         | K2 1<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_one_is_late() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(other_ike_groups(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,ecp384) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>    | K1r 1<>
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256)        | K1r 1<>    | K1r 1<>
            b2 arrives | a3 SA(IKE,ecp256)                    | K1r 1<>    | K1r 1<>
            a2 arrives | b3 SA(IKE,ecp256)                    | K1r 1<>    | K1r 1<>
            b3 arrives | a4 SA(IKE,ecp256)                    | K1o K2 1<> | K1r 1<>
            a4 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            a3 arrives | b5 TEMPORARY_FAILURE                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a5 {}                                | K2 1<>     | K1o K2 1<>
            b5 arrives |                                      | K2 1<>     | K1o K2 1<>
            a5 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_when_the_old_ike_sa_is_gone() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519)                    | K1r 1<>    | K1o K2 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K3 1<> | K1o K2 1<>
            a2 arrives | b3 D                                 | K1o K3 1<> | K1o K2o K3 1<>
            b3 arrives | a3 {}                                | K3 1<>     | K1o K2o K3 1<>
            a3 arrives |                                      | K3 1<>     | K2o K3 1<>
            b2 arrives |                                      | K3 1<>     | K2o K3 1<>
            31s pass   | b4 D @K2                             | K3 1<>     | K2x K3 1<>
            b4 arrives |                                      | K3 1<>     | K2x K3 1<>
            130s pass  | b4 again                             | K3 1<>     | K3 1<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_wins_is_late() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519)                    | K1r 1<>    | K1o K2 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K3 1<> | K1o K2 1<>
            a2 arrives | b3 D @K3                             | K1o K3 1<> | K1o K2 1<> K3x
            b3 arrives | a3 {} @K3                            | K1o 1<>    | K1o K2 1<> K3x
            a3 arrives |                                      | K1o 1<>    | K1o K2 1<>
            b2 arrives | a4 D                                 | K1o K2 1<> | K1o K2 1<>
            a4 arrives | b4 {}                                | K1o K2 1<> | K2 1<>
            b4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_after_the_further_key_exchange() {
    for lowest in A_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE        | K1r 1<>    | K1r 1<>
            b3 arrives | a3 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1r 1<>
            b2 arrives |                                      | K1o K2 1<> | K1r 1<>
            a3 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a4 {}                                | K2 1<>     | K1o K2 1<>
            a4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_after_the_further_key_exchange_and_the_deletion() {
    for lowest in A_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 arrives | b2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE        | K1r 1<>    | K1r 1<>
            b3 arrives | a3 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1r 1<>
            a3 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a4 {}                                | K2 1<>     | K1o K2 1<>
            b2 arrives |                                      | K2 1<>     | K1o K2 1<>
            a4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn one_request_is_lost() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            a1 is lost |                                      | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K2 1<> | K1r 1<>
            a2 arrives | b2 D                                 | K1o K2 1<> | K1o K2 1<>
            b2 arrives | a3 {}                                | K2 1<>     | K1o K2 1<>
            a3 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_ike_sa_is_about_to_go_and_the_deletion_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K2 1<> | K1r 1<>
            a2 arrives | b2 D                                 | K1o K2 1<> | K1o K2 1<>
            a1 arrives | b3 TEMPORARY_FAILURE                 | K1o K2 1<> | K1o K2 1<>
            b2 arrives | a3 {}                                | K2 1<>     | K1o K2 1<>
            b3 arrives |                                      | K2 1<>     | K1o K2 1<>
            a3 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_ike_sa_is_about_to_go_and_the_refusal_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(renewed_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519)                    | K1o K2 1<> | K1r 1<>
            a2 arrives | b2 D                                 | K1o K2 1<> | K1o K2 1<>
            a1 arrives | b3 TEMPORARY_FAILURE                 | K1o K2 1<> | K1o K2 1<>
            b3 arrives |                                      | K1o K2 1<> | K1o K2 1<>
            b2 arrives | a3 {}                                | K2 1<>     | K1o K2 1<>
            a3 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_between_the_key_exchanges_and_the_refusal_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            a2 arrives | b2 FOLLOWUP_KE(ecp256) ADD_KE        | K1r 1<>    | K1r 1<>
            a1 arrives | b3 TEMPORARY_FAILURE                 | K1r 1<>    | K1r 1<>
            b2 arrives | a3 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1r 1<>
            b3 arrives |                                      | K1o K2 1<> | K1r 1<>
            a3 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a4 {}                                | K2 1<>     | K1o K2 1<>
            a4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_between_the_key_exchanges_and_the_deletion_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene =
            Scene::connected(renewed_with_a_further_key_exchange_by(&BOTH)).lowest(lowest);
        scene.play(
            "
            300s pass  | a1 SA(IKE,x25519), b1 SA(IKE,x25519) | K1r 1<>    | K1r 1<>
            b1 arrives | a2 SA(IKE,x25519) ADD_KE             | K1r 1<>    | K1r 1<>
            a2 arrives | b2 FOLLOWUP_KE(ecp256) ADD_KE        | K1r 1<>    | K1r 1<>
            a1 arrives | b3 TEMPORARY_FAILURE                 | K1r 1<>    | K1r 1<>
            b2 arrives | a3 FOLLOWUP_KE(ecp256)               | K1o K2 1<> | K1r 1<>
            a3 arrives | b4 D                                 | K1o K2 1<> | K1o K2 1<>
            b4 arrives | a4 {}                                | K2 1<>     | K1o K2 1<>
            b3 arrives |                                      | K2 1<>     | K1o K2 1<>
            a4 arrives |                                      | K2 1<>     | K2 1<>
            6s pass    |                                      | K2 1<>     | K2 1<>
            ",
        );
    }
}
