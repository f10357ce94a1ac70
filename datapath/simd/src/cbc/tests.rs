//! The kernel for CPUs without VAES, which this one may have.

use super::*;
use crate::detect;

#[test]
fn eight_lanes_encrypt_like_sixteen() {
    if !detect::vaes() {
        eprintln!("not tested: this CPU lacks VAES");
        return;
    }
    let keys: Vec<_> =
        (0..12).map(|at| AesKey::expand(&vec![at as u8; 16 + 8 * (at % 3)]).unwrap()).collect();
    for size in 0..=80 {
        let encrypted = [false, true].map(|vaes| {
            let lens = (0..size).map(|at| (at * at * 53 + size) % 1500);
            let mut texts: Vec<_> = lens.map(|len| vec![size as u8; len]).collect();
            let with_keys = texts.iter_mut().zip(keys.iter().cycle());
            let jobs = with_keys.map(|(blocks, key)| CbcJob { key, iv: [5; 16], blocks });
            lanes::run(&mut jobs.collect::<Vec<_>>(), vaes);
            texts
        });
        assert!(encrypted[0] == encrypted[1], "{size} packets");
    }
}
