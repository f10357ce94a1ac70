//! IKEv2 (RFC 7296).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, UnixTime};

use crate::msg::{Header, TrafficSelector};
use crate::output::{Input, Path};
use crate::policy::{Child, Peer};
use crate::shared::Shared;
use crate::status::IkeStatus;

/// Every IKEv2 SA of the gateway.
pub(crate) struct Engine {}

impl Engine {
    pub fn new(_shared: &mut Shared) -> Self {
        Self {}
    }

    /// A datagram whose header does not say version 1.
    pub fn handle_datagram(
        &mut self,
        _shared: &mut Shared,
        _now: Instant,
        _wall: UnixTime,
        _path: Path,
        _header: &Header,
        _bytes: &[u8],
    ) {
    }

    pub fn acquire(
        &mut self,
        _shared: &mut Shared,
        _now: Instant,
        _wall: UnixTime,
        _peer: &Arc<Peer>,
        _child: &Arc<Child>,
        _remote: IpAddr,
        _packet: Option<&(TrafficSelector, TrafficSelector)>,
    ) {
    }

    pub fn handle_input(&mut self, _s: &mut Shared, _now: Instant, _wall: UnixTime, _i: &Input) {}

    pub fn forget(&mut self, _s: &mut Shared, _now: Instant, _wall: UnixTime, _g: &[Arc<Peer>]) {}

    pub fn handle_timeout(&mut self, _shared: &mut Shared, _now: Instant, _wall: UnixTime) {}

    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    pub fn status(&self, _all: &mut Vec<IkeStatus>) {}
}
