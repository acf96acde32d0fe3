//! What a run did, as a short table for people and as JSON for programs.
//!
//! Every JSON key carries its unit; byte counts are whole numbers, times are seconds.

use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use windrow::jit::RootKind;
use windrow::{Bytes, Statistics};
use windrow_wasm::bench::Marked;

/// A finished run: what was asked for, how it ended, and the heap's own accounts.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was asked for.
    pub(crate) setup: Setup,
    /// How the program ended.
    pub(crate) outcome: Outcome,
    /// Time to read, compile and instantiate the program.
    pub(crate) load_time: Duration,
    /// Time in the call.
    pub(crate) run_time: Duration,
    /// What the program marked with `bench.start` and `bench.end`, if it did.
    pub(crate) marked: Option<Marked>,
    /// The heap's accounts at the end.
    pub(crate) statistics: Statistics,
    /// The most memory this process ever had in use, where the system tells.
    pub(crate) peak_resident_bytes: Option<u64>,
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It returned, or exited with a code.
    Returned,
    /// It trapped, or threw what it did not catch.
    Trap,
    /// It trapped because the heap was full.
    OutOfMemory,
}

/// What a run was asked for, after defaults.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setup {
    /// The file, as given.
    pub(crate) program: String,
    /// The export called, if any was.
    pub(crate) invoke: Option<String>,
    /// Its arguments, as given.
    pub(crate) args: Vec<String>,
    /// The collector's name.
    pub(crate) collector: String,
    /// The memory's name.
    pub(crate) memory: String,
    /// What may be allocated before the first collection.
    pub(crate) heap_initial_bytes: u64,
    /// The hard limit on the heap.
    pub(crate) heap_max_bytes: u64,
    /// Whether it collects only at that limit.
    pub(crate) heap_fixed: bool,
    /// How much stack the program may use.
    pub(crate) stack_max_bytes: u64,
    /// Collect at every this-many-th allocation; zero is off.
    pub(crate) zeal: u32,
    /// How frames are walked, as the command line calls it.
    pub(crate) unwinder: &'static str,
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    setup: &'a Setup,
    outcome: Outcome,
    load_seconds: f64,
    run_seconds: f64,
    marked_seconds: Option<f64>,
    marked_gc_seconds: Option<f64>,
    #[serde(flatten)]
    statistics: &'a Statistics,
    roots_visited: u64,
    peak_resident_bytes: Option<u64>,
}

impl Report {
    /// The report as one JSON object.
    pub(crate) fn json(&self) -> String {
        let seconds =
            |part: fn(Marked) -> Duration| self.marked.map(|marked| part(marked).as_secs_f64());
        let json = Json {
            setup: &self.setup,
            outcome: self.outcome,
            load_seconds: self.load_time.as_secs_f64(),
            run_seconds: self.run_time.as_secs_f64(),
            marked_seconds: seconds(|marked| marked.time),
            marked_gc_seconds: seconds(|marked| marked.gc_time),
            statistics: &self.statistics,
            roots_visited: self.statistics.roots_visited(),
            peak_resident_bytes: self.peak_resident_bytes,
        };
        let mut text =
            serde_json::to_string_pretty(&json).expect("numbers and strings have a JSON form");
        text.push('\n');
        text
    }

    /// The report as a table of a dozen lines.
    pub(crate) fn table(&self) -> String {
        let stats = &self.statistics;
        let pauses = &stats.pauses;
        let setup = &self.setup;
        let mut table = Table::new(&[]);
        let mut row = |name: &str, text: String| table.row(&[name.to_owned(), text]);
        row(
            "collector",
            format!("{}, {} memory", setup.collector, setup.memory),
        );
        row(
            "time",
            format!(
                "{} in the call, {} to load",
                time(self.run_time),
                time(self.load_time)
            ),
        );
        let share = percent(stats.gc_time, self.load_time + self.run_time);
        row(
            "collecting",
            format!("{}, {share:.1}% of the time", time(stats.gc_time)),
        );
        row(
            "collections",
            match stats.full_collections {
                0 => stats.collections().to_string(),
                full => format!("{}, {full} of them full", stats.collections()),
            },
        );
        if pauses.count() > 0 {
            let at = |percent| time(pauses.percentile(percent));
            row(
                "pauses",
                format!(
                    "{} median, {} 99th percentile, {} longest",
                    at(50.0),
                    at(99.0),
                    time(pauses.max())
                ),
            );
        }
        row("allocated", Bytes(stats.allocated_bytes).to_string());
        row(
            "copied",
            format!(
                "{} in {} objects",
                Bytes(stats.copied_bytes),
                stats.copied_objects
            ),
        );
        row(
            "live",
            format!("{} after the last collection", Bytes(stats.live_bytes)),
        );
        row(
            "committed",
            format!(
                "{}, {} at most, limit {}",
                Bytes(stats.committed_bytes),
                Bytes(stats.peak_committed_bytes),
                Bytes(setup.heap_max_bytes),
            ),
        );
        row(
            "reserved",
            match self.peak_resident_bytes {
                Some(peak) => format!(
                    "{} of address space; the process used {} of memory at most",
                    Bytes(stats.reserved_bytes),
                    Bytes(peak)
                ),
                None => format!("{} of address space", Bytes(stats.reserved_bytes)),
            },
        );
        row(
            "roots",
            format!(
                "{} visited, {} in {} frames",
                stats.roots_visited(),
                stats.roots[RootKind::Frame as usize],
                stats.frames
            ),
        );
        row(
            "slow paths",
            format!("{} allocations", stats.slow_allocations),
        );
        table.to_string()
    }
}

/// A time with three digits or so and the unit that suits it.
pub(crate) fn time(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let decimals = if unit == "ns" || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

fn percent(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        0.0
    } else {
        100.0 * part.as_secs_f64() / whole.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut statistics = Statistics::default();
        statistics.automatic_collections = 3;
        statistics.allocated_bytes = 5 << 20;
        statistics.roots[RootKind::OwnedHandle as usize] = 7;
        statistics.pauses.record(Duration::from_micros(20));
        let setup = Setup {
            program: "p.wat".to_owned(),
            invoke: Some("run".to_owned()),
            args: vec!["-1".to_owned()],
            collector: "copying".to_owned(),
            memory: "checked".to_owned(),
            heap_initial_bytes: 1,
            heap_max_bytes: 8 << 20,
            heap_fixed: false,
            stack_max_bytes: 3,
            zeal: 4,
            unwinder: "fp",
        };
        let (load_time, run_time) = (Duration::from_millis(3), Duration::from_secs(2));
        Report {
            setup,
            outcome: Outcome::OutOfMemory,
            load_time,
            run_time,
            marked: None,
            statistics,
            peak_resident_bytes: Some(9 << 20),
        }
    }

    #[test]
    fn json_reads_back() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(json["collector"], "copying");
        assert_eq!(json["args"][0], "-1");
        assert_eq!(json["outcome"], "out_of_memory");
        assert_eq!(json["peak_resident_bytes"], 9 << 20);
        assert_eq!(json["allocated_bytes"], 5 << 20);
        assert_eq!(json["roots_visited_by_kind"]["owned_handle"], 7);
        assert_eq!(json["roots_visited_by_kind"]["frame"], 0);
        assert_eq!(json["pauses"]["count"], 1);
        assert_eq!(json["run_seconds"], 2.0);
        assert!(json["marked_seconds"].is_null());
    }

    #[test]
    fn the_table_is_short_and_names_its_units() {
        let table = report().table();
        assert!(table.lines().count() <= 12, "{table}");
        assert!(table.contains("copying, checked memory"), "{table}");
        assert!(table.contains("5 MiB"), "{table}");
        assert!(table.contains("limit 8 MiB"), "{table}");
    }

    #[test]
    fn times_carry_three_digits() {
        assert_eq!(time(Duration::ZERO), "0 ns");
        assert_eq!(time(Duration::from_nanos(1500)), "1.50 us");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_secs(240)), "240 s");
    }
}
