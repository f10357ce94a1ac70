//! Key bytes that are wiped when they are dropped and that nothing can print or copy by accident.

use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A key. It has no `Debug`, no `Clone` and no `serde`, and its memory is zeroed on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl PartialEq for Secret {
    /// Takes as long for different keys of one length as for equal ones.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes the bytes over; the vector must not have been reallocated while it was filled, or
    /// stale copies stay behind in the heap.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of `bytes`, which the caller wipes.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// The key itself. The name is long to be seen in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key, as for the encryption of a NULL suite.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
