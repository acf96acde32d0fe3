//! Memory whose every access is compared with its length.
//!
//! A read beyond the end sees zeros and a write there is dropped, which is what guarded memory
//! looks like from the outside: the two are interchangeable, and one tests the other. Growth
//! moves the bytes, so compiled code reloads their address after every safepoint.

use super::Memory;
use super::meter::Meter;
use crate::{FIRST_OBJECT_OFFSET, HeapError};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

static ZEROS: [u8; 4096] = [0; 4096];

/// A bounds-checked byte vector.
#[derive(Debug, Default)]
pub struct Checked {
    bytes: Vec<u8>,
    /// Where accesses are watched: a bit for each eight bytes that were accessed.
    accessed: Option<Vec<AtomicU64>>,
    meter: Meter,
}

/// Bytes that one word of the watched accesses stands for.
const WATCHED_BYTES: usize = 8 * 64;

impl Checked {
    /// An empty memory.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes note of accesses from now on.
    pub(crate) fn watch_accesses(&mut self) {
        self.accessed = Some(Vec::new());
        self.watch_all();
    }

    fn watch_all(&mut self) {
        let words = self.bytes.len().div_ceil(WATCHED_BYTES);
        if let Some(accessed) = &mut self.accessed {
            accessed.resize_with(words, AtomicU64::default);
        }
    }

    /// Whether a byte of the range was accessed, to within eight.
    pub(crate) fn was_accessed(&self, at: u32, len: u32) -> Option<bool> {
        let accessed = self.accessed.as_ref()?;
        let span = self.span(at, len);
        Some(granules(&span).any(|granule| {
            let word = accessed.get(granule / 64);
            word.is_some_and(|word| word.load(Ordering::Relaxed) >> (granule % 64) & 1 == 1)
        }))
    }

    #[inline(always)]
    fn note(&self, at: u32, len: usize) {
        if let Some(accessed) = &self.accessed {
            let start = at as usize;
            for granule in granules(&(start..start + len)) {
                if let Some(word) = accessed.get(granule / 64) {
                    word.fetch_or(1 << (granule % 64), Ordering::Relaxed);
                }
            }
        }
    }

    /// See [`HeapMemory::allow_accesses`](super::HeapMemory::allow_accesses).
    pub(super) fn allow_accesses(&self, accesses: u64) -> bool {
        self.meter.allow(accesses)
    }

    /// Address of offset zero, until the next growth.
    #[must_use]
    pub fn base_address(&self) -> usize {
        self.bytes.as_ptr().expose_provenance()
    }

    /// The part of `at..at + len` that exists.
    #[inline(always)]
    fn span(&self, at: u32, len: u32) -> Range<usize> {
        let start = (at as usize).min(self.bytes.len());
        let end = (start + len as usize).min(self.bytes.len());
        self.meter.bulk(end - start);
        start..end
    }
}

/// The groups of eight bytes that a range touches.
fn granules(span: &Range<usize>) -> Range<usize> {
    span.start / 8..span.end.div_ceil(8)
}

macro_rules! checked_access {
    ($($load:ident $store:ident $int:ty),*) => {$(
        #[inline(always)]
        fn $load(&self, at: u32) -> $int {
            self.note(at, size_of::<$int>());
            self.meter.one();
            let start = at as usize;
            match self.bytes.get(start..start + size_of::<$int>()).and_then(|b| b.try_into().ok()) {
                Some(bytes) => <$int>::from_le_bytes(bytes),
                None => 0,
            }
        }
        #[inline(always)]
        fn $store(&mut self, at: u32, value: $int) {
            self.note(at, size_of::<$int>());
            self.meter.one();
            let start = at as usize;
            if let Some(bytes) = self.bytes.get_mut(start..start + size_of::<$int>()) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
        }
    )*};
}

impl Memory for Checked {
    checked_access!(
        load_u8 store_u8 u8, load_u16 store_u16 u16, load_u32 store_u32 u32, load_u64 store_u64 u64,
        load_u128 store_u128 u128
    );

    fn copy(&mut self, from: u32, to: u32, len: u32) {
        let source = self.span(from, len);
        let target = self.span(to, len);
        let len = source.len().min(target.len());
        self.note(from, len);
        self.note(to, len);
        self.bytes
            .copy_within(source.start..source.start + len, target.start);
    }

    fn fill(&mut self, at: u32, len: u32, byte: u8) {
        let span = self.span(at, len);
        self.note(at, span.len());
        if let Some(bytes) = self.bytes.get_mut(span) {
            bytes.fill(byte);
        }
    }

    fn write_bytes(&mut self, at: u32, bytes: &[u8]) {
        let span = self.span(at, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.note(at, span.len());
        if let (Some(target), Some(source)) =
            (self.bytes.get_mut(span.clone()), bytes.get(..span.len()))
        {
            target.copy_from_slice(source);
        }
    }

    fn read_bytes(&self, at: u32, bytes: &mut [u8]) {
        let span = self.span(at, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.note(at, span.len());
        let (inside, beyond) = bytes.split_at_mut(span.len());
        if let Some(source) = self.bytes.get(span) {
            inside.copy_from_slice(source);
        }
        beyond.fill(0);
    }

    fn bytes_mut(&mut self, at: u32, len: u32) -> &mut [u8] {
        if at < FIRST_OBJECT_OFFSET {
            return &mut [];
        }
        let span = self.span(at, len);
        self.note(at, span.len());
        self.bytes.get_mut(span).unwrap_or_default()
    }

    fn prefetch(&self, _at: u32) {}

    /// Grows to at least `end`, doubling so that the copying of old bytes stays amortised.
    fn grow_to(&mut self, end: u64) -> Result<(), HeapError> {
        let refused = |bytes: u64, reason: &str| HeapError::Reservation {
            bytes,
            reason: reason.to_owned(),
        };
        let end = usize::try_from(end).map_err(|_| refused(end, "beyond the address space"))?;
        if end <= self.bytes.len() {
            return Ok(());
        }
        let target = end.max(self.bytes.len() * 2).min(1 << 32);
        let mut grown = Vec::new();
        grown
            .try_reserve_exact(target)
            .map_err(|error| refused(target as u64, &error.to_string()))?;
        grown.extend_from_slice(&self.bytes);
        // By blocks and not by bytes, which costs an interpreter minutes.
        while let missing @ 1.. = target - grown.len() {
            grown.extend_from_slice(&ZEROS[..missing.min(ZEROS.len())]);
        }
        self.bytes = grown;
        self.watch_all();
        Ok(())
    }

    fn decommit(&mut self, at: u32, len: u32) {
        self.fill(at, len, 0);
    }

    fn set_accessible(&mut self, _at: u32, _len: u32, _accessible: bool) {}

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}
