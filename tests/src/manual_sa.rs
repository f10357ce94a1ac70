//! A manually keyed ESP SA in the words of each party: fastgw's TOML, `ip xfrm`, tshark.

use std::fmt::Write;

use crate::tshark::EspSa;

/// An ESP suite by all its names.
#[derive(Debug)]
pub struct Suite {
    /// What fastgw's configuration calls it.
    pub name: &'static str,
    /// Bytes of the cipher key, with its salt.
    pub encryption_key_len: usize,
    /// Bytes of the authentication key; 0 for AES-GCM.
    pub authentication_key_len: usize,
    /// The kernel's name of the cipher.
    kernel_cipher: &'static str,
    /// The kernel's name of the authentication with its ICV length in bits, unless the cipher
    /// authenticates.
    kernel_authentication: Option<(&'static str, u32)>,
    tshark_cipher: &'static str,
    tshark_authentication: &'static str,
}

/// The suites that fastgw, Linux and tshark know.
pub const SUITES: [Suite; 8] = [
    gcm("aes128gcm16", 20),
    gcm("aes256gcm16", 36),
    cbc("aes128-sha1", 16, SHA1),
    cbc("aes256-sha1", 32, SHA1),
    cbc("aes128-sha256", 16, SHA256),
    cbc("aes256-sha256", 32, SHA256),
    null("null-sha1", SHA1),
    null("null-md5", MD5),
];

/// One more, which this tshark cannot read.
const CHACHA20_POLY1305: Suite = Suite {
    name: "chacha20poly1305",
    kernel_cipher: "rfc7539esp(chacha20,poly1305)",
    tshark_cipher: "",
    ..gcm("", 36)
};

/// Key length in bytes, the kernel's name and ICV length in bits, tshark's name.
type Authentication = (usize, &'static str, u32, &'static str);

const SHA1: Authentication = (20, "hmac(sha1)", 96, "HMAC-SHA-1-96 [RFC2404]");
const SHA256: Authentication = (32, "hmac(sha256)", 128, "HMAC-SHA-256-128 [RFC4868]");
const MD5: Authentication = (16, "hmac(md5)", 96, "HMAC-MD5-96 [RFC2403]");

const fn gcm(name: &'static str, encryption_key_len: usize) -> Suite {
    Suite {
        name,
        encryption_key_len,
        authentication_key_len: 0,
        kernel_cipher: "rfc4106(gcm(aes))",
        kernel_authentication: None,
        tshark_cipher: "AES-GCM with 16 octet ICV [RFC4106]",
        tshark_authentication: "NULL",
    }
}

const fn cbc(name: &'static str, encryption_key_len: usize, with: Authentication) -> Suite {
    let (authentication_key_len, kernel, icv_bits, tshark_authentication) = with;
    Suite {
        name,
        encryption_key_len,
        authentication_key_len,
        kernel_cipher: "cbc(aes)",
        kernel_authentication: Some((kernel, icv_bits)),
        tshark_cipher: "AES-CBC [RFC3602]",
        tshark_authentication,
    }
}

const fn null(name: &'static str, with: Authentication) -> Suite {
    let cbc = cbc(name, 0, with);
    Suite { kernel_cipher: "ecb(cipher_null)", tshark_cipher: "NULL", ..cbc }
}

impl Suite {
    /// Whether tshark can check and decrypt it.
    pub fn is_known_to_tshark(&self) -> bool {
        !self.tshark_cipher.is_empty()
    }

    /// The suite with this name. Panics when there is none.
    pub fn named(name: &str) -> &'static Self {
        let mut all = SUITES.iter().chain([&CHACHA20_POLY1305]);
        all.find(|suite| suite.name == name).unwrap_or_else(|| panic!("no suite {name}"))
    }
}

/// One direction of an ESP tunnel.
#[derive(Clone, Debug)]
pub struct Sa {
    /// Cipher and authentication.
    pub suite: &'static Suite,
    /// Security parameters index.
    pub spi: u32,
    /// Outer source address.
    pub source: &'static str,
    /// Outer destination address.
    pub destination: &'static str,
}

impl Sa {
    /// The lines of `[tunnel.sa.out]` or `[tunnel.sa.in]`.
    pub fn toml(&self) -> String {
        let mut toml = format!("spi = 0x{:x}\n", self.spi);
        let keys = [
            ("encryption_key", self.encryption_key()),
            ("authentication_key", self.authentication_key()),
        ];
        for (name, key) in keys.iter().filter(|(_, key)| !key.is_empty()) {
            writeln!(toml, "{name} = \"{key}\"").expect("a String takes everything");
        }
        toml
    }

    /// The line that adds it to a Linux kernel; `words` are the mode and whatever else the state
    /// is to have, such as `mode tunnel replay-window 64`.
    pub fn ip_xfrm_state_add(&self, words: &str) -> String {
        let cipher = self.suite.kernel_cipher;
        // iproute2 wants an empty word where NULL has no key.
        let key = Some(self.encryption_key()).filter(|key| !key.is_empty());
        let key = key.unwrap_or_else(|| "''".to_owned());
        let algorithms = match self.suite.kernel_authentication {
            None => format!("aead '{cipher}' {key} 128"),
            Some((name, bits)) => {
                let authentication = self.authentication_key();
                format!("enc '{cipher}' {key} auth-trunc '{name}' {authentication} {bits}")
            }
        };
        format!(
            "ip xfrm state add src {} dst {} proto esp spi {} {words} {}",
            self.source, self.destination, self.spi, algorithms,
        )
    }

    /// The row of tshark's table; of no use unless [`Suite::is_known_to_tshark`].
    pub fn tshark(&self) -> EspSa {
        EspSa {
            source: self.source.to_owned(),
            destination: self.destination.to_owned(),
            spi: self.spi,
            cipher: self.suite.tshark_cipher,
            cipher_key: self.encryption_key(),
            authentication: self.suite.tshark_authentication,
            authentication_key: self.authentication_key(),
        }
    }

    fn encryption_key(&self) -> String {
        self.key(1, self.suite.encryption_key_len)
    }

    fn authentication_key(&self) -> String {
        self.key(2, self.suite.authentication_key_len)
    }

    /// `len` bytes in hex that no other SPI and purpose gets; nothing for no bytes.
    fn key(&self, purpose: u64, len: usize) -> String {
        if len == 0 {
            return String::new();
        }
        let mut state = u64::from(self.spi) << 8 | purpose;
        (0..len).fold("0x".to_owned(), |hex, _| {
            // SplitMix64: every bit of the counter reaches every bit of the key.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            format!("{hex}{:02x}", mixed >> 56)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sa(suite: &str, spi: u32) -> Sa {
        Sa { suite: Suite::named(suite), spi, source: "192.0.2.1", destination: "192.0.2.2" }
    }

    #[test]
    fn keys_have_the_length_of_their_suite_and_differ() {
        let gcm = sa("aes256gcm16", 0x1001);
        assert_eq!(gcm.encryption_key().len(), 2 + 2 * 36);
        assert_eq!(gcm.authentication_key(), "");
        let cbc = sa("aes256-sha256", 0x1001);
        assert_ne!(cbc.encryption_key(), cbc.authentication_key());
        assert_ne!(cbc.encryption_key(), sa("aes256-sha256", 0x1002).encryption_key());
    }

    #[test]
    fn null_has_no_cipher_key_for_anyone() {
        let null = sa("null-md5", 0x1001);
        assert!(!null.toml().contains("encryption_key"));
        assert!(
            null.ip_xfrm_state_add("mode tunnel").contains("enc 'ecb(cipher_null)' '' auth-trunc")
        );
        assert_eq!(null.tshark().cipher_key, "");
    }
}
