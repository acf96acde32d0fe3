//! How large a heap may be, and how much it may allocate before it collects again.
//!
//! A heap collects when its budget is spent. After a collection the budget is set anew from what
//! survived: room in proportion to the live data, so that each byte allocated costs at most a
//! constant amount of tracing, and never less than a floor, so that a small heap does not collect
//! all the time. The hard limit on committed bytes cuts either short.

/// Sizes of one heap, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct HeapLimits {
    /// What may be allocated before the first collection.
    pub initial_bytes: u64,
    /// The hard limit on committed bytes, reserve for copying and large objects included.
    pub max_bytes: u64,
}

impl Default for HeapLimits {
    fn default() -> Self {
        Self {
            initial_bytes: 4 << 20,
            max_bytes: 4 << 30,
        }
    }
}

/// How much to allocate between collections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct GrowthPolicy {
    /// The floor of free space after a collection, in bytes.
    pub min_free_bytes: u64,
    /// Free space after a collection, as a percentage of the live bytes.
    pub free_percent_of_live: u32,
}

impl Default for GrowthPolicy {
    /// Room for one and a half times the live data, and at least 2 MiB.
    fn default() -> Self {
        Self {
            min_free_bytes: 2 << 20,
            free_percent_of_live: 150,
        }
    }
}

impl GrowthPolicy {
    /// Bytes to allocate before the next collection, given what survived the last.
    #[must_use]
    pub fn budget_bytes(&self, live_bytes: u64) -> u64 {
        let proportional = u128::from(live_bytes) * u128::from(self.free_percent_of_live) / 100;
        u64::try_from(proportional)
            .unwrap_or(u64::MAX)
            .max(self.min_free_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_follow_live_data_above_a_floor() {
        let policy = GrowthPolicy {
            min_free_bytes: 1000,
            free_percent_of_live: 150,
        };
        assert_eq!(policy.budget_bytes(0), 1000);
        assert_eq!(policy.budget_bytes(10_000), 15_000);
        assert_eq!(policy.budget_bytes(u64::MAX), u64::MAX);
    }
}
