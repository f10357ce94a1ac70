//! What a stranger with a scanner learns of a gateway that waits for its peer: ike-scan's own
//! reading of the answers.

use std::time::Duration;

use tests::{
    gateway::Gateway,
    process::{output, said, wait_for},
    site::{Join, Side},
};

use crate::lab::Lab;

/// What a gateway allows of IKEv1.
const VERSION_1: &str = "version = 1\nproposals = [\"aes128-sha256-modp2048\"]";
/// The same as ike-scan writes it: cipher and key length, hash, authentication and group.
const ALLOWED: &str = "--trans=7/128,4,1,14";
/// 3DES, MD5 and the group of 768 bits.
const FORBIDDEN: &str = "--trans=5,1,1,1";

/// The vendor ID of RFC 3947.
const NAT_T: &str = "4a131c81070358455c5728f20e95452f";

/// A gateway and a scanner in its peer's place.
struct Scan {
    lab: Lab,
    gateway: Gateway,
}

impl Scan {
    /// The gateway has these lines for its peer, and begins nothing.
    fn of(peer: &'static str) -> Self {
        let lab = Lab::new();
        let gateway = lab.a.start(Join::Ike(peer, "start = \"never\""));
        Self { lab, gateway }
    }

    /// What ike-scan says with these words.
    fn scan(&self, words: &[&str]) -> String {
        let mut command = self.lab.b.gateway.command("ike-scan");
        said(&output(command.args(["--multiline"]).args(words).arg(Side::A.wan())))
    }

    /// Panics unless the gateway says this in its log.
    fn assert_logs(&self, words: &str) {
        wait_for(words, Duration::from_secs(5), || {
            self.gateway.log().contains(words).then_some(())
        });
    }
}

fn assert_says(said: &str, all: &[&str]) {
    for words in all {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
}

#[test]
fn a_scanner_sees_the_transform_that_is_allowed_and_what_we_can_do() {
    let vendor = format!("--vendor={NAT_T}");
    let said = Scan::of(VERSION_1).scan(&[FORBIDDEN, ALLOWED, &vendor]);
    assert_says(
        &said,
        &[
            "Main Mode Handshake returned",
            "SA=(Enc=AES Hash=SHA2-256 Auth=PSK Group=14:modp2048 KeyLength=128 ",
            "VID=afcad71368a1f1c96b8696fc77570100 (Dead Peer Detection v1.0)",
            &format!("VID={NAT_T} (RFC 3947 NAT-T)"),
            "1 returned handshake; 0 returned notify",
        ],
    );
}

#[test]
fn a_scanner_is_told_that_nothing_it_offers_is_allowed() {
    let scan = Scan::of(VERSION_1);
    let said = scan.scan(&[FORBIDDEN]);
    assert_says(&said, &["NO-PROPOSAL-CHOSEN", "0 returned handshake; 1 returned notify"]);
    scan.assert_logs(
        "main mode with 203.0.113.2:500 refused: peer proposed 3des-md5-modp768 by pre-shared \
         key, we allow aes128-sha256-modp2048 by pre-shared key",
    );
}

/// With a transform that main mode would have got: it is the mode that is refused.
#[test]
fn a_scanner_gets_no_hash_by_aggressive_mode() {
    let scan = Scan::of(VERSION_1);
    let said = scan.scan(&["--aggressive", "--id=peer", "--dhgroup=14", ALLOWED]);
    assert_says(&said, &["INVALID-EXCHANGE-TYPE", "0 returned handshake; 1 returned notify"]);
    scan.assert_logs(
        "aggressive mode of 203.0.113.2:500 refused: it shows a hash of the pre-shared key to \
         anybody who asks",
    );
}

/// ike-scan offers several ciphers, SHA-1 and MD5, and groups up to 2048 bits, with a public value
/// of 1024.
#[test]
fn a_scanner_of_version_2_is_answered_by_what_is_allowed() {
    let scan = |peer| {
        let scan = Scan::of(peer);
        (scan.scan(&["--ikev2"]), scan)
    };
    let (said, _) = scan("version = 2\nproposals = [\"aes128-sha1-modp1024\"]");
    let chosen = "SA=(Encr=AES_CBC,KeyLength=128 Prf=HMAC_SHA1 Integ=HMAC_SHA1_96 \
                  DH_Group=2:modp1024)";
    assert_says(&said, &["IKEv2 SA_INIT Handshake returned", chosen, "1 returned handshake"]);

    let (said, _) = scan("version = 2\nproposals = [\"aes128-sha1-modp2048\"]");
    assert_says(&said, &["INVALID_KE_PAYLOAD", "0 returned handshake; 1 returned notify"]);

    let (said, gateway) = scan("version = 2\nproposals = [\"aes128-sha256-modp2048\"]");
    assert_says(&said, &["NO_PROPOSAL_CHOSEN", "0 returned handshake; 1 returned notify"]);
    gateway.assert_logs("connection from 203.0.113.2:500 refused: peer proposed aes256-");

    let (said, gateway) = scan(VERSION_1);
    assert_says(&said, &["0 returned handshake; 0 returned notify"]);
    gateway.assert_logs(
        "connection from 203.0.113.2:500 ignored: no peer of the configuration speaks IKEv2 there",
    );
}
