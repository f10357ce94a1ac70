//! Wireshark's dissectors as a judge that knows nothing of our code.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::run;

/// One row of tshark's table of ESP SAs: enough to authenticate and decrypt a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspSa {
    /// Outer source address, or `*`.
    pub source: String,
    /// Outer destination address, or `*`.
    pub destination: String,
    /// Security parameters index.
    pub spi: u32,
    /// tshark's name of the cipher, such as `AES-CBC [RFC3602]`.
    pub cipher: &'static str,
    /// Cipher key, with its salt where it has one: `0x` and hex, or nothing.
    pub cipher_key: String,
    /// tshark's name of the authentication, such as `HMAC-SHA-1-96 [RFC2404]`.
    pub authentication: &'static str,
    /// Authentication key: `0x` and hex, or nothing.
    pub authentication_key: String,
}

impl EspSa {
    fn row(&self) -> String {
        let family = if self.source.contains(':') { "IPv6" } else { "IPv4" };
        format!(
            r#"uat:esp_sa:"{family}","{}","{}","0x{:08x}","{}","{}","{}","{}""#,
            self.source,
            self.destination,
            self.spi,
            self.cipher,
            self.cipher_key,
            self.authentication,
            self.authentication_key,
        )
    }
}

/// A capture file and the keys to read it with.
#[derive(Clone, Debug)]
pub struct Tshark {
    file: PathBuf,
    sas: Vec<EspSa>,
    /// Rows of other tables of keys, as options of tshark's.
    rows: Vec<String>,
    reassemble: bool,
}

impl Tshark {
    /// A capture that needs no keys.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), sas: Vec::new(), rows: Vec::new(), reassemble: false }
    }

    /// The same capture, with IPv4 fragments put together: their packet is shown in the last one.
    pub fn reassembling(mut self) -> Self {
        self.reassemble = true;
        self
    }

    /// The same capture, with its ESP checked and decrypted.
    pub fn with_sas(mut self, sas: &[EspSa]) -> Self {
        self.sas.extend_from_slice(sas);
        self
    }

    /// The same capture, with its ESP and IKE decrypted by what fastgw has logged in `folder`:
    /// files that Wireshark reads where its profile is.
    pub fn with_key_log(mut self, folder: &Path) -> Self {
        for table in ["esp_sa", "ikev1_decryption_table", "ikev2_decryption_table"] {
            let rows = fs::read_to_string(folder.join(table)).expect("a log of keys");
            self.rows.extend(rows.lines().map(|row| format!("uat:{table}:{row}")));
        }
        self
    }

    /// The same capture, with its ESP decrypted by a `.keys` file: a row of one of tshark's tables
    /// in each line.
    pub fn with_keys(mut self, file: &Path) -> Self {
        let rows = fs::read_to_string(file).expect("a file of keys");
        self.rows.extend(rows.lines().map(|row| format!("uat:{row}")));
        self
    }

    /// The same capture, with its ESP read as if it were not encrypted, where that makes sense.
    pub fn guessing_null(mut self) -> Self {
        self.rows.push("esp.enable_null_encryption_decode_heuristic:TRUE".to_owned());
        self
    }

    /// The bytes of every layer of `protocol`, with all that it carries.
    pub fn layers(&self, protocol: &str) -> Vec<Vec<u8>> {
        let mut command = self.command(protocol);
        let frames = run(command.args(["-T", "jsonraw", "-j", protocol]));
        let frames: serde_json::Value = serde_json::from_str(&frames).expect("JSON");
        let frames = frames.as_array().expect("a list of frames").iter();
        let layers = frames.map(|frame| &frame["_source"]["layers"][format!("{protocol}_raw")][0]);
        layers.filter_map(|layer| layer.as_str().map(bytes)).collect()
    }

    /// The values of `fields` in every frame that matches `filter`; a field that a frame has more
    /// than once (outer and inner address) is given as `first,second`.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
        let mut command = self.command(filter);
        command.args(["-T", "fields", "-E", "separator=/t"]);
        for field in fields {
            command.args(["-e", field]);
        }
        let rows = run(&mut command);
        rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
    }

    /// How many frames match `filter`.
    pub fn count(&self, filter: &str) -> usize {
        self.fields(filter, &["frame.number"]).len()
    }

    /// The frames that match `filter`, as tshark prints them in full.
    pub fn text(&self, filter: &str) -> String {
        run(self.command(filter).arg("-V"))
    }

    /// The frames that match `filter`, one line each.
    pub fn summary(&self, filter: &str) -> String {
        run(&mut self.command(filter))
    }

    /// Panics, showing the frames, if a frame is malformed or carries a wrong checksum or ICV.
    pub fn assert_well_formed(&self) {
        if let Err(complaint) = self.well_formed() {
            panic!("{complaint}");
        }
    }

    /// What is wrong with the capture: malformed frames, wrong checksums, wrong ICVs.
    pub fn well_formed(&self) -> Result<(), String> {
        self.nothing_matches(&[
            "_ws.malformed",
            "ip.checksum.status == \"Bad\"",
            "icmp.checksum.status == \"Bad\"",
            // Linux writes the other zero of one's complement where a sum is zero
            // (skb_checksum_help), which receivers take for right, and tshark does not.
            "(tcp.checksum.status == \"Bad\" && tcp.checksum != 0xffff)",
            "udp.checksum.status == \"Bad\"",
            "esp.icv_bad == 1",
        ])
    }

    /// An error with the frames that match any of `filters`, if there are such frames.
    pub fn nothing_matches(&self, filters: &[&str]) -> Result<(), String> {
        // One reading for all of them: each costs a start of tshark.
        let any = filters.iter().map(|filter| format!("({filter})")).collect::<Vec<_>>();
        let any = any.join(" || ");
        let frames = self.summary(&any);
        if frames.is_empty() { Ok(()) } else { Err(format!("frames match {any}:\n{frames}")) }
    }

    fn command(&self, filter: &str) -> Command {
        let mut command = Command::new("tshark");
        command.args(["-n", "-r"]).arg(&self.file).args(["-Y", filter]);
        for preference in [
            "ip.check_checksum:TRUE",
            "tcp.check_checksum:TRUE",
            "udp.check_checksum:TRUE",
            // Unless asked for: a fragment is judged by itself.
            if self.reassemble { "ip.defragment:TRUE" } else { "ip.defragment:FALSE" },
        ] {
            command.args(["-o", preference]);
        }
        if !self.sas.is_empty() || !self.rows.is_empty() {
            command.args(["-o", "esp.enable_encryption_decode:TRUE"]);
            command.args(["-o", "esp.enable_authentication_check:TRUE"]);
        }
        for sa in &self.sas {
            command.args(["-o", &sa.row()]);
        }
        for row in &self.rows {
            command.args(["-o", row]);
        }
        command
    }
}

/// The bytes that tshark prints in hex.
fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: char| digit.to_digit(16).expect("hex") as u8;
    let digits: Vec<u8> = hex.chars().map(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
