//! The control packet (RFC 5880 section 4.1).

use core::fmt;

use wire::cursor::{LengthError, Reader};
use wire::open_enum;

open_enum! {
    /// Why the sender's session went down the last time (RFC 5880 section 4.1).
    pub Diagnostic: u8 {
        /// It has not.
        NONE = 0, "none";
        /// Nothing has come for too long.
        DETECTION_TIME_EXPIRED = 1, "control detection time expired";
        /// Echoes do not come back.
        ECHO_FAILED = 2, "echo function failed";
        /// The other end said that it is down.
        NEIGHBOR_DOWN = 3, "neighbor signaled session down";
        /// The forwarding plane was reset.
        FORWARDING_RESET = 4, "forwarding plane reset";
        /// The path is known to be down.
        PATH_DOWN = 5, "path down";
        /// A path that this one is part of is known to be down.
        CONCATENATED_PATH_DOWN = 6, "concatenated path down";
        /// An administrator has taken it down.
        ADMINISTRATIVELY_DOWN = 7, "administratively down";
        /// The reverse of a path that this one is part of is known to be down.
        REVERSE_PATH_DOWN = 8, "reverse concatenated path down";
    }
}

/// Of a session (RFC 5880 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Taken down by an administrator, which says nothing about the path.
    AdminDown = 0,
    /// Nothing is known of the other end, or it has been lost.
    Down = 1,
    /// The other end is heard and has not heard us yet.
    Init = 2,
    /// Both ends hear each other.
    Up = 3,
}

/// A control packet without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Why the sender's session went down the last time; five bits.
    pub diagnostic: Diagnostic,
    /// State of the sender's session.
    pub state: State,
    /// P: the sender wants an answer with F.
    pub poll: bool,
    /// F: this answers a packet with P.
    pub is_final: bool,
    /// C: the sender's BFD goes on when its control plane restarts.
    pub control_plane_independent: bool,
    /// A: authentication follows, which is not read.
    pub authenticated: bool,
    /// D: the sender wants no packets but answers while the session is up.
    pub demand: bool,
    /// Packets in a row that may be lost before the sender is taken for dead; not zero.
    pub detect_multiplier: u8,
    /// The sender's name of the session; not zero.
    pub my_discriminator: u32,
    /// The receiver's name of the session; zero while the sender does not know it.
    pub your_discriminator: u32,
    /// How often the sender would like to send, in microseconds between packets, not zero.
    pub desired_min_tx_us: u32,
    /// How often the sender can take packets, in microseconds between them; zero: none at all.
    pub required_min_rx_us: u32,
    /// The same of echoes; zero: none at all.
    pub required_min_echo_rx_us: u32,
}

/// Why bytes are not a control packet (RFC 5880 section 6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than a packet has, or than its length field says.
    Truncated,
    /// A version other than 1.
    Version,
    /// A length field that is less than the length of a packet.
    Length,
    /// A detection multiplier of zero.
    Multiplier,
    /// The bit that is kept for point-to-multipoint paths is set.
    Multipoint,
    /// The sender has no name for the session, or none for its other end in a state in which it
    /// knows it.
    Discriminator,
}

impl State {
    fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

impl Control {
    /// Length on the wire.
    pub const LEN: usize = 24;

    /// Reads the payload of a UDP datagram; what is behind the packet is ignored.
    ///
    /// # Errors
    ///
    /// If RFC 5880 section 6.8.6 wants it discarded whatever the session.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (first, second) = (reader.u8()?, reader.u8()?);
        let (detect_multiplier, length) = (reader.u8()?, usize::from(reader.u8()?));
        let flag = |bit| second & bit != 0;
        let control = Self {
            diagnostic: Diagnostic(first & DIAGNOSTIC),
            state: State::from_bits(second >> 6),
            poll: flag(POLL),
            is_final: flag(FINAL),
            control_plane_independent: flag(CONTROL_PLANE_INDEPENDENT),
            authenticated: flag(AUTHENTICATED),
            demand: flag(DEMAND),
            detect_multiplier,
            my_discriminator: reader.u32()?,
            your_discriminator: reader.u32()?,
            desired_min_tx_us: reader.u32()?,
            required_min_rx_us: reader.u32()?,
            required_min_echo_rx_us: reader.u32()?,
        };
        // Type and length of the authentication.
        let authentication = if control.authenticated { 2 } else { 0 };
        let needs_other = matches!(control.state, State::Init | State::Up);
        if first >> 5 != VERSION {
            Err(Malformed::Version)
        } else if length < Self::LEN + authentication {
            Err(Malformed::Length)
        } else if length > bytes.len() {
            Err(Malformed::Truncated)
        } else if detect_multiplier == 0 {
            Err(Malformed::Multiplier)
        } else if flag(MULTIPOINT) {
            Err(Malformed::Multipoint)
        } else if control.my_discriminator == 0 || needs_other && control.your_discriminator == 0 {
            Err(Malformed::Discriminator)
        } else {
            Ok(control)
        }
    }

    /// The payload of a UDP datagram; there is no authentication in it.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL)
            | flag(self.is_final, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        let mut bytes = [0; Self::LEN];
        bytes[0] = VERSION << 5 | self.diagnostic.0 & DIAGNOSTIC;
        bytes[1] = (self.state as u8) << 6 | flags;
        bytes[2] = self.detect_multiplier;
        bytes[3] = Self::LEN as u8;
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        for (to, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

impl From<LengthError> for Malformed {
    fn from(_: LengthError) -> Self {
        Self::Truncated
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminDown => "admin down",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        })
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "cut short",
            Self::Version => "another version than 1",
            Self::Length => "a wrong length",
            Self::Multiplier => "a detection multiplier of zero",
            Self::Multipoint => "the multipoint bit",
            Self::Discriminator => "no discriminator",
        })
    }
}

impl core::error::Error for Malformed {}

const VERSION: u8 = 1;
const DIAGNOSTIC: u8 = 0x1f;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATED: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;
