//! Pauses: a box for each configuration, on a scale of ratios.

use super::super::chart::{
    LEFT, Scale, WIDTH, below, bottom_label, chart, floor, left_axis, path, place, short_time,
};
use super::super::measure::{Configuration, Measured};
use super::super::report::seconds;
use super::super::room::Room;
use super::super::timeline::Timeline;
use super::{class, series};
use maud::{Markup, html};

/// The parts of all pauses that a box shows, and the longest.
const PARTS: [f64; 6] = [0.01, 0.25, 0.5, 0.75, 0.99, 1.0];

/// Half a box, and how far apart boxes of the same size are.
const HALF: f64 = 7.0;
const STEP: f64 = 20.0;

struct Box<'a> {
    configuration: &'a Configuration,
    /// Which part is how long, as in [`PARTS`].
    pauses: [f64; 6],
    count: usize,
}

/// The pauses of a program; `None` where nothing was collected.
pub(crate) fn pauses(measured: &Measured) -> Option<Markup> {
    let boxes: Vec<Box<'_>> = measured.configurations.iter().filter_map(summed).collect();
    let all = || boxes.iter().flat_map(|of| of.pauses);
    let max = all().reduce(f64::max)?;
    let min = all().fold(f64::INFINITY, f64::min).max(1e-9);
    let scale = Scale::ratios(min, max);
    let ticks = scale.ticks(6.0).into_iter();
    let ticks: Vec<(f64, String)> = ticks
        .map(|tick| (scale.y(tick), short_time(tick)))
        .collect();
    let mut rooms: Vec<Room> = Vec::new();
    for of in &boxes {
        if !rooms.contains(&of.configuration.room) {
            rooms.push(of.configuration.room);
        }
    }
    let right = WIDTH - 12.0;
    #[expect(clippy::cast_precision_loss, reason = "a few sizes")]
    let width = (right - LEFT) / rooms.len() as f64;
    #[expect(clippy::cast_precision_loss, reason = "a few sizes")]
    let middle = |index: usize| LEFT + (index as f64 + 0.5) * width;
    let of_room = |room: &Room| {
        let of_room = |of: &&Box<'_>| of.configuration.room == *room;
        boxes.iter().filter(of_room).collect::<Vec<_>>()
    };
    let parts = html! {
        (left_axis("pause", right, &ticks))
        @for (index, room) in rooms.iter().enumerate() {
            (below(middle(index), 0.0, &name(*room)))
            @for (at, of) in beside(&of_room(room), middle(index)) { (draw(of, at, scale)) }
        }
        (floor(LEFT, right))
        (bottom_label(LEFT, right, "heap, in multiples of the smallest that works"))
    };
    Some(chart("the lengths of pauses by collector and heap", &parts))
}

fn name(room: Room) -> String {
    match room {
        Room::Auto => "own sizing".to_owned(),
        Room::Times(times) => format!("{times}×"),
    }
}

fn summed(configuration: &Configuration) -> Option<Box<'_>> {
    let timeline: &Timeline = configuration.timeline.as_ref()?;
    timeline.pause(1.0)?;
    Some(Box {
        configuration,
        pauses: PARTS.map(|part| timeline.pause(part).unwrap_or_default()),
        count: timeline.pauses.len(),
    })
}

/// Boxes side by side around a place.
#[expect(clippy::cast_precision_loss, reason = "a few collectors")]
fn beside<'a>(boxes: &[&'a Box<'a>], middle: f64) -> Vec<(f64, &'a Box<'a>)> {
    let first = middle - STEP * (boxes.len() as f64 - 1.0) / 2.0;
    let at = |index: usize| first + STEP * index as f64;
    let placed = boxes.iter().enumerate();
    placed.map(|(index, of)| (at(index), *of)).collect()
}

fn draw(of: &Box<'_>, x: f64, scale: Scale) -> Markup {
    let collector = of.configuration.collector.to_string();
    let [low, lower, median, upper, high, longest] =
        of.pauses.map(|pause| scale.y(pause.max(1e-9)));
    let corners = [
        (x - HALF, lower),
        (x + HALF, lower),
        (x + HALF, upper),
        (x - HALF, upper),
    ];
    let whiskers = [[(x, low), (x, lower)], [(x, upper), (x, high)]];
    let [_, _, half, _, most, all] = of.pauses.map(seconds);
    let note = format!(
        "{collector}, {}: {} pauses; half within {half}, 99% within {most}, all within {all}",
        name(of.configuration.room),
        of.count
    );
    html! {
        g class=(class(series(&collector))) {
            title { (note) }
            @for whisker in &whiskers { path.thin d=(path(whisker, false)) {} }
            path.box d=(path(&corners, true)) {}
            path.line d=(path(&[(x - HALF, median), (x + HALF, median)], false)) {}
            circle.mark cx=(place(x)) cy=(place(longest)) r="2.5" {}
        }
    }
}
