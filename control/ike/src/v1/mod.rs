//! IKEv1 (RFC 2407 to 2409): main mode and quick mode.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, UnixTime};

use crate::msg::{Header, TrafficSelector};
use crate::output::{Input, Path};
use crate::policy::{Child, Peer};
use crate::shared::Shared;
use crate::status::IkeStatus;

/// Every IKEv1 SA of the gateway.
pub(crate) struct Engine {}

impl Engine {
    pub fn new() -> Self {
        Self {}
    }

    /// A datagram whose header says version 1; the length field of the header is its length.
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

    /// Negotiate `child` with `peer` at `remote`, unless that is under way or done (`packet` is what
    /// asks for it, if that is known).
    pub fn acquire(
        &mut self,
        _shared: &mut Shared,
        _now: Instant,
        _peer: &Arc<Peer>,
        _child: &Arc<Child>,
        _remote: IpAddr,
        _packet: Option<&(TrafficSelector, TrafficSelector)>,
    ) {
    }

    /// Anything but `Acquire`, `Initiate` and `LocalAddresses`, which the endpoint resolves; what is
    /// about an SA or a peer of the other version is for the other engine.
    pub fn handle_input(&mut self, _shared: &mut Shared, _now: Instant, _input: &Input) {}

    /// `shared.peers` has changed: SAs of `gone` peers are deleted.
    pub fn forget(&mut self, _shared: &mut Shared, _now: Instant, _gone: &[Arc<Peer>]) {}

    /// The time has come.
    pub fn handle_timeout(&mut self, _shared: &mut Shared, _now: Instant, _wall: UnixTime) {}

    /// When `handle_timeout` is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// What `show ike` shows.
    pub fn status(&self, _all: &mut Vec<IkeStatus>) {}
}
