//! Medians, overheads and means of made-up runs.

use super::{geometric_mean, median, overall, summarise};
use crate::bench::measure::{Configuration, Measured};
use crate::bench::process::{Ended, Sample};
use crate::bench::room::Room;
use windrow::CollectorKind;

/// A run of so many seconds, so many of them in collections.
fn sample(run_seconds: f64, gc_seconds: f64) -> Sample {
    serde_json::from_value(serde_json::json!({
        "outcome": "returned", "load_seconds": 0.0, "run_seconds": run_seconds,
        "gc_seconds": gc_seconds, "automatic_collections": 3, "full_collections": 1,
        "allocated_bytes": 100, "copied_bytes": 50, "peak_committed_bytes": 7,
        "peak_resident_bytes": 9,
        "pauses": {"count": 4, "median_seconds": 0.1, "p99_seconds": 0.2, "max_seconds": 0.3},
    }))
    .unwrap()
}

fn configuration(room: Room, runs: &[(f64, f64)], stopped: Option<Ended>) -> Configuration {
    Configuration {
        collector: CollectorKind::Copying,
        room,
        limit_bytes: room.limit_bytes(1000),
        samples: runs.iter().map(|(run, gc)| sample(*run, *gc)).collect(),
        stopped,
        timeline: None,
    }
}

fn measured(configurations: Vec<Configuration>) -> Measured {
    Measured {
        program: "p.wat:1".parse().unwrap(),
        smallest_bytes: Some(1000),
        configurations,
    }
}

#[test]
fn medians_lie_in_the_middle() {
    let of = |times: &[f64]| {
        let runs: Vec<Sample> = times.iter().map(|time| sample(*time, 0.0)).collect();
        median(&runs, |run| run.run_seconds)
    };
    assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(of(&[]), None);
    assert!((geometric_mean(&[1.0, 4.0]) - 2.0).abs() < 1e-12);
}

#[test]
fn overheads_are_over_the_least_time_outside_collections() {
    let summary = summarise(&measured(vec![
        configuration(Room::Auto, &[(4.0, 1.0), (5.0, 3.0), (6.0, 1.0)], None),
        configuration(Room::Times(2.0), &[(9.0, 7.5); 3], None),
        // Stopped after a run, it bounds nothing.
        configuration(Room::Times(1.3), &[(1.0, 1.0)], Some(Ended::OutOfMemory)),
    ]));
    assert_eq!(summary.lower_bound_seconds, Some(1.5));
    let overheads: Vec<Option<f64>> = summary
        .configurations
        .iter()
        .map(|summary| Some(summary.figures.as_ref()?.lower_bound_overhead))
        .collect();
    assert_eq!(overheads, [Some(5.0 / 1.5), Some(6.0), None]);
    let stopped = summary.configurations[2].stopped.as_deref();
    assert_eq!(stopped, Some("out of memory"));
    let figures = summary.configurations[0].figures.as_ref().unwrap();
    assert_eq!((figures.min_seconds, figures.max_seconds), (4.0, 6.0));
    assert_eq!(
        (figures.collections, figures.copied_per_allocated),
        (4.0, 0.5)
    );
    assert_eq!(figures.gc_share, 0.25);
    assert_eq!(summary.configurations[1].heap_max_bytes, Some(2000));
}

#[test]
fn a_mean_over_programs_needs_all_of_them() {
    let summaries = [2.0, 8.0].map(|seconds| {
        summarise(&measured(vec![
            configuration(Room::Auto, &[(1.0, 0.0)], None),
            configuration(Room::Times(2.0), &[(seconds, 0.0)], None),
            configuration(
                Room::Times(1.3),
                &[(seconds, 0.0)],
                (seconds > 4.0).then_some(Ended::OutOfMemory),
            ),
        ]))
    });
    let overall = overall(&summaries);
    assert_eq!(overall[1].lower_bound_overhead, Some(4.0));
    assert_eq!(overall[2].lower_bound_overhead, None);
    assert_eq!(overall[2].finished, 1);
}
