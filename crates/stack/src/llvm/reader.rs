//! Reads numbers of little-endian bytes, and refuses counts of more than there is.

use crate::llvm::StackMapError;

/// A place in a section.
pub(super) struct Reader<'a> {
    section: &'a [u8],
    /// Never beyond the section's end.
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: &'a [u8]) -> Self {
        Self { section, offset: 0 }
    }

    /// Bytes from the section's start.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    fn rest(&self) -> &'a [u8] {
        self.section.get(self.offset..).unwrap_or_default()
    }

    fn truncated(&self, what: &'static str) -> StackMapError {
        StackMapError::Truncated {
            offset: self.offset,
            what,
            len: self.section.len(),
        }
    }

    /// Whether anything but padding is left: linkers fill up with zeros, and no table begins with
    /// one. Skips the padding.
    pub(super) fn skip_padding(&mut self) -> bool {
        while let Some([0, 0, 0, 0, 0, 0, 0, 0]) = self.rest().first_chunk() {
            self.offset += 8;
        }
        self.rest().iter().any(|byte| *byte != 0)
    }

    /// The next bytes of `what`.
    pub(super) fn bytes<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], StackMapError> {
        let bytes = *self
            .rest()
            .first_chunk()
            .ok_or_else(|| self.truncated(what))?;
        self.offset += N;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, StackMapError> {
        self.bytes(what).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, StackMapError> {
        self.bytes(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, StackMapError> {
        self.bytes(what).map(u64::from_le_bytes)
    }

    /// Makes sure that `count` things of at least `size` bytes can follow, so that a count may size
    /// an allocation. Returns the count.
    pub(super) fn expect(
        &self,
        count: u32,
        size: usize,
        what: &'static str,
    ) -> Result<usize, StackMapError> {
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest().len() / size)
            .ok_or_else(|| self.truncated(what))
    }

    /// Skips to a multiple of eight bytes from the section's start.
    pub(super) fn align(&mut self, what: &'static str) -> Result<(), StackMapError> {
        let aligned = self.offset.next_multiple_of(8);
        if aligned > self.section.len() {
            return Err(self.truncated(what));
        }
        self.offset = aligned;
        Ok(())
    }
}
