//! What comes out of an inbound SA.

use crate::*;

#[test]
fn sealed_packets_open() {
    for suite in Suite::ALL {
        let encryption = vec![1; suite.encryption_key_len()];
        let authentication = vec![2; suite.authentication_key_len()];
        let keys = Keys { encryption: &encryption, authentication: &authentication };
        for esn in [false, true] {
            let out = OutboundSa::new(7, *suite, keys, esn, [9; 32]).unwrap();
            let sa = InboundSa::new(7, *suite, keys, esn, 64).unwrap();
            for len in 0..100 {
                let mut p = vec![0x5a; suite.header_len() + len + suite.trailer_len(len)];
                let seq = out.reserve(1).unwrap();
                out.seal(seq, 4, &mut p, len).unwrap();
                let mut q = p.clone();
                let opened = sa.open(&mut q).unwrap();
                assert_eq!((opened.next_header, opened.seq), (4, seq));
                assert_eq!(q[opened.payload], vec![0x5a; len]);
                assert_eq!(sa.open(&mut p), Err(OpenError::Replayed));
            }
        }
    }
}
