//! fastgw as an end: its configuration, its commands and what it shows.

use std::{path::Path, process::Command};

use serde_json::Value;
use tests::{
    gateway::{Gateway, binary},
    netns::Netns,
    process::{output, said},
};

use crate::{
    case::{Auth, Case, Event, Mode, PPK_ID, Side},
    certificates::Certificates,
    end::{Child, End, Ike},
};

/// The gateway in a namespace.
pub struct Fastgw<'a> {
    netns: &'a Netns,
    case: &'a Case,
    certificates: &'a Certificates,
    gateway: Option<Gateway>,
    keys: Option<&'a Path>,
}

impl<'a> Fastgw<'a> {
    /// A gateway that is not running yet.
    pub fn new(netns: &'a Netns, case: &'a Case, certificates: &'a Certificates) -> Self {
        Self { netns, case, certificates, gateway: None, keys: None }
    }

    /// The same, writing its keys into this folder.
    pub fn logging_keys(self, folder: &'a Path) -> Self {
        Self { keys: Some(folder), ..self }
    }

    fn order(&self, words: &[&str]) -> Result<(), String> {
        let gateway = self.gateway.as_ref().ok_or("it has not been started")?;
        let mut command = Command::new(binary());
        command.arg("ike").args(words).arg("--socket").arg(gateway.socket());
        let output = output(&mut command);
        if output.status.success() { Ok(()) } else { Err(said(&output)) }
    }
}

impl End for Fastgw<'_> {
    fn start(&mut self) {
        match &mut self.gateway {
            Some(gateway) => gateway.start_again(self.netns),
            None => {
                let keys = self.keys.map(|keys| format!("ike_keylog = \"{}\"", keys.display()));
                let keys = format!("[gateway]\n{}", keys.unwrap_or_default());
                let config = |socket: &Path| {
                    let text = configuration(self.case, self.certificates, socket);
                    text.replacen("[gateway]", &keys, 1)
                };
                self.gateway = Some(Gateway::start(self.netns, config));
            }
        }
    }

    fn kill(&mut self) {
        if let Some(gateway) = &mut self.gateway {
            gateway.kill();
        }
    }

    fn initiate(&self) -> Result<(), String> {
        self.order(&["initiate", PEER])
    }

    fn rekey_child(&self) -> Result<(), String> {
        self.order(&["rekey", PEER])
    }

    fn rekey_ike(&self) -> Result<(), String> {
        self.order(&["rekey", PEER, "--ike"])
    }

    fn reauthenticate(&self) -> Result<(), String> {
        Err("it does so by the clock only".to_owned())
    }

    fn terminate(&self) -> Result<(), String> {
        self.order(&["terminate", PEER])
    }

    fn sas(&self) -> Vec<Ike> {
        let shown = self.gateway.as_ref().map(Gateway::show).unwrap_or_default();
        let all = shown["ike"].as_array().cloned().unwrap_or_default();
        let established = all.iter().filter(|sa| sa["state"] == "established");
        established.map(read_sa).collect()
    }

    fn log(&self) -> String {
        self.gateway.as_ref().map(Gateway::log).unwrap_or_default()
    }
}

/// What it calls its peer.
const PEER: &str = "site-b";

fn read_sa(sa: &Value) -> Ike {
    let text = |key: &str| sa[key].as_str().unwrap_or_default().to_owned();
    let children = sa["children"].as_array().cloned().unwrap_or_default();
    let installed = children.iter().filter(|child| child["state"] == "installed");
    let spi = |child: &Value, key: &str| {
        child[key].as_u64().and_then(|spi| u32::try_from(spi).ok()).unwrap_or(0)
    };
    Ike {
        spis: text("initiator_spi") + &text("responder_spi"),
        children: installed
            .map(|child| Child {
                inbound: spi(child, "inbound_spi"),
                outbound: spi(child, "outbound_spi"),
            })
            .collect(),
    }
}

fn configuration(case: &Case, certificates: &Certificates, socket: &Path) -> String {
    let [ours, theirs] = [Side::Ours, Side::Theirs];
    format!(
        r#"[gateway]
name = "ours"
workers = 1
control_socket = "{socket}"

[[port]]
name = "lan"
device = "lan0"
role = "inside"

[[port]]
name = "wan"
device = "wan0"
role = "outside"

[[ike]]
name = "{PEER}"
version = {version}
local = "{local}"
remote = "{remote}"
local_id = "{local_id}"
remote_id = "{remote_id}"
proposals = ["{ike}"]
{proof}
{habits}

[[tunnel]]
name = "net"
local = "{local}"
remote = "{remote}"
{tunnel}

[tunnel.ike]
peer = "{PEER}"
proposals = ["{esp}"]
start = "{start}"
{mode}
"#,
        socket = socket.display(),
        version = case.version,
        local = ours.wan(),
        remote = case.seen(theirs),
        local_id = case.identity(ours),
        remote_id = case.identity(theirs),
        ike = case.ike,
        proof = proof(case, certificates),
        habits = habits(case),
        esp = case.esp,
        start = start(case),
        tunnel = tunnel(case.mode),
        mode = if case.mode == Mode::Tunnel { "" } else { "mode = \"transport\"" },
    ) + if case.mode == Mode::Tunnel { "" } else { ROUTE }
}

const ROUTE: &str = "\n[[route]]\nprefix = \"10.2.0.0/24\"\ntunnel = \"net\"\n";

/// When it negotiates.
fn start(case: &Case) -> &'static str {
    match case.event {
        Event::OnDemand => "demand",
        _ if case.event.keeps_up() && case.calls(Side::Ours) => "always",
        _ => "never",
    }
}

fn tunnel(mode: Mode) -> String {
    let [ours, theirs] = [Side::Ours, Side::Theirs];
    let kind = match mode {
        Mode::Tunnel => {
            return format!(
                "kind = \"esp\"\nlocal_subnets = [\"{}\"]\nremote_subnets = [\"{}\"]",
                ours.subnet(),
                theirs.subnet()
            );
        }
        Mode::TransportGre => "gre",
        Mode::TransportIpip => "ipip",
    };
    format!("kind = \"{kind}\"\naddress = \"{}/30\"", ours.overlay())
}

/// How it shows who it is, and what it wants to see.
fn proof(case: &Case, certificates: &Certificates) -> String {
    let Auth::Certificate(kind) = case.auth else {
        let mut lines = format!("psk = \"{}\"", case.secret(Side::Ours));
        if let Some(ppk) = case.ppk(Side::Ours) {
            lines += &format!("\nppk = \"{ppk}\"\nppk_id = \"{PPK_ID}\"\nppk_required = true");
        }
        return lines;
    };
    let own = certificates.of(kind, Side::Ours);
    format!(
        "auth = \"certificate\"\ncertificate = \"\"\"\n{}{}\"\"\"\nprivate_key = \"\"\"\n{}\"\"\"\n\
         authorities = \"\"\"\n{}\"\"\"\ncrls = \"\"\"\n{}\"\"\"",
        own.certificate,
        own.intermediates.concat(),
        own.key,
        own.root,
        own.crl,
    )
}

/// What it does by the clock, and what it takes part in.
fn habits(case: &Case) -> String {
    let mut lines = Vec::new();
    if case.event.keeps_up() || case.event == Event::Rebind {
        lines.push("dpd = \"5s\"\ndpd_timeout = \"5s\"");
        let again = case.event.keeps_up() && case.calls(Side::Ours);
        lines.push(if again { "dpd_action = \"restart\"" } else { "dpd_action = \"clear\"" });
    }
    match case.event {
        _ if case.version == 1 => {}
        Event::Move => lines.push("mobike = true"),
        _ => lines.push("mobike = false"),
    }
    if case.narrow {
        lines.push("fragment = 1280");
    }
    lines.join("\n")
}
