//! Both sides ask for new keys for a pair at once, and a message is late (RFC 7296 section 2.8.1).

use crate::fixtures::{further_key_exchange, other_groups};
use crate::scene::{A_LOSES, ANY_LOSES, B_LOSES, Scene};

#[test]
fn the_answer_to_who_loses_comes_after_the_deletion_of_the_old_pair() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>r
            a1 arrives | b2 SA(ESP)             | K1 1<>r        | K1 1<>r 2<w
            b1 arrives | a2 SA(ESP)             | K1 1<>r 3<w    | K1 1<>r 2<w
            a2 arrives | b3 D(1)                | K1 1<>r 3<w    | K1 1<x 2<x 3<>
            b3 arrives | a3 D(1)                | K1 1<d 3<>     | K1 1<x 2<x 3<>
            a3 arrives |                        | K1 1<d 3<>     | K1 1<d 2<x 3<>
            b2 arrives | a4 D(2)                | K1 1<d 3<> 2<x | K1 1<d 2<x 3<>
            a4 arrives | b4 D(2)                | K1 1<d 3<> 2<x | K1 1<d 3<>
            b4 arrives |                        | K1 1<d 3<>     | K1 1<d 3<>
            6s pass    |                        | K1 3<>         | K1 3<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_wins_comes_after_the_deletion_of_the_other_new_pair() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 SA(ESP)             | K1 1<>r     | K1 1<>r 2<w
            b1 arrives | a2 SA(ESP)             | K1 1<>r 3<w | K1 1<>r 2<w
            a2 arrives | b3 D(3)                | K1 1<>r 3<w | K1 1<> 2<w 3<x
            b3 arrives | a3 D(3)                | K1 1<>r     | K1 1<> 2<w 3<x
            a3 arrives |                        | K1 1<>r     | K1 1<> 2<w
            b2 arrives | a4 D(1)                | K1 1<x 2<>  | K1 1<> 2<w
            a4 arrives | b4 D(1)                | K1 1<x 2<>  | K1 1<d 2<>
            b4 arrives |                        | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                        | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_after_the_deletion_of_all_others() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1  | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            a1 arrives  | b2 SA(ESP)             | K1 1<>r     | K1 1<>r 2<w
            b1 arrives  | a2 SA(ESP)             | K1 1<>r 3<w | K1 1<>r 2<w
            a2 arrives  | b3 D(1)                | K1 1<>r 3<w | K1 1<x 2<x 3<>
            b3 arrives  | a3 D(1)                | K1 1<d 3<>  | K1 1<x 2<x 3<>
            a3 arrives  |                        | K1 1<d 3<>  | K1 1<d 2<x 3<>
            B expires 3 | b4 D(3)                | K1 1<d 3<!  | K1 1<d 2<x
            b4 arrives  | a4 D(3)                | K1 1<d      | K1 1<d 2<x
            a4 arrives  |                        | K1 1<d      | K1 1<d 2<x
            b2 arrives  | a5 D(2)                | K1 1<d 2<x  | K1 1<d 2<x
            a5 arrives  | b5 D(2)                | K1 1<d 2<x  | K1 1<d
            b5 arrives  |                        | K1 1<d      | K1 1<d
            6s pass     |                        | K1          | K1
            ",
        );
    }
}

#[test]
fn the_answer_to_who_wins_comes_after_the_deletion_of_what_it_makes() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1  | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            a1 arrives  | b2 SA(ESP)             | K1 1<>r     | K1 1<>r 2<w
            b1 arrives  | a2 SA(ESP)             | K1 1<>r 3<w | K1 1<>r 2<w
            a2 arrives  | b3 D(3)                | K1 1<>r 3<w | K1 1<> 2<w 3<x
            b3 arrives  | a3 D(3)                | K1 1<>r     | K1 1<> 2<w 3<x
            a3 arrives  |                        | K1 1<>r     | K1 1<> 2<w
            B expires 2 | b4 D(2)                | K1 1<>r     | K1 1<>
            b4 arrives  | a4 {}                  | K1 1<>r     | K1 1<>
            a4 arrives  |                        | K1 1<>r     | K1 1<>
            b2 arrives  | a5 D(1)                | K1 1<>x     | K1 1<>
            a5 arrives  | b5 D(1)                | K1 1<!x     | K1
            b5 arrives  |                        | K1          | K1
            6s pass     |                        | K1          | K1
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_after_the_further_key_exchange() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r     | K1 1<>r
            b3 arrives | a3 FOLLOWUP_KE(ecp256)        | K1 1<>r 2<w | K1 1<>r
            a3 arrives | b4 D(1)                       | K1 1<>r 2<w | K1 1<x 2<>
            b2 arrives |                               | K1 1<> 2<w  | K1 1<x 2<>
            b4 arrives | a4 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            a4 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn the_answer_to_who_loses_comes_after_the_further_key_exchange_and_the_deletion() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r     | K1 1<>r
            b3 arrives | a3 FOLLOWUP_KE(ecp256)        | K1 1<>r 2<w | K1 1<>r
            a3 arrives | b4 D(1)                       | K1 1<>r 2<w | K1 1<x 2<>
            b4 arrives | a4 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            a4 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            b2 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_pair_is_about_to_go_and_the_deletion_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP)             | K1 1<>r 2<w | K1 1<>r
            a2 arrives | b2 D(1)                | K1 1<>r 2<w | K1 1<x 2<>
            a1 arrives | b3 TEMPORARY_FAILURE   | K1 1<>r 2<w | K1 1<x 2<>
            b2 arrives | a3 D(1)                | K1 1<d 2<>  | K1 1<x 2<>
            b3 arrives |                        | K1 1<d 2<>  | K1 1<x 2<>
            a3 arrives |                        | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                        | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_pair_is_about_to_go_and_the_refusal_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP)             | K1 1<>r 2<w | K1 1<>r
            a2 arrives | b2 D(1)                | K1 1<>r 2<w | K1 1<x 2<>
            a1 arrives | b3 TEMPORARY_FAILURE   | K1 1<>r 2<w | K1 1<x 2<>
            b3 arrives |                        | K1 1<> 2<w  | K1 1<x 2<>
            b2 arrives | a3 D(1)                | K1 1<d 2<>  | K1 1<x 2<>
            a3 arrives |                        | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                        | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_pair_is_gone() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP)   | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP)   | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP)               | K1 1<>r 2<w | K1 1<>r
            a2 arrives | b2 D(1)                  | K1 1<>r 2<w | K1 1<x 2<>
            b2 arrives | a3 D(1)                  | K1 1<d 2<>  | K1 1<x 2<>
            a3 arrives |                          | K1 1<d 2<>  | K1 1<d 2<>
            a1 arrives | b3 CHILD_SA_NOT_FOUND(1) | K1 1<d 2<>  | K1 1<d 2<>
            b3 arrives |                          | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                          | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_when_the_pair_and_the_next_are_gone() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1  | a1 REKEY_SA(1) SA(ESP)   | K1 1<>r     | K1 1<>
            B renews 1  | b1 REKEY_SA(1) SA(ESP)   | K1 1<>r     | K1 1<>r
            b1 arrives  | a2 SA(ESP)               | K1 1<>r 2<w | K1 1<>r
            a2 arrives  | b2 D(1)                  | K1 1<>r 2<w | K1 1<x 2<>
            b2 arrives  | a3 D(1)                  | K1 1<d 2<>  | K1 1<x 2<>
            a3 arrives  |                          | K1 1<d 2<>  | K1 1<d 2<>
            B expires 2 | b3 D(2)                  | K1 1<d 2<!  | K1 1<d
            b3 arrives  | a4 D(2)                  | K1 1<d      | K1 1<d
            a4 arrives  |                          | K1 1<d      | K1 1<d
            a1 arrives  | b4 CHILD_SA_NOT_FOUND(1) | K1 1<d      | K1 1<d
            b4 arrives  |                          | K1 1<d      | K1 1<d
            10s pass    |                          | K1          | K1
            ",
        );
    }
}

#[test]
fn a_request_that_comes_between_the_key_exchanges_and_the_refusal_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            a2 arrives | b2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r     | K1 1<>r
            a1 arrives | b3 TEMPORARY_FAILURE          | K1 1<>r     | K1 1<>r
            b2 arrives | a3 FOLLOWUP_KE(ecp256)        | K1 1<>r 2<w | K1 1<>r
            b3 arrives |                               | K1 1<> 2<w  | K1 1<>r
            a3 arrives | b4 D(1)                       | K1 1<> 2<w  | K1 1<x 2<>
            b4 arrives | a4 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            a4 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn a_request_that_comes_between_the_key_exchanges_and_the_deletion_is_faster() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            a2 arrives | b2 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r     | K1 1<>r
            a1 arrives | b3 TEMPORARY_FAILURE          | K1 1<>r     | K1 1<>r
            b2 arrives | a3 FOLLOWUP_KE(ecp256)        | K1 1<>r 2<w | K1 1<>r
            a3 arrives | b4 D(1)                       | K1 1<>r 2<w | K1 1<x 2<>
            b4 arrives | a4 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            a4 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            b3 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_one_is_late() {
    for lowest in ANY_LOSES {
        let mut scene = Scene::connected(other_groups).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,ecp384) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r     | K1 1<>r
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r     | K1 1<>r
            b2 arrives | a3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r     | K1 1<>r
            a2 arrives | b3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r     | K1 1<>r
            b3 arrives | a4 SA(ESP,ecp256)             | K1 1<>r 2<w | K1 1<>r
            a4 arrives | b4 D(1)                       | K1 1<>r 2<w | K1 1<x 2<>
            a3 arrives | b5 TEMPORARY_FAILURE          | K1 1<>r 2<w | K1 1<x 2<>
            b4 arrives | a5 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            b5 arrives |                               | K1 1<d 2<>  | K1 1<x 2<>
            a5 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}
