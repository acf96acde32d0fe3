//! What a run did over time, from the trace it wrote.

use serde::Deserialize;
use std::fs;
use std::path::Path;

/// Pauses and the heap's fill of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timeline {
    /// The lengths of all pauses in seconds, shortest first.
    pub(crate) pauses: Vec<f64>,
    /// When the heap held how many bytes: seconds since the program began, in order.
    pub(crate) used: Vec<(f64, f64)>,
    /// When the program ended, in the same seconds.
    pub(crate) end: f64,
}

#[derive(Deserialize)]
struct Trace {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    ph: String,
    /// Microseconds.
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Args {
    pause_us: f64,
    bytes: f64,
}

impl Timeline {
    /// What a trace says; `None` if it cannot be read.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let trace: Trace = serde_json::from_str(text).ok()?;
        let at = |phase: &str| {
            let mut marks = trace.events.iter();
            marks.find(|event| event.ph == phase && event.name == "run")
        };
        let (start, end) = (at("B")?.ts, at("E")?.ts);
        let of = |phase: &'static str, name: &'static str| {
            let events = trace.events.iter();
            events.filter(move |event| event.ph == phase && event.name == name)
        };
        let mut pauses: Vec<f64> = of("X", "collection")
            .map(|event| event.args.pause_us / 1e6)
            .collect();
        pauses.sort_by(f64::total_cmp);
        let used = of("C", "heap used");
        let used = used.map(|event| ((event.ts - start).max(0.0) / 1e6, event.args.bytes));
        Some(Self {
            pauses,
            used: std::iter::once((0.0, 0.0)).chain(used).collect(),
            end: (end - start) / 1e6,
        })
    }

    /// The pause that this part of all pauses do not exceed, if there are any.
    pub(crate) fn pause(&self, part: f64) -> Option<f64> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among few pauses"
        )]
        let rank = (part * self.pauses.len() as f64).ceil() as usize;
        let last = self.pauses.len().checked_sub(1)?;
        self.pauses.get(rank.saturating_sub(1).min(last)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_read_from_where_the_program_begins() {
        let text = r#"{"traceEvents": [
            {"name": "process_name", "ph": "M", "args": {"name": "windrow"}},
            {"name": "run", "ph": "B", "ts": 1000},
            {"name": "heap used", "ph": "C", "ts": 3000, "args": {"bytes": 64}},
            {"name": "heap committed", "ph": "C", "ts": 3000, "args": {"bytes": 128}},
            {"name": "collection", "ph": "X", "ts": 3000, "dur": 9, "args": {"pause_us": 8, "kind": "full"}},
            {"name": "collection", "ph": "X", "ts": 4000, "dur": 9, "args": {"pause_us": 4}},
            {"name": "roots", "ph": "X", "ts": 4000, "dur": 9},
            {"name": "run", "ph": "E", "ts": 6000}]}"#;
        let timeline = Timeline::parse(text).unwrap();
        assert_eq!(timeline.used, [(0.0, 0.0), (0.002, 64.0)]);
        assert_eq!(timeline.end, 0.005);
        assert_eq!(timeline.pause(0.5), Some(4e-6));
        assert_eq!(timeline.pause(0.51), Some(8e-6));
        assert_eq!(timeline.pause(1.0), Some(8e-6));
        assert_eq!(Timeline::default().pause(0.5), None);
        assert_eq!(Timeline::parse("{}"), None);
    }
}
