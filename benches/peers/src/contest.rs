//! The rounds, and what comes of them.

use crate::args::{Args, Clock};
use crate::contestant::{self, Contestant};
use crate::error::Error;
use crate::figures::{Spread, geometric_mean};
use crate::job::{Done, Kind};
use crate::machine::Machine;
use crate::process::{self, Failure};
use crate::programs::{self, Program};
use crate::{record, table};
use std::time::Duration;

/// A program's runs by all contestants, in their order.
pub(crate) struct Row {
    pub(crate) program: String,
    pub(crate) size: String,
    pub(crate) cells: Vec<Cell>,
    clock: Clock,
    /// Which cell the others are compared with.
    base: usize,
}

/// A program's runs by one contestant, round by round until one failed.
#[derive(Default)]
pub(crate) struct Cell {
    pub(crate) runs: Vec<Done>,
    pub(crate) failure: Option<Failure>,
}

impl Done {
    fn seconds(&self, clock: Clock) -> f64 {
        match (clock, self.processor_seconds) {
            (Clock::Processor, Some(seconds)) => seconds,
            _ => self.seconds,
        }
    }
}

impl Cell {
    /// The time of a run, if none failed.
    pub(crate) fn seconds(&self, clock: Clock) -> Option<Spread> {
        let times = self.runs.iter().map(|run| run.seconds(clock));
        Spread::of(times).filter(|_| self.failure.is_none())
    }

    /// How much of a run's time goes into collecting, where the engine says.
    pub(crate) fn gc_share(&self) -> Option<f64> {
        let shares = self
            .runs
            .iter()
            .filter_map(|run| Some(run.gc_seconds? / run.seconds));
        Spread::of(shares).map(|spread| spread.median)
    }

    /// The largest peak of any run.
    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        let peaks = self.runs.iter().filter_map(|run| run.peak_bytes);
        peaks.max().filter(|_| self.failure.is_none())
    }
}

impl Row {
    /// A cell's time over that of the contestant all are compared with, formed round by round; `None`
    /// where either failed.
    pub(crate) fn ratio(&self, cell: &Cell) -> Option<Spread> {
        let base = self.cells.get(self.base)?;
        if base.failure.is_some() || cell.failure.is_some() {
            return None;
        }
        let pairs = cell.runs.iter().zip(&base.runs);
        Spread::of(pairs.map(|(run, base)| run.seconds(self.clock) / base.seconds(self.clock)))
    }

    /// Which time is compared.
    pub(crate) const fn clock(&self) -> Clock {
        self.clock
    }

    /// The contestant all are compared with.
    pub(crate) fn base(&self) -> Option<&Cell> {
        self.cells.get(self.base)
    }
}

/// A geometric mean of ratios, and of how many.
pub(crate) struct Mean {
    pub(crate) ratio: f64,
    pub(crate) count: usize,
}

/// The mean of a contestant's ratios over the rows that are wanted; `None` if it has none there.
pub(crate) fn mean(rows: &[Row], index: usize, wants: impl Fn(&Row) -> bool) -> Option<Mean> {
    let rows = rows.iter().filter(|row| wants(row));
    let ratios: Vec<f64> = rows
        .filter_map(|row| Some(row.ratio(row.cells.get(index)?)?.median))
        .collect();
    Some(Mean {
        ratio: geometric_mean(&ratios)?,
        count: ratios.len(),
    })
}

/// Holds the contest that the command line asks for.
///
/// # Errors
/// Programs that cannot be read, processes that cannot be started, results that cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let (programs, mut missing) = programs::find(args.quick)?;
    let programs = chosen(programs, &args.programs)?;
    let (contestants, not_found) = contestant::find();
    missing.extend(not_found);
    let contestants: Vec<Contestant> = contestants
        .into_iter()
        .filter(|one| one.is_base() || wants(&args.contestants, &one.name))
        .collect();
    let machine = Machine::look();
    table::opening(args, &machine, &contestants, &missing)?;
    if args.list {
        return table::list(&programs);
    }
    table::head(&contestants)?;
    let mut rows = Vec::new();
    for mut program in programs {
        program.assemble()?;
        let row = rounds(args, &program, &contestants)?;
        table::row(&row)?;
        rows.push(row);
        if let Some(path) = &args.json {
            record::write(path, args, &contestants, &missing, &machine, &rows)?;
        }
    }
    table::closing(&contestants, &rows)
}

/// Runs a program in every round once for each contestant, by turns. Nobody who failed runs again.
fn rounds(args: &Args, program: &Program, contestants: &[Contestant]) -> Result<Row, Error> {
    let timeout = Duration::from_secs(args.timeout);
    let count = contestants.len();
    let mut cells: Vec<Cell> = contestants.iter().map(|_| Cell::default()).collect();
    for round in 0..args.runs.get() {
        for turn in 0..count {
            // Another one begins each round: nobody has the same one before it all the time.
            let index = (turn + round) % count;
            let (Some(contestant), Some(cell)) = (contestants.get(index), cells.get_mut(index))
            else {
                continue;
            };
            if cell.failure.is_some() {
                continue;
            }
            table::progress(&format!(
                "{} {}: round {} of {}, {}",
                program.name,
                program.size,
                round + 1,
                args.runs,
                contestant.name
            ));
            match process::run(contestant, &program.job, timeout)? {
                Ok(done) if done.result == program.expected => cell.runs.push(done),
                Ok(done) => cell.failure = Some(wrong(&done.result, &program.expected)),
                Err(failure) => cell.failure = Some(failure),
            }
        }
    }
    table::progress("");
    let base = contestants.iter().position(Contestant::is_base);
    Ok(Row {
        program: program.name.clone(),
        size: program.size.clone(),
        cells,
        clock: args.clock,
        base: base.unwrap_or(0),
    })
}

fn wrong(result: &str, expected: &str) -> Failure {
    Failure {
        kind: Kind::WrongResult,
        message: format!("{result:?} where {expected:?} is right"),
    }
}

/// Whether a name contains one of these, or there are none.
fn wants(parts: &[String], name: &str) -> bool {
    parts.is_empty() || parts.iter().any(|part| name.contains(part.as_str()))
}

fn chosen(programs: Vec<Program>, parts: &[String]) -> Result<Vec<Program>, Error> {
    let names: Vec<String> = programs
        .iter()
        .map(|program| program.name.clone())
        .collect();
    let chosen: Vec<Program> = programs
        .into_iter()
        .filter(|program| wants(parts, &program.name))
        .collect();
    if chosen.is_empty() {
        return Err(Error::Nothing {
            what: "programs",
            known: names.join(", "),
        });
    }
    Ok(chosen)
}
