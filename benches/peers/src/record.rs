//! What was measured, as JSON. Keys carry their units.

use crate::args::{Args, Clock};
use crate::contest::{Cell, Row, mean};
use crate::contestant::Contestant;
use crate::error::Error;
use crate::figures::Spread;
use crate::job::{Done, Kind};
use crate::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Serialize)]
struct Record<'a> {
    machine: &'a Machine,
    /// What all ratios are to.
    base: &'a str,
    clock: &'static str,
    rounds: usize,
    contestants: Vec<Entry<'a>>,
    missing: &'a [String],
    programs: Vec<Measured<'a>>,
    geometric_means: BTreeMap<&'a str, f64>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    version: &'a str,
}

#[derive(Serialize)]
struct Measured<'a> {
    program: &'a str,
    size: &'a str,
    contestants: BTreeMap<&'a str, Figures<'a>>,
}

#[derive(Serialize)]
struct Figures<'a> {
    seconds: Option<Spread>,
    ratio: Option<Spread>,
    gc_share: Option<f64>,
    peak_bytes: Option<u64>,
    failure: Option<Ending<'a>>,
    runs: &'a [Done],
}

#[derive(Serialize)]
struct Ending<'a> {
    kind: Kind,
    message: &'a str,
}

/// Writes what was measured so far, in place of what the file held.
///
/// # Errors
/// [`Error::File`].
pub(crate) fn write(
    path: &Path,
    args: &Args,
    contestants: &[Contestant],
    missing: &[String],
    machine: &Machine,
    rows: &[Row],
) -> Result<(), Error> {
    let base = contestants.iter().find(|contestant| contestant.is_base());
    let means = contestants
        .iter()
        .enumerate()
        .filter_map(|(index, contestant)| {
            let mean = mean(rows, index, |_| true)?;
            Some((contestant.name.as_str(), mean.ratio))
        });
    let record = Record {
        machine,
        base: base.map_or("", |base| &base.name),
        clock: args.clock.name(),
        rounds: args.runs.get(),
        contestants: contestants
            .iter()
            .map(|contestant| Entry {
                name: &contestant.name,
                version: &contestant.version,
            })
            .collect(),
        missing,
        programs: rows
            .iter()
            .map(|row| Measured {
                program: &row.program,
                size: &row.size,
                contestants: contestants
                    .iter()
                    .zip(&row.cells)
                    .map(|(contestant, cell)| {
                        (contestant.name.as_str(), figures(cell, row, args.clock))
                    })
                    .collect(),
            })
            .collect(),
        geometric_means: means.collect(),
    };
    let mut text = serde_json::to_vec_pretty(&record)?;
    text.push(b'\n');
    std::fs::write(path, text).map_err(Error::file(path))
}

fn figures<'a>(cell: &'a Cell, row: &'a Row, clock: Clock) -> Figures<'a> {
    Figures {
        seconds: cell.seconds(clock),
        ratio: row.ratio(cell),
        gc_share: cell.gc_share(),
        peak_bytes: cell.peak_bytes(),
        failure: cell.failure.as_ref().map(|failure| Ending {
            kind: failure.kind,
            message: &failure.message,
        }),
        runs: &cell.runs,
    }
}
