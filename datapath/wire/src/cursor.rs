//! Reading the bytes of a control protocol in order.

/// The bytes that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a [u8]);

/// How many bytes there are does not agree with what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthError {
    /// Fewer bytes than are to be read.
    Truncated,
    /// More bytes than were read.
    Trailing,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is left, all of it.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], LengthError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(LengthError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], LengthError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(LengthError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next byte.
    ///
    /// # Errors
    ///
    /// If none is left.
    pub fn u8(&mut self) -> Result<u8, LengthError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes, big-endian.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn u16(&mut self) -> Result<u16, LengthError> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four bytes, big-endian.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn u32(&mut self) -> Result<u32, LengthError> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes, big-endian.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn u64(&mut self) -> Result<u64, LengthError> {
        self.array().map(u64::from_be_bytes)
    }

    /// The next sixteen bytes, big-endian.
    ///
    /// # Errors
    ///
    /// If fewer are left.
    pub fn u128(&mut self) -> Result<u128, LengthError> {
        self.array().map(u128::from_be_bytes)
    }

    /// All bytes must have been read.
    ///
    /// # Errors
    ///
    /// If some are left.
    pub fn end(self) -> Result<(), LengthError> {
        if self.0.is_empty() { Ok(()) } else { Err(LengthError::Trailing) }
    }
}
