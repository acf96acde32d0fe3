//! Names of functions for profilers: `/tmp/perf-PID.map`.
//!
//! A line for each function, `START SIZE NAME` with the numbers in hexadecimal, is what Linux's `perf`
//! takes for code that is in no file (its `jit-interface.txt`). The file is one for the process, and
//! only grows: functions of modules that are gone stay in it, and where newer code has taken their
//! place, `perf` has two names to choose from.

use crate::error::Error;
use std::fmt::{Display, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The file once it was made, and the process that made it, of which this may be a fork.
static MAP: Mutex<Option<(u32, File)>> = Mutex::new(None);

/// Appends functions with their names.
///
/// # Errors
/// [`Error::PerfMap`] if the system refuses.
pub(crate) fn append<N: Display>(
    functions: impl IntoIterator<Item = (Range<usize>, N)>,
) -> Result<(), Error> {
    let text = lines(functions);
    let process = std::process::id();
    let path = format!("/tmp/perf-{process}.map");
    // Held while writing: the lines of a module stay together.
    let mut map = MAP.lock().unwrap_or_else(PoisonError::into_inner);
    let file = match &mut *map {
        Some((of, file)) if *of == process => Ok(file),
        other => create(&path).map(|file| &mut other.insert((process, file)).1),
    };
    let written = file.and_then(|file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::PerfMap {
        path,
        reason: error.to_string(),
    })
}

/// Makes the file anew. Anyone can write to the directory: a file left by an earlier process is
/// removed, and none that somebody puts there meanwhile is written to.
fn create(path: &str) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).create_new(true).open(path)
}

fn lines<N: Display>(functions: impl IntoIterator<Item = (Range<usize>, N)>) -> String {
    let mut text = String::new();
    for (range, name) in functions {
        let mut name = name.to_string();
        if name.contains(char::is_control) {
            // Names are a module's own choice; what ends a line is not.
            name = name.replace(char::is_control, "?");
        }
        let (start, size) = (range.start, range.len());
        writeln!(text, "{start:x} {size:x} {name}").expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_a_line() {
        let functions = [
            (0x7f00_0000_1000..0x7f00_0000_1022, "main!f"),
            (0xff..0xff, "a b\n\0c"),
        ];
        assert_eq!(lines(functions), "7f0000001000 22 main!f\nff 0 a b??c\n");
    }
}
