//! `open` refuses what differs anywhere from what was sealed.

use simd::GcmKey;

use crate::has;

/// Around the borders of blocks, pairs, eights of pairs, and long ones.
const LENGTHS: [usize; 19] =
    [0, 1, 8, 15, 16, 17, 31, 32, 33, 47, 72, 207, 224, 225, 240, 255, 257, 500, 737];

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let key = GcmKey::new(&[7; 16]).unwrap();
    for len in LENGTHS {
        for (aad_len, icv_len) in [(8, 16), (12, 12), (20, 8), (0, 16)] {
            let packet = Packet::sealed(&key, len, aad_len, icv_len);
            assert!(packet.opens(&key));
            for bit in 0..8 * (len + aad_len + icv_len + 12) {
                assert!(!packet.flipped(bit).opens(&key), "bit {bit} of {len} bytes");
            }
        }
    }
}

#[test]
fn other_lengths_of_icvs_are_refused() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let key = GcmKey::new(&[7; 16]).unwrap();
    let whole = Packet::sealed(&key, 40, 8, 16);
    for icv_len in 0..40 {
        let mut packet = whole.clone();
        packet.icv.resize(icv_len, 0);
        assert_eq!(packet.opens(&key), [8, 12, 16].contains(&icv_len), "{icv_len} bytes");
    }
}

#[test]
fn what_is_moved_between_text_and_additional_data_is_refused() {
    if !has(simd::kernels().aes_gcm) {
        return;
    }
    let key = GcmKey::new(&[7; 16]).unwrap();
    let packet = Packet::sealed(&key, 64, 16, 16);
    let mut moved = packet.clone();
    moved.aad.extend(moved.text.drain(..16));
    assert!(packet.opens(&key) && !moved.opens(&key));
    let mut longer = packet.clone();
    longer.text.push(0);
    assert!(!longer.opens(&key));
    let mut longer = packet;
    longer.aad.push(0);
    assert!(!longer.opens(&key));
}

#[test]
fn only_keys_of_the_lengths_of_aes_are_taken() {
    let kernels = simd::kernels();
    for len in 0..70 {
        let is_aes = [16, 24, 32].contains(&len);
        assert_eq!(GcmKey::new(&vec![1; len]).is_some(), is_aes && kernels.aes_gcm, "{len}");
        assert_eq!(simd::AesKey::new(&vec![1; len]).is_some(), is_aes && kernels.aes_cbc, "{len}");
    }
}

#[derive(Clone)]
struct Packet {
    nonce: [u8; 12],
    aad: Vec<u8>,
    text: Vec<u8>,
    icv: Vec<u8>,
}

impl Packet {
    fn sealed(key: &GcmKey, len: usize, aad_len: usize, icv_len: usize) -> Self {
        let mut text: Vec<_> = (0..len).map(|at| at as u8).collect();
        let (nonce, aad) = ([9; 12], vec![3; aad_len]);
        let icv = key.seal(&nonce, &aad, &mut text)[..icv_len].to_vec();
        Self { nonce, aad, text, icv }
    }

    /// Opens a copy.
    fn opens(&self, key: &GcmKey) -> bool {
        key.open(&self.nonce, &self.aad, &mut self.text.clone(), &self.icv)
    }

    /// A copy with one bit of all its bytes flipped.
    fn flipped(&self, bit: usize) -> Self {
        let mut copy = self.clone();
        let (text, icv) = (copy.text.iter_mut(), copy.icv.iter_mut());
        let mut bytes = text.chain(icv).chain(&mut copy.aad).chain(&mut copy.nonce);
        *bytes.nth(bit / 8).unwrap() ^= 1 << (bit % 8);
        copy
    }
}
