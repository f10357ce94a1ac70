//! Both sides connect at once, and meet in every order. At A, `e` is a request of B that arrives
//! and `w` a step of A: it begins, IKE_SA_INIT is answered, IKE_AUTH is answered.

use crate::fixtures::two_children;
use crate::scene::Scene;

#[test]
fn order_eewww() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        B wants gre | b1 IKE_SA_INIT              | -      | K1c
        b1 arrives  | a1 IKE_SA_INIT              | K1c    | K1c
        a1 arrives  | b2 IKE_AUTH INITIAL_CONTACT | K1c    | K1c
        b2 arrives  | a2 IKE_AUTH                 | K1 1<! | K1c
        A wants gre |                             | K1 1<! | K1c
        a2 arrives  |                             | K1 1<> | K1 1<>
        10s pass    |                             | K1 1<> | K1 1<>
        ",
    );
}

#[test]
fn order_eweww() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        B wants gre | b1 IKE_SA_INIT              | -       | K1c
        b1 arrives  | a1 IKE_SA_INIT              | K1c     | K1c
        A wants gre | a2 IKE_SA_INIT @K2          | K1c K2c | K1c
        a1 arrives  | b2 IKE_AUTH INITIAL_CONTACT | K1c K2c | K1c
        b2 arrives  | a3 IKE_AUTH                 | K1 1<!  | K1c
        a2 arrives  | b3 IKE_SA_INIT @K2          | K1 1<!  | K1c K2c
        b3 arrives  |                             | K1 1<!  | K1c K2c
        a3 arrives  |                             | K1 1<>  | K1 1<> K2c
        40s pass    |                             | K1 1<>  | K1 1<>
        ",
    );
}

#[test]
fn order_ewwew() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        B wants gre | b1 IKE_SA_INIT                  | -             | K1c
        b1 arrives  | a1 IKE_SA_INIT                  | K1c           | K1c
        A wants gre | a2 IKE_SA_INIT @K2              | K1c K2c       | K1c
        a2 arrives  | b2 IKE_SA_INIT @K2              | K1c K2c       | K1c K2c
        b2 arrives  | a3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c       | K1c K2c
        a1 arrives  | b3 IKE_AUTH INITIAL_CONTACT     | K1c K2c       | K1c K2c
        b3 arrives  | a4 IKE_AUTH                     | K1 1<! K2c    | K1c K2c
        a3 arrives  | b4 IKE_AUTH @K2                 | K1 1<! K2c    | K1c K2 2<!
        b4 arrives  |                                 | K1 1<! K2o 2< | K1c K2 2<>
        a4 arrives  | b5 D @K2                        | K1 1<> K2o 2< | K1 1<> K2x 2<
        b5 arrives  | a5 {} @K2                       | K1 1<> 2<d    | K1 1<> K2x 2<
        a5 arrives  |                                 | K1 1<> 2<d    | K1 1<> 2<d
        10s pass    |                                 | K1 1<>        | K1 1<>
        ",
    );
}

#[test]
fn order_ewwwe() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        B wants gre  | b1 IKE_SA_INIT                  | -              | K1c
        b1 arrives   | a1 IKE_SA_INIT                  | K1c            | K1c
        A wants gre  | a2 IKE_SA_INIT @K2              | K1c K2c        | K1c
        a2 arrives   | b2 IKE_SA_INIT @K2              | K1c K2c        | K1c K2c
        b2 arrives   | a3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c        | K1c K2c
        a1 arrives   | b3 IKE_AUTH INITIAL_CONTACT     | K1c K2c        | K1c K2c
        a3 arrives   | b4 IKE_AUTH @K2                 | K1c K2c        | K1c K2 1<!
        b4 arrives   |                                 | K1c K2 1<>     | K1c K2 1<>
        b3 arrives   | a4 IKE_AUTH                     | K1 2<w K2o 1<> | K1c K2 1<>
        a4 arrives   | b5 D @K2                        | K1 2<w K2o 1<> | K1 2<> K2x 1<
        b5 arrives   | a5 {} @K2                       | K1 2<> 1<d     | K1 2<> K2x 1<
        a5 arrives   |                                 | K1 2<> 1<d     | K1 2<> 1<d
        10s pass     |                                 | K1 2<>         | K1 2<>
        B terminates | b6 D                            | K1 2<!         | K1x
        b6 arrives   | a6 {}                           | -              | K1x
        a6 arrives   |                                 | -              | -
        ",
    );
}

#[test]
fn order_weeww() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c     | -
        B wants gre | b1 IKE_SA_INIT @K2              | K1c     | K2c
        b1 arrives  | a2 IKE_SA_INIT @K2              | K1c K2c | K2c
        a2 arrives  | b2 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c | K2c
        b2 arrives  | a3 IKE_AUTH @K2                 | K2 1<!  | K2c
        a1 arrives  | b3 IKE_SA_INIT                  | K2 1<!  | K2c K1c
        b3 arrives  |                                 | K2 1<!  | K2c K1c
        a3 arrives  |                                 | K2 1<>  | K2 1<> K1c
        40s pass    |                                 | K2 1<>  | K2 1<>
        ",
    );
}

#[test]
fn order_wewew() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre  | a1 IKE_SA_INIT                  | K1c           | -
        B wants gre  | b1 IKE_SA_INIT @K2              | K1c           | K2c
        b1 arrives   | a2 IKE_SA_INIT @K2              | K1c K2c       | K2c
        a1 arrives   | b2 IKE_SA_INIT                  | K1c K2c       | K2c K1c
        b2 arrives   | a3 IKE_AUTH INITIAL_CONTACT     | K1c K2c       | K2c K1c
        a2 arrives   | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c       | K2c K1c
        b3 arrives   | a4 IKE_AUTH @K2                 | K1c K2 1<!    | K2c K1c
        a3 arrives   | b4 IKE_AUTH                     | K1c K2 1<!    | K2c K1 2<!
        b4 arrives   |                                 | K1o 2< K2 1<! | K2c K1 2<>
        a4 arrives   | b5 D                            | K1o 2< K2 1<> | K2 1<> K1x 2<
        b5 arrives   | a5 {}                           | K2 1<> 2<d    | K2 1<> K1x 2<
        a5 arrives   |                                 | K2 1<> 2<d    | K2 1<> 2<d
        10s pass     |                                 | K2 1<>        | K2 1<>
        B terminates | b6 D @K2                        | K2 1<!        | K2x
        b6 arrives   | a6 {} @K2                       | -             | K2x
        a6 arrives   |                                 | -             | -
        ",
    );
}

#[test]
fn order_wewwe() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c            | -
        B wants gre | b1 IKE_SA_INIT @K2              | K1c            | K2c
        b1 arrives  | a2 IKE_SA_INIT @K2              | K1c K2c        | K2c
        a1 arrives  | b2 IKE_SA_INIT                  | K1c K2c        | K2c K1c
        b2 arrives  | a3 IKE_AUTH INITIAL_CONTACT     | K1c K2c        | K2c K1c
        a2 arrives  | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c        | K2c K1c
        a3 arrives  | b4 IKE_AUTH                     | K1c K2c        | K2c K1 1<!
        b4 arrives  |                                 | K1 1<> K2c     | K2c K1 1<>
        b3 arrives  | a4 IKE_AUTH @K2                 | K1o 1<> K2 2<w | K2c K1 1<>
        a4 arrives  | b5 D                            | K1o 1<> K2 2<w | K2 2<> K1x 1<
        b5 arrives  | a5 {}                           | K2 2<> 1<d     | K2 2<> K1x 1<
        a5 arrives  |                                 | K2 2<> 1<d     | K2 2<> 1<d
        10s pass    |                                 | K2 2<>         | K2 2<>
        ",
    );
}

#[test]
fn order_wweew() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c           | -
        a1 arrives  | b1 IKE_SA_INIT                  | K1c           | K1c
        b1 arrives  | a2 IKE_AUTH INITIAL_CONTACT     | K1c           | K1c
        B wants gre | b2 IKE_SA_INIT @K2              | K1c           | K1c K2c
        b2 arrives  | a3 IKE_SA_INIT @K2              | K1c K2c       | K1c K2c
        a3 arrives  | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c       | K1c K2c
        b3 arrives  | a4 IKE_AUTH @K2                 | K1c K2 1<!    | K1c K2c
        a2 arrives  | b4 IKE_AUTH                     | K1c K2 1<!    | K1 2<! K2c
        b4 arrives  |                                 | K1o 2< K2 1<! | K1 2<> K2c
        a4 arrives  | b5 D                            | K1o 2< K2 1<> | K1x 2< K2 1<>
        b5 arrives  | a5 {}                           | K2 1<> 2<d    | K1x 2< K2 1<>
        a5 arrives  |                                 | K2 1<> 2<d    | K2 1<> 2<d
        10s pass    |                                 | K2 1<>        | K2 1<>
        ",
    );
}

#[test]
fn order_wwewe() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c            | -
        a1 arrives  | b1 IKE_SA_INIT                  | K1c            | K1c
        b1 arrives  | a2 IKE_AUTH INITIAL_CONTACT     | K1c            | K1c
        B wants gre | b2 IKE_SA_INIT @K2              | K1c            | K1c K2c
        b2 arrives  | a3 IKE_SA_INIT @K2              | K1c K2c        | K1c K2c
        a3 arrives  | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c        | K1c K2c
        a2 arrives  | b4 IKE_AUTH                     | K1c K2c        | K1 1<! K2c
        b4 arrives  |                                 | K1 1<> K2c     | K1 1<> K2c
        b3 arrives  | a4 IKE_AUTH @K2                 | K1o 1<> K2 2<w | K1 1<> K2c
        a4 arrives  | b5 D                            | K1o 1<> K2 2<w | K1x 1< K2 2<>
        b5 arrives  | a5 {}                           | K2 2<> 1<d     | K1x 1< K2 2<>
        a5 arrives  |                                 | K2 2<> 1<d     | K2 2<> 1<d
        10s pass    |                                 | K2 2<>         | K2 2<>
        ",
    );
}

#[test]
fn order_wwwee() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT              | K1c        | -
        a1 arrives  | b1 IKE_SA_INIT              | K1c        | K1c
        b1 arrives  | a2 IKE_AUTH INITIAL_CONTACT | K1c        | K1c
        B wants gre | b2 IKE_SA_INIT @K2          | K1c        | K1c K2c
        a2 arrives  | b3 IKE_AUTH                 | K1c        | K1 1<!
        b3 arrives  |                             | K1 1<>     | K1 1<>
        b2 arrives  | a3 IKE_SA_INIT @K2          | K1 1<> K2c | K1 1<>
        a3 arrives  |                             | K1 1<> K2c | K1 1<>
        40s pass    |                             | K1 1<>     | K1 1<>
        ",
    );
}

#[test]
fn who_connects_finds_that_the_peer_has_connected_for_another_child() {
    let mut scene = Scene::new(two_children);
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c        | -
        B wants two | b1 IKE_SA_INIT @K2              | K1c        | K2c
        b1 arrives  | a2 IKE_SA_INIT @K2              | K1c K2c    | K2c
        a2 arrives  | b2 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c    | K2c
        b2 arrives  | a3 IKE_AUTH @K2, a4 SA(ESP) @K2 | K2 1<!     | K2c
        a3 arrives  |                                 | K2 1<>     | K2 1<>
        a4 arrives  | b3 SA(ESP) @K2                  | K2 1<>     | K2 1<> 2<!
        b3 arrives  |                                 | K2 1<> 2<> | K2 1<> 2<>
        a1 arrives  | b4 IKE_SA_INIT                  | K2 1<> 2<> | K2 1<> 2<> K1c
        b4 arrives  |                                 | K2 1<> 2<> | K2 1<> 2<> K1c
        40s pass    |                                 | K2 1<> 2<> | K2 1<> 2<>
        ",
    );
}

#[test]
fn what_the_peer_wants_is_made_within_the_connection_that_is_there() {
    let mut scene = Scene::connected(two_children);
    scene.play(
        "
        B wants two  | b1 SA(ESP) | K1 1<>     | K1 1<>
        b1 arrives   | a1 SA(ESP) | K1 1<> 2<! | K1 1<>
        a1 arrives   |            | K1 1<> 2<> | K1 1<> 2<>
        A terminates | a2 D       | K1x        | K1 1<! 2<!
        a2 arrives   | b2 {}      | K1x        | -
        b2 arrives   |            | -          | -
        10s pass     |            | -          | -
        ",
    );
}

#[test]
fn a_peer_that_begins_anew_ends_what_it_does_not_know() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play(
        "
        1s pass     |                                 | K1 1<>     | K1 1<>
        B restarts  |                                 | K1 1<!     | -
        B wants gre | b1 IKE_SA_INIT @K2              | K1 1<!     | K2c
        b1 arrives  | a1 IKE_SA_INIT @K2              | K1 1<! K2c | K2c
        a1 arrives  | b2 IKE_AUTH INITIAL_CONTACT @K2 | K1 1<! K2c | K2c
        b2 arrives  | a2 IKE_AUTH @K2                 | K2 2<!     | K2c
        a2 arrives  |                                 | K2 2<>     | K2 2<>
        10s pass    |                                 | K2 2<>     | K2 2<>
        ",
    );
}

#[test]
fn a_peer_that_begins_anew_during_ike_sa_init() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c     | -
        a1 arrives  | b1 IKE_SA_INIT                  | K1c     | K1c
        B restarts  |                                 | K1c     | -
        B wants gre | b2 IKE_SA_INIT @K2              | K1c     | K2c
        b2 arrives  | a2 IKE_SA_INIT @K2              | K1c K2c | K2c
        a2 arrives  | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c | K2c
        b3 arrives  | a3 IKE_AUTH @K2                 | K2 1<!  | K2c
        b1 arrives  |                                 | K2 1<!  | K2c
        a3 arrives  |                                 | K2 1<>  | K2 1<>
        10s pass    |                                 | K2 1<>  | K2 1<>
        ",
    );
}

#[test]
fn a_peer_that_begins_anew_during_ike_auth() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c        | -
        a1 arrives  | b1 IKE_SA_INIT                  | K1c        | K1c
        b1 arrives  | a2 IKE_AUTH INITIAL_CONTACT     | K1c        | K1c
        B restarts  |                                 | K1c        | -
        B wants gre | b2 IKE_SA_INIT @K2              | K1c        | K2c
        b2 arrives  | a3 IKE_SA_INIT @K2              | K1c K2c    | K2c
        a3 arrives  | b3 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c    | K2c
        b3 arrives  | a4 IKE_AUTH @K2                 | K1c K2 1<! | K2c
        a2 arrives  |                                 | K1c K2 1<! | K2c
        a4 arrives  |                                 | K1c K2 1<> | K2 1<>
        130s pass   | a2 again                        | K2 1<>     | K2 1<>
        ",
    );
}

#[test]
fn a_peer_that_is_not_there_yet_connects_first() {
    let mut scene = Scene::new(|_, _| {});
    scene.play(
        "
        A wants gre | a1 IKE_SA_INIT                  | K1c     | -
        a1 is lost  |                                 | K1c     | -
        7s pass     | a1 again                        | K1c     | -
        B wants gre | b1 IKE_SA_INIT @K2              | K1c     | K2c
        b1 arrives  | a2 IKE_SA_INIT @K2              | K1c K2c | K2c
        a2 arrives  | b2 IKE_AUTH INITIAL_CONTACT @K2 | K1c K2c | K2c
        b2 arrives  | a3 IKE_AUTH @K2                 | K2 1<!  | K2c
        a3 arrives  |                                 | K2 1<>  | K2 1<>
        130s pass   |                                 | K2 1<>  | K2 1<>
        ",
    );
}
