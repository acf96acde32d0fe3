//! The plots of a report: cost against the size of the heap, pauses, the heap over time.

mod against_room;
mod fill;
mod pauses;

pub(crate) use against_room::{AgainstRoom, Missing, Point};
pub(crate) use fill::fill;
pub(crate) use pauses::pauses;

use super::chart::mark;
use maud::{Markup, html};
use windrow::CollectorKind;

/// The number of a collector's colour and mark, the same in every report.
pub(crate) fn series(collector: &str) -> usize {
    let named = |kind: &CollectorKind| kind.to_string() == collector;
    CollectorKind::ALL.iter().position(named).unwrap_or(0)
}

/// The class that gives a series its colour.
fn class(series: usize) -> String {
    format!("s{}", series % 6)
}

/// Which mark is whose.
pub(crate) fn legend(collectors: &[String]) -> Markup {
    html! {
        p.legend {
            @for name in collectors {
                span {
                    svg viewBox="0 0 26 14" width="26" height="14" aria-hidden="true" {
                        g class=(class(series(name))) {
                            line.line x1="0" x2="26" y1="7" y2="7" {}
                            (mark(series(name), 13.0, 7.0))
                        }
                    }
                    (name)
                }
            }
        }
    }
}
