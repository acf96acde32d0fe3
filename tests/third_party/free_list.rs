//! Free runs of bytes by address: first fit, neighbours joined.

use std::collections::BTreeMap;

/// Free runs, each by its first offset.
#[derive(Debug)]
pub(crate) struct FreeList {
    runs: BTreeMap<u32, u32>,
}

impl FreeList {
    pub(crate) fn new(start: u32, bytes: u32) -> Self {
        Self {
            runs: [(start, bytes)]
                .into_iter()
                .filter(|(_, bytes)| *bytes > 0)
                .collect(),
        }
    }

    /// The start of a run of `bytes`, which is free no more.
    pub(crate) fn take(&mut self, bytes: u32) -> Option<u32> {
        let (start, len) = self
            .runs
            .iter()
            .find(|(_, len)| **len >= bytes)
            .map(|(start, len)| (*start, *len))?;
        self.runs.remove(&start);
        if len > bytes {
            self.runs.insert(start + bytes, len - bytes);
        }
        Some(start)
    }

    /// Makes a run free again.
    pub(crate) fn give(&mut self, mut start: u32, mut bytes: u32) {
        if let Some((before, len)) = self
            .runs
            .range(..start)
            .next_back()
            .map(|(start, len)| (*start, *len))
            && before + len == start
        {
            (start, bytes) = (before, bytes + len);
        }
        if let Some(len) = self.runs.remove(&(start + bytes)) {
            bytes += len;
        }
        self.runs.insert(start, bytes);
    }

    /// Bytes of all free runs.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.runs.values().map(|len| u64::from(*len)).sum()
    }
}
