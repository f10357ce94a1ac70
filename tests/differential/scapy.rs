//! One Python process with scapy, asked over its standard input and output.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};
use tables::GreHeader;
use tests::process::python;
use wire::{
    Suite,
    suite::{Encryption, Integrity},
};

use crate::gateway::{HERE, HERE_INSIDE, Kind, Own, SPI_IN, SPI_OUT, THERE, THERE_INSIDE, keys};

/// The process; it ends when this is dropped.
pub struct Scapy {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// An outer packet, opened.
pub struct Opened {
    /// The inner packet.
    pub packet: Vec<u8>,
    /// The outer type of service.
    pub tos: u8,
    /// The outer "don't fragment".
    pub df: bool,
    /// The sequence number.
    pub sequence: u32,
}

impl Scapy {
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("differential/scapy_peer.py");
        let mut command = python(&script);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Debian's Python with scapy");
        let requests = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("a piped standard output"));
        Self { child, requests, answers }
    }

    /// Starts over as the peer of a [`crate::gateway::Gateway`] with this suite and kind.
    pub fn begin(&mut self, suite: Suite, kind: Kind, seed: u64) {
        let (cipher, authentication) = algorithms(suite);
        let sa = |spi, source, destination| {
            let (encryption, authentication) = keys(suite, spi);
            json!({
                "spi": spi, "source": source, "destination": destination,
                "encryption": hex(&encryption), "authentication": hex(&authentication),
            })
        };
        self.ask(json!({
            "do": "begin", "seed": format!("{seed} {suite}"),
            "cipher": cipher, "authentication": authentication,
            "seals": sa(SPI_IN, THERE, HERE), "opens": sa(SPI_OUT, HERE, THERE),
            "carrier": carrier(kind),
        }));
    }

    /// A random packet between two /24 networks, given by their first three bytes.
    pub fn make(&mut self, source: &str, destination: &str) -> Vec<u8> {
        packet(&self.ask(json!({"do": "make", "source": source, "destination": destination})))
    }

    pub fn seal(&mut self, inner: &[u8]) -> Vec<u8> {
        packet(&self.ask(json!({"do": "seal", "packet": hex(inner)})))
    }

    /// The inner packet, or why scapy refuses the outer one.
    pub fn open(&mut self, outer: &[u8]) -> Result<Opened, String> {
        let answer = self.ask(json!({"do": "open", "packet": hex(outer)}));
        if let Some(why) = answer["refused"].as_str() {
            return Err(why.to_owned());
        }
        let number = |name: &str| answer[name].as_u64().expect("a number");
        Ok(Opened {
            packet: packet(&answer),
            tos: number("tos") as u8,
            df: answer["df"] == true,
            sequence: number("sequence") as u32,
        })
    }

    /// The packet with a random bit flipped behind its outer header.
    pub fn damage(&mut self, outer: &[u8]) -> Vec<u8> {
        packet(&self.ask(json!({"do": "damage", "packet": hex(outer)})))
    }

    fn ask(&mut self, request: Value) -> Value {
        let requests = self.requests.as_mut().expect("open until the end");
        // When it has ended, reading says so below, under the traceback that it printed.
        let _sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("lines of text");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("scapy has ended; {line:?}"))
    }
}

impl Drop for Scapy {
    fn drop(&mut self) {
        // The end of its input is the end of the process.
        self.requests = None;
        if let Err(error) = self.child.wait() {
            eprintln!("scapy: {error}");
        }
    }
}

/// What the script is told of a kind.
fn carrier(kind: Kind) -> Value {
    let Some(own) = kind.own else { return Value::Null };
    let mut carrier = match own {
        Own::Ipip => json!({"kind": "ipip"}),
        Own::L2tp => json!({"kind": "l2tp"}),
        Own::Gre(GreHeader { key, checksum, sequence }) => {
            json!({"kind": "gre", "key": key, "checksum": checksum, "sequence": sequence})
        }
    };
    if kind.tunnel_mode {
        carrier["between"] = json!([HERE_INSIDE, THERE_INSIDE]);
    }
    carrier
}

/// What scapy calls the suite's cipher and authentication.
fn algorithms(suite: Suite) -> (&'static str, &'static str) {
    let cipher = match suite.encryption() {
        Encryption::Null => "NULL",
        Encryption::AesCbc(_) => "AES-CBC",
        Encryption::AesGcm(_, 8) => "AES-GCM-8",
        Encryption::AesGcm(_, 12) => "AES-GCM-12",
        Encryption::AesGcm(..) => "AES-GCM",
        Encryption::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        Encryption::NullAesGmac(_) => "AES-GMAC",
    };
    let authentication = match suite.integrity() {
        Integrity::Combined => "NULL",
        Integrity::HmacMd5 => "HMAC-MD5-96",
        Integrity::HmacSha1 => "HMAC-SHA1-96",
        Integrity::HmacSha256 => "SHA2-256-128",
        Integrity::HmacSha384 => "SHA2-384-192",
        Integrity::HmacSha512 => "SHA2-512-256",
    };
    (cipher, authentication)
}

fn packet(answer: &Value) -> Vec<u8> {
    let text = answer["packet"].as_str().unwrap_or_else(|| panic!("a packet, not {answer}"));
    let digit = |c: u8| char::from(c).to_digit(16).expect("hex") as u8;
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
