//! How full heaps are over time: up as the program allocates, down where the heap collects.

use super::super::chart::{
    LEFT, Scale, WIDTH, below, bottom_label, byte_unit, chart, floor, left_axis, number, path,
    time_unit,
};
use super::super::measure::{Configuration, Measured};
use super::super::room::Room;
use super::{class, series};
use maud::{Markup, html};

/// The most points of a line: more are drawn as their extremes, two a column.
const POINTS: usize = 800;
const COLUMNS: f64 = 240.0;

/// A line of more points is drawn so that another shows through.
const DENSE: usize = 200;

/// Which configurations to show, of collectors that collect: those that size themselves, or else those
/// with the most room in which something was collected. A collector that never does would leave the
/// others at the bottom.
fn shown(measured: &Measured) -> Vec<&Configuration> {
    let collected = |of: &&Configuration| {
        let timeline = of.timeline.as_ref();
        timeline.is_some_and(|timeline| !timeline.pauses.is_empty())
    };
    let most = measured
        .configurations
        .iter()
        .filter(collected)
        .max_by_key(|of| of.limit_bytes.unwrap_or(u64::MAX));
    let alike = |of: &&Configuration| {
        let collects = of.collector.instance().properties().collects;
        collects && most.is_some_and(|most| most.room == of.room)
    };
    measured.configurations.iter().filter(alike).collect()
}

/// The heap's fill over time, and with which room; `None` where nothing was collected.
pub(crate) fn fill(measured: &Measured) -> Option<(Room, Markup)> {
    let shown = shown(measured);
    let room = shown.first()?.room;
    let lines = || {
        shown
            .iter()
            .filter_map(|of| Some((*of, of.timeline.as_ref()?)))
    };
    let end = lines()
        .map(|(_, timeline)| timeline.end)
        .fold(0.0, f64::max);
    let used = lines().flat_map(|(_, timeline)| timeline.used.iter().map(|(_, bytes)| *bytes));
    let most = used.fold(0.0, f64::max);
    if most == 0.0 || end == 0.0 {
        return None;
    }
    let ((time, second), (memory, byte)) = (time_unit(end), byte_unit(most));
    let times = Scale::Linear {
        min: 0.0,
        max: end / second,
    };
    let sizes = Scale::from_zero(most / byte);
    let right = WIDTH - 16.0;
    let ticks = sizes.ticks(5.0).into_iter();
    let ticks: Vec<(f64, String)> = ticks.map(|tick| (sizes.y(tick), number(tick))).collect();
    let place = |(at, bytes): (f64, f64)| {
        let x = times.x((at / second).min(end / second), LEFT, right);
        (x, sizes.y(bytes / byte))
    };
    let drawn = lines().map(|(of, timeline)| {
        let collector = of.collector.to_string();
        let points: Vec<(f64, f64)> = thinned(&timeline.used, end)
            .into_iter()
            .map(place)
            .collect();
        (collector, points)
    });
    let parts = html! {
        (left_axis(&format!("heap used ({memory})"), right, &ticks))
        @for tick in times.ticks(6.0) {
            (below(times.x(tick, LEFT, right), 0.0, &number(tick)))
        }
        @for (collector, points) in drawn {
            g class=(class(series(&collector))) {
                title { (collector) }
                path.thin.dense[points.len() > DENSE] d=(path(&points, false)) {}
            }
        }
        (floor(LEFT, right))
        (bottom_label(LEFT, right, &format!("time since the program began ({time})")))
    };
    Some((
        room,
        chart("how full the heap is over time, by collector", &parts),
    ))
}

/// The points of a line, or where there are too many the least and the most of each stretch of time.
fn thinned(points: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let column = |point: &(f64, f64)| (point.0 / end * COLUMNS).floor();
    let mut thinned = Vec::new();
    for stretch in points.chunk_by(|a, b| column(a).total_cmp(&column(b)).is_eq()) {
        let by_size = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let least = stretch.iter().min_by(by_size).copied();
        let most = stretch.iter().max_by(by_size).copied();
        thinned.extend(least);
        thinned.extend(most);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_keep_their_extremes() {
        let wave = |count: u32| -> Vec<(f64, f64)> {
            let point = |at: u32| (f64::from(at), f64::from(at % 7 * 10));
            (0..count).map(point).collect()
        };
        assert_eq!(thinned(&wave(100), 100.0), wave(100));
        let thin = thinned(&wave(100_000), 100_000.0);
        assert!(thin.len() <= 2 * 241, "{}", thin.len());
        assert!(
            thin.chunks(2)
                .all(|pair| pair[0].1 == 0.0 && pair[1].1 == 60.0)
        );
    }
}
