//! Cookies (RFC 7296 section 2.6): an initiator shows that it is where it says before anything is
//! kept for it. Nothing is kept to recognize them either.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use engine::{Instant, Secret};
use subtle::ConstantTimeEq;

use crate::algorithm::Prf;
use crate::crypto::prf;
use crate::msg::IkeSpi;
use crate::output::Path;
use crate::shared::Shared;

/// The secret of now, and the one before.
pub(crate) struct Cookies {
    current: Secret,
    previous: Secret,
    version: u8,
    changed: Instant,
}

/// How long a secret is used: its cookies are taken for up to twice as long.
const LIFE: Duration = Duration::from_secs(60);

impl Cookies {
    pub fn new(shared: &mut Shared) -> Self {
        let current = Secret::new(shared.random_bytes(32));
        let previous = Secret::new(shared.random_bytes(32));
        Self { current, previous, version: 0, changed: Instant::default() }
    }

    /// The cookie for a request.
    pub fn make(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        path: Path,
        spi: IkeSpi,
        nonce: &[u8],
    ) -> Vec<u8> {
        if now.since(self.changed) > LIFE {
            let next = Secret::new(shared.random_bytes(32));
            self.previous = core::mem::replace(&mut self.current, next);
            self.version = self.version.wrapping_add(1);
            self.changed = now;
        }
        cookie(self.version, &self.current, path, spi, nonce)
    }

    /// Whether a request brings a cookie of ours.
    pub fn accepts(&self, path: Path, spi: IkeSpi, nonce: &[u8], brought: &[u8]) -> bool {
        let secret = match brought.first() {
            Some(version) if *version == self.version => &self.current,
            Some(version) if version.wrapping_add(1) == self.version => &self.previous,
            _ => return false,
        };
        let expected = cookie(brought[0], secret, path, spi, nonce);
        expected.ct_eq(brought).into()
    }
}

/// Version of the secret | PRF(secret, Ni | address and port of the initiator | SPIi).
fn cookie(version: u8, secret: &Secret, path: Path, spi: IkeSpi, nonce: &[u8]) -> Vec<u8> {
    let address = match path.remote.ip() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let port = path.remote.port().to_be_bytes();
    let parts: [&[u8]; 4] = [nonce, &address, &port, &spi.0.to_be_bytes()];
    let mac = prf(Prf::HmacSha256, secret.expose(), &parts);
    let mut cookie = alloc::vec![version];
    cookie.extend_from_slice(mac.expose());
    cookie
}
