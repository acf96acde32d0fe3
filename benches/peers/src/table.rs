//! Progress and results, for people.

use crate::args::Args;
use crate::contest::{Cell, Row, mean};
use crate::contestant::Contestant;
use crate::error::Error;
use crate::figures::Spread;
use crate::machine::Machine;
use crate::programs::Program;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr, stdout};

fn print(text: &str) -> Result<(), Error> {
    let mut stdout = stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Shows what goes on, where somebody looks.
pub(crate) fn progress(what: &str) {
    let mut stderr = stderr();
    if stderr.is_terminal() {
        // It is only for who looks.
        let _ = write!(stderr, "\r\x1b[K{what}");
        let _ = stderr.flush();
    }
}

/// Says where and with whom.
pub(crate) fn opening(
    args: &Args,
    machine: &Machine,
    contestants: &[Contestant],
    missing: &[String],
) -> Result<(), Error> {
    let mut text = format!(
        "{}, {} cores, {}, load {:.1}; rounds: {}, {} time\n",
        machine.processor,
        machine.cores,
        machine.system,
        machine.load.unwrap_or(f64::NAN),
        args.runs,
        args.clock.name(),
    );
    let versions: BTreeSet<&str> = contestants
        .iter()
        .map(|contestant| contestant.version.as_str())
        .collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    let _ = writeln!(text, "{}", versions.join(", "));
    for line in missing {
        let _ = writeln!(text, "missing: {line}");
    }
    text.push('\n');
    print(&text)
}

/// The programs.
pub(crate) fn list(programs: &[Program]) -> Result<(), Error> {
    let mut text = String::new();
    for program in programs {
        let _ = writeln!(text, "{} {}", program.name, program.size);
    }
    print(&text)
}

/// The head of the table of times.
pub(crate) fn head(contestants: &[Contestant]) -> Result<(), Error> {
    let mut names = vec!["program"];
    for contestant in contestants {
        if contestant.is_base() {
            names.extend(["windrow-copying, ms", "collecting"]);
        } else {
            names.push(&contestant.name);
        }
    }
    print(&format!(
        "| {} |\n|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    ))
}

/// A row of it.
pub(crate) fn row(row: &Row) -> Result<(), Error> {
    let mut text = format!("| {} {} |", row.program, row.size);
    for cell in &row.cells {
        let is_base = row.base().is_some_and(|base| std::ptr::eq(base, cell));
        let shown = match (&cell.failure, is_base) {
            (Some(failure), _) => failure.kind.cell().to_owned(),
            (None, true) => cell
                .seconds(row.clock())
                .map_or_else(String::new, milliseconds),
            (None, false) => row
                .ratio(cell)
                .map(ratio)
                .or_else(|| {
                    cell.seconds(row.clock())
                        .map(|time| milliseconds(time) + " ms")
                })
                .unwrap_or_default(),
        };
        let _ = write!(text, " {shown} |");
        if is_base {
            let share = cell
                .gc_share()
                .map(|share| format!("{:.0} %", share * 100.0));
            let _ = write!(text, " {} |", share.unwrap_or_default());
        }
    }
    text.push('\n');
    print(&text)
}

fn milliseconds(spread: Spread) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(|time| time * 1e3);
    with_ends(median, min, max, if median < 100.0 { 1 } else { 0 })
}

fn ratio(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    with_ends(median, min, max, if median < 10.0 { 2 } else { 1 })
}

/// The middle, and the ends unless there is only one figure.
fn with_ends(median: f64, min: f64, max: f64, digits: usize) -> String {
    if min.to_bits() == max.to_bits() {
        return format!("{median:.digits$}");
    }
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}

/// Means, memory, and why cells are empty.
pub(crate) fn closing(contestants: &[Contestant], rows: &[Row]) -> Result<(), Error> {
    let has_ratio = |row: &Row, cell: &Cell| row.ratio(cell).is_some();
    let all_ran = |row: &Row| row.cells.iter().all(|cell| has_ratio(row, cell));
    let mut text = String::new();
    means(
        &mut text,
        "mean where it ran (programs)",
        contestants,
        rows,
        |_| true,
    );
    means(
        &mut text,
        "mean where all ran (programs)",
        contestants,
        rows,
        all_ran,
    );
    memory(&mut text, contestants, rows);
    failures(&mut text, contestants, rows);
    print(&text)
}

fn means(
    text: &mut String,
    name: &str,
    contestants: &[Contestant],
    rows: &[Row],
    wants: impl Fn(&Row) -> bool,
) {
    let _ = write!(text, "| geometric {name} |");
    for (index, contestant) in contestants.iter().enumerate() {
        let mean = mean(rows, index, &wants);
        let shown = mean.map(|mean| format!("{:.2} ({})", mean.ratio, mean.count));
        let _ = write!(text, " {} |", shown.unwrap_or_default());
        if contestant.is_base() {
            text.push_str(" |");
        }
    }
    text.push('\n');
}

/// Peak resident memory; in brackets what was there before the timed part.
fn memory(text: &mut String, contestants: &[Contestant], rows: &[Row]) {
    let names: Vec<&str> = contestants.iter().map(|one| one.name.as_str()).collect();
    let _ = write!(
        text,
        "\n| peak MiB (before the call) | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for row in rows {
        let _ = write!(text, "| {} |", row.program);
        for cell in &row.cells {
            let before = cell.runs.iter().filter_map(|run| run.before_bytes).max();
            let shown = cell.peak_bytes().zip(before).map(|(peak, before)| {
                let mebibytes = |bytes: u64| (bytes + (1 << 19)) >> 20;
                format!("{} ({})", mebibytes(peak), mebibytes(before))
            });
            let _ = write!(text, " {} |", shown.unwrap_or_default());
        }
        text.push('\n');
    }
}

/// Why cells have no figures; who failed alike is told of together.
fn failures(text: &mut String, contestants: &[Contestant], rows: &[Row]) {
    text.push('\n');
    for row in rows {
        let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
        for (contestant, cell) in contestants.iter().zip(&row.cells) {
            let Some(failure) = &cell.failure else {
                continue;
            };
            let reason = format!("{}: {}", failure.kind.cell(), failure.message.trim());
            match reasons.iter_mut().find(|(other, _)| *other == reason) {
                Some((_, names)) => names.push(&contestant.name),
                None => reasons.push((reason, vec![&contestant.name])),
            }
        }
        for (reason, names) in reasons {
            let _ = writeln!(text, "- {}, {}: {reason}", row.program, names.join(", "));
        }
    }
}
