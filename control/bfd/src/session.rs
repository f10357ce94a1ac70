//! A session: the path between us and one peer, watched in asynchronous mode (RFC 5880 section 6).

use alloc::collections::VecDeque;
use core::fmt;
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

use engine::{Instant, Random};

use crate::packet::{Control, Diagnostic, State};

/// How a session is to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Time between packets that we would like to send, while the session is up.
    pub desired_min_tx: Duration,
    /// Time between packets that we can take.
    pub required_min_rx: Duration,
    /// How many packets in a row may be lost before we are taken for dead.
    pub detect_multiplier: NonZeroU8,
    /// Whether we wait for the peer's first packet (RFC 5880 section 6.1).
    pub passive: bool,
}

/// What a session wants done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet to the peer.
    Transmit(Control),
    /// The session has another state than before.
    StateChanged {
        /// Ours.
        state: State,
        /// Why it went down, if it did.
        diagnostic: Diagnostic,
        /// The peer's, as it said last. While that is [`State::AdminDown`], nothing is known of
        /// the path, and what depends on it must not go down with the session (RFC 5882 section
        /// 3.2).
        remote: State,
    },
}

/// Why a well-formed packet changes nothing (RFC 5880 section 6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// It has authentication, and none is agreed.
    Authenticated,
    /// It is for another session.
    Discriminator,
    /// The session has been taken down here.
    AdminDown,
}

/// The path between us and one peer.
pub struct Session {
    settings: Settings,
    discriminator: NonZeroU32,
    state: State,
    diagnostic: Diagnostic,
    remote: Remote,
    /// What was last agreed of both intervals, in microseconds: a change for the worse counts only
    /// once the peer has answered a poll (RFC 5880 section 6.8.3).
    tx_us: u32,
    rx_us: u32,
    /// Whether packets carry P until one with F comes.
    polling: bool,
    sent: Option<Instant>,
    received: Option<Instant>,
    send_at: Option<Instant>,
    /// The time between packets that `send_at` was made of.
    send_interval: Option<Duration>,
    output: VecDeque<Output>,
}

/// What the peer said last.
struct Remote {
    state: State,
    /// Zero if it is not known.
    discriminator: u32,
    min_rx_us: u32,
    desired_tx_us: u32,
    multiplier: u8,
    demand: bool,
}

impl Remote {
    /// RFC 5880 section 6.8.1.
    const UNKNOWN: Self = Self {
        state: State::Down,
        discriminator: 0,
        min_rx_us: 1,
        desired_tx_us: 0,
        multiplier: 0,
        demand: false,
    };
}

impl Session {
    /// A session that is down. `discriminator` tells it from all others of this system; an active
    /// one sends its first packet at the first [`Self::handle_timeout`].
    #[must_use]
    pub fn new(settings: Settings, discriminator: NonZeroU32, now: Instant) -> Self {
        let mut session = Self {
            settings,
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            remote: Remote::UNKNOWN,
            tx_us: 0,
            rx_us: 0,
            polling: false,
            sent: None,
            received: None,
            send_at: None,
            send_interval: None,
            output: VecDeque::new(),
        };
        session.agree();
        session.send_interval = session.transmit_interval();
        session.send_at = session.send_interval.map(|_| now);
        session
    }

    /// Takes other settings, without losing the session (RFC 5880 section 6.8.3).
    pub fn configure(&mut self, settings: Settings, now: Instant, random: &mut dyn Random) {
        let changes = settings.desired_min_tx != self.settings.desired_min_tx
            || settings.required_min_rx != self.settings.required_min_rx;
        self.settings = settings;
        if self.state == State::Up {
            self.tx_us = self.tx_us.min(self.desired_us());
            self.rx_us = self.rx_us.max(self.required_us());
            self.polling |= changes;
        } else {
            self.agree();
        }
        self.reschedule(now, random);
    }

    /// Takes the session down, or lets it come up again (RFC 5880 section 6.8.16). While it is
    /// down, the peer is told so.
    pub fn set_admin_down(&mut self, down: bool, now: Instant, random: &mut dyn Random) {
        match (down, self.state) {
            (true, State::AdminDown) => return,
            (true, _) => self.turn(State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN),
            (false, State::AdminDown) => self.turn(State::Down, self.diagnostic),
            (false, _) => return,
        }
        self.send(false, now, random);
    }

    /// A packet from the peer (RFC 5880 section 6.8.6).
    ///
    /// # Errors
    ///
    /// If it changes nothing.
    pub fn handle_packet(
        &mut self,
        packet: &Control,
        now: Instant,
        random: &mut dyn Random,
    ) -> Result<(), Discarded> {
        if packet.authenticated {
            return Err(Discarded::Authenticated);
        }
        if packet.your_discriminator != 0 && packet.your_discriminator != self.discriminator.get() {
            return Err(Discarded::Discriminator);
        }
        self.remote = Remote {
            state: packet.state,
            discriminator: packet.my_discriminator,
            min_rx_us: packet.required_min_rx_us,
            desired_tx_us: packet.desired_min_tx_us,
            multiplier: packet.detect_multiplier,
            demand: packet.demand,
        };
        self.received = Some(now);
        if packet.is_final && self.polling {
            self.polling = false;
            self.agree();
        }
        if self.state == State::AdminDown {
            self.reschedule(now, random);
            return Err(Discarded::AdminDown);
        }
        let before = self.state;
        match (self.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.turn(State::Down, Diagnostic::NEIGHBOR_DOWN);
            }
            (State::Down, State::Down) => self.turn(State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.turn(State::Up, Diagnostic::NONE);
            }
            _ => {}
        }
        if packet.poll {
            self.transmit(true);
        }
        if self.state != before {
            // The answer to a poll has told it already.
            self.send(packet.poll, now, random);
        } else {
            self.reschedule(now, random);
        }
        Ok(())
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, random: &mut dyn Random) {
        if self.detect_at().is_some_and(|at| at <= now) {
            self.received = None;
            self.remote = Remote::UNKNOWN;
            if matches!(self.state, State::Init | State::Up) {
                self.turn(State::Down, Diagnostic::DETECTION_TIME_EXPIRED);
                self.send(false, now, random);
            } else {
                self.reschedule(now, random);
            }
        }
        if self.send_at.is_some_and(|at| at <= now) {
            self.send(false, now, random);
        }
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.send_at, self.detect_at()].into_iter().flatten().min()
    }

    /// The next thing that is to be done; to be asked until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// The state of the session.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The state of the peer's session, as it said last.
    #[must_use]
    pub fn remote_state(&self) -> State {
        self.remote.state
    }

    /// Why the session went down the last time; nothing while it is up.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// Our name of the session.
    #[must_use]
    pub fn discriminator(&self) -> NonZeroU32 {
        self.discriminator
    }

    /// The longest time between two packets of ours; `None` while the peer wants none, or while we
    /// wait for its first one (RFC 5880 section 6.8.7).
    #[must_use]
    pub fn transmit_interval(&self) -> Option<Duration> {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let unwanted = self.remote.min_rx_us == 0
            || self.settings.passive && self.remote.discriminator == 0
            || self.remote.demand && both_up && !self.polling;
        (!unwanted).then(|| micros(self.tx_us.max(self.remote.min_rx_us)))
    }

    /// How long nothing may come from the peer before the session goes down (RFC 5880 section
    /// 6.8.4); `None` while nothing has come.
    #[must_use]
    pub fn detection_time(&self) -> Option<Duration> {
        let interval = micros(self.rx_us.max(self.remote.desired_tx_us));
        self.received.map(|_| interval * u32::from(self.remote.multiplier))
    }

    fn detect_at(&self) -> Option<Instant> {
        Some(self.received? + self.detection_time()?)
    }

    /// What we tell the peer: while the session is not up, that we send once a second at most
    /// (RFC 5880 section 6.8.3).
    fn desired_us(&self) -> u32 {
        let least = if self.state == State::Up { 1 } else { SLOW_US };
        whole_micros(self.settings.desired_min_tx).max(least)
    }

    fn required_us(&self) -> u32 {
        whole_micros(self.settings.required_min_rx)
    }

    /// What we tell the peer is what counts.
    fn agree(&mut self) {
        (self.tx_us, self.rx_us) = (self.desired_us(), self.required_us());
    }

    fn turn(&mut self, state: State, diagnostic: Diagnostic) {
        (self.state, self.diagnostic) = (state, diagnostic);
        // Slower when it goes down, which needs no answer; faster when it comes up.
        self.agree();
        self.polling = state == State::Up;
        self.output.push_back(Output::StateChanged {
            state,
            diagnostic,
            remote: self.remote.state,
        });
    }

    /// A packet that is due, unless it `is_sent` already; and the time of the next one.
    fn send(&mut self, is_sent: bool, now: Instant, random: &mut dyn Random) {
        if !is_sent && self.transmit_interval().is_some() {
            self.transmit(false);
        }
        self.sent = Some(now);
        self.send_interval = None;
        self.reschedule(now, random);
    }

    /// The time of the next packet, if the time between packets is not what it was.
    fn reschedule(&mut self, now: Instant, random: &mut dyn Random) {
        let interval = self.transmit_interval();
        if interval == self.send_interval && interval.is_some() {
            return;
        }
        self.send_interval = interval;
        self.send_at = interval.map(|interval| match self.sent {
            Some(sent) => (sent + self.jittered(interval, random)).max(now),
            None => now,
        });
    }

    /// RFC 5880 section 6.8.7: 75 to 100 percent, or 75 to 90 where no packet may be late.
    fn jittered(&self, interval: Duration, random: &mut dyn Random) -> Duration {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let percent_max = if self.settings.detect_multiplier.get() == 1 { 90 } else { 100 };
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX) / 100;
        let spread = u128::from(interval * (percent_max - 75));
        let part = (spread * u128::from(u32::from_be_bytes(bytes))) >> 32;
        Duration::from_nanos(interval * 75 + part as u64)
    }

    fn transmit(&mut self, is_final: bool) {
        self.output.push_back(Output::Transmit(Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.polling && !is_final,
            is_final,
            control_plane_independent: false,
            authenticated: false,
            demand: false,
            detect_multiplier: self.settings.detect_multiplier.get(),
            my_discriminator: self.discriminator.get(),
            your_discriminator: self.remote.discriminator,
            desired_min_tx_us: self.desired_us(),
            required_min_rx_us: self.required_us(),
            required_min_echo_rx_us: 0,
        }));
    }
}

fn micros(us: u32) -> Duration {
    Duration::from_micros(us.into())
}

/// As the packet has it, and never zero: that would say that no packets are wanted.
fn whole_micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX).max(1)
}

impl fmt::Display for Discarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authenticated => "authentication that is not agreed",
            Self::Discriminator => "the discriminator of another session",
            Self::AdminDown => "the session is administratively down",
        })
    }
}

impl core::error::Error for Discarded {}

/// RFC 5880 section 6.8.3: the least time between packets while a session is not up.
const SLOW_US: u32 = 1_000_000;
