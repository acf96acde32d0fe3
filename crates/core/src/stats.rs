//! What a heap did, in numbers.

use crate::RootKind;
use std::time::Duration;

/// Pauses by length: four buckets for each power of two of nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PauseHistogram {
    counts: Vec<u64>,
    total: u64,
    max: Duration,
}

impl Default for PauseHistogram {
    fn default() -> Self {
        Self {
            counts: vec![0; 4 * 64],
            total: 0,
            max: Duration::ZERO,
        }
    }
}

impl PauseHistogram {
    fn bucket(nanos: u64) -> usize {
        let log2 = (nanos | 4).ilog2();
        let quarter = (nanos | 4) >> (log2 - 2) & 3;
        (log2 * 4) as usize + usize::try_from(quarter).expect("two bits")
    }

    /// The longest pause a bucket stands for.
    fn bucket_end(bucket: usize) -> Duration {
        let log2 = u32::try_from(bucket / 4).expect("few buckets");
        let quarter = u64::try_from(bucket % 4).expect("few buckets");
        let base = 1u64 << log2;
        Duration::from_nanos(
            base.saturating_add((base >> 2).max(1).saturating_mul(quarter + 1)) - 1,
        )
    }

    /// Counts one pause.
    pub fn record(&mut self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(Self::bucket(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.max = self.max.max(pause);
    }

    /// The pause that `percent` of all pauses do not exceed, to within a quarter; zero without any.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        if self.total == 0 {
            return Duration::ZERO;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank, clamped to the count of pauses"
        )]
        let rank = ((percent / 100.0 * self.total as f64).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Self::bucket_end(bucket).min(self.max);
            }
        }
        self.max
    }

    /// The longest pause.
    #[must_use]
    pub const fn max(&self) -> Duration {
        self.max
    }

    /// How many pauses were recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.total
    }
}

/// What a heap did since it was made. Bytes are bytes of objects unless a name says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statistics {
    /// Collections the driver or a slow path started.
    pub automatic_collections: u64,
    /// Collections asked for that had to reclaim everything.
    pub full_collections: u64,
    /// Bytes allocated.
    pub allocated_bytes: u64,
    /// Bytes of dead objects reclaimed.
    pub reclaimed_bytes: u64,
    /// Bytes copied by collections.
    pub copied_bytes: u64,
    /// Objects copied by collections.
    pub copied_objects: u64,
    /// Bytes that survived the last collection.
    pub live_bytes: u64,
    /// Bytes counted against the hard limit now, reserve for copying included.
    pub committed_bytes: u64,
    /// The most that was ever committed.
    pub peak_committed_bytes: u64,
    /// Bytes of address space reserved.
    pub reserved_bytes: u64,
    /// Time spent in collections.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "gc_seconds", serialize_with = "crate::serialize::as_seconds")
    )]
    pub gc_time: Duration,
    /// Pauses by length.
    pub pauses: PauseHistogram,
    /// Roots visited, by kind.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "roots_visited_by_kind",
            serialize_with = "crate::serialize::by_root_kind"
        )
    )]
    pub roots: [u64; RootKind::ALL.len()],
    /// Compiled frames walked.
    #[cfg_attr(feature = "serde", serde(rename = "frames_visited"))]
    pub frames: u64,
    /// Allocation slow paths taken.
    pub slow_allocations: u64,
    /// Host values dropped because their objects died.
    pub host_values_dropped: u64,
}

impl Statistics {
    /// Collections of every kind.
    #[must_use]
    pub const fn collections(&self) -> u64 {
        self.automatic_collections + self.full_collections
    }

    /// Roots visited, of every kind.
    #[must_use]
    pub fn roots_visited(&self) -> u64 {
        self.roots.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_bracket_the_pauses(mut nanos in prop::collection::vec(0u64..10_000_000_000, 1..100)) {
            let mut histogram = PauseHistogram::default();
            for n in &nanos {
                histogram.record(Duration::from_nanos(*n));
            }
            nanos.sort_unstable();
            let max = Duration::from_nanos(nanos[nanos.len() - 1]);
            prop_assert_eq!(histogram.percentile(100.0), max);
            let median = nanos[(nanos.len() - 1) / 2];
            let found = u64::try_from(histogram.percentile(50.0).as_nanos()).unwrap();
            prop_assert!(found >= median && found <= median + median / 4 + 8, "{found} for {median}");
        }
    }
}
