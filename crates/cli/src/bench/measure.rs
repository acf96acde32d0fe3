//! All runs of a program: the search for its smallest heap, then every configuration by turns.
//!
//! A round runs each configuration once, so that whatever else the machine does in the meantime is
//! spread over all of them. What stopped a configuration stops only that one. Traces are made in runs of
//! their own, after the others.

use super::BenchArgs;
use super::process::{Ended, Launcher, Limits, Sample};
use super::program::Program;
use super::room::{self, Room};
use super::timeline::Timeline;
use crate::error::Failure;
use crate::progress::Progress;
use windrow::CollectorKind;

/// A program with all that its runs took.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The program.
    pub(crate) program: Program,
    /// The smallest heap it works with, if that was asked for and there is one.
    pub(crate) smallest_bytes: Option<u64>,
    /// Its configurations, by room and then by collector.
    pub(crate) configurations: Vec<Configuration>,
}

/// A collector with so much room, and its runs.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The collector.
    pub(crate) collector: CollectorKind,
    /// Its room.
    pub(crate) room: Room,
    /// The limit that sets on the heap, in bytes.
    pub(crate) limit_bytes: Option<u64>,
    /// The runs that returned.
    pub(crate) samples: Vec<Sample>,
    /// The first that did not; there are none after it.
    pub(crate) stopped: Option<Ended>,
    /// What a further run did over time, if that was asked for.
    pub(crate) timeline: Option<Timeline>,
}

/// Collectors and the rooms they get: those that never collect do not care, and get what they want.
fn pairs(args: &BenchArgs) -> Vec<(Room, CollectorKind)> {
    let collects = |kind: &CollectorKind| kind.instance().properties().collects;
    let mut pairs = Vec::new();
    for kind in args.collectors().filter(|kind| !collects(kind)) {
        pairs.push((Room::Auto, kind));
    }
    for room in &args.heaps {
        pairs.extend(args.collectors().filter(collects).map(|kind| (*room, kind)));
    }
    pairs
}

/// How many runs [`measure`] makes of each program, beside those that search.
pub(crate) fn runs(args: &BenchArgs) -> usize {
    let rounds = usize::try_from(args.runs).unwrap_or(usize::MAX);
    pairs(args).len() * (rounds + usize::from(args.html.is_some()))
}

/// Runs a program as often and in as many ways as asked for.
///
/// # Errors
/// [`Failure::Input`] for a program that cannot be run at all.
pub(crate) fn measure(
    args: &BenchArgs,
    launcher: &Launcher<'_>,
    program: &Program,
    progress: &Progress,
) -> Result<Measured, Failure> {
    let name = program.name();
    progress.begin(format!("{name}: a first run"));
    let reference = room::reference();
    let with_room = launcher.run(program, reference, Limits::default(), None)?;
    let wants_sizes = args.heaps.iter().any(|room| *room != Room::Auto);
    let smallest_bytes = match &with_room {
        Ended::Refused(message) => {
            return Err(Failure::input(format!("{name}: {message}")));
        }
        Ended::Returned(sample) if wants_sizes => {
            progress.begin(format!("{name}: looking for the smallest heap"));
            room::smallest(launcher, program, sample)?
        }
        _ => None,
    };
    let configuration = |(room, collector): (Room, CollectorKind)| {
        let limit_bytes = smallest_bytes.and_then(|bytes| room.limit_bytes(bytes));
        let has_no_size = room != Room::Auto && limit_bytes.is_none();
        let stopped = has_no_size.then(|| match &with_room {
            Ended::Returned(_) => Ended::OutOfMemory,
            other => other.clone(),
        });
        Configuration {
            collector,
            room,
            limit_bytes,
            samples: Vec::new(),
            stopped,
            timeline: None,
        }
    };
    let mut configurations: Vec<Configuration> =
        pairs(args).into_iter().map(configuration).collect();
    for round in 1..=args.runs {
        for configuration in &mut configurations {
            progress.begin(format!(
                "{name}, {} {}: run {round}",
                configuration.collector, configuration.room
            ));
            configuration.run(launcher, program)?;
            progress.end(1);
        }
    }
    if args.html.is_some() {
        for configuration in &mut configurations {
            progress.begin(format!(
                "{name}, {} {}: trace",
                configuration.collector, configuration.room
            ));
            configuration.trace(launcher, program)?;
            progress.end(1);
        }
    }
    Ok(Measured {
        program: program.clone(),
        smallest_bytes,
        configurations,
    })
}

impl Configuration {
    fn limits(&self) -> Limits {
        Limits {
            heap_bytes: self.limit_bytes,
            time: None,
        }
    }

    /// Runs once more, unless it was stopped.
    fn run(&mut self, launcher: &Launcher<'_>, program: &Program) -> Result<(), Failure> {
        if self.stopped.is_none() {
            match launcher.run(program, self.collector, self.limits(), None)? {
                Ended::Returned(sample) => self.samples.push(sample),
                stopped => self.stopped = Some(stopped),
            }
        }
        Ok(())
    }

    /// Runs once more and keeps what it did over time.
    fn trace(&mut self, launcher: &Launcher<'_>, program: &Program) -> Result<(), Failure> {
        if self.stopped.is_none() {
            let path = launcher.trace_path();
            let ended = launcher.run(program, self.collector, self.limits(), Some(&path))?;
            if let Ended::Returned(_) = ended {
                self.timeline = Timeline::read(&path);
            }
        }
        Ok(())
    }
}
