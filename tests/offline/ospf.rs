//! OSPF packets that other implementations sent, as tshark finds them in our captures: each is read
//! and written again with the same bytes, and so is each LSA in them.

use std::path::Path;

use ::ospf::msg::{
    AuthenticationType, Body, Header, Lsa, Packet,
    auth::{self, AuthError, Authentication, Verified},
};
use engine::UnixTime;
use tests::tshark::Tshark;

use crate::captures::shared;

const NOW: UnixTime = UnixTime(0);

/// FRR's ospfd, over a GRE tunnel and over a VTI: all five types of packets, router and network
/// LSAs.
#[test]
fn every_packet_of_frr_is_written_again_with_the_same_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("offline");
    let ours = |name: &str| Tshark::new(&folder.join(name));
    let broadcast = ours("kat-ospf-broadcast.pcap").guessing_null();
    assert_eq!(written_again(&broadcast), Counts { kinds: [21, 5, 2, 9, 8], lsas: 11 });
    let in_clear = ours("netns-libipsec.pcap");
    assert_eq!(written_again(&in_clear), Counts { kinds: [15, 6, 2, 5, 4], lsas: 7 });
    let encrypted = ours("ikev2-ospf.pcap").with_keys(&folder.join("ikev2-ospf.keys"));
    assert_eq!(written_again(&encrypted), Counts { kinds: [30, 5, 2, 5, 4], lsas: 6 });
}

/// More of FRR's, over the mGRE of a DMVPN: a broadcast network and point-to-multipoint.
#[test]
fn every_packet_of_the_shared_captures_is_written_again_with_the_same_bytes() {
    for (name, kinds, lsas) in
        [("dmvpn-broadcast", [82, 10, 4, 15, 8], 18), ("dmvpn", [67, 10, 4, 23, 20], 27)]
    {
        let Some(capture) = shared(&format!("{name}.pcap")) else { continue };
        let capture = Tshark::new(&capture).with_keys(&capture.with_extension("keys"));
        assert_eq!(written_again(&capture), Counts { kinds, lsas }, "{name}");
    }
}

/// Cisco routers with MD5, of which nobody has told the key, with link-local signaling and with
/// external LSAs.
#[test]
fn every_packet_of_the_public_capture_is_written_again_with_the_same_bytes() {
    let Some(capture) = shared("public/OSPFv2_Capture_FINAL.pcapng") else { return };
    let counts = written_again(&Tshark::new(&capture));
    assert_eq!(counts, Counts { kinds: [7, 10, 2, 9, 2], lsas: 22 });
}

/// What is in a capture, as tshark counts it; but for a Hello in an ICMP error.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Packets by their type.
    kinds: [usize; 5],
    /// LSAs in updates.
    lsas: usize,
}

fn written_again(capture: &Tshark) -> Counts {
    let mut counts = Counts::default();
    for bytes in capture.layers("ospf") {
        let header = Header::parse(&bytes).expect("a header");
        let length = usize::from(header.length);
        let packet = Packet::parse(&bytes).expect("a packet");
        let again = packet.encode(&Authentication::None, 0, NOW);
        let verdict = auth::verify(&header, &bytes, &Authentication::None, NOW);
        match header.authentication {
            AuthenticationType::NULL => {
                assert_eq!(verdict, Ok(Verified { sequence: None }));
                assert_eq!(again, bytes);
            }
            other => {
                assert_eq!(verdict, Err(AuthError::Type(other)));
                // Between them are what authentication puts into the header.
                assert_eq!((&again[..12], &again[24..]), (&bytes[..12], &bytes[24..length]));
                assert!(bytes.len() > length, "a digest follows");
            }
        }
        counts.kinds[usize::from(header.kind.0) - 1] += 1;
        if let Body::LinkStateUpdate(lsas) = packet.body {
            counts.lsas += lsas.len();
            lsas.iter().for_each(assert_is_built_again);
        }
    }
    counts
}

fn assert_is_built_again(lsa: &Lsa) {
    assert!(lsa.checksum_ok(), "{}", lsa.key());
    let body = lsa.body().unwrap_or_else(|error| panic!("{}: {error}", lsa.key()));
    assert_eq!(Lsa::build(*lsa.header(), &body).as_ref(), Some(lsa));
}
