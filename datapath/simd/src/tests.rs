//! What is left of keys when they have been dropped.

use core::mem::ManuallyDrop;

use super::*;

/// Drops a key where it is and returns what `secrets` finds there before and after.
fn before_and_after<K, S>(key: K, secrets: impl Fn(*const K) -> S) -> (S, S) {
    let mut key = ManuallyDrop::new(key);
    let at: *const K = &raw const *key;
    let before = secrets(at);
    // SAFETY: it is dropped once; afterwards only plain bytes and words of it are read.
    unsafe { ManuallyDrop::drop(&mut key) }
    (before, secrets(at))
}

#[test]
fn dropped_keys_are_wiped() {
    if let Some(key) = AesKey::new(&[7; 32]) {
        // SAFETY: the memory is still there, and any bytes are round keys.
        let (before, after) = before_and_after(key, |key| unsafe { (*key).0.keys });
        assert!(before.iter().all(|key| *key != [0; 16]) && after.as_flattened() == [0; 240]);
    }
    if let Some(key) = GcmKey::new(&[7; 32]) {
        // SAFETY: as above.
        let (before, after) = before_and_after(key, |key| unsafe { (*key).secrets() });
        assert!(before.iter().all(|key| *key != [0; 16]) && after.as_flattened() == [0; 496]);
    }
    macro_rules! hmac {
        ($key:ident, $words:literal) => {
            if let Some(key) = $key::new(&[7; 20]) {
                // SAFETY: as above.
                let (before, after) = before_and_after(key, |key| unsafe { (*key).secrets() });
                assert!(!before.contains(&[0; $words]) && after == [[0; $words]; 2]);
            }
        };
    }
    hmac!(HmacSha1Key, 5);
    hmac!(HmacSha256Key, 8);
    hmac!(HmacMd5Key, 4);
}
