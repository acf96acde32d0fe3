//! What ends the whole contest, or a child before it can report.

use std::path::PathBuf;

/// Why nothing can go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// A file that the system refuses.
    #[error("cannot use `{}`: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A list of expected results that cannot be understood.
    #[error("`{}` is no list of results: {reason}", path.display())]
    Expected {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// A program's text that is no module.
    #[error("{0}")]
    Text(#[from] wat::Error),
    /// Filters that leave nothing.
    #[error("nothing to run: no {what} of that name; there are {known}")]
    Nothing {
        /// Programs or contestants.
        what: &'static str,
        /// What there is, in words.
        known: String,
    },
    /// The system refuses a process, a thread or a stream.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
    /// What a child was given as its job, or a child's report, is not what was agreed.
    #[error("not a job: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// What to say of a file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |reason| Self::File { path, reason }
    }
}
