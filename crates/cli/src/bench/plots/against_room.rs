//! Cost against the size of the heap: a line for each collector over multiples of the smallest heap, and
//! beside it what each does with sizes of its own choice, which have no place among the multiples.

use super::super::chart::{
    BOTTOM, LEFT, Scale, TOP, WIDTH, below, bottom_label, chart, floor, left_axis, mark, number,
    path, place, right_axis,
};
use super::class;
use maud::{Markup, html};

/// What to plot; costs are in whatever unit the label names.
#[derive(Debug)]
pub(crate) struct AgainstRoom {
    /// What it shows, for those who do not see it.
    pub(crate) describe: String,
    /// What the left axis measures.
    pub(crate) label: String,
    /// Whether costs that differ much are plotted by their ratios, and not from zero.
    pub(crate) ratios: bool,
    /// What stands beside the multiples.
    pub(crate) beside: &'static str,
    /// The cost that is an overhead of one, for an axis of overheads; a line marks it.
    pub(crate) bound: Option<f64>,
    /// The multiples, smallest first, and what sizes they are.
    pub(crate) sizes: Vec<(f64, String)>,
    /// What was measured.
    pub(crate) points: Vec<Point>,
    /// What could not be.
    pub(crate) missing: Vec<Missing>,
}

/// The cost of a configuration.
#[derive(Debug)]
pub(crate) struct Point {
    /// Whose it is.
    pub(crate) series: usize,
    /// The size of the heap, if it is a multiple.
    pub(crate) multiple: Option<f64>,
    /// What to call it where it is no multiple: two lines.
    pub(crate) names: [String; 2],
    /// The cost: least, median, most.
    pub(crate) costs: [f64; 3],
    /// All of that in words.
    pub(crate) note: String,
}

/// A configuration that did not finish.
#[derive(Debug)]
pub(crate) struct Missing {
    /// Whose it is.
    pub(crate) series: usize,
    /// The size of the heap.
    pub(crate) multiple: f64,
    /// Why, in words.
    pub(crate) note: String,
}

/// The width of a column for a collector's own sizing.
const COLUMN: f64 = 60.0;

/// How far apart marks of the same size are.
const STEP: f64 = 6.0;

impl AgainstRoom {
    /// Draws it.
    pub(crate) fn draw(&self) -> Markup {
        let right = if self.bound.is_some() {
            WIDTH - 52.0
        } else {
            WIDTH - 12.0
        };
        let columns: Vec<&Point> = self
            .points
            .iter()
            .filter(|p| p.multiple.is_none())
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "a few collectors")]
        let beside = columns.len() as f64 * COLUMN;
        let split = match (self.sizes.is_empty(), columns.is_empty()) {
            (true, _) => LEFT,
            (false, true) => right,
            (false, false) => right - beside - 10.0,
        };
        let scale = self.costs();
        let ticks = scale.ticks(5.0).into_iter();
        let ticks: Vec<(f64, String)> = ticks.map(|tick| (scale.y(tick), number(tick))).collect();
        let parts = html! {
            (left_axis(&self.label, right, &ticks))
            @if let Some(bound) = self.bound { (self.overheads(bound, scale, right)) }
            @if !self.sizes.is_empty() { (self.multiples(scale, split - 8.0)) }
            @if !columns.is_empty() { (self.own_sizes(&columns, scale, split + 8.0, right)) }
            (floor(LEFT, right))
        };
        chart(&self.describe, &parts)
    }

    /// The scale of costs: from zero, or by ratios where a linear one would show little but the worst.
    fn costs(&self) -> Scale {
        let costs = self.points.iter().flat_map(|point| point.costs);
        let costs: Vec<f64> = costs.chain(self.bound).collect();
        let max = costs.iter().copied().fold(0.0, f64::max);
        let min = costs.iter().copied().fold(f64::INFINITY, f64::min);
        if self.ratios && min > 0.0 && max / min > 8.0 {
            Scale::ratios(min, max)
        } else {
            Scale::from_zero(max)
        }
    }

    /// The right axis, in multiples of the lower bound.
    fn overheads(&self, bound: f64, scale: Scale, right: f64) -> Markup {
        let over = match scale {
            Scale::Linear { min, max } => Scale::Linear {
                min: min / bound,
                max: max / bound,
            },
            Scale::Log { min, max } => Scale::Log {
                min: min / bound,
                max: max / bound,
            },
        };
        let ticks = over.ticks(5.0).into_iter();
        let ticks: Vec<(f64, String)> = ticks.map(|tick| (over.y(tick), number(tick))).collect();
        let y = place(scale.y(bound));
        html! {
            (right_axis("overhead over the lower bound", right, &ticks))
            line.bound x1=(place(LEFT)) x2=(place(right)) y1=(y) y2=(y) {
                title { "the lower bound: the least time any configuration spent outside collections" }
            }
        }
    }

    /// The lines over multiples.
    fn multiples(&self, costs: Scale, right: f64) -> Markup {
        let multiples = || self.sizes.iter().map(|(multiple, _)| *multiple);
        let min = multiples().fold(f64::INFINITY, f64::min);
        let max = multiples().fold(0.0, f64::max);
        let scale = Scale::Log {
            min: min / 1.12,
            max: max * 1.12,
        };
        let x = |multiple: f64| scale.x(multiple, LEFT, right);
        let count = 1 + self
            .points
            .iter()
            .map(|point| point.series)
            .max()
            .unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a few collectors")]
        let aside = |series: usize| (series as f64 - (count - 1) as f64 / 2.0) * STEP;
        let line = |series: usize| -> Vec<(f64, f64)> {
            let points = self.points.iter().filter(|point| point.series == series);
            let points = points.filter_map(|point| Some((point.multiple?, point.costs[1])));
            let mut line: Vec<(f64, f64)> = points
                .map(|(multiple, cost)| (x(multiple) + aside(series), costs.y(cost)))
                .collect();
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            line
        };
        html! {
            (self.size_labels(x))
            (bottom_label(LEFT, right, "heap, in multiples of the smallest that works"))
            @for series in 0..count {
                g class=(class(series)) { path.line d=(path(&line(series), false)) {} }
            }
            @for point in &self.points {
                @if let Some(multiple) = point.multiple {
                    (spread(point, x(multiple) + aside(point.series), costs))
                }
            }
            @for missing in &self.missing {
                (cross(missing, x(missing.multiple) + aside(missing.series)))
            }
        }
    }

    /// Multiples and sizes, as many as do not touch.
    fn size_labels(&self, x: impl Fn(f64) -> f64) -> Markup {
        let mut free = [f64::NEG_INFINITY; 2];
        let mut labels = Vec::new();
        for (multiple, size) in &self.sizes {
            let at = x(*multiple);
            for (row, (text, half)) in [(format!("{multiple}×"), 15.0), (size.clone(), 27.0)]
                .into_iter()
                .enumerate()
            {
                if at - half >= free[row] {
                    free[row] = at + half;
                    labels.push((at, row, text));
                }
            }
        }
        html! {
            @for (at, row, text) in &labels {
                (below(*at, if *row == 0 { 0.0 } else { 1.0 }, text))
            }
        }
    }

    /// A column for each collector that chose its size itself.
    fn own_sizes(&self, points: &[&Point], costs: Scale, left: f64, right: f64) -> Markup {
        #[expect(clippy::cast_precision_loss, reason = "a few collectors")]
        let width = (right - left) / points.len() as f64;
        #[expect(clippy::cast_precision_loss, reason = "a few collectors")]
        let x = |index: usize| left + (index as f64 + 0.5) * width;
        html! {
            @if !self.sizes.is_empty() {
                line.split x1=(place(left - 8.0)) x2=(place(left - 8.0)) y1=(place(TOP)) y2=(place(BOTTOM + 40.0)) {}
            }
            @for (index, point) in points.iter().enumerate() {
                (below(x(index), 0.0, &point.names[0]))
                (below(x(index), 1.0, &point.names[1]))
                (spread(point, x(index), costs))
            }
            (bottom_label(left, right, self.beside))
        }
    }
}

/// A mark at the median, and a bar from the least to the most.
fn spread(point: &Point, x: f64, costs: Scale) -> Markup {
    let [least, median, most] = point.costs.map(|cost| costs.y(cost));
    let bar = [(x, least), (x, most)];
    let caps = [least, most].map(|y| path(&[(x - 3.0, y), (x + 3.0, y)], false));
    html! {
        g class=(class(point.series)) {
            title { (point.note) }
            path.thin d=(path(&bar, false)) {}
            @for cap in &caps { path.thin d=(cap) {} }
            (mark(point.series, x, median))
        }
    }
}

/// A cross at the top, for what did not finish.
fn cross(missing: &Missing, x: f64) -> Markup {
    let y = TOP + 8.0;
    let strokes = [
        [(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)],
        [(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)],
    ];
    html! {
        g class=(class(missing.series)) {
            title { (missing.note) }
            @for stroke in &strokes { path.line d=(path(stroke, false)) {} }
        }
    }
}
