//! What an engine has to say, and what it is told besides datagrams.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

pub use engine::Level;
use engine::Secret;
use wire::Suite;

use crate::identity::Identity;
use crate::msg::TrafficSelector;
use crate::policy::{ChildLifetime, Mode};

/// What the engine wants done, in this order: keys are installed before the message leaves that
/// allows the peer to use them.
pub enum Output {
    /// Send a datagram.
    Transmit(Datagram),
    /// Something has happened.
    Event(Event),
}

/// The two ends of a UDP conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// Ours: port 500, or 4500 where a NAT may be on the way.
    pub local: SocketAddr,
    /// The peer's, as we see it.
    pub remote: SocketAddr,
}

/// One IKE message on its way. The non-ESP marker of port 4500 (RFC 3948 section 2.2) is the
/// shell's: it stands neither in what is sent nor in what is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// From where to where.
    pub path: Path,
    /// The message, header first.
    pub message: Vec<u8>,
}

/// A pair of ESP SAs, for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildSaId(pub u64);

/// An IKE SA, for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSaId(pub u64);

/// What has happened.
pub enum Event {
    /// Take packets of this pair's inbound SPI from now on; nothing is sent through it yet.
    InstallInbound(Arc<ChildSa>),
    /// Send through this pair from now on, and no longer through an older one of the same child,
    /// worker and IKE peer. Its inbound SA has been installed.
    InstallOutbound(ChildSaId),
    /// The peer takes no more pairs for single workers beside this one (RFC 9611): those that have
    /// none of their own go on sharing it, and need not ask.
    WorkersShare(ChildSaId),
    /// Both directions are over: drop what still comes.
    Remove(ChildSaId, RemovalReason),
    /// The peer, or our own end, has moved: outer headers change, keys do not.
    Move {
        /// Which pair.
        id: ChildSaId,
        /// Where it goes from here on.
        path: Path,
        /// Whether ESP goes in UDP from here on.
        udp: bool,
    },
    /// An IKE SA is established.
    IkeUp(IkeSaId),
    /// An IKE SA has gone.
    IkeDown(IkeSaId),
    /// A sentence for the operator.
    Log {
        /// How much it matters.
        level: Level,
        /// The configured peer it is about, if that is known.
        peer: Option<Box<str>>,
        /// Without the peer's name and without a full stop. Never a secret.
        text: String,
    },
    /// A line of Wireshark's tables of keys; only when they are asked for.
    KeyLog(KeyLogLine),
}

/// Why a pair of SAs is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// A newer pair has taken its place and the old one has been drained.
    Replaced,
    /// The peer deleted it.
    DeletedByPeer,
    /// The operator, or a changed configuration, ended it.
    Terminated,
    /// A hard limit was reached.
    Expired,
    /// The peer does not answer.
    PeerDead,
    /// It lost a collision, or was never completed.
    Abandoned,
}

/// A negotiated pair of ESP SAs.
pub struct ChildSa {
    /// Its id for the life of the process.
    pub id: ChildSaId,
    /// The IKE SA that made it.
    pub ike: IkeSaId,
    /// The IKE SA by which the peer was authenticated, and of which that one is a renewal: a shared
    /// pair that is sent through ends the use of workers' pairs of other connections.
    pub connection: IkeSaId,
    /// The configured peer.
    pub peer: Box<str>,
    /// The configured child: the tunnel it gives keys to.
    pub child: Box<str>,
    /// Who the peer has proven to be.
    pub peer_identity: Identity,
    /// What ESP covers.
    pub mode: Mode,
    /// Cipher and authentication of both directions.
    pub suite: Suite,
    /// Sequence numbers have 64 bits (RFC 4304).
    pub esn: bool,
    /// What we receive.
    pub inbound: SaKeys,
    /// What we send.
    pub outbound: SaKeys,
    /// What is protected on our side.
    pub local: Vec<TrafficSelector>,
    /// What is protected on the peer's side.
    pub remote: Vec<TrafficSelector>,
    /// Where ESP goes; the ports matter where it goes in UDP.
    pub path: Path,
    /// ESP goes in UDP (RFC 3948).
    pub udp: bool,
    /// There is a NAT before us: it wants keepalives.
    pub behind_nat: bool,
    /// The addresses that the peer knows itself and us by, where a NAT changes them and transport
    /// mode has checksums over them (RFC 3948 section 3.1.2).
    pub original_addresses: Option<(core::net::IpAddr, core::net::IpAddr)>,
    /// When the shell reports a limit; the engine itself watches the clock.
    pub lifetime: ChildLifetime,
    /// The worker of ours that is to send through this pair (RFC 9611); `None` is any that has
    /// none of its own.
    pub worker: Option<u16>,
    /// Both sides take pairs for single workers beside this one: a worker that sends through it
    /// may ask for its own by [`Input::WorkerAcquire`], until [`Event::WorkersShare`].
    pub per_worker: bool,
}

/// SPI and keys of one direction.
pub struct SaKeys {
    /// In host byte order.
    pub spi: u32,
    /// The cipher's key, followed by its salt: [`Suite::encryption_key_len`] bytes.
    pub encryption: Secret,
    /// [`Suite::authentication_key_len`] bytes.
    pub authentication: Secret,
}

/// A line of Wireshark's `ikev2_decryption_table`, `ikev1_decryption_table` or `esp_sa`.
pub struct KeyLogLine {
    /// Which file it belongs into.
    pub table: KeyLogTable,
    /// The line, without an end.
    pub line: Secret,
}

/// Wireshark's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLogTable {
    /// `ikev2_decryption_table`.
    Ikev2,
    /// `ikev1_decryption_table`.
    Ikev1,
    /// `esp_sa`.
    Esp,
}

/// What the engine is told besides datagrams and time.
pub enum Input {
    /// A packet wants to be protected and there is nothing to protect it with. Told again and
    /// again: what is under way is not begun twice.
    Acquire {
        /// The configured child.
        child: Box<str>,
        /// The peer's address, for a template that finds its peers by other means (NHRP).
        remote: Option<core::net::IpAddr>,
        /// What the packet is from and to, if that is known: it goes first among the selectors we
        /// offer (RFC 7296 section 2.9).
        packet: Option<(TrafficSelector, TrafficSelector)>,
    },
    /// A worker, by its index, sends through a pair that all share, and its peer takes pairs for
    /// single workers (RFC 9611). Told again and again: what is under way is not begun twice.
    WorkerAcquire(ChildSaId, u16),
    /// The first authentic packet came through a pair's inbound SA.
    InboundUsed(ChildSaId),
    /// Packets came through a pair's inbound SA since this was told last: the peer is alive.
    PeerAlive(ChildSaId),
    /// An authentic ESP packet came from elsewhere than before.
    PeerMoved(ChildSaId, SocketAddr),
    /// What watches the path of a child says that it has failed: the peer is asked at once whether
    /// it lives, where dead peer detection is on.
    PathFailed {
        /// The configured child.
        child: Box<str>,
    },
    /// A soft limit in packets or bytes is reached.
    SoftLimit(ChildSaId),
    /// A hard limit in packets or bytes is reached.
    HardLimit(ChildSaId),
    /// An address of ours came or went: peers are told (RFC 4555). All that we have now.
    LocalAddresses(Vec<core::net::IpAddr>),
    /// Negotiate a peer's children now.
    Initiate {
        /// The configured peer.
        peer: Box<str>,
    },
    /// New keys for a peer's children, and for its IKE SA if `ike`.
    Rekey {
        /// The configured peer.
        peer: Box<str>,
        /// The IKE SA too.
        ike: bool,
    },
    /// Delete a peer's SAs, and tell it.
    Terminate {
        /// The configured peer.
        peer: Box<str>,
    },
}
