//! How statistics and events read to a serialiser: every key carries its unit, byte counts are whole
//! numbers, times are seconds.

use crate::{HeapError, PauseHistogram, RootKind};
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use std::time::Duration;

/// A time, as seconds.
pub(crate) fn as_seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// An error, as what it says.
#[expect(clippy::ref_option, reason = "serde hands a field by reference")]
pub(crate) fn as_optional_text<S: Serializer>(
    error: &Option<HeapError>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => to.collect_str(error),
        None => to.serialize_none(),
    }
}

/// Counts of roots, as a map by kind.
pub(crate) fn by_root_kind<S: Serializer>(
    counts: &[u64; RootKind::ALL.len()],
    to: S,
) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(counts.len()))?;
    for (kind, count) in RootKind::ALL.iter().zip(counts) {
        map.serialize_entry(kind, count)?;
    }
    map.end()
}

/// A histogram reads as its count and four of its percentiles.
impl Serialize for PauseHistogram {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("PauseHistogram", 5)?;
        fields.serialize_field("count", &self.count())?;
        for (key, percent) in [
            ("median_seconds", 50.0),
            ("p90_seconds", 90.0),
            ("p99_seconds", 99.0),
        ] {
            fields.serialize_field(key, &self.percentile(percent).as_secs_f64())?;
        }
        fields.serialize_field("max_seconds", &self.max().as_secs_f64())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        CollectionKind, GrowthPolicy, HeapLimits, MemoryKind, RootKind, Statistics, TypeId, Zeal,
    };
    use serde_json::{from_str, json, to_value};
    use std::time::Duration;

    #[test]
    fn statistics_name_their_units() {
        let mut statistics = Statistics {
            allocated_bytes: 5,
            gc_time: Duration::from_millis(1500),
            ..Statistics::default()
        };
        statistics.roots[RootKind::OwnedHandle as usize] = 7;
        statistics.pauses.record(Duration::from_secs(1));
        let value = to_value(&statistics).expect("numbers");
        assert_eq!(value["allocated_bytes"], 5);
        assert_eq!(value["gc_seconds"], 1.5);
        assert_eq!(value["roots_visited_by_kind"]["owned_handle"], 7);
        assert_eq!(value["pauses"]["count"], 1);
        assert_eq!(value["pauses"]["max_seconds"], 1.0);
        assert_eq!(to_value(TypeId::EXN).expect("a number"), 2);
        assert_eq!(to_value(CollectionKind::Full).expect("a word"), "full");
    }

    #[test]
    fn configuration_reads_back_and_may_leave_out_what_is_usual() {
        let limits: HeapLimits = from_str(r#"{"max_bytes": 1048576}"#).expect("valid");
        assert_eq!(limits.max_bytes, 1 << 20);
        assert_eq!(limits.initial_bytes, HeapLimits::default().initial_bytes);
        let growth: GrowthPolicy = from_str("{}").expect("valid");
        assert_eq!(growth, GrowthPolicy::default());
        let zeal: Zeal = from_str(r#"{"collect_every": 3, "verify": true}"#).expect("valid");
        assert_eq!(
            (zeal.collect_every, zeal.poison, zeal.verify),
            (3, false, true)
        );
        assert_eq!(to_value(zeal).expect("valid")["collect_every"], json!(3));
        let memory: MemoryKind = from_str(r#""checked""#).expect("valid");
        assert_eq!(memory, MemoryKind::Checked);
        let typo = from_str::<Zeal>(r#"{"colect_every": 3}"#).expect_err("no such key");
        assert!(typo.to_string().contains("collect_every"), "{typo}");
    }
}
