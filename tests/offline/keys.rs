//! The `.keys` files beside our captures: rows of tshark's table of ESP SAs.

/// One SA in the words of fastgw's configuration.
pub struct Row {
    pub source: String,
    pub destination: String,
    pub suite: &'static str,
    spi: String,
    encryption_key: String,
    authentication_key: String,
}

impl Row {
    /// Every ESP SA in the text of a `.keys` file.
    pub fn all(text: &str) -> Vec<Self> {
        text.lines().filter(|line| line.starts_with("esp_sa:")).map(Self::read).collect()
    }

    fn read(line: &str) -> Self {
        let cells: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let [_, source, destination, spi, cipher, key, authentication, authentication_key] =
            cells[..]
        else {
            panic!("eight cells: {line}");
        };
        let suite = match (cipher, key.len(), authentication) {
            ("NULL", 0, "HMAC-SHA-1-96 [RFC2404]") => "null-sha1",
            ("AES-GCM with 16 octet ICV [RFC4106]", 42, "NULL") => "aes128gcm16",
            other => panic!("no suite of these captures: {other:?}"),
        };
        Self {
            source: source.to_owned(),
            destination: destination.to_owned(),
            suite,
            spi: spi.to_owned(),
            encryption_key: key.to_owned(),
            authentication_key: authentication_key.to_owned(),
        }
    }

    /// The lines of `[tunnel.sa.in]` or `[tunnel.sa.out]`.
    pub fn toml(&self) -> String {
        let keys = [
            ("encryption_key", &self.encryption_key),
            ("authentication_key", &self.authentication_key),
        ];
        let given = keys.iter().filter(|(_, key)| !key.is_empty());
        let lines: String = given.map(|(name, key)| format!("{name} = \"{key}\"\n")).collect();
        format!("spi = {}\n{lines}", self.spi)
    }
}
