//! strongSwan's charon: its files, its commands and what it says of its SAs.

use std::time::Duration;

use tests::process::wait_for;

use crate::{
    case::{Auth, Case, Daemon, Event, Mode, PPK_ID, Side},
    certificates::{Certificates, Credential, Kind},
    end::{Child, End, Ike},
    machine::Machine,
};

/// ESP's implementation that charon drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Esp {
    /// The kernel's.
    Kernel,
    /// Its own, which is always in UDP and in tunnel mode.
    InUserspace,
}

/// charon on a machine.
pub struct StrongSwan<M> {
    machine: M,
}

impl<M: Machine> StrongSwan<M> {
    /// A daemon that is not running yet.
    pub fn new(machine: M, esp: Esp, case: &Case, side: Side, certificates: &Certificates) -> Self {
        for (path, text) in files(case, side, esp, certificates) {
            machine.write(&path, &text);
        }
        Self { machine }
    }

    fn swanctl(&self, words: &[&str]) -> Result<String, String> {
        self.machine.run(&[&["/usr/sbin/swanctl"], words].concat())
    }
}

impl<M: Machine> End for StrongSwan<M> {
    fn start(&mut self) {
        self.machine.start(&["/usr/lib/ipsec/charon"]);
        let machine = &mut self.machine;
        wait_for("charon", Duration::from_secs(30), || {
            machine.assert_runs();
            machine.run(&["/usr/sbin/swanctl", "--load-all"]).ok()
        });
    }

    fn kill(&mut self) {
        self.machine.kill();
    }

    fn initiate(&self) -> Result<(), String> {
        self.swanctl(&["--initiate", "--child", "net", "--timeout", "20"]).map(drop)
    }

    fn rekey_child(&self) -> Result<(), String> {
        self.swanctl(&["--rekey", "--child", "net"]).map(drop)
    }

    fn rekey_ike(&self) -> Result<(), String> {
        self.swanctl(&["--rekey", "--ike", "site"]).map(drop)
    }

    fn reauthenticate(&self) -> Result<(), String> {
        self.swanctl(&["--rekey", "--ike", "site", "--reauth"]).map(drop)
    }

    fn terminate(&self) -> Result<(), String> {
        self.swanctl(&["--terminate", "--ike", "site", "--timeout", "10"]).map(drop)
    }

    fn sas(&self) -> Vec<Ike> {
        read_sas(&self.swanctl(&["--list-sas", "--raw"]).unwrap_or_default())
    }

    fn log(&self) -> String {
        self.machine.log()
    }
}

/// What `swanctl --list-sas --raw` says: a line for each IKE SA.
fn read_sas(text: &str) -> Vec<Ike> {
    let lines = text.lines().filter(|line| line.starts_with("list-sa event"));
    let established = lines.filter_map(|line| {
        let (ike, children) = line.split_once("child-sas").unwrap_or((line, ""));
        if value(ike, "state") != "ESTABLISHED" {
            return None;
        }
        let spis = format!("{}{}", value(ike, "initiator-spi"), value(ike, "responder-spi"));
        let children = children.split("name=").filter(|child| value(child, "state") == "INSTALLED");
        let spi = |child, key| u32::from_str_radix(value(child, key), 16).unwrap_or(0);
        let children = children
            .map(|child| Child { inbound: spi(child, "spi-in"), outbound: spi(child, "spi-out") });
        Some(Ike { spis, children: children.collect() })
    });
    established.collect()
}

/// The value of `key=value` in a text of such words.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut words = text.split([' ', '{', '}']);
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).unwrap_or("")
}

/// All files of a side's daemon.
fn files(case: &Case, side: Side, esp: Esp, certificates: &Certificates) -> Vec<(String, String)> {
    let mut files = vec![
        ("/etc/strongswan.conf".to_owned(), daemon(esp, case.daemon)),
        ("/etc/swanctl/swanctl.conf".to_owned(), connection(case, side)),
    ];
    if let Some(kind) = case.kind() {
        files.extend(credentials(kind, &certificates.of(kind, side)));
    }
    files
}

fn credentials(kind: Kind, own: &Credential) -> Vec<(String, String)> {
    let mut files = vec![
        ("/etc/swanctl/private/own.pem".to_owned(), own.key.clone()),
        ("/etc/swanctl/x509/own.pem".to_owned(), own.certificate.clone()),
        ("/etc/swanctl/x509ca/root.pem".to_owned(), own.root.clone()),
    ];
    // An intermediate is sent along by who has it.
    for (number, text) in own.intermediates.iter().enumerate() {
        files.push((format!("/etc/swanctl/x509ca/intermediate{number}.pem"), text.clone()));
    }
    if kind == Kind::Revoked {
        files.push(("/etc/swanctl/x509crl/root.pem".to_owned(), own.crl.clone()));
    }
    files
}

/// charon's own settings. Retransmissions that come soon: what is lost here is never a little late.
fn daemon(esp: Esp, version: Daemon) -> String {
    let kernel = match esp {
        Esp::Kernel => "kernel-netlink",
        Esp::InUserspace => "kernel-libipsec kernel-netlink",
    };
    let post_quantum = if version == Daemon::StrongSwan6 { "ml" } else { "" };
    // A guest in software emulation is slow to answer.
    let timeout = if esp == Esp::Kernel { 4 } else { 1 };
    format!(
        "charon {{
  load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp curve25519 gcm chapoly {post_quantum} \
            pem pkcs1 pkcs8 x509 pubkey constraints revocation {kernel} socket-default \
            updown vici
  install_routes = yes
  make_before_break = yes
  retransmit_tries = 2
  retransmit_timeout = {timeout}
  retransmit_base = 1.3
  fragment_size = 1280
  filelog {{
    stderr {{
      default = 1
      time_format = %H:%M:%S
    }}
  }}
}}
swanctl {{
  load = pem pkcs1 pkcs8 x509 pubkey openssl random
}}
"
    )
}

/// The lines of a connection, and those of the secrets.
fn ppk(case: &Case, side: Side) -> (String, String) {
    let Some(ppk) = case.ppk(side) else { return (String::new(), String::new()) };
    (
        format!("ppk_id = {PPK_ID}\n    ppk_required = yes"),
        format!("ppk-site {{\n    id = {PPK_ID}\n    secret = \"{ppk}\"\n  }}"),
    )
}

fn connection(case: &Case, side: Side) -> String {
    let other = side.other();
    let remote = if case.calls(side) { case.seen(other) } else { "%any" };
    let (auth, files) = match case.auth {
        Auth::Certificate(_) => ("pubkey", ["certs = own.pem", "cacerts = root.pem"]),
        _ => ("psk", ["", ""]),
    };
    let (ppk, ppk_secret) = ppk(case, side);
    let keeps_up = case.event.keeps_up() && case.calls(side);
    let asks = case.event.keeps_up() || case.event == Event::Rebind;
    let dpd = if asks { "dpd_delay = 1s\n    dpd_timeout = 4s" } else { "" };
    let start = if keeps_up { "start_action = start" } else { "" };
    let again = if keeps_up { "dpd_action = restart" } else { "dpd_action = clear" };
    let tries = if keeps_up { "keyingtries = 0" } else { "" };
    let mode = if case.mode == Mode::Tunnel { "tunnel" } else { "transport" };
    let mobike = if case.event == Event::Move { "yes" } else { "no" };
    format!(
        "connections {{
  site {{
    version = {version}
    local_addrs = %any
    remote_addrs = {remote}
    proposals = {ike}
    mobike = {mobike}
    {dpd}
    {tries}
    {ppk}
    local {{
      auth = {auth}
      id = {local_id}
      {certificate}
    }}
    remote {{
      auth = {auth}
      id = {remote_id}
      {root}
    }}
    children {{
      net {{
        mode = {mode}
        local_ts = {local}
        remote_ts = {far}
        esp_proposals = {esp}
        {start}
        {again}
      }}
    }}
  }}
}}
secrets {{
  ike-site {{
    secret = \"{secret}\"
  }}
  {ppk_secret}
}}
",
        version = case.version,
        ike = case.ike,
        esp = case.esp,
        local_id = case.identity(side),
        remote_id = case.identity(other),
        certificate = files[0],
        root = files[1],
        local = case.selector(side),
        far = case.selector(other),
        secret = case.secret(side),
    )
}
