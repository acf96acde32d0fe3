//! How large a heap may be, and how much it may allocate before it collects again.
//!
//! A heap collects when its budget is spent, and then gets another. Free space saves collections: with
//! `E` bytes of it, a program that allocates `g` bytes a second collects `g / E` times a second, and if
//! each collection takes `t` seconds, `g * t / E` is what collecting adds to the program's own time.
//! Another byte saves `g * t / E^2` of that, so where memory for which the program would wait as long
//! as it runs is worth `K` bytes, space is worth its price up to
//!
//! ```text
//! E = sqrt(K * g * t)
//! ```
//! This is the square-root rule of Kirisame, Shenoy and Panchekha ("Optimal Heap Limits for Reducing
//! Browser Memory Use", OOPSLA 2022), who call the price `1 / K`. `g`, and `t` for each live byte, are
//! measured, and smoothed. `E` is kept between two multiples of the live data, whatever the clock says,
//! so that tracing a byte is paid for by bytes allocated; and above a floor, so that a small heap does
//! not collect all the time. The hard limit on committed bytes cuts all of it short.

use std::time::Duration;

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
///
/// The square-root rule of Kirisame, Shenoy and Panchekha (OOPSLA 2022): `sqrt(K * g * t)` bytes, where the
/// program allocates `g` bytes a second, a collection takes `t` seconds, both as measured of late, and `K`
/// is [`worth_bytes`](Self::worth_bytes); between the two multiples of the live bytes, and above the floor.
/// With little alive twice the floor may be free, whatever the multiples say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct GrowthPolicy {
    /// The floor of free space after a collection, in bytes.
    pub min_free_bytes: u64,
    /// The least free space after a collection, as a percentage of the live bytes.
    pub free_percent_of_live: u32,
    /// The most, likewise. Where it is not above the least, nothing is measured: the same program
    /// collects at the same allocations each time.
    pub max_free_percent_of_live: u32,
    /// How many bytes of free space a program may take for not spending as much time again as it runs.
    pub worth_bytes: u64,
}

impl Default for GrowthPolicy {
    /// Room for one and a half to three times the live data, as far as it is worth it where 32 MiB are worth
    /// as much time as the program takes; and at least 2 MiB.
    fn default() -> Self {
        Self {
            min_free_bytes: 2 << 20,
            free_percent_of_live: 150,
            max_free_percent_of_live: 300,
            worth_bytes: 32 << 20,
        }
    }
}

/// How fast a program allocates, and what it costs to collect: of late.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    allocated_per_second: f64,
    seconds_per_live_byte: f64,
}

impl Pace {
    /// Takes account of a collection that took `pause` and left `live_bytes`, after the program had
    /// `allocated_bytes` in the time `between`. What was before counts for half.
    pub(crate) fn record(
        &mut self,
        allocated_bytes: u64,
        between: Duration,
        live_bytes: u64,
        pause: Duration,
    ) {
        let smooth = |before: &mut f64, now: f64| {
            *before = if *before == 0.0 {
                now
            } else {
                (*before + now) / 2.0
            };
        };
        let between = between.as_secs_f64().max(1e-9);
        smooth(
            &mut self.allocated_per_second,
            allocated_bytes as f64 / between,
        );
        let cost = pause.as_secs_f64() / live_bytes.max(1) as f64;
        smooth(&mut self.seconds_per_live_byte, cost);
    }
}

/// Where little is live, a multiple of it says nothing: so many times the floor may be free all the same.
const SMALL_FLOORS: u64 = 2;

impl GrowthPolicy {
    /// Always the same percentage of the live bytes, above a floor.
    #[must_use]
    pub const fn proportional(min_free_bytes: u64, free_percent_of_live: u32) -> Self {
        Self {
            min_free_bytes,
            free_percent_of_live,
            max_free_percent_of_live: free_percent_of_live,
            worth_bytes: 0,
        }
    }

    /// The least to allocate before the next collection, given what survived the last.
    #[must_use]
    pub fn budget_bytes(&self, live_bytes: u64) -> u64 {
        percent(live_bytes, self.free_percent_of_live).max(self.min_free_bytes)
    }

    /// What to allocate before the next collection.
    pub(crate) fn balanced_bytes(&self, live_bytes: u64, pace: &Pace) -> u64 {
        let least = self.budget_bytes(live_bytes);
        if self.max_free_percent_of_live <= self.free_percent_of_live {
            return least;
        }
        let small = self.min_free_bytes.saturating_mul(SMALL_FLOORS);
        let most = percent(live_bytes, self.max_free_percent_of_live).max(small);
        let pause = pace.seconds_per_live_byte * live_bytes as f64;
        let worth = (self.worth_bytes as f64 * pace.allocated_per_second * pause).sqrt();
        // More than fits, or no number at all, is cut to the bounds.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and a fraction of a byte is nothing"
        )]
        let worth = worth as u64;
        worth.clamp(least, most)
    }
}

fn percent(bytes: u64, percent: u32) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_follow_live_data_above_a_floor() {
        let policy = GrowthPolicy::proportional(1000, 150);
        assert_eq!(policy.budget_bytes(0), 1000);
        assert_eq!(policy.budget_bytes(10_000), 15_000);
        assert_eq!(policy.budget_bytes(u64::MAX), u64::MAX);
    }

    #[test]
    fn free_space_goes_with_the_root_of_what_collecting_costs() {
        const MIB: u64 = 1 << 20;
        let policy = GrowthPolicy::default();
        let budget = |pause_ms| {
            let mut pace = Pace::default();
            let (between, pause) = (Duration::from_millis(100), Duration::from_millis(pause_ms));
            pace.record(64 * MIB, between, 32 * MIB, pause);
            policy.balanced_bytes(32 * MIB, &pace)
        };
        // sqrt(32 MiB * 640 MiB/s * 0.12 s), and thrice the cost for a bit less than twice the space.
        assert_eq!(budget(120).div_ceil(MIB), 50);
        assert_eq!(budget(360).div_ceil(MIB), 86);
        assert_eq!(budget(0), 48 * MIB);
        assert_eq!(budget(1_000_000), 96 * MIB);
    }

    #[test]
    fn what_cannot_be_measured_stays_between_the_bounds() {
        let policy = GrowthPolicy::default();
        let mut pace = Pace::default();
        assert_eq!(policy.balanced_bytes(0, &pace), 2 << 20);
        for (allocated, live) in [(0, 0), (u64::MAX, 1), (1, u64::MAX)] {
            pace.record(allocated, Duration::ZERO, live, Duration::MAX);
            for live in [0, 1, 5 << 20, u64::MAX] {
                let budget = policy.balanced_bytes(live, &pace);
                assert!(budget >= policy.budget_bytes(live));
                assert!(budget <= percent(live, 300).max(2 * policy.min_free_bytes));
            }
        }
    }
}
