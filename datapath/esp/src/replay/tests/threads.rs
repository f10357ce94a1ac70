//! Many threads, every number offered by each of them.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;

use crate::OpenError;
use crate::replay::ReplayWindow;

const THREADS: u64 = 4;
const NUMBERS: u64 = 200_000;

/// Offers every number from each thread, in blocks that each thread goes through in an order of
/// its own, and counts how often each number was accepted.
fn offer_all(size: u32, block: u64) -> (Vec<AtomicU32>, usize) {
    let window = ReplayWindow::new(size).unwrap();
    let accepted: Vec<AtomicU32> = (0..=NUMBERS).map(|_| AtomicU32::new(0)).collect();
    let replayed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let (window, accepted, replayed) = (&window, &accepted, &replayed);
            scope.spawn(move || {
                for at in 0..NUMBERS {
                    // An odd stride visits every place of a power-of-two block once.
                    let seq = 1 + at / block * block + at.wrapping_mul(2 * worker + 1) % block;
                    match window.check(seq).and_then(|()| window.commit(seq)) {
                        Ok(_) => {
                            accepted[seq as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        Err(OpenError::Replayed) => {
                            replayed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(other) => assert_eq!(other, OpenError::TooOld),
                    }
                }
            });
        }
    });
    assert_eq!(window.top(), NUMBERS);
    (accepted, replayed.into_inner())
}

#[test]
fn every_number_offered_by_all_threads_is_accepted_exactly_once() {
    // A thread falls behind by more than the small windows now and then: what it offers then was
    // accepted from those ahead, each of which offered every number, and is too old from it.
    for (size, block) in [(64, 32), (1024, 64), (65_536, 64)] {
        let (accepted, replayed) = offer_all(size, block);
        for (seq, times) in accepted.iter().enumerate().skip(1) {
            assert_eq!(times.load(Ordering::Relaxed), 1, "number {seq}, window {size}");
        }
        // The threads did meet.
        assert!(replayed > 0);
    }
}
