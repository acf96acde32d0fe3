//! Axes and marks of charts, as SVG that takes its colours from the page.
//!
//! A chart is a plot area with labelled axes; what is in it is drawn by [`super::plots`]. Series are told
//! apart by colour and by the shape of their marks, so that either suffices. Coordinates are those of a
//! view box [`WIDTH`] wide, which scales with the page.

use maud::{Markup, html};

pub(crate) const WIDTH: f64 = 560.0;
pub(crate) const HEIGHT: f64 = 330.0;

/// The plot area's sides.
pub(crate) const LEFT: f64 = 64.0;
pub(crate) const TOP: f64 = 18.0;
pub(crate) const BOTTOM: f64 = HEIGHT - 58.0;

/// How numbers become places on an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scale {
    /// In proportion.
    Linear { min: f64, max: f64 },
    /// Equal ratios take equal room.
    Log { min: f64, max: f64 },
}

impl Scale {
    /// From zero to a little above `max`.
    pub(crate) fn from_zero(max: f64) -> Self {
        let max = if max > 0.0 { max * 1.06 } else { 1.0 };
        Self::Linear { min: 0.0, max }
    }

    /// From a little below `min` to a little above `max`.
    pub(crate) fn ratios(min: f64, max: f64) -> Self {
        Self::Log {
            min: min / 1.15,
            max: max * 1.15,
        }
    }

    /// Where `value` lies, from zero at the start of the axis to one at its end.
    fn part(self, value: f64) -> f64 {
        match self {
            Self::Linear { min, max } => (value - min) / (max - min),
            Self::Log { min, max } => (value / min).ln() / (max / min).ln(),
        }
    }

    /// Its place on a horizontal axis.
    pub(crate) fn x(self, value: f64, left: f64, right: f64) -> f64 {
        left + self.part(value) * (right - left)
    }

    /// Its place on a vertical axis.
    pub(crate) fn y(self, value: f64) -> f64 {
        BOTTOM - self.part(value) * (BOTTOM - TOP)
    }

    /// Round values to label, about `count` of them; on an axis of ratios, powers of ten or 1, 2 and 5
    /// times those.
    pub(crate) fn ticks(self, count: f64) -> Vec<f64> {
        match self {
            Self::Linear { min, max } => {
                let rough = (max - min) / count;
                let power = 10_f64.powf(rough.log10().floor());
                let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
                let step = steps.iter().map(|step| step * power);
                let step = step.clone().find(|step| *step >= rough).unwrap_or(rough);
                multiples(step, min, max)
            }
            Self::Log { min, max } => {
                let decades = (max / min).log10();
                let steps: &[f64] = match decades {
                    d if d > 3.0 => &[1.0],
                    d if d > 0.9 => &[1.0, 2.0, 5.0],
                    _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
                };
                let mut power = 10_f64.powf(min.log10().floor());
                let mut ticks = Vec::new();
                while power <= max {
                    ticks.extend(steps.iter().map(|step| step * power));
                    power *= 10.0;
                }
                ticks.retain(|tick| (min..=max).contains(tick));
                ticks
            }
        }
    }
}

/// Whole multiples of `step` within a range.
fn multiples(step: f64, min: f64, max: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut index = (min / step).ceil();
    while index * step <= max {
        ticks.push(index * step);
        index += 1.0;
    }
    ticks
}

/// A number in as many digits as tell it from its neighbours on an axis.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// A unit for numbers up to `max`, and how much one of it is.
pub(crate) fn time_unit(max: f64) -> (&'static str, f64) {
    match max {
        max if max < 1e-6 => ("ns", 1e-9),
        max if max < 1e-3 => ("µs", 1e-6),
        max if max < 1.0 => ("ms", 1e-3),
        _ => ("s", 1.0),
    }
}

/// As [`time_unit`], for bytes.
pub(crate) fn byte_unit(max: f64) -> (&'static str, f64) {
    match max {
        max if max < 1024.0 => ("bytes", 1.0),
        max if max < 1_048_576.0 => ("KiB", 1024.0),
        max if max < 1_073_741_824.0 => ("MiB", 1_048_576.0),
        _ => ("GiB", 1_073_741_824.0),
    }
}

/// A time with its own unit, for axes that span many.
pub(crate) fn short_time(seconds: f64) -> String {
    let (unit, size) = time_unit(seconds * 1.0001);
    format!("{} {unit}", number(seconds / size))
}

/// The left axis: its lines across the plot, their labels, and what they measure.
pub(crate) fn left_axis(label: &str, right: f64, ticks: &[(f64, String)]) -> Markup {
    html! {
        @for (y, text) in ticks {
            line.grid x1=(place(LEFT)) x2=(place(right)) y1=(place(*y)) y2=(place(*y)) {}
            text.end x=(place(LEFT - 6.0)) y=(place(*y + 4.0)) { (text) }
        }
        (upright(14.0, label))
    }
}

/// The right axis: short strokes, their labels, and what they measure.
pub(crate) fn right_axis(label: &str, right: f64, ticks: &[(f64, String)]) -> Markup {
    html! {
        @for (y, text) in ticks {
            line.axis x1=(place(right)) x2=(place(right + 4.0)) y1=(place(*y)) y2=(place(*y)) {}
            text x=(place(right + 7.0)) y=(place(*y + 4.0)) { (text) }
        }
        (upright(WIDTH - 6.0, label))
    }
}

/// A label that is read from below, beside the middle of the plot.
fn upright(x: f64, label: &str) -> Markup {
    let y = f64::midpoint(TOP, BOTTOM);
    let turn = format!("rotate(-90 {x} {y})");
    html! { text.label.middle x=(place(x)) y=(place(y)) transform=(turn) { (label) } }
}

/// The frame's lower edge.
pub(crate) fn floor(left: f64, right: f64) -> Markup {
    html! { line.axis x1=(place(left)) x2=(place(right)) y1=(place(BOTTOM)) y2=(place(BOTTOM)) {} }
}

/// A label below the axis, in this line of labels, zero the first.
pub(crate) fn below(x: f64, row: f64, text: &str) -> Markup {
    html! { text.middle x=(place(x)) y=(place(BOTTOM + 17.0 + row * 14.0)) { (text) } }
}

/// What the horizontal axis measures.
pub(crate) fn bottom_label(left: f64, right: f64, text: &str) -> Markup {
    let x = f64::midpoint(left, right);
    html! { text.label.middle x=(place(x)) y=(place(HEIGHT - 6.0)) { (text) } }
}

/// A line through points.
pub(crate) fn path(points: &[(f64, f64)], closed: bool) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        path.push_str(&format!("{command}{} {}", place(*x), place(*y)));
    }
    if closed {
        path.push('Z');
    }
    path
}

/// The mark of a series around a point, in its shape.
pub(crate) fn mark(series: usize, x: f64, y: f64) -> Markup {
    let shape = |corners: &[(f64, f64)]| {
        let corners: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        path(&corners, true)
    };
    let corners: &[(f64, f64)] = match series % 4 {
        0 => return html! { circle.mark cx=(place(x)) cy=(place(y)) r="4.5" {} },
        1 => &[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)],
        2 => &[(0.0, -5.5), (5.0, 3.5), (-5.0, 3.5)],
        _ => &[(0.0, -5.5), (5.5, 0.0), (0.0, 5.5), (-5.5, 0.0)],
    };
    html! { path.mark d=(shape(corners)) {} }
}

/// A coordinate, in hundredths.
pub(crate) fn place(coordinate: f64) -> String {
    number((coordinate * 100.0).round() / 100.0)
}

/// A whole chart: what it shows in words, and its parts.
pub(crate) fn chart(describe: &str, parts: &Markup) -> Markup {
    let view = format!("0 0 {WIDTH} {HEIGHT}");
    html! { svg viewBox=(view) role="img" aria-label=(describe) { (parts) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let linear = Scale::Linear { min: 0.0, max: 4.2 };
        assert_eq!(linear.ticks(5.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        let wide = Scale::Log {
            min: 2e-6,
            max: 0.3,
        };
        let labels: Vec<String> = wide.ticks(5.0).into_iter().map(short_time).collect();
        assert_eq!(labels, ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]);
        let narrow = Scale::Log { min: 0.9, max: 6.5 };
        assert_eq!(narrow.ticks(5.0), [1.0, 1.5, 2.0, 3.0, 4.0, 5.0]);
        assert!((wide.y(0.3) - TOP).abs() < 1e-9 && (wide.y(2e-6) - BOTTOM).abs() < 1e-9);
    }

    #[test]
    fn numbers_carry_no_noise() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.30000000000000004), "0.3");
        assert_eq!(number(12.3456), "12.346");
        assert_eq!(short_time(0.0000025), "2.5 µs");
        assert_eq!(byte_unit(3e6).0, "MiB");
    }
}
