//! The report as a table for people and as JSON for programs.
//!
//! Every JSON key carries its unit; byte counts are whole numbers, times are seconds.

use super::BenchArgs;
use super::measure::Measured;
use super::summary::{ConfigurationSummary, Figures, Overall, ProgramSummary, overall, summarise};
use crate::machine::Machine;
use crate::stats::time;
use crate::table::Table;
use serde::Serialize;
use std::time::Duration;
use windrow::Bytes;

/// What the columns of the table hold.
pub(crate) const HEADINGS: [&str; 13] = [
    "collector",
    "heap",
    "size",
    "median",
    "min",
    "max",
    "overhead",
    "in GC",
    "collections",
    "median pause",
    "99%",
    "longest",
    "resident",
];

/// All that was measured, and on what.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When it began.
    pub(crate) started: String,
    /// windrow's version.
    pub(crate) version: &'static str,
    /// Whether this build checks itself, which takes time.
    pub(crate) debug_build: bool,
    /// The command line.
    pub(crate) command: String,
    /// The machine, as it was at the start.
    pub(crate) machine: Machine,
    /// How often each configuration ran.
    pub(crate) runs: u32,
    /// The programs.
    pub(crate) programs: Vec<ProgramSummary>,
    /// All of them together.
    pub(crate) overall: Vec<Overall>,
}

impl Report {
    /// A report that has nothing to tell yet.
    pub(crate) fn begin(args: &BenchArgs) -> Self {
        let words = std::env::args_os().skip(1);
        let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
        Self {
            started: format!("{:.0}", jiff::Timestamp::now()),
            version: env!("CARGO_PKG_VERSION"),
            debug_build: cfg!(debug_assertions),
            command: format!("windrow {}", words.join(" ")),
            machine: Machine::this(),
            runs: args.runs,
            programs: Vec::new(),
            overall: Vec::new(),
        }
    }

    /// The report on these programs.
    pub(crate) fn end(self, measured: &[Measured]) -> Self {
        let programs: Vec<ProgramSummary> = measured.iter().map(summarise).collect();
        let overall = overall(&programs);
        Self {
            programs,
            overall,
            ..self
        }
    }

    /// The report as one JSON object.
    pub(crate) fn json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("numbers and strings have a JSON form");
        text.push('\n');
        text
    }

    /// The report as text: a table for each program, and one for all.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for program in &self.programs {
            text.push_str(&format!("{}\n", heading(program)));
            let mut table = Table::new(&HEADINGS);
            for configuration in &program.configurations {
                table.row(&row(configuration));
            }
            text.push_str(&format!("{table}\n"));
        }
        if self.programs.len() > 1 {
            text.push_str("all programs, geometric mean of overheads\n");
            let mut table = Table::new(&["collector", "heap", "overhead"]);
            for overall in &self.overall {
                let overhead = self.overall_cell(overall);
                table.row(&[&overall.collector, &overall.heap, &overhead]);
            }
            text.push_str(&format!("{table}\n"));
        }
        text.push_str(&format!("{}\n", self.circumstances()));
        text
    }

    /// The mean overhead, or why there is none.
    pub(crate) fn overall_cell(&self, overall: &Overall) -> String {
        match overall.lower_bound_overhead {
            Some(overhead) => format!("{overhead:.2}"),
            None => format!("{} of {} finished", overall.finished, self.programs.len()),
        }
    }

    /// When, on what and how often, in a sentence.
    pub(crate) fn circumstances(&self) -> String {
        let machine = &self.machine;
        let mut parts = vec![self.started.clone(), format!("windrow {}", self.version)];
        if self.debug_build {
            parts.push("a debug build, whose times mean little".to_owned());
        }
        parts.extend(machine.processor.clone());
        parts.extend(machine.cores.map(|cores| format!("{cores} cores")));
        parts.extend(machine.memory_bytes.map(|bytes| Bytes(bytes).to_string()));
        parts.push(machine.system.clone());
        parts.extend(
            machine
                .load
                .map(|load| format!("load {load:.1} at the start")),
        );
        parts.push(match self.runs {
            1 => "1 run each".to_owned(),
            runs => format!("medians of {runs} runs"),
        });
        parts.join("; ")
    }
}

/// A word of a command line as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A program with its smallest heap and lower bound.
fn heading(program: &ProgramSummary) -> String {
    let mut text = program.program.clone();
    if let Some(bytes) = program.smallest_heap_bytes {
        text.push_str(&format!(": smallest heap {}", Bytes(bytes)));
    }
    if let Some(bound) = program.lower_bound_seconds {
        text.push_str(&format!(", lower bound {}", seconds(bound)));
    }
    text
}

/// A time, as all tables write it.
pub(crate) fn seconds(seconds: f64) -> String {
    time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A configuration's cells.
pub(crate) fn row(configuration: &ConfigurationSummary) -> Vec<String> {
    let mut cells = vec![configuration.collector.clone(), configuration.heap.clone()];
    let used = configuration.figures.as_ref();
    let used = used.map(|figures| figures.peak_committed_bytes);
    let size = configuration.heap_max_bytes.or(used);
    cells.push(
        size.map(|bytes| Bytes(bytes).to_string())
            .unwrap_or_default(),
    );
    match (&configuration.figures, &configuration.stopped) {
        (Some(figures), _) => cells.extend(figure_cells(figures)),
        (None, stopped) => cells.extend(stopped.clone()),
    }
    cells
}

fn figure_cells(figures: &Figures) -> [String; 10] {
    let pauses = &figures.pauses;
    let pause = |length: f64| match pauses.count {
        0 => String::new(),
        _ => seconds(length),
    };
    let resident = figures.peak_resident_bytes;
    [
        seconds(figures.median_seconds),
        seconds(figures.min_seconds),
        seconds(figures.max_seconds),
        format!("{:.2}", figures.lower_bound_overhead),
        format!("{:.1}%", 100.0 * figures.gc_share),
        format!("{:.0}", figures.collections),
        pause(pauses.median_seconds),
        pause(pauses.p99_seconds),
        pause(pauses.max_seconds),
        resident
            .map(|bytes| Bytes(bytes).to_string())
            .unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_written_as_a_shell_reads_them() {
        assert_eq!(quoted("p.wat:1,-2"), "p.wat:1,-2");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
