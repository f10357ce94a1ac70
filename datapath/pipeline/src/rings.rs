//! What one worker and control exchange: lock-free rings, each with one end on either side.

use std::sync::Arc;

use crate::event::EventRing;
use crate::punt::{InjectRing, PuntRing};

/// Requests that wait for control.
const EVENTS_MAX: usize = 1024;
/// Packets that wait for the worker: all of them are copies.
const INJECTED_MAX: usize = 256;
/// Packets that wait for control, of a page each.
const PUNTED_MAX: usize = 256;

/// The rings of one worker; a clone has the same ones.
#[derive(Clone)]
pub struct Rings {
    /// The worker's requests to control.
    pub events: Arc<EventRing>,
    /// Packets from control to the worker.
    pub injected: Arc<InjectRing>,
    /// Packets from the worker to control.
    pub punts: Arc<PuntRing>,
}

impl Default for Rings {
    fn default() -> Self {
        Self {
            events: Arc::new(EventRing::new(EVENTS_MAX)),
            injected: Arc::new(InjectRing::new(INJECTED_MAX)),
            punts: Arc::new(PuntRing::new(PUNTED_MAX)),
        }
    }
}
