//! An IKE SA: what it remembers, how its messages are sealed and opened, and what it does next.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use engine::{Instant, Secret, UnixTime};

use super::child::ChildRecord;
use super::directory::Directory;
use super::followup::{self, Awaited, Pending};
use super::handshake::{Answering, Connecting, Transcript};
use super::nat::Nat;
use super::window::{Patience, Window};
use super::{auth, create_child, informational, init, intermediate, mobike, rekey_ike};
use crate::identity::Identity;
use crate::key_log;
use crate::keymat::v2::SkKeys;
use crate::msg::sealed::{self, Reassembly};
use crate::msg::{ExchangeType, Header, IkeSpi, Payload, TrafficSelector, numbers::exchange};
use crate::output::{ChildSaId, Event, IkeSaId, Level, Path, RemovalReason};
use crate::policy::{Child, Peer};
use crate::proposal::IkeChoice;
use crate::shared::Shared;

/// What an IKE SA works with: the time, what all share, and what it wants of the engine.
pub(crate) struct Cx<'a> {
    pub now: Instant,
    pub wall: UnixTime,
    pub shared: &'a mut Shared,
    pub directory: &'a Directory,
    pub effects: Vec<Effect>,
}

impl<'a> Cx<'a> {
    pub fn new(
        shared: &'a mut Shared,
        now: Instant,
        wall: UnixTime,
        directory: &'a Directory,
    ) -> Self {
        Self { now, wall, shared, directory, effects: Vec::new() }
    }
}

/// What an IKE SA wants of the engine: it concerns other SAs.
pub(crate) enum Effect {
    /// A new SA takes the place of this one.
    Add(Box<IkeSa>),
    /// Children and what is still to be done move from one SA to another.
    Inherit { from: IkeSaId, to: IkeSaId },
    /// Something to do for whichever SA has inherited from this one.
    PassOn { from: IkeSaId, task: Task },
    /// The peer is authenticated: older SAs with it may have to go.
    Authenticated { id: IkeSaId, initial_contact: bool },
    /// A child could not be negotiated, or is gone without one in its place.
    Lost { peer: Arc<Peer>, child: Arc<Child>, remote: IpAddr, why: Lost },
    /// A child is up.
    Up { child: Arc<Child>, remote: IpAddr },
    /// A new SA with the same peer and children, authenticated from scratch.
    Reauthenticate { id: IkeSaId },
    /// The SA that this one has been made to replace goes.
    Delete { id: IkeSaId, by: IkeSaId },
    /// The SA that this one was to replace stays, and tries again later.
    RetryReauthentication { id: IkeSaId },
    /// The SA whose children this one had before it went: they are used.
    Use { id: IkeSaId },
    /// Children move to another SA with the same peer, or are missed if that has gone.
    Hand { children: Vec<ChildRecord>, to: IkeSaId, peer: Arc<Peer>, remote: IpAddr },
}

/// Why a child is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The peer refuses it, or cannot be reached.
    Failed,
    /// It was there and is gone.
    Gone,
    /// It was there, the peer is dead, and it is wanted again at once.
    Restart,
}

/// Something that this SA is to do when no other request is outstanding.
pub(crate) enum Task {
    CreateChild(Wanted),
    RekeyChild(ChildSaId),
    DeleteChild(ChildSaId),
    /// The peer has a child that we do not have.
    RefuseChild(Refusal),
    RekeyIke,
    UpdateAddresses,
    DeleteIke,
    Liveness,
}

/// A pair that the peer is told is not there: we have not taken it, or it is over.
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    pub spi_in: u32,
    /// What the peer receives by, if we know it.
    pub spi_out: Option<u32>,
}

/// A child that is wanted.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub child: Arc<Child>,
    /// What the packet that asks for it is from and to.
    pub packet: Option<(TrafficSelector, TrafficSelector)>,
    /// Which worker it is for (RFC 9611).
    pub worker: Option<u16>,
}

/// The exchange that we have begun and that has not ended.
pub(crate) enum Active {
    Nothing,
    Init(Box<init::Offer>),
    Intermediate(Box<intermediate::Offer>),
    Auth(Box<auth::Offer>),
    Child(Box<create_child::Offer>),
    Ike(Box<rekey_ike::Offer>),
    FollowUp(Box<followup::Offer>),
    DeleteChild { id: ChildSaId, reason: RemovalReason },
    Update { cookie: Vec<u8> },
    RefuseChild(Refusal),
    DeleteIke,
    Liveness,
}

impl Active {
    /// Which exchange it is.
    pub fn exchange(&self) -> ExchangeType {
        ExchangeType(match self {
            Self::Init(_) => exchange::IKE_SA_INIT,
            Self::Intermediate(_) => exchange::IKE_INTERMEDIATE,
            Self::Auth(_) => exchange::IKE_AUTH,
            Self::Child(_) | Self::Ike(_) => exchange::CREATE_CHILD_SA,
            Self::FollowUp(_) => exchange::IKE_FOLLOWUP_KE,
            Self::Nothing
            | Self::DeleteChild { .. }
            | Self::Update { .. }
            | Self::RefuseChild(_)
            | Self::DeleteIke
            | Self::Liveness => exchange::INFORMATIONAL,
        })
    }

    /// What the new IKE SA is to be, if this one is being made anew.
    pub fn ike_offer(&self) -> Option<&rekey_ike::Offer> {
        match self {
            Self::Ike(offer) => Some(offer),
            Self::FollowUp(further) => match &further.pending {
                Pending::Ike { offer, .. } => Some(offer),
                Pending::Child { .. } => None,
            },
            _ => None,
        }
    }

    /// What a child is to be, if one is being made or made anew.
    pub fn child_offer(&self) -> Option<&create_child::Offer> {
        match self {
            Self::Child(offer) => Some(offer),
            Self::FollowUp(further) => match &further.pending {
                Pending::Child { offer, .. } => Some(offer),
                Pending::Ike { .. } => None,
            },
            _ => None,
        }
    }

    /// Whether the IKE SA is being made anew.
    pub fn is_rekeying_ike(&self) -> bool {
        self.ike_offer().is_some()
    }

    /// Whether a child is being made, made anew or deleted.
    pub fn is_about_children(&self) -> bool {
        matches!(self, Self::DeleteChild { .. } | Self::RefuseChild(_))
            || self.child_offer().is_some()
    }
}

/// How far an IKE SA has come.
pub(crate) enum Phase {
    /// We have begun it.
    Connecting(Box<Connecting>),
    /// The peer has begun it, and has not proven who it is.
    Answering(Box<Answering>),
    /// Both know who the other is.
    Established,
    /// Another one has its children; one side will delete it.
    Replaced,
    /// It is being deleted.
    Deleting,
    /// It is over: the engine forgets it.
    Closed,
}

impl Phase {
    /// What the handshake has settled so far, while it goes on.
    pub fn transcript(&self) -> Option<&Transcript> {
        match self {
            Self::Connecting(connecting) => Some(&connecting.transcript),
            Self::Answering(answering) => Some(&answering.transcript),
            _ => None,
        }
    }
}

/// What the peer can do, and what stays as it is when an SA is made anew.
#[derive(Clone, Copy, Default)]
pub(crate) struct Features {
    /// We began the first of the SAs that this one has come of by new keys: of the two we are the
    /// one that may move (RFC 4555 section 2).
    pub first_initiator: bool,
    pub fragmentation: bool,
    pub mobike: bool,
    pub childless: bool,
    pub intermediate: bool,
}

/// An IKE SA.
pub(crate) struct IkeSa {
    pub id: IkeSaId,
    /// Of the initiator and of the responder.
    pub spis: (IkeSpi, IkeSpi),
    /// Whether we are the original initiator.
    pub initiator: bool,
    pub path: Path,
    pub nat: Nat,
    pub peer: Arc<Peer>,
    pub peer_identity: Option<Identity>,
    pub phase: Phase,
    pub suite: Option<IkeChoice>,
    pub keys: Option<SkKeys>,
    pub features: Features,
    pub window: Window,
    pub reassembly: Reassembly,
    pub active: Active,
    pub tasks: VecDeque<Task>,
    pub children: Vec<ChildRecord>,
    /// When its first message came or went.
    pub created: Instant,
    pub established: Option<Instant>,
    pub last_heard: Instant,
    pub rekey_at: Option<Instant>,
    pub reauthenticate_at: Option<Instant>,
    /// When it ends, whatever state it is in.
    pub hard_at: Option<Instant>,
    /// Nothing is begun before: the peer was busy.
    pub not_before: Option<Instant>,
    /// The SA whose children it has or will have.
    pub replaces: Option<IkeSaId>,
    /// The SA that has its children.
    pub replaced_by: Option<IkeSaId>,
    /// The SA that was being made anew by both sides when this one came of it.
    pub crossed: Option<IkeSaId>,
    /// Key exchanges that the peer's CREATE_CHILD_SA still lacks.
    pub awaited: Option<Box<Awaited>>,
    /// Where the engine's tables have it.
    pub indexed_timer: Option<Instant>,
    pub indexed_place: Option<(Box<str>, IpAddr)>,
}

/// Flags of a header (RFC 7296 section 3.1).
pub(crate) mod flag {
    pub const INITIATOR: u8 = 0x08;
    pub const RESPONSE: u8 = 0x20;
}

/// The version that we speak, as it stands in a header.
pub(crate) const VERSION: u8 = 0x20;

impl IkeSa {
    pub fn new(
        cx: &Cx<'_>,
        id: IkeSaId,
        spis: (IkeSpi, IkeSpi),
        initiator: bool,
        path: Path,
        peer: Arc<Peer>,
        phase: Phase,
    ) -> Self {
        Self {
            id,
            spis,
            initiator,
            path,
            nat: Nat::default(),
            peer,
            peer_identity: None,
            phase,
            suite: None,
            keys: None,
            features: Features::default(),
            window: Window::default(),
            reassembly: Reassembly::default(),
            active: Active::Nothing,
            tasks: VecDeque::new(),
            children: Vec::new(),
            created: cx.now,
            established: None,
            last_heard: cx.now,
            rekey_at: None,
            reauthenticate_at: None,
            hard_at: None,
            not_before: None,
            replaces: None,
            replaced_by: None,
            crossed: None,
            awaited: None,
            indexed_timer: None,
            indexed_place: None,
        }
    }

    /// Our SPI of this SA.
    pub fn own_spi(&self) -> IkeSpi {
        if self.initiator { self.spis.0 } else { self.spis.1 }
    }

    /// Whether children can be negotiated on it.
    pub fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// A header of ours.
    pub fn header(&self, exchange: ExchangeType, message_id: u32, response: bool) -> Header {
        let mut flags = 0;
        if self.initiator {
            flags |= flag::INITIATOR;
        }
        if response {
            flags |= flag::RESPONSE;
        }
        let (initiator_spi, responder_spi) = self.spis;
        Header { initiator_spi, responder_spi, version: VERSION, exchange, flags, message_id }
    }

    /// A message of ours, sealed: in fragments if the peer can take them and it is long.
    pub fn seal(&self, shared: &mut Shared, header: &Header, payloads: &[Payload]) -> Vec<Vec<u8>> {
        let Some(keys) = &self.keys else { return Vec::new() };
        let keys = if self.initiator { &keys.initiator } else { &keys.responder };
        let random = &mut *shared.random;
        match self.peer.fragment_len {
            Some(len) if self.features.fragmentation => {
                // IP and UDP headers, and the marker of port 4500, count.
                let headers = if self.path.remote.is_ipv4() { 20 } else { 40 } + 8 + 4;
                let room = usize::from(len).saturating_sub(headers);
                sealed::seal_fragments(header, payloads, keys, room, random)
            }
            _ => [sealed::seal(header, payloads, keys, random)].into(),
        }
    }

    /// Sends a request; its exchange must have been noted in `active`.
    pub fn request(&mut self, cx: &mut Cx<'_>, exchange: ExchangeType, payloads: &[Payload]) {
        let header = self.header(exchange, self.window.request_id(), false);
        let datagrams = self.seal(cx.shared, &header, payloads);
        let patience = self.patience(cx);
        self.window.send(cx.shared, cx.now, self.path, datagrams, patience);
    }

    /// Answers the request that was due.
    pub fn respond(&mut self, cx: &mut Cx<'_>, header: &Header, payloads: &[Payload]) {
        let header = self.header(header.exchange, header.message_id, true);
        let datagrams = self.seal(cx.shared, &header, payloads);
        self.window.answer(cx.shared, self.path, datagrams);
    }

    /// How long a request waits: as long as a dead peer may go unnoticed, where policy says that.
    pub fn patience(&self, cx: &Cx<'_>) -> Patience {
        let settings = &cx.shared.settings;
        let total = match self.peer.dpd {
            Some(dpd) if self.is_established() => dpd.timeout,
            _ => settings.retransmit_first * ((2 << settings.retransmit_tries) - 1),
        };
        let first = settings.retransmit_first.min(total / 8);
        Patience { first, longest: (total / 6).max(first), total }
    }

    /// A sentence about this SA.
    pub fn log(&self, cx: &mut Cx<'_>, level: Level, text: String) {
        cx.shared.log(level, &self.peer.name, text);
    }

    /// An authentic or at least plausible message for this SA.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, path: Path, header: &Header, bytes: &[u8]) {
        // RFC 7296 section 3.1: the flag says which SPI is whose.
        if (header.flags & flag::INITIATOR != 0) == self.initiator {
            return;
        }
        if header.flags & flag::RESPONSE == 0 {
            super::receive::request(self, cx, path, header, bytes);
        } else {
            super::receive::response(self, cx, path, header, bytes);
        }
    }

    /// Writes its keys into Wireshark's table, if that is asked for.
    pub fn key_log(&self, cx: &mut Cx<'_>) {
        if let Some(keys) = &self.keys {
            key_log::ikev2(cx.shared, self.spis, keys);
        }
    }

    /// Keys after an additional key exchange (RFC 9370 section 2.2.2).
    pub fn update_keys(&mut self, cx: &mut Cx<'_>, secret: &Secret) {
        let (Some(keys), Some(transcript)) = (&self.keys, self.phase.transcript()) else { return };
        self.keys = Some(keys.update(&transcript.seed(self.spis), secret));
        self.key_log(cx);
    }

    /// Forgets it, without children. Nothing is sent.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        if self.is_closed() {
            return;
        }
        if self.established.is_some() {
            cx.shared.emit(Event::IkeDown(self.id));
        }
        self.active = Active::Nothing;
        self.window.withdraw();
        self.phase = Phase::Closed;
        if let Some(id) = self.replaced_by {
            cx.effects.push(Effect::Use { id });
        }
    }

    /// Pairs that the peer is being told, or is about to be told, are not there.
    pub fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        let active = match &self.active {
            Active::RefuseChild(refusal) => Some(refusal),
            _ => None,
        };
        let queued = self.tasks.iter().filter_map(|task| match task {
            Task::RefuseChild(refusal) => Some(refusal),
            _ => None,
        });
        active.into_iter().chain(queued)
    }

    /// Begins the next of what is to be done, if nothing is under way.
    pub fn next_task(&mut self, cx: &mut Cx<'_>) {
        while !self.window.is_busy() && matches!(self.active, Active::Nothing) {
            if matches!(self.phase, Phase::Connecting(_) | Phase::Answering(_) | Phase::Closed) {
                return;
            }
            let waits = self.not_before.is_some_and(|time| time > cx.now);
            let Some(task) = self.take_task(waits) else { return self.settle(cx) };
            match task {
                Task::CreateChild(wanted) => create_child::begin(self, cx, wanted),
                Task::RekeyChild(id) => create_child::begin_rekey(self, cx, id),
                Task::DeleteChild(id) => informational::begin_delete_child(self, cx, id),
                Task::RefuseChild(refusal) => {
                    informational::begin_refuse_child(self, cx, refusal);
                }
                Task::RekeyIke => rekey_ike::begin(self, cx),
                Task::UpdateAddresses => mobike::begin(self, cx),
                Task::DeleteIke => informational::begin_delete(self, cx),
                Task::Liveness => informational::begin_liveness(self, cx),
            }
        }
    }

    /// Deletions first, and alone while the peer is busy or this SA is not to live.
    fn take_task(&mut self, deletions_only: bool) -> Option<Task> {
        // Those of children go with the children, to the SA that has taken them over.
        let established = self.is_established();
        let deletion = |task: &Task| match task {
            Task::DeleteIke => true,
            Task::DeleteChild(_) | Task::RefuseChild(_) => established,
            _ => false,
        };
        let first = self.tasks.iter().position(deletion);
        if first.is_some() || deletions_only || !established {
            return self.tasks.remove(first?);
        }
        self.tasks.pop_front()
    }

    /// Nothing is left to do: what this SA was made to replace is not needed any more.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        if self.tasks.is_empty()
            && self.is_established()
            && let Some(id) = self.replaces.take()
        {
            cx.effects.push(Effect::Delete { id, by: self.id });
        }
    }
}
