//! What runs come to: medians, and how far each configuration is above the lower bound.
//!
//! **Lower-bound overhead** of a configuration is its cost over the least that any configuration of the
//! same program spends outside collections. That least is no less than what the program would cost with
//! a collector that costs nothing, so the true overhead is at least as large; and it is not 1 for the
//! best by definition, as ratios to a baseline are. Cost is time in the call.
//!
//! Reference: Cai, Blackburn, Bond and Maas, "Distilling the Real Cost of Production Garbage
//! Collectors", ISPASS 2022.

use super::measure::Measured;
use super::process::{Pauses, Sample};
use super::room::Room;
use serde::Serialize;

/// The runs of a program, summed up.
#[derive(Debug, Serialize)]
pub(crate) struct ProgramSummary {
    /// The program's name and arguments.
    pub(crate) program: String,
    /// The smallest heap it works with.
    pub(crate) smallest_heap_bytes: Option<u64>,
    /// What overheads are ratios to.
    pub(crate) lower_bound_seconds: Option<f64>,
    /// Its configurations, in the order they were asked for.
    pub(crate) configurations: Vec<ConfigurationSummary>,
}

/// The runs of a program on one collector with one size of the heap.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigurationSummary {
    /// The collector's name.
    pub(crate) collector: String,
    /// `auto`, or the multiple of the smallest heap.
    pub(crate) heap: String,
    /// The multiple.
    pub(crate) heap_multiple: Option<f64>,
    /// The limit on the heap's size.
    pub(crate) heap_max_bytes: Option<u64>,
    /// Why it was stopped, if it was.
    pub(crate) stopped: Option<String>,
    /// What it comes to, if it was not.
    #[serde(flatten)]
    pub(crate) figures: Option<Figures>,
    /// All runs, in order.
    pub(crate) samples: Vec<Sample>,
}

/// Numbers over the runs of one configuration: medians unless they say otherwise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Time in the call.
    pub(crate) median_seconds: f64,
    /// Of the fastest run.
    pub(crate) min_seconds: f64,
    /// Of the slowest run.
    pub(crate) max_seconds: f64,
    /// Time in the call over the lower bound.
    pub(crate) lower_bound_overhead: f64,
    /// The part of the time that is in collections, from 0 to 1.
    pub(crate) gc_share: f64,
    /// Collections.
    pub(crate) collections: f64,
    /// Pauses: medians of each run's median and 99th percentile, and the longest of all.
    pub(crate) pauses: Pauses,
    /// Bytes copied for each byte allocated.
    pub(crate) copied_per_allocated: f64,
    /// The most that any run's heap ever had.
    pub(crate) peak_committed_bytes: u64,
    /// The most memory that any run's process ever had.
    pub(crate) peak_resident_bytes: Option<u64>,
}

/// Sums up a program's runs.
pub(crate) fn summarise(measured: &Measured) -> ProgramSummary {
    let bound = measured
        .configurations
        .iter()
        .filter(|configuration| configuration.stopped.is_none())
        .filter_map(|configuration| {
            median(&configuration.samples, |sample| {
                sample.run_seconds - sample.gc_seconds
            })
        })
        .min_by(f64::total_cmp);
    let configurations = measured.configurations.iter().map(|configuration| {
        let runs = &configuration.samples;
        let finished = configuration.stopped.is_none();
        let room = configuration.room;
        ConfigurationSummary {
            collector: configuration.collector.to_string(),
            heap: room.to_string(),
            heap_multiple: match room {
                Room::Auto => None,
                Room::Times(times) => Some(times),
            },
            heap_max_bytes: configuration.limit_bytes,
            stopped: configuration.stopped.as_ref().map(ToString::to_string),
            figures: bound
                .filter(|_| finished)
                .and_then(|bound| figures(runs, bound)),
            samples: runs.clone(),
        }
    });
    ProgramSummary {
        program: measured.program.name(),
        smallest_heap_bytes: measured.smallest_bytes,
        lower_bound_seconds: bound,
        configurations: configurations.collect(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes of less than 2^53"
)]
fn figures(runs: &[Sample], bound: f64) -> Option<Figures> {
    let median_seconds = median(runs, |run| run.run_seconds)?;
    let seconds = || runs.iter().map(|run| run.run_seconds);
    let longest = runs.iter().map(|run| run.pauses.max_seconds);
    Some(Figures {
        median_seconds,
        min_seconds: seconds().fold(f64::INFINITY, f64::min),
        max_seconds: seconds().fold(0.0, f64::max),
        lower_bound_overhead: median_seconds / bound.max(f64::MIN_POSITIVE),
        gc_share: median(runs, |run| run.gc_seconds / run.run_seconds)?,
        collections: median(runs, |run| {
            (run.automatic_collections + run.full_collections) as f64
        })?,
        pauses: Pauses {
            count: runs.iter().map(|run| run.pauses.count).sum(),
            median_seconds: median(runs, |run| run.pauses.median_seconds)?,
            p99_seconds: median(runs, |run| run.pauses.p99_seconds)?,
            max_seconds: longest.fold(0.0, f64::max),
        },
        copied_per_allocated: median(runs, |run| {
            run.copied_bytes as f64 / run.allocated_bytes.max(1) as f64
        })?,
        peak_committed_bytes: runs.iter().map(|run| run.peak_committed_bytes).max()?,
        peak_resident_bytes: runs.iter().filter_map(|run| run.peak_resident_bytes).max(),
    })
}

/// The middle of a number of each run, or between the two in the middle; `None` without runs.
fn median(runs: &[Sample], of: impl Fn(&Sample) -> f64) -> Option<f64> {
    let mut numbers: Vec<f64> = runs.iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    let upper = *numbers.get(numbers.len() / 2)?;
    let lower = *numbers.get((numbers.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

/// The overhead of a collector with one size of the heap over all programs.
#[derive(Debug, Serialize)]
pub(crate) struct Overall {
    /// The collector's name.
    pub(crate) collector: String,
    /// `auto`, or the multiple of the smallest heap.
    pub(crate) heap: String,
    /// The multiple.
    pub(crate) heap_multiple: Option<f64>,
    /// The geometric mean of its overheads; none if a program did not finish.
    pub(crate) lower_bound_overhead: Option<f64>,
    /// How many programs finished.
    pub(crate) finished: usize,
}

/// Overheads over all programs, whose configurations are the same ones in the same order.
pub(crate) fn overall(programs: &[ProgramSummary]) -> Vec<Overall> {
    let configurations = programs
        .first()
        .map_or(&[][..], |first| &first.configurations);
    let overall = configurations.iter().enumerate().map(|(index, first)| {
        let overheads: Vec<f64> = programs
            .iter()
            .filter_map(|program| program.configurations.get(index)?.figures.as_ref())
            .map(|figures| figures.lower_bound_overhead)
            .collect();
        Overall {
            collector: first.collector.clone(),
            heap: first.heap.clone(),
            heap_multiple: first.heap_multiple,
            lower_bound_overhead: (overheads.len() == programs.len())
                .then(|| geometric_mean(&overheads)),
            finished: overheads.len(),
        }
    });
    overall.collect()
}

#[expect(clippy::cast_precision_loss, reason = "a count of programs")]
fn geometric_mean(numbers: &[f64]) -> f64 {
    let logarithms: f64 = numbers.iter().map(|number| number.ln()).sum();
    (logarithms / numbers.len() as f64).exp()
}

#[cfg(test)]
mod tests;
