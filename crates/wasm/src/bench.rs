//! The `bench` module of sightglass's programs: `start` and `end`, which mark the part of a run that
//! is to be timed.

use crate::linker::Linker;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use windrow::FuncType;

/// What the marked part of a run cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Marked {
    /// Time from `start` to `end`.
    pub time: Duration,
    /// How much of it went into collecting.
    pub gc_time: Duration,
}

/// Keeps what passes between the markers. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Marks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When the last `start` was, and the time spent collecting until then.
    open: Option<(Instant, Duration)>,
    marked: Option<Marked>,
}

impl Marks {
    /// The part marked so far, or `None` if no `end` followed a `start`. Parts marked one after the
    /// other add up; a `start` in the midst of a part begins it anew.
    #[must_use]
    pub fn marked(&self) -> Option<Marked> {
        self.state().marked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, gc_time: Duration) {
        self.state().open = Some((Instant::now(), gc_time));
    }

    fn end(&self, now: Instant, gc_time: Duration) {
        let mut state = self.state();
        let Some((started, gc_before)) = state.open.take() else {
            return;
        };
        let before = state.marked.unwrap_or(Marked {
            time: Duration::ZERO,
            gc_time: Duration::ZERO,
        });
        state.marked = Some(Marked {
            time: before.time + now.duration_since(started),
            gc_time: before.gc_time + gc_time.saturating_sub(gc_before),
        });
    }
}

/// Defines the markers. What they mark, in whatever imports them from this linker, is in the result.
pub fn add_to_linker(linker: &mut Linker) -> Marks {
    let marks = Marks::default();
    let kept = marks.clone();
    linker.define_func(
        "bench",
        "start",
        FuncType::new([], []),
        move |mut caller, _, _| {
            kept.start(caller.store().stats().gc_time);
            Ok(())
        },
    );
    let kept = marks.clone();
    linker.define_func(
        "bench",
        "end",
        FuncType::new([], []),
        move |mut caller, _, _| {
            let now = Instant::now();
            kept.end(now, caller.store().stats().gc_time);
            Ok(())
        },
    );
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_an_end_needs_a_start() {
        let marks = Marks::default();
        let second = Duration::from_secs(1);
        marks.end(Instant::now(), second);
        assert_eq!(marks.marked(), None);
        for gc_time in [second, 3 * second] {
            marks.start(gc_time);
            assert_eq!(marks.marked().is_some(), gc_time > second);
            let (started, _) = marks.state().open.expect("it was started");
            marks.end(started + 5 * second, gc_time + second);
        }
        let (time, gc_time) = (10 * second, 2 * second);
        assert_eq!(marks.marked(), Some(Marked { time, gc_time }));
    }
}
