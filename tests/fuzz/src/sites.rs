//! Gateways that live as long as the fuzzer: their packet memory is never given back, so there is
//! one of each.

#[path = "../../../datapath/pipeline/tests/common/mod.rs"]
mod common;

use std::cell::RefCell;
use std::collections::HashMap;

use port::{Umem, UmemConfig};

pub use common::*;

/// Longer than any packet waits for its next hop.
const LATER_NS: u64 = 5_000_000_000;
/// Longest frame that is sent: beyond a few link MTUs nothing new can happen.
const FRAME_LEN_MAX: usize = 6000;

thread_local! {
    static UMEM: &'static Umem =
        Umem::heap(UmemConfig { chunk_size: 8192, chunks: 32_768, headroom: 128 }).unwrap();
    static SITES: RefCell<HashMap<(Join, bool), Site>> = RefCell::default();
}

/// Gives site A of this join, with or without extended sequence numbers, to `with`.
pub fn with_site<R>(join: Join, esn: bool, with: impl FnOnce(&mut Site) -> R) -> R {
    let make = || Site::new(UMEM.with(|umem| *umem), tables(join, esn, false));
    SITES.with_borrow_mut(|sites| with(sites.entry((join, esn)).or_insert_with(make)))
}

/// Sends a frame, waits until nothing of it is left in the gateway, and asserts that each packet
/// that it became left or was dropped, counted once.
pub fn carry(site: &mut Site, from: tables::PortId, frame: &[u8]) -> Outcome {
    let before = (site.unaccounted(), site.counters.fragments.value());
    let mut outcome = site.outcome(from, &frame[..frame.len().min(FRAME_LEN_MAX)]);
    // What waits for a neighbour gives up, and then the error about that.
    for _ in 0..2 {
        let waited = site.wait(LATER_NS);
        outcome.at_host.extend(waited.at_host);
        outcome.at_peer.extend(waited.at_peer);
        outcome.dropped.extend(waited.dropped);
    }
    site.requests();
    // Only the packet itself can have been cut, and only once.
    let fragments = site.counters.fragments.value() - before.1;
    let made = fragments.saturating_sub(1) as i64;
    assert_eq!(site.unaccounted() - before.0, -made, "{outcome:02x?}");
    outcome
}
