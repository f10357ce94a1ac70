//! x

use crate::scene::{Scene, Side};

#[test]
fn trial() {
    let mut scene = Scene::connected(|_, _| {});
    scene.play("
        A renews 1
        a1 arrives
        b1 arrives
        a2 arrives
        b2 arrives
        6s pass
    ");
}

#[test]
fn trial2() {
    let mut scene = Scene::connected(|_, peer| peer.lifetime.rekey = std::time::Duration::from_secs(100));
    scene.play("
        100s pass
        a1 arrives
        b1 arrives
        b2 arrives
        a2 arrives
        b3 arrives
        a3 arrives
        b4 arrives
        a4 arrives
        6s pass
    ");
}
