//! Key bytes that are wiped when they are dropped and that nothing can print or copy by accident.

use zeroize::Zeroizing;

/// A key. It has no `Debug`, no `Clone` and no `serde`, and its memory is zeroed on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl PartialEq for Secret {
    /// Takes as long for different keys as for equal ones.
    fn eq(&self, other: &Self) -> bool {
        let different = self.0.iter().zip(&*other.0).fold(0, |found, (a, b)| found | (a ^ b));
        self.len() == other.len() && different == 0
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes the bytes over; the vector must not have been reallocated while it was filled, or
    /// stale copies stay behind in the heap.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key itself. The name is long to be seen in review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key, as for the encryption of a NULL suite.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
