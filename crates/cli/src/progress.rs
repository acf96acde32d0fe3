//! How far a long command is, on standard error where that is a terminal; nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A line that shows how much of a number of steps is done, and goes when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins `steps` steps; more may turn up.
    pub(crate) fn new(steps: usize) -> Self {
        let style = ProgressStyle::with_template("[{bar:24}] {pos}/{len}, {eta} to go  {wide_msg}")
            .expect("the template is well-formed");
        let bar = ProgressBar::new(steps as u64).with_style(style.progress_chars("=> "));
        Self { bar }
    }

    /// Begins a step.
    pub(crate) fn begin(&self, what: String) {
        self.bar.set_message(what);
        self.bar.tick();
    }

    /// Steps are over, done or no longer to be done.
    pub(crate) fn end(&self, steps: usize) {
        self.bar.inc(steps as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
