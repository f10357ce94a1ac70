//! The process as a whole: the `[gateway]` section.

use std::path::PathBuf;

use toml::Spanned;

/// The `[gateway]` section.
#[derive(Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Letters, digits, `-`, `_` and `.`, at most 32.
    pub name: String,
    /// Number of workers, 1 to 64; each has a queue of its own on every port.
    pub workers: usize,
    /// One CPU number per worker; `None` leaves the choice to fastgw.
    pub cores: Option<Spanned<Vec<usize>>>,
    /// Absolute path of the Unix socket that `fastgw show` talks to.
    pub control_socket: PathBuf,
    /// Absolute path of the folder that all negotiated keys are written to, in Wireshark's formats;
    /// `None` keeps them secret.
    pub ike_keylog: Option<PathBuf>,
    /// What a worker does when there is nothing to do.
    pub idle: Idle,
    /// Which ciphers carry packets.
    pub crypto: Crypto,
}

/// Which implementations of the ciphers carry packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crypto {
    /// The fastest that the processor has.
    Fastest,
    /// Only those of well-known libraries.
    Portable,
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Sleeps in `poll` until a frame comes.
    Sleep,
    /// Keeps polling its rings, for the lowest latency at the price of a busy core.
    Spin,
}
