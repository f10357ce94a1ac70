//! OSPF packets: whatever the bytes are, what is understood of them is written and understood
//! again, and nothing is authentic that was not sealed.

use ::ospf::msg::{
    Body, Header, Lsa, Packet,
    auth::{self, Algorithm, Authentication, Key, Keys},
};
use engine::{Secret, UnixTime};

const NOW: UnixTime = UnixTime(0);

/// A packet, and the same bytes as an LSA.
pub fn ospf(input: &[u8]) {
    if let Ok(lsa) = Lsa::parse(input) {
        understood(&lsa);
    }
    let Ok(header) = Header::parse(input) else { return };
    let keys = keys();
    assert!(auth::verify(&header, input, &keys, NOW).is_err(), "nobody has sealed it");
    let Ok(packet) = Packet::parse(input) else { return };
    for authentication in [&Authentication::None, &keys] {
        let bytes = packet.encode(authentication, 1, NOW);
        let header = Header::parse(&bytes).expect("a header of ours");
        assert_eq!(auth::verify(&header, &bytes, authentication, NOW).err(), None);
        assert_eq!(Packet::parse(&bytes).as_ref(), Ok(&packet));
    }
    if let Body::LinkStateUpdate(lsas) = &packet.body {
        lsas.iter().for_each(understood);
    }
}

/// What an LSA says is said again by one of ours, which is right in itself.
fn understood(lsa: &Lsa) {
    let _ = lsa.checksum_ok();
    let Ok(body) = lsa.body() else { return };
    let again = Lsa::build(*lsa.header(), &body).expect("no longer than it came");
    assert!(again.checksum_ok());
    assert!(again.len() <= lsa.len());
    assert_eq!(again.body(), Ok(body));
}

fn keys() -> Authentication {
    let key = |id, algorithm| Key {
        id,
        algorithm,
        secret: Secret::copy_of(b"of a fuzz target"),
        accept: None,
        generate: None,
    };
    let keys = vec![key(1, Algorithm::Md5), key(2, Algorithm::HmacSha256)];
    Authentication::Cryptographic(Keys::new(keys).expect("two keys"))
}
