//! The report as one page of HTML that needs nothing but itself: no scripts, no network.

use super::chart::{self, byte_unit, time_unit};
use super::measure::Measured;
use super::plots::{self, AgainstRoom, Missing, Point};
use super::process::Sample;
use super::report::{HEADINGS, Report, row, seconds};
use super::room::{Room, reference};
use super::summary::{ConfigurationSummary, Figures, Overall, ProgramSummary};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use windrow::Bytes;

/// Colours that people with any kind of sight tell apart (Okabe and Ito's, darker on light ground),
/// for either ground.
const STYLE: &str = include_str!("page.css");

/// The page.
pub(crate) fn page(report: &Report, measured: &[Measured]) -> String {
    let names: Vec<&str> = report
        .programs
        .iter()
        .map(|of| of.program.as_str())
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "windrow bench: " (names.join(", ")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "windrow bench" }
                    p { code { (report.command) } }
                    p.quiet { (report.circumstances()) }
                    @if report.programs.len() > 1 { (overall(report)) }
                    @for (program, measured) in report.programs.iter().zip(measured) {
                        (section(program, measured))
                    }
                    (notes())
                }
            }
        }
    };
    page.into_string()
}

/// The collectors that a report has figures of, in its order.
fn collectors(program: &ProgramSummary) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for of in &program.configurations {
        if !names.contains(&of.collector) {
            names.push(of.collector.clone());
        }
    }
    names.sort_by_key(|name| plots::series(name));
    names
}

fn figure(legend: &Markup, plot: &Markup, caption: &str) -> Markup {
    html! { figure { (legend) (plot) figcaption { (caption) } } }
}

/// What all programs come to.
fn overall(report: &Report) -> Markup {
    let (multiples, means) = (report.overall.iter(), report.overall.iter());
    let mut sizes: Vec<f64> = multiples.filter_map(|of| of.heap_multiple).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let point = |of: &Overall| {
        let overhead = of.lower_bound_overhead?;
        Some(Point {
            series: plots::series(&of.collector),
            multiple: of.heap_multiple,
            names: [of.collector.clone(), String::new()],
            costs: [overhead; 3],
            note: format!("{}, {}: {overhead:.2}", of.collector, of.heap),
        })
    };
    let plot = AgainstRoom {
        describe: "mean overhead over all programs by collector and heap".to_owned(),
        label: "overhead over the lower bound".to_owned(),
        ratios: true,
        beside: "own sizing",
        bound: None,
        sizes: sizes
            .into_iter()
            .map(|size| (size, String::new()))
            .collect(),
        points: means.filter_map(point).collect(),
        missing: Vec::new(),
    };
    let legend = report
        .programs
        .first()
        .map(|first| plots::legend(&collectors(first)));
    html! {
        section {
            h2 { "All programs" }
            div.plots {
                (figure(&legend.unwrap_or_default(), &plot.draw(),
                    "Overheads over the lower bound, geometric mean. A size with which not every \
                     program finished has no mean."))
                table {
                    tr { th { "collector" } th { "heap" } th { "overhead" } }
                    @for of in &report.overall {
                        tr { td { (of.collector) } td { (of.heap) } td { (report.overall_cell(of)) } }
                    }
                }
            }
        }
    }
}

/// A program's plots and numbers.
fn section(program: &ProgramSummary, measured: &Measured) -> Markup {
    let legend = plots::legend(&collectors(program));
    html! {
        section {
            h2 { (program.program) }
            p {
                @if let Some(bytes) = program.smallest_heap_bytes {
                    "Smallest heap it works with: " strong { (Bytes(bytes)) }
                    " (" (reference()) "). "
                }
                @if let Some(bound) = program.lower_bound_seconds {
                    "Lower bound of its time: " strong { (seconds(bound)) } "."
                }
            }
            div.plots {
                @if let Some(plot) = times(program) {
                    (figure(&legend, &plot.draw(),
                        "Time in the call against the heap: medians, with bars from the fastest run to the \
                         slowest. The dashed line is the lower bound; a cross is a run that did not finish."))
                }
                @if let Some(plot) = shares(program) {
                    (figure(&legend, &plot.draw(),
                        "The part of that time spent in collections: medians, with bars from the least to \
                         the most."))
                }
                @if let Some(plot) = plots::pauses(measured) {
                    (figure(&legend, &plot,
                        "Pauses of one run each: boxes from the first quarter to the third with the median, \
                         bars from 1% to 99%, dots for the longest."))
                }
                @if let Some((room, plot)) = plots::fill(measured) {
                    (figure(&legend, &plot, &fill_caption(room)))
                }
            }
            div.wide {
                table {
                    tr { @for heading in HEADINGS { th { (heading) } } }
                    @for configuration in &program.configurations { (table_row(configuration)) }
                }
            }
        }
    }
}

fn fill_caption(room: Room) -> String {
    let room = match room {
        Room::Auto => "sizes of their own choice".to_owned(),
        Room::Times(times) => format!("{times}× the smallest heap"),
    };
    format!("How full the heap is, before and after each collection of one run, with {room}.")
}

fn table_row(configuration: &ConfigurationSummary) -> Markup {
    let cells = row(configuration);
    let missing = HEADINGS.len() - cells.len();
    let last = cells.len() - 1;
    html! {
        tr {
            @for (index, cell) in cells.iter().enumerate() {
                @if index == last && missing > 0 {
                    td.stopped colspan=(missing + 1) { (cell) }
                } @else {
                    td { (cell) }
                }
            }
        }
    }
}

/// Time against the heap; `None` if nothing finished.
fn times(program: &ProgramSummary) -> Option<AgainstRoom> {
    let most = finished(program).map(|(_, figures)| figures.max_seconds);
    let (unit, second) = time_unit(most.reduce(f64::max)?);
    let points = finished(program).map(|(of, figures)| {
        let times = [
            figures.min_seconds,
            figures.median_seconds,
            figures.max_seconds,
        ];
        let [least, median, longest] = times.map(seconds);
        let note = format!("{median}, {least} to {longest}");
        point(of, figures, times.map(|time| time / second), &note)
    });
    let sizes = sizes(program);
    Some(AgainstRoom {
        describe: "time in the call by collector and heap".to_owned(),
        label: format!("time in the call ({unit})"),
        ratios: true,
        beside: "own sizing (most used)",
        bound: program.lower_bound_seconds.map(|bound| bound / second),
        points: points.collect(),
        missing: missing(program, &sizes),
        sizes,
    })
}

/// The part of the time that is in collections, against the heap; `None` if nothing finished.
fn shares(program: &ProgramSummary) -> Option<AgainstRoom> {
    finished(program).next()?;
    let points = finished(program).map(|(of, figures)| {
        let share = |run: &Sample| 100.0 * run.gc_seconds / run.run_seconds;
        let least = of.samples.iter().map(share).fold(f64::INFINITY, f64::min);
        let most = of.samples.iter().map(share).fold(0.0, f64::max);
        let median = 100.0 * figures.gc_share;
        let note = format!("{median:.1}%, {least:.1}% to {most:.1}%");
        point(of, figures, [least, median, most], &note)
    });
    let sizes = sizes(program);
    Some(AgainstRoom {
        describe: "part of the time in collections by collector and heap".to_owned(),
        label: "time in collections (%)".to_owned(),
        ratios: false,
        beside: "own sizing (most used)",
        bound: None,
        points: points.collect(),
        missing: missing(program, &sizes),
        sizes,
    })
}

fn finished(program: &ProgramSummary) -> impl Iterator<Item = (&ConfigurationSummary, &Figures)> {
    let configurations = program.configurations.iter();
    configurations.filter_map(|of| Some((of, of.figures.as_ref()?)))
}

fn point(of: &ConfigurationSummary, figures: &Figures, costs: [f64; 3], note: &str) -> Point {
    let most = short_bytes(figures.peak_committed_bytes);
    Point {
        series: plots::series(&of.collector),
        multiple: of.heap_multiple,
        names: [of.collector.clone(), most],
        costs,
        note: format!("{}, {}: {note}", of.collector, of.heap),
    }
}

/// The multiples that have sizes, smallest first.
fn sizes(program: &ProgramSummary) -> Vec<(f64, String)> {
    let mut sizes: Vec<(f64, String)> = Vec::new();
    for of in &program.configurations {
        let size = of.heap_multiple.zip(of.heap_max_bytes);
        if let Some((multiple, bytes)) = size
            && !sizes.iter().any(|(known, _)| *known == multiple)
        {
            sizes.push((multiple, short_bytes(bytes)));
        }
    }
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    sizes
}

fn missing(program: &ProgramSummary, sizes: &[(f64, String)]) -> Vec<Missing> {
    let missing = program.configurations.iter().filter_map(|of| {
        let why = of.stopped.as_ref()?;
        let multiple = of.heap_multiple?;
        let has_size = sizes.iter().any(|(size, _)| *size == multiple);
        has_size.then(|| Missing {
            series: plots::series(&of.collector),
            multiple,
            note: format!("{}, {}: {why}", of.collector, of.heap),
        })
    });
    missing.collect()
}

/// A size in three digits or so.
#[expect(clippy::cast_precision_loss, reason = "a size of less than 2^53 bytes")]
fn short_bytes(bytes: u64) -> String {
    let (unit, size) = byte_unit(bytes as f64);
    let value = bytes as f64 / size;
    let digits = if value < 100.0 {
        (value * 10.0).round() / 10.0
    } else {
        value.round()
    };
    format!("{} {unit}", chart::number(digits))
}

/// What the figures mean.
fn notes() -> Markup {
    html! {
        section {
            h2 { "What the figures mean" }
            p {
                "Every run is a process of its own, and configurations take turns. Times are of the call: \
                 loading and compiling are not in them. Heaps are multiples of the smallest in which the \
                 default collector runs the program, the same for all collectors; the whole heap is used. "
                em { "auto" }
                " is a collector's own sizing, and its size the most it had. "
                em { "resident" }
                " is the whole process at its peak, compiler and code included. A pause is all the time a \
                 collection stops the program."
            }
            p {
                em { "overhead" }
                " is the lower-bound overhead: the time over the least time that any configuration of the \
                 program spends outside collections. A collector that cost nothing could not be much \
                 faster than that, so the true overhead is at least as large. See Cai, Blackburn, Bond \
                 and Maas, “Distilling the Real Cost of Production Garbage Collectors”, ISPASS 2022."
            }
        }
    }
}
