//! What IKE peers say they are, and what they prove it with.

use engine::UnixTime;
use ike::cert::{Certificate, TrustAnchors, auth, received};
use ike::identity::Identity;

/// 2030-01-01.
const NOW: UnixTime = UnixTime(1_893_456_000);

/// Reads the input as a certificate, and as the chain and the signature of a peer.
pub fn certificate(input: &[u8]) {
    let anchors = TrustAnchors::from_pem(AUTHORITY.as_bytes(), b"").expect("an authority");
    let claim = "gw.example.com".parse().expect("an identity");
    if let Ok(certificate) = Certificate::from_der(input) {
        assert_eq!(certificate.der(), input);
        prints_itself(certificate.subject());
        prints_itself(certificate.issuer());
        for method in [1, 9, 10, 14] {
            assert!(auth::verify(&anchors, &certificate, method, input, b"octets").is_err());
        }
        assert!(auth::verify_v1(&certificate, b"hash", input).is_err());
    }
    // The private key of the authority is gone: nothing it has not signed is believed.
    for own in [input, input.split_at(input.len() / 2).0] {
        let chain = received([(4, own), (4, input)]);
        let result = chain.and_then(|chain| anchors.verify(&chain, &claim, NOW));
        assert!(result.is_err_and(|refusal| !refusal.to_string().is_empty()));
    }
}

/// Reads the input as the data of an identification payload of every kind, and as text.
pub fn identity(input: &[u8]) {
    for kind in 0..=12 {
        if let Ok(identity) = Identity::from_payload(kind, input) {
            assert_eq!(identity.to_payload(), (kind, input.to_vec()));
            prints_itself(&identity);
        }
    }
    if let Ok(identity) = str::from_utf8(input).unwrap_or_default().parse::<Identity>() {
        prints_itself(&identity);
        let (kind, data) = identity.to_payload();
        assert_eq!(Identity::from_payload(kind, &data), Ok(identity));
    }
}

fn prints_itself(identity: &Identity) {
    let text = identity.to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert_eq!(text.parse().as_ref(), Ok(identity), "{text}");
}

/// Its private key was thrown away.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBrzCCAVWgAwIBAgIUe55jd+i4s0IzygNaJM5Up6h1c5IwCgYIKoZIzj0EAwIw
LTEQMA4GA1UECgwHRXhhbXBsZTEZMBcGA1UEAwwQRnV6emVkIGF1dGhvcml0eTAe
Fw0yNjExMjQxODA1NDhaFw00NjExMTkxODA1NDhaMC0xEDAOBgNVBAoMB0V4YW1w
bGUxGTAXBgNVBAMMEEZ1enplZCBhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATG31iJo2EO2YtwxNwDinxlcT6kwkRi0CjuUu2lp+lOz4gDoymP/+tn
Suyr+T22hSwnioGrshyBrLnj0KK8DIZPo1MwUTAdBgNVHQ4EFgQUySEuMeUHwIXE
zmATvlpPvEZelKcwHwYDVR0jBBgwFoAUySEuMeUHwIXEzmATvlpPvEZelKcwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEAib+2DgBn4tIh4RHOchPT
9w+bnAVfsyauwDdBHe25edYCIA+mdQLVFeLjq+0SavoMPGIeBxrnweVAUrw0hTU0
Ceuq
-----END CERTIFICATE-----
";
