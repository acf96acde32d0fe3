//! Progress and results, for people.

use crate::contest::Entry;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr, stdout};

pub(crate) fn print(text: &str) -> Result<(), String> {
    let written = stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| error.to_string())
}

pub(crate) fn complain(error: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(stderr(), "error: {error}");
}

/// Shows what goes on, where somebody looks.
pub(crate) fn progress(what: &str) {
    let mut stderr = stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{what}");
        let _ = stderr.flush();
    }
}

/// The middle one.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mebibytes(bytes: u64) -> String {
    let tenths = (bytes * 10) >> 20;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A program's part of the table, with the head if it is the first.
pub(crate) fn program(program: &str, entries: &[Entry], is_first: bool) -> Result<(), String> {
    let head = "| program | contestant | median ms | min | max | x checked | peak MiB |\n\
                |---|---|---|---|---|---|---|\n";
    let mut text = if is_first {
        head.to_owned()
    } else {
        String::new()
    };
    let mut name = program;
    let mut base = None;
    for entry in entries {
        let times = entry.samples.iter().map(|sample| sample.seconds * 1e3);
        let times: Vec<f64> = times.collect();
        let min = times.iter().copied().fold(f64::INFINITY, f64::min);
        let max = times.iter().copied().fold(0.0, f64::max);
        let median = median(times);
        let ratio = median / *base.get_or_insert(median);
        let peaks = entry.samples.iter().filter_map(|sample| sample.peak_bytes);
        let peak = peaks.max().map_or_else(String::new, mebibytes);
        let contestant = &entry.contestant;
        let _ = writeln!(
            text,
            "| {name} | {contestant} | {median:.0} | {min:.0} | {max:.0} | {ratio:.2} | {peak} |"
        );
        name = "";
    }
    print(&text)
}

/// The table of single operations, a column for each collector.
pub(crate) fn costs(costs: &[(String, Vec<(&'static str, f64)>)]) -> Result<(), String> {
    let Some((_, operations)) = costs.first() else {
        return Ok(());
    };
    let mut text = "\n| ns | ".to_owned();
    for (collector, _) in costs {
        let _ = write!(text, "{collector} | ");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(costs.len()));
    for (index, (operation, _)) in operations.iter().enumerate() {
        let _ = write!(text, "\n| {operation} |");
        for (_, measured) in costs {
            let figure = measured.get(index).map_or(f64::NAN, |(_, figure)| *figure);
            let _ = write!(text, " {figure:.1} |");
        }
    }
    text.push('\n');
    print(&text)
}
