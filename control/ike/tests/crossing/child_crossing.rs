//! Both sides ask for new keys for a pair at once (RFC 7296 section 2.8.1).

use crate::fixtures::{further_key_exchange, one_further_key_exchange, other_groups, watched};
use crate::scene::{A_LOSES, B_LOSES, Scene, Side};

#[test]
fn of_two_new_pairs_that_with_the_lowest_nonce_goes_and_a_has_made_it() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>r
            a1 arrives | b2 SA(ESP)             | K1 1<>r        | K1 1<>r 2<w
            b1 arrives | a2 SA(ESP)             | K1 1<>r 3<w    | K1 1<>r 2<w
            b2 arrives | a3 D(2)                | K1 1<> 3<w 2<x | K1 1<>r 2<w
            a2 arrives | b3 D(1)                | K1 1<> 3<w 2<x | K1 1<x 2<x 3<>
            a3 arrives | b4 D(2)                | K1 1<> 3<w 2<x | K1 1<x 3<>
            b3 arrives | a4 D(1)                | K1 1<d 3<> 2<x | K1 1<x 3<>
            b4 arrives |                        | K1 1<d 3<>     | K1 1<x 3<>
            a4 arrives |                        | K1 1<d 3<>     | K1 1<d 3<>
            6s pass    |                        | K1 3<>         | K1 3<>
            ",
        );
    }
}

#[test]
fn of_two_new_pairs_that_with_the_lowest_nonce_goes_and_b_has_made_it() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(|_, _| {}).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP) | K1 1<>r        | K1 1<>r
            a1 arrives | b2 SA(ESP)             | K1 1<>r        | K1 1<>r 2<w
            b1 arrives | a2 SA(ESP)             | K1 1<>r 3<w    | K1 1<>r 2<w
            b2 arrives | a3 D(1)                | K1 1<x 3<x 2<> | K1 1<>r 2<w
            a2 arrives | b3 D(3)                | K1 1<x 3<x 2<> | K1 1<> 2<w 3<x
            a3 arrives | b4 D(1)                | K1 1<x 3<x 2<> | K1 1<d 2<> 3<x
            b3 arrives | a4 D(3)                | K1 1<x 2<>     | K1 1<d 2<> 3<x
            b4 arrives |                        | K1 1<d 2<>     | K1 1<d 2<> 3<x
            a4 arrives |                        | K1 1<d 2<>     | K1 1<d 2<>
            6s pass    |                        | K1 2<>         | K1 2<>
            ",
        );
    }
}

#[test]
fn who_loses_before_the_further_key_exchange_stops_and_it_is_a() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>r
            b2 arrives |                               | K1 1<>     | K1 1<>r
            a2 arrives | b3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>     | K1 1<>r
            b3 arrives | a3 FOLLOWUP_KE(ecp256)        | K1 1<> 2<w | K1 1<>r
            a3 arrives | b4 D(1)                       | K1 1<> 2<w | K1 1<x 2<>
            b4 arrives | a4 D(1)                       | K1 1<d 2<> | K1 1<x 2<>
            a4 arrives |                               | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                               | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn who_loses_before_the_further_key_exchange_stops_and_it_is_b() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r    | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519) ADD_KE      | K1 1<>r    | K1 1<>r
            b2 arrives | a3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r    | K1 1<>r
            a2 arrives |                               | K1 1<>r    | K1 1<>
            a3 arrives | b3 FOLLOWUP_KE(ecp256)        | K1 1<>r    | K1 1<> 2<w
            b3 arrives | a4 D(1)                       | K1 1<x 2<> | K1 1<> 2<w
            a4 arrives | b4 D(1)                       | K1 1<x 2<> | K1 1<d 2<>
            b4 arrives |                               | K1 1<d 2<> | K1 1<d 2<>
            6s pass    |                               | K1 2<>     | K1 2<>
            ",
        );
    }
}

#[test]
fn only_a_has_a_further_key_exchange_and_it_loses() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(one_further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519)             | K1 1<>r 2<w | K1 1<>r
            b2 arrives |                               | K1 1<> 2<w  | K1 1<>r
            a2 arrives | b3 D(1)                       | K1 1<> 2<w  | K1 1<x 2<>
            b3 arrives | a3 D(1)                       | K1 1<d 2<>  | K1 1<x 2<>
            a3 arrives |                               | K1 1<d 2<>  | K1 1<d 2<>
            6s pass    |                               | K1 2<>      | K1 2<>
            ",
        );
    }
}

#[test]
fn only_a_has_a_further_key_exchange_and_b_loses() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(one_further_key_exchange).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r     | K1 1<>r
            a1 arrives | b2 SA(ESP,x25519) ADD_KE      | K1 1<>r     | K1 1<>r
            b1 arrives | a2 SA(ESP,x25519)             | K1 1<>r 2<w | K1 1<>r
            b2 arrives | a3 FOLLOWUP_KE(ecp256) ADD_KE | K1 1<>r 2<w | K1 1<>r
            a2 arrives | b3 D(2)                       | K1 1<>r 2<w | K1 1<> 2<x
            a3 arrives | b4 FOLLOWUP_KE(ecp256)        | K1 1<>r 2<w | K1 1<> 2<x 3<w
            b3 arrives | a4 D(2)                       | K1 1<>r     | K1 1<> 2<x 3<w
            b4 arrives | a5 D(1)                       | K1 1<x 3<>  | K1 1<> 2<x 3<w
            a4 arrives |                               | K1 1<x 3<>  | K1 1<> 3<w
            a5 arrives | b5 D(1)                       | K1 1<x 3<>  | K1 1<d 3<>
            b5 arrives |                               | K1 1<d 3<>  | K1 1<d 3<>
            6s pass    |                               | K1 3<>      | K1 3<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_a_loses() {
    for lowest in A_LOSES {
        let mut scene = Scene::connected(other_groups).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r        | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,ecp384) | K1 1<>r        | K1 1<>r
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r        | K1 1<>r
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r        | K1 1<>r
            b2 arrives | a3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r        | K1 1<>r
            a2 arrives | b3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r        | K1 1<>r
            a3 arrives | b4 SA(ESP,ecp256)             | K1 1<>r        | K1 1<>r 2<w
            b3 arrives | a4 SA(ESP,ecp256)             | K1 1<>r 3<w    | K1 1<>r 2<w
            b4 arrives | a5 D(2)                       | K1 1<> 3<w 2<x | K1 1<>r 2<w
            a4 arrives | b5 D(1)                       | K1 1<> 3<w 2<x | K1 1<x 2<x 3<>
            a5 arrives | b6 D(2)                       | K1 1<> 3<w 2<x | K1 1<x 3<>
            b5 arrives | a6 D(1)                       | K1 1<d 3<> 2<x | K1 1<x 3<>
            b6 arrives |                               | K1 1<d 3<>     | K1 1<x 3<>
            a6 arrives |                               | K1 1<d 3<>     | K1 1<d 3<>
            6s pass    |                               | K1 3<>         | K1 3<>
            ",
        );
    }
}

#[test]
fn both_ask_again_with_another_group_and_b_loses() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(other_groups).lowest(lowest);
        scene.play(
            "
            A renews 1 | a1 REKEY_SA(1) SA(ESP,x25519) | K1 1<>r        | K1 1<>
            B renews 1 | b1 REKEY_SA(1) SA(ESP,ecp384) | K1 1<>r        | K1 1<>r
            a1 arrives | b2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r        | K1 1<>r
            b1 arrives | a2 INVALID_KE_PAYLOAD(ecp256) | K1 1<>r        | K1 1<>r
            b2 arrives | a3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r        | K1 1<>r
            a2 arrives | b3 REKEY_SA(1) SA(ESP,ecp256) | K1 1<>r        | K1 1<>r
            a3 arrives | b4 SA(ESP,ecp256)             | K1 1<>r        | K1 1<>r 2<w
            b3 arrives | a4 SA(ESP,ecp256)             | K1 1<>r 3<w    | K1 1<>r 2<w
            b4 arrives | a5 D(1)                       | K1 1<x 3<x 2<> | K1 1<>r 2<w
            a4 arrives | b5 D(3)                       | K1 1<x 3<x 2<> | K1 1<> 2<w 3<x
            a5 arrives | b6 D(1)                       | K1 1<x 3<x 2<> | K1 1<d 2<> 3<x
            b5 arrives | a6 D(3)                       | K1 1<x 2<>     | K1 1<d 2<> 3<x
            b6 arrives |                               | K1 1<d 2<>     | K1 1<d 2<> 3<x
            a6 arrives |                               | K1 1<d 2<>     | K1 1<d 2<>
            6s pass    |                               | K1 2<>         | K1 2<>
            ",
        );
    }
}

#[test]
fn who_loses_deletes_the_old_pair_although_that_is_not_its_part() {
    for lowest in B_LOSES {
        let mut scene = Scene::connected(watched(Side::B)).lowest(lowest);
        scene.play(
            "
            A renews 1         | a1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>
            B renews 1         | b1 REKEY_SA(1) SA(ESP) | K1 1<>r     | K1 1<>r
            a1 arrives         | b2 SA(ESP)             | K1 1<>r     | K1 1<>r 2<w
            b1 arrives         | a2 SA(ESP)             | K1 1<>r 3<w | K1 1<>r 2<w
            a2 arrives         | b3 D(3)                | K1 1<>r 3<w | K1 1<> 2<w 3<x
            b3 arrives         | a3 D(3)                | K1 1<>r     | K1 1<> 2<w 3<x
            a3 arrives         |                        | K1 1<>r     | K1 1<> 2<w
            30s pass           | a1 again, b4 {}        | K1 1<>r     | K1 1<> 2<w
            b4 arrives as D(1) | a4 D(1)                | K1          | K1 1<! 2<w
            b2 arrives         |                        | K1 2<>      | K1 1<! 2<w
            a4 arrives         |                        | K1 2<>      | K1 1<! 2<w
            A sends gre        |                        | K1 2<>      | K1 1< 2<>
            ",
        );
    }
}
