//! Libreswan's pluto: its files, its commands and what it says of its SAs.

use std::{process::Command, time::Duration};

use tests::process::{run, wait_for};

use crate::{
    case::{Auth, Case, Event, Mode, Side},
    certificates::{Certificates, Credential},
    end::{Child, End, Ike},
    machine::Machine,
};

const PLUTO: &str = "/usr/libexec/ipsec/pluto";
const WHACK: &str = "/usr/libexec/ipsec/whack";
/// Where its keys and certificates are.
const NSS: &str = "sql:/var/lib/ipsec/nss";
/// How long a negotiation may take.
const NEGOTIATE: Duration = Duration::from_secs(30);

/// pluto on a machine.
pub struct Libreswan<M> {
    machine: M,
    /// It has certificates.
    certified: bool,
}

impl<M: Machine> Libreswan<M> {
    /// A daemon that is not running yet.
    pub fn new(machine: M, case: &Case, side: Side, certificates: &Certificates) -> Self {
        let secret = format!("%any %any : PSK \"{}\"\n", case.secret(side));
        machine.write("/etc/ipsec.secrets", &secret);
        // It reads both when it starts, and will not without.
        machine.write("/etc/resolv.conf", "nameserver 127.0.0.1\n");
        machine.write("/etc/ipsec.conf", &configuration(case, side));
        if let Some(kind) = case.kind() {
            let own = certificates.of(kind, side);
            machine.write("/etc/own.p12.base64", &bundle(&own));
            machine.write("/etc/root.pem", &own.root);
        }
        Self { machine, certified: case.kind().is_some() }
    }

    fn whack(&self, words: &[&str]) -> Result<String, String> {
        self.machine.run(&[&[WHACK], words].concat())
    }

    /// An empty database of certificates, or one with ours.
    fn fill_database(&self) -> Result<(), String> {
        let mut script = format!(
            "mkdir -p /run/pluto /var/lib/ipsec/nss && rm -f /var/lib/ipsec/nss/* && \
             certutil -N -d {NSS} --empty-password"
        );
        if self.certified {
            script += &format!(
                " && base64 -d /etc/own.p12.base64 > /etc/own.p12 && \
                 pk12util -i /etc/own.p12 -d {NSS} -W \"\" && \
                 certutil -A -n root -t CT,, -a -i /etc/root.pem -d {NSS}"
            );
        }
        self.machine.run(&["bash", "-c", &script]).map(drop)
    }
}

impl<M: Machine> End for Libreswan<M> {
    fn start(&mut self) {
        self.machine.prepare();
        if let Err(said) = self.fill_database() {
            panic!("{said}");
        }
        self.machine.start(&[PLUTO, "--nofork", "--stderrlog", "--config", "/etc/ipsec.conf"]);
        let machine = &mut self.machine;
        // It reads its connections by itself, some time after it answers.
        wait_for("pluto", NEGOTIATE, || {
            machine.assert_runs();
            machine.run(&[WHACK, "--status"]).ok().filter(|said| said.contains("\"net\""))
        });
    }

    fn kill(&mut self) {
        self.machine.kill();
    }

    fn initiate(&self) -> Result<(), String> {
        self.whack(&["--initiate", "--name", "net"]).map(drop)
    }

    fn rekey_child(&self) -> Result<(), String> {
        self.whack(&["--rekey-ipsec", "--name", "net", "--async"]).map(drop)
    }

    fn rekey_ike(&self) -> Result<(), String> {
        self.whack(&["--rekey-ike", "--name", "net", "--async"]).map(drop)
    }

    fn reauthenticate(&self) -> Result<(), String> {
        Err("Libreswan has no command for it".to_owned())
    }

    fn terminate(&self) -> Result<(), String> {
        self.whack(&["--terminate", "--name", "net"]).map(drop)
    }

    fn sas(&self) -> Vec<Ike> {
        read_states(&self.whack(&["--showstates"]).unwrap_or_default())
    }

    fn log(&self) -> String {
        self.machine.log()
    }
}

/// What `whack --showstates` says: a line for each IKE SA and, for a child, a line of its SPIs as
/// `esp.INBOUND@OUR-ADDRESS esp.OUTBOUND@THEIRS`.
fn read_states(text: &str) -> Vec<Ike> {
    let newest = |words: [&'static str; 2]| {
        let established = move |line: &&str| words.iter().any(|&word| line.contains(word));
        text.lines().filter(|line| line.contains("newest")).filter(established)
    };
    // IKEv2's words, and IKEv1's.
    let ikes = newest(["(established IKE SA)", "(IKE SA established)"]);
    let mut sas: Vec<_> = ikes.map(|_| Ike { spis: String::new(), children: Vec::new() }).collect();
    let children = newest(["(established Child SA)", "(IPsec SA established)"]);
    let numbers: Vec<_> = children.filter_map(|line| line.split([' ', ':']).next()).collect();
    for line in text.lines().filter(|line| line.contains(" esp.")) {
        let number = line.split([' ', ':']).next().unwrap_or("");
        let spi = |end: Side| {
            let mut words = line.split_whitespace();
            words.find_map(|word| {
                let (spi, at) = word.strip_prefix("esp.")?.split_once('@')?;
                (at == end.wan()).then(|| u32::from_str_radix(spi, 16).unwrap_or(0))
            })
        };
        if let (Some(sa), Some(inbound), Some(outbound)) =
            (sas.first_mut(), spi(Side::Theirs), spi(Side::Ours))
            && numbers.contains(&number)
        {
            sa.children.push(Child { inbound, outbound });
        }
    }
    sas
}

/// Key and certificates as NSS takes them, in base64.
fn bundle(own: &Credential) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = [("key.pem", &own.key), ("own.pem", &own.certificate)];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a writable folder");
    }
    let pack = "openssl pkcs12 -export -inkey key.pem -in own.pem -name own -passout pass: \
                -out own.p12 && base64 own.p12";
    run(Command::new("sh").current_dir(folder.path()).args(["-c", pack]))
}

fn configuration(case: &Case, side: Side) -> String {
    let other = side.other();
    let (auth, certificate) = match case.auth {
        Auth::Certificate(_) => ("ecdsa", "leftcert=own\n    rightca=%same"),
        _ => ("secret", ""),
    };
    let (kind, selectors) = match case.mode {
        Mode::Tunnel => {
            ("tunnel", format!("leftsubnet={}\n    rightsubnet={}", side.subnet(), other.subnet()))
        }
        Mode::TransportGre => ("transport", "leftprotoport=gre\n    rightprotoport=gre".to_owned()),
        Mode::TransportIpip => {
            ("transport", "leftprotoport=ipencap\n    rightprotoport=ipencap".to_owned())
        }
    };
    let (version, setup) = match case.version {
        2 => ("insist", ""),
        _ => ("no", "ikev1-policy=accept"),
    };
    // PFS is with the group of the IKE SA.
    let esp = spelling(case.esp);
    let (esp, pfs) = match esp.split_once("-dh") {
        Some((esp, _)) => (esp, "yes"),
        None => (&esp[..], "no"),
    };
    let dpd = if case.event.keeps_up() || case.event == Event::Rebind {
        "dpddelay=1\n    dpdtimeout=5\n    dpdaction=restart"
    } else {
        ""
    };
    format!(
        "config setup
    {setup}

conn net
    left={left}
    leftid={left_id}
    right={right}
    rightid={right_id}
    {selectors}
    authby={auth}
    {certificate}
    ikev2={version}
    ike={ike}
    esp={esp}
    pfs={pfs}
    type={kind}
    {dpd}
    leftupdown=%disabled
    auto=add
",
        left = side.wan(),
        left_id = identity(case, side),
        right = other.wan(),
        right_id = identity(case, other),
        ike = spelling(case.ike),
    )
}

fn identity(case: &Case, side: Side) -> String {
    let identity = case.identity(side);
    // A name is told from an address by its `@`.
    if identity == side.wan() { identity.to_owned() } else { format!("@{identity}") }
}

/// A proposal in Libreswan's spelling, of those that it is tried with.
fn spelling(proposal: &str) -> String {
    let words = [
        ("aes128gcm16", "aes_gcm128"),
        ("aes256gcm16", "aes_gcm256"),
        ("prfsha256", "sha2_256"),
        ("prfsha384", "sha2_384"),
        ("sha256", "sha2_256"),
        ("sha512", "sha2_512"),
        ("x25519", "dh31"),
        ("ecp256", "dh19"),
        ("ecp384", "dh20"),
        ("modp2048", "dh14"),
    ];
    let known =
        |word: &str| words.iter().find(|(ours, _)| *ours == word).map(|(_, theirs)| *theirs);
    let spelled: Vec<_> = proposal.split('-').map(|word| known(word).unwrap_or(word)).collect();
    spelled.join("-")
}
