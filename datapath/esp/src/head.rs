//! What the SAs of both directions have in common: who they are, what they have carried and how
//! long they live.

use std::fmt;

use crate::Suite;
use crate::lifetime::{Lifetime, Limits};

/// What tells one SA from another, and its lifetime. Workers only read it.
pub(crate) struct Head {
    pub(crate) spi: u32,
    pub(crate) suite: Suite,
    pub(crate) esn: bool,
    pub(crate) lifetime: Lifetime,
}

impl Head {
    /// Without limits.
    pub(crate) fn new(spi: u32, suite: Suite, esn: bool) -> Self {
        Self { spi, suite, esn, lifetime: Lifetime::new(Limits::default()) }
    }

    /// Begins the `Debug` of an SA of this name.
    pub(crate) fn debug<'a, 'b>(
        &self,
        name: &str,
        f: &'a mut fmt::Formatter<'b>,
    ) -> fmt::DebugStruct<'a, 'b> {
        let mut debug = f.debug_struct(name);
        debug
            .field("spi", &format_args!("{:#010x}", self.spi))
            .field("suite", &self.suite)
            .field("esn", &self.esn);
        debug
    }
}

/// The methods that an SA of either direction has, given its `head: Head` and its
/// `written.usage: Usage`.
macro_rules! methods_of_both_directions {
    ($sa:ident) => {
        impl $sa {
            /// The SPI: the receiver's choice, which the sender writes into each packet.
            #[must_use]
            pub const fn spi(&self) -> u32 {
                self.head.spi
            }

            /// The suite.
            #[must_use]
            pub const fn suite(&self) -> Suite {
                self.head.suite
            }

            /// Whether sequence numbers have 64 bits (RFC 4303 2.2.1).
            #[must_use]
            pub const fn esn(&self) -> bool {
                self.head.esn
            }

            /// Adds to what the SA has carried: once per run of packets. What a byte is (payload,
            /// or the whole outer packet) is the caller's to decide. Gives whether these are the
            /// first packets.
            #[inline]
            pub fn count(&self, packets: u64, bytes: u64) -> bool {
                self.written.usage.count(packets, bytes)
            }

            /// Packets counted.
            #[must_use]
            pub fn packets(&self) -> u64 {
                self.written.usage.packets()
            }

            /// Bytes counted.
            #[must_use]
            pub fn bytes(&self) -> u64 {
                self.written.usage.bytes()
            }

            /// Ends the SA for good, as reaching a hard limit does: for the hard limit on time
            /// (RFC 4301 4.4.2.1), which the SA cannot see. A run that a worker has begun is not
            /// stopped.
            pub fn expire(&self) {
                self.head.lifetime.end();
            }
        }
    };
}

pub(crate) use methods_of_both_directions;
