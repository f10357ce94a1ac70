//! Two gateways that prove who they are by certificates, and what a log of their keys opens.

use std::{fs, path::Path, process::Command, time::Duration};

use tests::{
    capture::Capture,
    gateway::Gateway,
    process::run,
    site::{Join, Side, Site},
    tshark::Tshark,
};

use crate::{
    lab::{End, Lab},
    negotiation::established,
};

/// Longest time in which a tunnel is to be there.
const LIMIT: Duration = Duration::from_secs(10);

const PSK: &str = "psk = \"a secret that nobody guesses\"";

/// An authority in a folder, as openssl makes it.
fn authority(folder: &Path) {
    let openssl = |line: &str| {
        run(Command::new("openssl").current_dir(folder).args(line.split_whitespace()));
    };
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30"));
    for name in ["a", "b"] {
        fs::write(folder.join("names"), format!("subjectAltName=DNS:{name}.example.org\n"))
            .expect("a temporary folder");
        openssl(&format!("req {new_key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
             -extfile names -out {name}.pem"
        ));
    }
}

/// The lines of `[[ike]]` by which a side proves who it is, and its peer.
fn credentials(side: Side, folder: &Path) -> String {
    let (ours, theirs) = match side {
        Side::A => ("a", "b"),
        Side::B => ("b", "a"),
    };
    let pem = |file: &str| fs::read_to_string(folder.join(file)).expect("a file of openssl's");
    format!(
        "local_id = \"{ours}.example.org\"\nremote_id = \"{theirs}.example.org\"\n\
         auth = \"certificate\"\ncertificate = \"\"\"\n{}\"\"\"\n\
         private_key = \"\"\"\n{}\"\"\"\nauthorities = \"\"\"\n{}\"\"\"",
        pem(&format!("{ours}.pem")),
        pem(&format!("{ours}.key")),
        pem("ca.pem"),
    )
}

/// Without extended sequence numbers, which tshark does not know where it checks an ICV.
const CHILD: &str = "start = \"demand\"\nproposals = [\"aes256gcm16-x25519-noesn\"]";

/// Starts a gateway whose configuration `edit` has changed.
fn start(end: &End, edit: impl FnOnce(String) -> String) -> Gateway {
    Gateway::start(&end.gateway, |socket| {
        let join = Join::Ike("", CHILD);
        edit(Site { side: end.side, join, workers: 1, socket: Some(socket) }.toml())
    })
}

#[test]
fn gateways_know_each_other_by_their_certificates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    authority(folder.path());
    let lab = Lab::new();
    let with_certificate =
        |end: &End| start(end, |text| text.replace(PSK, &credentials(end.side, folder.path())));
    let (a, b) = (with_certificate(&lab.a), with_certificate(&lab.b));
    lab.a.wait_for_other_host(LIMIT);
    for (gateway, peer) in [(&a, "b.example.org"), (&b, "a.example.org")] {
        let sas = established(gateway);
        assert_eq!(sas.len(), 1, "{sas:?}");
        assert_eq!(sas[0]["identity"], peer);
    }
}

#[test]
fn a_log_of_keys_opens_what_was_recorded_and_nobody_else_reads_it() {
    // Both sides' proofs.
    assert_log_opens("version = 2", CHILD, "isakmp.auth.method");
}

#[test]
fn a_log_of_keys_opens_what_ikev1_has_negotiated() {
    let child = "start = \"demand\"\nproposals = [\"aes256-sha256-noesn\"]";
    // Identities of main mode, and of quick mode.
    assert_log_opens("version = 1", child, "isakmp.id.type");
}

/// Two gateways that negotiate with these lines of `[[ike]]` and `[tunnel.ike]`, of which one logs
/// its keys: with the log tshark reads the pings, and `proof` in what IKE has encrypted.
fn assert_log_opens(peer: &str, child: &str, proof: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (keys, pcap) = (folder.path().join("keys"), folder.path().join("wire.pcap"));
    let lab = Lab::new();
    let capture = Capture::start(lab.outside(&lab.a), "udp or esp", &pcap);
    let log = format!("[gateway]\nike_keylog = \"{}\"\n", keys.display());
    let version = |text: String| text.replace(PSK, &format!("{PSK}\n{peer}")).replace(CHILD, child);
    let a = start(&lab.a, |text| version(text).replacen("[gateway]\n", &log, 1));
    let _b = start(&lab.b, version);
    lab.a.wait_for_other_host(LIMIT);
    assert_eq!(lab.a.host.ping(Side::B.host(), 5, 100), 5);
    let pcap = capture.finish();
    assert!(a.log().contains("ALL KEYS are written to"), "{}", a.log());
    assert_eq!(run(Command::new("find").arg(&keys).args(["-perm", "/077"])), "");

    let closed = Tshark::new(&pcap);
    assert_eq!((closed.count("icmp"), closed.count(proof)), (0, 0));
    let open = Tshark::new(&pcap).with_key_log(&keys);
    open.assert_well_formed();
    let icmp = format!("icmp && ip.addr == {}", Side::B.host());
    assert!(open.count(&icmp) >= 10, "{}", open.summary(""));
    assert!(open.count(proof) >= 2, "{}", open.summary("isakmp"));
}
