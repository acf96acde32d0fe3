//! Running the command, and the files it is run on.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a run of the command left behind.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs `windrow` to its end.
pub(crate) fn windrow<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_windrow"))
        .args(args)
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `windrow run` on a file with a line of further arguments.
pub(crate) fn run(file: &Path, line: &str) -> Run {
    let args = line.split_whitespace().map(OsStr::new);
    windrow(
        [OsStr::new("run"), file.as_os_str()]
            .into_iter()
            .chain(args),
    )
}

impl Run {
    /// Checks that the program returned, and gives what it printed.
    #[track_caller]
    pub(crate) fn returned(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// Checks that the input was refused with one line that says `part`.
    #[track_caller]
    pub(crate) fn refused(&self, part: &str) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(
            self.stderr.starts_with("error: ") && self.stderr.ends_with('\n'),
            "{self:?}"
        );
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        assert!(self.stderr.contains(part), "expected `{part}` in {self:?}");
    }

    /// Checks that the program trapped, and gives the message and the backtrace's lines.
    #[track_caller]
    pub(crate) fn trapped(&self) -> (&str, Vec<&str>) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let mut lines = self.stderr.lines();
        let message = lines
            .next()
            .and_then(|line| line.strip_prefix("trap: "))
            .unwrap();
        (message, lines.collect())
    }
}

/// The path of one of the programs of `crates/wasm/programs`.
pub(crate) fn program(name: &str) -> PathBuf {
    programs().join(name).with_extension("wat")
}

/// The folder of the programs.
pub(crate) fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/programs")
}

/// A file that is deleted when dropped.
#[derive(Debug)]
pub(crate) struct TempFile {
    path: PathBuf,
}

impl TempFile {
    /// A file with these contents, its name ending in `name`.
    pub(crate) fn new(name: &str, contents: impl AsRef<[u8]>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("windrow-{}-{number}-{name}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, contents).unwrap();
        Self { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        // Best effort: it lies in the build directory.
        let _ = fs::remove_file(&self.path);
    }
}
